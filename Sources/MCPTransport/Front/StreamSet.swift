import MCPModel
import Synchronization

/// The streams that are open at the moment: for the comment that keeps them alive, and for their end when the
/// front closes.
final class StreamSet: Sendable {
    private struct Stream: Sendable {
        let exchange: HTTPExchange
        var farewell: (@Sendable () -> Void)?
        /// Called, instead of the stream being cut, when its credential is not good any more.
        var expelled: (@Sendable () -> Void)?
        /// How often in a row nobody could say whether it still is.
        var undecided = 0
    }

    private let streams = Mutex<[ObjectIdentifier: Stream]>([:])

    var count: Int { streams.withLock { $0.count } }

    var all: [HTTPExchange] { streams.withLock { $0.values.map(\.exchange) } }

    func insert(_ exchange: HTTPExchange, expelled: (@Sendable () -> Void)? = nil) {
        let id = ObjectIdentifier(exchange)
        streams.withLock { $0[id] = Stream(exchange: exchange, expelled: expelled) }
        exchange.onClose { [weak self] in self?.remove(id) }
    }

    /// Has `farewell` called, instead of the stream being cut, when the front closes.
    func setFarewell(_ farewell: @escaping @Sendable () -> Void, of exchange: HTTPExchange) {
        streams.withLock { $0[ObjectIdentifier(exchange)]?.farewell = farewell }
    }

    func remove(_ exchange: HTTPExchange) { remove(ObjectIdentifier(exchange)) }

    private func remove(_ id: ObjectIdentifier) { _ = streams.withLock { $0.removeValue(forKey: id) } }

    /// Ends a stream whose opener may not have it any more.
    func expel(_ exchange: HTTPExchange) {
        let stream = streams.withLock { $0.removeValue(forKey: ObjectIdentifier(exchange)) }
        guard let stream else { return }
        stream.expelled?()
        // Ignored where that has ended it already.
        stream.exchange.end()
    }

    /// - Parameter isDecided: whether somebody could say that a stream may go on.
    /// - Returns: how often in a row nobody could.
    func reviewed(_ exchange: HTTPExchange, isDecided: Bool) -> Int {
        streams.withLock { streams in
            let id = ObjectIdentifier(exchange)
            guard let undecided = streams[id]?.undecided else { return 0 }
            streams[id]?.undecided = isDecided ? 0 : undecided + 1
            return isDecided ? 0 : undecided + 1
        }
    }

    func keepAlive() {
        for stream in streams.withLock({ Array($0.values) }) { stream.exchange.write(SSEEvent.keepAlive) }
    }

    func endAll() {
        let all = streams.withLock { streams in
            defer { streams = [:] }
            return Array(streams.values)
        }
        for stream in all {
            stream.farewell?()
            // Ignored where the farewell has ended it already.
            stream.exchange.end()
        }
    }
}
