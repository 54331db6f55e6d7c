package import Catalog

/// Finds services of one type on this host's segments by mDNS, and lets this node's own be found, through avahi-daemon: peers
/// (`_martlet._tcp`), or MCP servers (`_mcp._tcp`).
///
/// Yields sightings and decides nothing. Without D-Bus or the daemon it says so, goes on trying, and recovers
/// by itself. In a build without the trait `Avahi` it is there too and says that.
package final class AvahiDiscovery: Sendable {
    private let board = DiscoveryBoard()
    #if Avahi
        private let orders: AvahiOrders
        private let me: NodeID
        private let type: String
        private let clock: @Sendable () -> Instant
    #endif

    /// - Parameters:
    ///   - type: of the services that are browsed and announced. Each type has a client of its own at the daemon, so that a
    ///     flood of one does not drown the other.
    ///   - me: sightings of this node are dropped.
    ///   - announcement: `nil` announces nothing, as a node does that only dials out.
    ///   - now: the process's monotonic clock.
    package init(
        _ type: String = Advertisement.serviceType, me: NodeID, announcing announcement: Announcement?,
        now: @escaping @Sendable () -> Instant
    ) {
        #if Avahi
            self.orders = AvahiOrders(announcement)
            self.me = me
            self.type = type
            self.clock = now
        #endif
    }

    /// What changes, for one reader; ends when ``run()`` does.
    package var events: DiscoveryEvents { DiscoveryEvents(board.snapshots) }

    /// How things stand at this moment, for `doctor` and `status`.
    package var now: Neighbourhood { board.now }

    /// Announces something else from now on, e.g. under another mesh after a join. Returns at once, from any
    /// thread.
    package func announce(_ announcement: Announcement?) {
        #if Avahi
            orders.announce(announcement)
        #endif
    }

    /// Browses and announces until the task is cancelled; to be called once.
    ///
    /// libavahi-client blocks on D-Bus, and its objects know no locks, so all of it happens on one thread of its own; this function only
    /// waits.
    package func run() async {
        #if Avahi
            while !Task.isCancelled {
                guard let reason = await serveOnItsThread() else { break }
                board.pin(Neighbourhood(state: .unavailable(reason: reason)))
                try? await Task.sleep(for: Self.threadRetryDelay)
            }
        #else
            board.pin(
                Neighbourhood(state: .unavailable(reason: "this build has no mDNS (trait Avahi is off)")))
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
        #endif
        board.close()
    }
}

#if Avahi
    extension AvahiDiscovery {
        /// A thread or its poll loop fails only where the system is out of memory or descriptors.
        private static let threadRetryDelay: Duration = .seconds(30)

        /// - Returns: why it ended, unless it was told to.
        private func serveOnItsThread() async -> String? {
            await withTaskCancellationHandler {
                await withCheckedContinuation { ended in
                    let started = DetachedThread.start { [orders, board, me, type, clock] in
                        let session = AvahiSession(type, me: me, orders: orders, board: board, now: clock)
                        ended.resume(returning: session?.run() ?? "Avahi's poll loop could not be made")
                    }
                    if !started { ended.resume(returning: "no thread could be started for Avahi") }
                }
            } onCancel: {
                orders.stop()
            }
        }
    }
#endif
