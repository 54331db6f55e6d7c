#if Avahi
    import CAvahi
    import Glibc
    import Synchronization

    /// What the rest of the node wants of the Avahi thread. Written on any thread without waiting; the bell
    /// wakes the poll loop, which then reads them.
    final class AvahiOrders: Sendable {
        struct Wanted {
            var announcement: Announcement?
            var isStopped = false
        }

        private let wanted: Mutex<Wanted>
        /// An eventfd that is readable while there may be new orders; -1 if the process has no descriptor
        /// left.
        let bell: Int32

        init(_ announcement: Announcement?) {
            wanted = Mutex(Wanted(announcement: announcement))
            bell = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        }

        deinit { if bell >= 0 { close(bell) } }

        func announce(_ announcement: Announcement?) {
            wanted.withLock { $0.announcement = announcement }
            ring()
        }

        func stop() {
            wanted.withLock { $0.isStopped = true }
            ring()
        }

        /// Silences the bell first, so that an order given meanwhile rings it again.
        func read() -> Wanted {
            var rings: UInt64 = 0
            _ = Glibc.read(bell, &rings, MemoryLayout<UInt64>.size)
            return wanted.withLock(\.self)
        }

        /// A full counter refuses the write, and is readable all the same.
        private func ring() {
            var one: UInt64 = 1
            _ = write(bell, &one, MemoryLayout<UInt64>.size)
        }
    }
#endif
