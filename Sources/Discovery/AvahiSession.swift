#if Avahi
    import CAvahi
    import Catalog

    /// Carries out on libavahi-client what ``AvahiLifecycle`` and ``SightingBook`` decide.
    ///
    /// Made, used and let go on the Avahi thread. Each turn of the loop: Avahi's callbacks fill the inbox,
    /// then the notices, the orders and the timers are handled, then the board shows what has become of it.
    final class AvahiSession {
        /// The pointers that hang on one client; freed with it.
        private struct Open {
            var client: OpaquePointer
            var browser: OpaquePointer?
            var resolvers: [ServiceInstance: OpaquePointer] = [:]
            /// What is announced, by the wished name.
            var posts: [String: AvahiPost] = [:]
        }

        private let loop: AvahiLoop
        private let type: String
        private let inbox = AvahiInbox()
        private let orders: AvahiOrders
        private let board: DiscoveryBoard
        private let now: () -> Instant
        private var lifecycle: AvahiLifecycle
        private var book: SightingBook
        private var random = SystemRandomNumberGenerator()
        private var open: Open?

        /// - Returns: `nil` when the system has no memory or descriptors left.
        init?(
            _ type: String, me: NodeID, orders: AvahiOrders, board: DiscoveryBoard,
            now: @escaping () -> Instant
        ) {
            guard let loop = AvahiLoop(bell: orders.bell) else { return nil }
            self.loop = loop
            self.type = type
            self.orders = orders
            self.board = board
            self.now = now
            self.lifecycle = AvahiLifecycle(announcing: orders.read().announcement)
            self.book = SightingBook(me: me)
        }

        /// Serves until the orders say stop.
        ///
        /// - Returns: why it ended otherwise.
        func run() -> String? {
            handle(.started)
            while true {
                let wanted = orders.read()
                if wanted.isStopped {
                    handle(.stopped)
                    return nil
                }
                handle(.announce(wanted.announcement))
                drain()
                fireTimers()
                drain()  // what the timers' own calls left
                pin()
                guard loop.turn(limit: timeToWake) else {
                    handle(.stopped)
                    return "Avahi's poll loop broke"
                }
            }
        }

        private var timeToWake: Duration? {
            [lifecycle.wakeAt, book.wakeAt].compactMap(\.self).min().map { max($0 - now(), .zero) }
        }

        private func drain() {
            if inbox.isOverflown {
                handle(
                    .clientFailed(
                        reason: "more than \(AvahiInbox.noticesMax) notices at once; started afresh"))
            }
            while let notice = inbox.next() {
                switch notice {
                case .lifecycle(let event): handle(event)
                case .sighting(let news): perform(book.handle(news, at: now()))
                case .group(let group, let news): take(news, of: group)
                }
            }
        }

        private func fireTimers() {
            handle(.timerFired)
            perform(book.retry(at: now()))
        }

        private func pin() {
            board.pin(
                Neighbourhood(
                    state: lifecycle.state, publication: lifecycle.publication, sightings: book.sightings,
                    ignored: book.ignored))
        }

        private func handle(_ event: AvahiLifecycle.Event) {
            for effect in lifecycle.handle(event, at: now(), using: &random) {
                switch effect {
                case .openClient: openClient()
                case .closeClient: closeClient()
                case .browse: browse()
                case .publish(let announcement): publish(announcement)
                case .publishUnderNextName(let announcement, let wish):
                    open?.posts[wish]?.takeNextName()
                    publish(announcement)
                case .withdraw: withdraw()
                }
            }
        }

        private func openClient() {
            var error: Int32 = 0
            guard
                let client = avahi_client_new(
                    loop.poll, AVAHI_CLIENT_NO_FAIL, AvahiInbox.onClient, inbox.context, &error)
            else {
                inbox.clear()
                return inbox.add(.lifecycle(.openFailed(reason: AvahiReason.text(error))))
            }
            open = Open(client: client)
        }

        /// Frees the client and all that hangs on it. The daemon then says goodbye for what was announced.
        private func closeClient() {
            if let open { avahi_client_free(open.client) }
            open = nil
            inbox.clear()
            book.clear()
        }

        private func browse() {
            guard let client = open?.client else { return }
            let browser = avahi_service_browser_new(
                client, AvahiIfIndex(AVAHI_IF_UNSPEC), AvahiProtocol(AVAHI_PROTO_UNSPEC),
                type, nil, AvahiLookupFlags(rawValue: 0), AvahiInbox.onBrowse,
                inbox.context)
            if browser == nil { inbox.add(.lifecycle(.clientFailed(reason: AvahiReason.last(of: client)))) }
            open?.browser = browser
        }

        private func perform(_ effects: [SightingBook.Effect]) {
            for effect in effects {
                switch effect {
                case .resolve(let instance): resolve(instance)
                case .stopResolving(let instance):
                    if let resolver = open?.resolvers.removeValue(forKey: instance) {
                        avahi_service_resolver_free(resolver)
                    }
                }
            }
        }

        /// Asks for the address of the family by which it was heard, so that each sighting has its own.
        private func resolve(_ instance: ServiceInstance) {
            guard let client = open?.client else { return }
            let family = AvahiProtocol(instance.family == .ipv6 ? AVAHI_PROTO_INET6 : AVAHI_PROTO_INET)
            let resolver = avahi_service_resolver_new(
                client, instance.interfaceIndex, family, instance.name, type,
                instance.domain,
                family, AvahiLookupFlags(rawValue: 0), AvahiInbox.onResolve, inbox.context)
            if resolver == nil { inbox.add(.sighting(.unresolvable(instance))) }
            open?.resolvers[instance] = resolver
        }
    }

    // Announcing: one group a service, so that a name that is taken, or a service that comes or goes, is no news of the others.
    extension AvahiSession {
        private func publish(_ announcement: Announcement) {
            guard let client = open?.client else { return }
            let wishes = Set(announcement.services.map(\.name))
            for (wish, post) in open?.posts ?? [:] where !wishes.contains(wish) {
                post.free()
                open?.posts[wish] = nil
            }
            for service in announcement.services {
                guard
                    var post = open?.posts[service.name]
                        ?? AvahiPost(service.name, of: client, inbox: inbox.context)
                else {
                    return inbox.add(.lifecycle(.publishFailed(reason: AvahiReason.last(of: client))))
                }
                switch post.show(service, type, on: announcement.families) {
                case 0: break
                case Int32(AVAHI_ERR_COLLISION): inbox.add(.group(post.group, .collision))
                case let failure:
                    inbox.add(.group(post.group, .failed(reason: AvahiReason.text(failure))))
                }
                open?.posts[service.name] = post
            }
            tellIfAllAreThere()
        }

        private func take(_ news: AvahiInbox.GroupNews, of group: OpaquePointer) {
            guard let wish = open?.posts.first(where: { $0.value.group == group })?.key else { return }
            switch news {
            case .established: tellIfAllAreThere()
            case .collision: handle(.nameTaken(wish: wish))
            case .failed(let reason): handle(.publishFailed(reason: reason))
            }
        }

        private func tellIfAllAreThere() {
            let posts = (open?.posts ?? [:]).sorted { $0.key < $1.key }.map(\.value)
            guard !posts.isEmpty, posts.allSatisfy(\.isEstablished) else { return }
            handle(.published(name: posts.map(\.name).joined(separator: ", ")))
        }

        /// The names that were found free are kept, for when it is announced again.
        private func withdraw() {
            for wish in (open?.posts ?? [:]).keys { open?.posts[wish]?.hide() }
        }
    }
#endif
