#if Avahi
    import CAvahi
    import Glibc

    /// Where Avahi's callbacks leave what they were told, as values, for the session to act on when Avahi has
    /// returned: a client must not be freed, nor anything else be called at length, from inside its own
    /// callback.
    ///
    /// Confined to the Avahi thread.
    final class AvahiInbox {
        enum Notice {
            case lifecycle(AvahiLifecycle.Event)
            case sighting(SightingBook.News)
            case group(OpaquePointer, GroupNews)
        }

        /// What became of one service that this node announces.
        enum GroupNews {
            case established
            case collision
            case failed(reason: String)
        }

        /// Notices of one turn of the loop. A turn hands over a few D-Bus messages; more than this means a
        /// flood, and then starting afresh costs less than the backlog.
        static let noticesMax = 4096

        private var notices: ArraySlice<Notice> = []
        private(set) var isOverflown = false

        func add(_ notice: Notice) {
            guard notices.count < Self.noticesMax else {
                isOverflown = true
                return
            }
            notices.append(notice)
        }

        func next() -> Notice? { notices.popFirst() }

        func clear() {
            notices = []
            isOverflown = false
        }

        /// For the callbacks below. Whoever hands it to Avahi keeps the inbox until the client is freed.
        var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

        private static func at(_ context: UnsafeMutableRawPointer?) -> AvahiInbox? {
            context.map { Unmanaged<AvahiInbox>.fromOpaque($0).takeUnretainedValue() }
        }
    }

    extension AvahiInbox {
        static let onClient: AvahiClientCallback = { client, state, context in
            guard let inbox = at(context) else { return }
            switch state {
            case AVAHI_CLIENT_CONNECTING: inbox.add(.lifecycle(.daemonAbsent))
            case AVAHI_CLIENT_S_REGISTERING, AVAHI_CLIENT_S_COLLISION:
                inbox.add(.lifecycle(.daemonRegistering))
            case AVAHI_CLIENT_S_RUNNING: inbox.add(.lifecycle(.daemonRunning))
            default: inbox.add(.lifecycle(.clientFailed(reason: AvahiReason.last(of: client))))
            }
        }

        static let onBrowse: AvahiServiceBrowserCallback = {
            browser, interface, family, event, name, _, domain, _, context in
            guard let inbox = at(context) else { return }
            if event == AVAHI_BROWSER_FAILURE {
                let client = avahi_service_browser_get_client(browser)
                return inbox.add(.lifecycle(.clientFailed(reason: AvahiReason.last(of: client))))
            }
            guard event == AVAHI_BROWSER_NEW || event == AVAHI_BROWSER_REMOVE,
                let instance = ServiceInstance(name, domain, interface, family)
            else { return }
            inbox.add(.sighting(event == AVAHI_BROWSER_NEW ? .appeared(instance) : .vanished(instance)))
        }

        static let onResolve: AvahiServiceResolverCallback = {
            _, interface, family, event, name, _, domain, hostName, address, port, text, _, context in
            guard let inbox = at(context), let instance = ServiceInstance(name, domain, interface, family)
            else {
                return
            }
            let interfaceName = InterfaceName.of(interface)
            guard event == AVAHI_RESOLVER_FOUND, let host = address.flatMap({ host($0, on: interfaceName) })
            else {
                return inbox.add(.sighting(.unresolvable(instance)))
            }
            let strings = AvahiText.strings(of: text)
            inbox.add(
                .sighting(
                    .resolved(
                        instance, interfaceName: interfaceName, address: PeerAddress(host: host, port: port),
                        Advertisement(strings: strings), hostName: hostName.map { String(cString: $0) } ?? "",
                        text: strings)))
        }

        static let onGroup: AvahiEntryGroupCallback = { group, state, context in
            guard let inbox = at(context), let group else { return }
            switch state {
            case AVAHI_ENTRY_GROUP_ESTABLISHED: inbox.add(.group(group, .established))
            case AVAHI_ENTRY_GROUP_COLLISION: inbox.add(.group(group, .collision))
            case AVAHI_ENTRY_GROUP_FAILURE:
                let reason = AvahiReason.last(of: avahi_entry_group_get_client(group))
                inbox.add(.group(group, .failed(reason: reason)))
            default: break  // not yet committed, or being probed: nothing to do about either
            }
        }

        /// An IPv6 address of the link means something only together with its interface (RFC 4007 §11).
        private static func host(_ address: UnsafePointer<AvahiAddress>, on interfaceName: String) -> String?
        {
            var text = [CChar](repeating: 0, count: Int(AVAHI_ADDRESS_STR_MAX))
            guard avahi_address_snprint(&text, text.count, address) != nil else { return nil }
            let host = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            return host.hasPrefix("fe80:") ? "\(host)%\(interfaceName)" : host
        }
    }

    extension ServiceInstance {
        fileprivate init?(
            _ name: UnsafePointer<CChar>?, _ domain: UnsafePointer<CChar>?, _ interface: AvahiIfIndex,
            _ family: AvahiProtocol
        ) {
            guard let name, let domain else { return nil }
            self.init(
                name: String(cString: name), domain: String(cString: domain), interfaceIndex: interface,
                family: family == AvahiProtocol(AVAHI_PROTO_INET6) ? .ipv6 : .ipv4)
        }
    }

    private enum InterfaceName {
        /// `if7` for one that has gone meanwhile.
        static func of(_ index: AvahiIfIndex) -> String {
            var text = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
            guard index > 0, if_indextoname(UInt32(index), &text) != nil else { return "if\(index)" }
            return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }
#endif
