import NIOCore
import Synchronization

/// The open connections of one listener: bounds their number and ends them.
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
        /// Set when draining begins; succeeds when the last connection is gone.
        var drained: EventLoopPromise<Void>?
    }

    /// Connections over the bound that are answered; further ones are just closed.
    private static let refusedMax = 256

    private let max: Int
    private let state = Mutex(State())

    init(max: Int) { self.max = max }

    var count: Int { state.withLock { $0.open.count } }

    /// Takes the connection in until it closes.
    func add(_ channel: any Channel) -> Admission {
        let (count, isDraining) = state.withLock { state in
            state.open[ObjectIdentifier(channel)] = channel
            return (state.open.count, state.drained != nil)
        }
        channel.closeFuture.whenComplete { _ in self.remove(channel) }
        if isDraining || count > max + Self.refusedMax { return .farTooMany }
        return count > max ? .tooMany : .admitted
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
            return state.open.isEmpty ? state.drained : nil
        }
        drained?.succeed()
    }
}
