import MCPModel
import Synchronization

/// The streams that are open at the moment: for the comment that keeps them alive, and for their end when the
/// front closes.
final class StreamSet: Sendable {
    private struct Stream: Sendable {
        let exchange: HTTPExchange
        var farewell: (@Sendable () -> Void)?
    }

    private let streams = Mutex<[ObjectIdentifier: Stream]>([:])

    var count: Int { streams.withLock { $0.count } }

    func insert(_ exchange: HTTPExchange) {
        let id = ObjectIdentifier(exchange)
        streams.withLock { $0[id] = Stream(exchange: exchange) }
        exchange.onClose { [weak self] in self?.remove(id) }
    }

    /// Has `farewell` called, instead of the stream being cut, when the front closes.
    func setFarewell(_ farewell: @escaping @Sendable () -> Void, of exchange: HTTPExchange) {
        streams.withLock { $0[ObjectIdentifier(exchange)]?.farewell = farewell }
    }

    func remove(_ exchange: HTTPExchange) { remove(ObjectIdentifier(exchange)) }

    private func remove(_ id: ObjectIdentifier) { _ = streams.withLock { $0.removeValue(forKey: id) } }

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
