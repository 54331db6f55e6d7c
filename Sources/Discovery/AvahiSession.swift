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
            var group: OpaquePointer?
            /// With the names that it has come to.
            var announced: (announcement: Announcement, names: [String])?
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
                case .established:
                    open?.announced.map { handle(.published(name: $0.names.joined(separator: ", "))) }
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
                case .publish(let announcement): publish(announcement, as: names(for: announcement))
                case .publishUnderNextName(let announcement):
                    publish(announcement, as: names(for: announcement).map(nextName))
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

    // Announcing.
    extension AvahiSession {
        /// The names found free before, while the wishes are the same.
        private func names(for announcement: Announcement) -> [String] {
            let wishes = announcement.services.map(\.name)
            guard let announced = open?.announced, announced.announcement.services.map(\.name) == wishes
            else {
                return wishes
            }
            return announced.names
        }

        private func nextName(after name: String) -> String {
            guard let next = avahi_alternative_service_name(name) else { return name }
            defer { avahi_free(next) }
            return String(cString: next)
        }

        private func publish(_ announcement: Announcement, as names: [String]) {
            guard let client = open?.client else { return }
            let group = open?.group ?? avahi_entry_group_new(client, AvahiInbox.onGroup, inbox.context)
            guard let group else {
                return inbox.add(.lifecycle(.publishFailed(reason: AvahiReason.last(of: client))))
            }
            let before = open?.announced
            open?.group = group
            open?.announced = (announcement, names)

            let failure: Int32
            if let before, before.names == names, announcement.differsOnlyInText(from: before.announcement),
                avahi_entry_group_get_state(group) == Int32(AVAHI_ENTRY_GROUP_ESTABLISHED.rawValue)
            {
                failure = updateText(of: group, announcement, names)
                if failure == 0 { inbox.add(.established) }
            } else {
                failure = commit(group, announcement, names)
            }
            switch failure {
            case 0: break
            case Int32(AVAHI_ERR_COLLISION): inbox.add(.lifecycle(.nameTaken))
            default: inbox.add(.lifecycle(.publishFailed(reason: AvahiReason.text(failure))))
            }
        }

        private func commit(_ group: OpaquePointer, _ announcement: Announcement, _ names: [String]) -> Int32
        {
            avahi_entry_group_reset(group)
            for (service, name) in zip(announcement.services, names) {
                let added = AvahiText.withList(of: service.text) { text in
                    avahi_entry_group_add_service_strlst(
                        group, AvahiIfIndex(AVAHI_IF_UNSPEC), announcement.families.avahi,
                        AvahiPublishFlags(rawValue: 0), name, type, nil, nil, service.port, text)
                }
                guard added == 0 else { return added }
            }
            return avahi_entry_group_commit(group)
        }

        /// Leaves the names in place: no goodbye, no new probing.
        private func updateText(
            of group: OpaquePointer, _ announcement: Announcement, _ names: [String]
        ) -> Int32 {
            for (service, name) in zip(announcement.services, names) {
                let failure = AvahiText.withList(of: service.text) { text in
                    avahi_entry_group_update_service_txt_strlst(
                        group, AvahiIfIndex(AVAHI_IF_UNSPEC), announcement.families.avahi,
                        AvahiPublishFlags(rawValue: 0), name, type, nil, text)
                }
                guard failure == 0 else { return failure }
            }
            return 0
        }

        private func withdraw() {
            if let group = open?.group { avahi_entry_group_reset(group) }
        }
    }

    extension Announcement {
        fileprivate func differsOnlyInText(from other: Announcement) -> Bool {
            families == other.families && services.map(\.name) == other.services.map(\.name)
                && services.map(\.port) == other.services.map(\.port)
        }
    }

    extension Announcement.Families {
        fileprivate var avahi: AvahiProtocol {
            switch self {
            case .both: AvahiProtocol(AVAHI_PROTO_UNSPEC)
            case .ipv4: AvahiProtocol(AVAHI_PROTO_INET)
            case .ipv6: AvahiProtocol(AVAHI_PROTO_INET6)
            }
        }
    }
#endif
