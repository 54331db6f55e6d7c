import NIOCore
import Synchronization

/// The open connections of one listener: bounds their number and ends them.
///
/// Where there are as many as are taken, those go first that have not sent one whole request yet, the oldest of them at once: whoever
/// opens thousands and says nothing shuts nobody else out, since a client that means it is done with its first request long before
/// its turn comes.
final class HTTPConnections: Sendable {
    enum Admission {
        case admitted
        /// To be told so.
        case tooMany
        /// Not even that: so many are being told that telling has become the load.
        case farTooMany
    }

    private struct State {
        var open: [ObjectIdentifier: any Channel] = [:]
        /// Those of which no whole request has come yet.
        var silent: Set<ObjectIdentifier> = []
        /// The same in the order in which they came, among others that are so no longer.
        var arrivals = CircularBuffer<ObjectIdentifier>()
        /// Set when draining begins; succeeds when the last connection is gone.
        var drained: EventLoopPromise<Void>?

        mutating func takeOldestSilent() -> (any Channel)? {
            while let id = arrivals.popFirst() {
                guard silent.remove(id) != nil else { continue }
                return open.removeValue(forKey: id)
            }
            return nil
        }

        mutating func forgetOthers() {
            arrivals = CircularBuffer(arrivals.filter(silent.contains))
        }
    }

    /// Connections over the bound that are answered, at most; further ones are just closed.
    private static let refusedMax = 256

    private let max: Int
    /// Of a small bound a quarter: each is a descriptor.
    private let refusedMax: Int
    private let state = Mutex(State())

    init(max: Int) {
        self.max = max
        refusedMax = min(Self.refusedMax, Swift.max(1, max / 4))
    }

    var count: Int { state.withLock { $0.open.count } }

    /// Takes the connection in until it closes.
    func add(_ channel: any Channel) -> Admission {
        let id = ObjectIdentifier(channel)
        let (count, isDraining, outgoing) = state.withLock { state in
            state.open[id] = channel
            let outgoing = state.open.count > max ? state.takeOldestSilent() : nil
            state.silent.insert(id)
            state.arrivals.append(id)
            if state.arrivals.count > 2 * (max + refusedMax) { state.forgetOthers() }
            return (state.open.count, state.drained != nil, outgoing)
        }
        channel.closeFuture.whenComplete { _ in self.remove(channel) }
        outgoing?.close(promise: nil)
        if isDraining || count > max + refusedMax { return .farTooMany }
        return count > max ? .tooMany : .admitted
    }

    /// Its first request has come whole.
    func noteRequest(of channel: any Channel) {
        state.withLock { _ = $0.silent.remove(ObjectIdentifier(channel)) }
    }

    /// Asks each connection to end after the request it is busy with, and closes those that have not in time.
    func drain(within limit: Duration, on loop: any EventLoop) async {
        let fresh = loop.makePromise(of: Void.self)
        let (open, drained) = state.withLock { state in
            if let running = state.drained { return ([any Channel](), running) }
            state.drained = fresh
            return (Array(state.open.values), fresh)
        }
        let isFirst = drained.futureResult === fresh.futureResult
        if !isFirst || open.isEmpty { fresh.succeed() }
        for channel in open { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }

        let timer = loop.scheduleTask(in: TimeAmount(limit)) {
            for channel in self.state.withLock({ Array($0.open.values) }) { channel.close(promise: nil) }
        }
        try? await drained.futureResult.get()
        timer.cancel()
    }

    private func remove(_ channel: any Channel) {
        let drained = state.withLock { state in
            state.open[ObjectIdentifier(channel)] = nil
            state.silent.remove(ObjectIdentifier(channel))
            return state.open.isEmpty ? state.drained : nil
        }
        drained?.succeed()
    }
}
