#if Avahi
    import CAvahi

    /// Avahi's list of TXT strings, in and out.
    enum AvahiText {
        /// - Returns: copies of the strings, at most ``TextRecord/stringsMax``.
        static func strings(of list: UnsafeMutablePointer<AvahiStringList>?) -> [[UInt8]] {
            var strings: [[UInt8]] = []
            var next = list
            while let item = next, strings.count < TextRecord.stringsMax {
                let bytes = UnsafeBufferPointer(
                    start: avahi_string_list_get_text(item), count: avahi_string_list_get_size(item))
                strings.append(Array(bytes))
                next = avahi_string_list_get_next(item)
            }
            return strings
        }

        /// Lends the strings to `body` as Avahi wants them.
        static func withList<Result>(
            of strings: [String], _ body: (UnsafeMutablePointer<AvahiStringList>?) -> Result
        ) -> Result {
            var list: UnsafeMutablePointer<AvahiStringList>?
            // Avahi adds at the front.
            for string in strings.reversed() { list = avahi_string_list_add(list, string) }
            defer { avahi_string_list_free(list) }
            return body(list)
        }
    }

    /// Avahi's error codes, as what a person can do about them.
    enum AvahiReason {
        static func last(of client: OpaquePointer?) -> String {
            client.map { text(avahi_client_errno($0)) } ?? "avahi-daemon does not answer"
        }

        static func text(_ code: Int32) -> String {
            switch code {
            case Int32(AVAHI_ERR_NO_DAEMON), Int32(AVAHI_ERR_DBUS_ERROR):
                "no D-Bus system bus to reach avahi-daemon by; install and start dbus and avahi-daemon"
            case Int32(AVAHI_ERR_DISCONNECTED):
                "the connection to avahi-daemon broke; it is made again when avahi-daemon is back"
            case Int32(AVAHI_ERR_NOT_PERMITTED), Int32(AVAHI_ERR_ACCESS_DENIED):
                "avahi-daemon refuses it; see disable-publishing in avahi-daemon.conf and the D-Bus policy"
            default:
                avahi_strerror(code).map { "avahi-daemon: \(String(cString: $0))" }
                    ?? "avahi-daemon: error \(code)"
            }
        }
    }
#endif
