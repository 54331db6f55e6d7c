import NIOCore
import Synchronization

/// The open connections of one listener: bounds their number and ends them.
///
/// Where there are as many as are taken, those go first that have not sent one whole request yet, the oldest of them at once: whoever
/// opens thousands and says nothing shuts nobody else out. A first request that takes longer to send than as many others take to come goes
/// with them.
final class HTTPConnections: Sendable {
    enum Admission: Equatable {
        /// As which, in the order of their coming.
        case admitted(number: UInt64)
        /// To be told so.
        case tooMany
        /// Not even that: so many are being told that telling has become the load.
        case farTooMany
    }

    /// Told to a connection that is closed to let another in.
    struct MakesRoom: Sendable {}

    /// One connection in the order of their coming. A channel's identity alone may be another's later.
    private struct Arrival: Hashable {
        let channel: ObjectIdentifier
        let number: UInt64
    }

    private struct State {
        var open: [ObjectIdentifier: any Channel] = [:]
        var lastNumber: UInt64 = 0
        /// Those that were taken in and of which no whole request has come yet.
        var silent: [ObjectIdentifier: UInt64] = [:]
        /// The same in the order in which they came, among others that are so no longer.
        var arrivals = CircularBuffer<Arrival>()
        /// Those that hold no place: they were told to make room, or that there is none, and are not closed yet.
        var leaving: Set<ObjectIdentifier> = []
        /// Set when draining begins; succeeds when the last connection is gone.
        var drained: EventLoopPromise<Void>?

        mutating func arrive(_ channel: ObjectIdentifier) {
            lastNumber += 1
            silent[channel] = lastNumber
            arrivals.append(Arrival(channel: channel, number: lastNumber))
        }

        func isSilent(_ arrival: Arrival) -> Bool { silent[arrival.channel] == arrival.number }

        mutating func takeOldestSilent() -> (any Channel)? {
            while let oldest = arrivals.popFirst() {
                guard isSilent(oldest) else { continue }
                silent[oldest.channel] = nil
                leaving.insert(oldest.channel)
                return open[oldest.channel]
            }
            return nil
        }

        mutating func forgetOthers() { arrivals = CircularBuffer(arrivals.filter(isSilent)) }
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
        let (admission, outgoing): (Admission, (any Channel)?) = state.withLock { state in
            state.open[id] = channel
            guard state.drained == nil, state.open.count <= max + refusedMax else {
                return (.farTooMany, nil)
            }
            let isFull = state.open.count - state.leaving.count > max
            let outgoing = isFull ? state.takeOldestSilent() : nil
            guard !isFull || outgoing != nil else {
                state.leaving.insert(id)
                return (.tooMany, nil)
            }
            state.arrive(id)
            if state.arrivals.count > 2 * (max + refusedMax) { state.forgetOthers() }
            return (.admitted(number: state.lastNumber), outgoing)
        }
        channel.closeFuture.whenComplete { _ in self.remove(channel) }
        // What it still sends is heard no more, however long its good-bye takes.
        outgoing?.pipeline.fireUserInboundEventTriggered(MakesRoom())
        outgoing?.close(promise: nil)
        return admission
    }

    /// Its first request has come whole.
    func noteRequest(of channel: any Channel) {
        state.withLock { $0.silent[ObjectIdentifier(channel)] = nil }
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
            let id = ObjectIdentifier(channel)
            state.open[id] = nil
            state.silent[id] = nil
            state.leaving.remove(id)
            return state.open.isEmpty ? state.drained : nil
        }
        drained?.succeed()
    }
}
