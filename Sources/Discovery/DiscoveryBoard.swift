import Synchronization

/// Where discovery pins what it knows, for readers on any thread: one writer, one reader of the stream, any
/// number of glances at ``now``.
final class DiscoveryBoard: Sendable {
    private let pinned = Mutex(Neighbourhood())
    private let writer: AsyncStream<Neighbourhood>.Continuation
    /// Holds one unread neighbourhood: the newest says all.
    let snapshots: AsyncStream<Neighbourhood>

    init() {
        (snapshots, writer) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var now: Neighbourhood { pinned.withLock(\.self) }

    func pin(_ neighbourhood: Neighbourhood) {
        let isNews = pinned.withLock { known in
            defer { known = neighbourhood }
            return known != neighbourhood
        }
        if isNews { writer.yield(neighbourhood) }
    }

    /// Ends the stream.
    func close() {
        pin(Neighbourhood())
        writer.finish()
    }
}
