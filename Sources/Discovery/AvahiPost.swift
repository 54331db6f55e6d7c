#if Avahi
    import CAvahi

    /// One service that this node announces: its entry group at the daemon, and the name that it has come to.
    ///
    /// Confined to the Avahi thread.
    struct AvahiPost {
        let group: OpaquePointer
        private(set) var name: String
        private var shown: (service: Announcement.Service, families: Announcement.Families, name: String)?

        /// - Returns: `nil` when the daemon or the system has no more room.
        init?(_ wish: String, of client: OpaquePointer, inbox: UnsafeMutableRawPointer) {
            guard let group = avahi_entry_group_new(client, AvahiInbox.onGroup, inbox) else { return nil }
            self.group = group
            name = wish
        }

        /// Whether its name was probed for, and is its own.
        var isEstablished: Bool {
            shown != nil
                && avahi_entry_group_get_state(group) == Int32(AVAHI_ENTRY_GROUP_ESTABLISHED.rawValue)
        }

        mutating func takeNextName() {
            guard let next = avahi_alternative_service_name(name) else { return }
            defer { avahi_free(next) }
            name = String(cString: next)
        }

        /// - Returns: Avahi's code; 0: it is on its way, or there already.
        mutating func show(
            _ service: Announcement.Service, _ type: String, on families: Announcement.Families
        ) -> Int32 {
            if let shown, shown.families == families, shown.name == name, shown.service.port == service.port {
                if shown.service == service { return 0 }
                // Leaves the name in place: no goodbye, no new probing.
                if isEstablished {
                    let failure = AvahiText.withList(of: service.text) { text in
                        avahi_entry_group_update_service_txt_strlst(
                            group, AvahiIfIndex(AVAHI_IF_UNSPEC), families.avahi,
                            AvahiPublishFlags(rawValue: 0), name, type, nil, text)
                    }
                    if failure == 0 { self.shown?.service = service }
                    return failure
                }
            }
            avahi_entry_group_reset(group)
            shown = nil
            let added = AvahiText.withList(of: service.text) { text in
                avahi_entry_group_add_service_strlst(
                    group, AvahiIfIndex(AVAHI_IF_UNSPEC), families.avahi, AvahiPublishFlags(rawValue: 0),
                    name, type, nil, nil, service.port, text)
            }
            guard added == 0 else { return added }
            let committed = avahi_entry_group_commit(group)
            if committed == 0 { shown = (service, families, name) }
            return committed
        }

        mutating func hide() {
            avahi_entry_group_reset(group)
            shown = nil
        }

        func free() { avahi_entry_group_free(group) }
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
