#if Avahi
    import CAvahi

    /// Owns one of Avahi's poll loops, with the bell hung into it. Confined to the thread that made it.
    struct AvahiLoop: ~Copyable {
        private let loop: OpaquePointer
        /// What libavahi-client hangs its sockets and timers into.
        let poll: UnsafePointer<AvahiPoll>

        /// - Returns: `nil` when memory or descriptors are out.
        init?(bell: Int32) {
            guard bell >= 0, let loop = avahi_simple_poll_new() else { return nil }
            guard let poll = avahi_simple_poll_get(loop),
                let watch = poll.pointee.watch_new,
                watch(poll, bell, AVAHI_WATCH_IN, { _, _, _, _ in }, nil) != nil
            else {
                avahi_simple_poll_free(loop)
                return nil
            }
            self.loop = loop
            self.poll = poll
        }

        /// Waits for the bell or for Avahi, at most `limit`, and lets Avahi's callbacks run.
        ///
        /// - Returns: `false` when the loop is broken.
        borrowing func turn(limit: Duration?) -> Bool {
            avahi_simple_poll_iterate(loop, limit.map(Self.milliseconds) ?? -1) == 0
        }

        /// Rounded up: a timer that fires early would only turn the loop once more for nothing.
        private static func milliseconds(_ duration: Duration) -> Int32 {
            let (seconds, attoseconds) = duration.components
            guard seconds < 86_400 else { return 86_400_000 }
            return Int32(max(seconds, 0) * 1_000 + max(attoseconds, 0) / 1_000_000_000_000_000 + 1)
        }

        deinit { avahi_simple_poll_free(loop) }
    }
#endif
