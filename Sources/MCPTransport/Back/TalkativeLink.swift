import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// A link that asks its legacy session for log messages before it sends the call that wants them.
final class TalkativeLink: BackendLink {
    /// How long a call waits for the session's word that it will be as talkative; then it goes without.
    private static let patience = TimeAmount.seconds(5)

    private struct State: Sendable {
        var levels = LogLevels()
        /// Calls that wait, by their number.
        var waiting: [Int: Waiting] = [:]
        /// What runs, of calls that had to wait.
        var handles: [Int: CallHandle] = [:]
    }

    private struct Waiting: Sendable {
        var request: LinkRequest
        var sink: @Sendable (LinkEvent) -> Void
        var level: String
    }

    private let link: any BackendLink
    private let group: any EventLoopGroup
    private let make: @Sendable (_ method: String, _ params: JSON) -> LinkRequest
    private let onClose: @Sendable () -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - make: makes a request of the gateway's own to a legacy session.
    ///   - onClose: called when the link is about to close.
    init(
        _ link: any BackendLink, group: any EventLoopGroup,
        make: @escaping @Sendable (_ method: String, _ params: JSON) -> LinkRequest,
        onClose: @escaping @Sendable () -> Void = {}
    ) {
        self.link = link
        self.group = group
        self.make = make
        self.onClose = onClose
    }

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        guard let level = request.logLevel else { return link.send(request, sink) }
        let need = state.withLock { state in
            let need = state.levels.need(level)
            if need != .met {
                state.waiting[request.number] = Waiting(request: request, sink: sink, level: level)
            }
            return need
        }
        switch need {
        case .met: return link.send(request, sink)
        case .set(let level): set(level)
        case .wait: break
        }
        return CallHandle { [self] in
            let (waited, handle) = state.withLock { state in
                (
                    state.waiting.removeValue(forKey: request.number),
                    state.handles.removeValue(forKey: request.number)
                )
            }
            handle?.cancel()
            waited?.request.whenDone?()
        }
    }

    private func set(_ level: String) {
        let isAnswered = Mutex(false)
        let answered: @Sendable () -> Void = { [weak self] in
            let isFirst = isAnswered.withLock { isAnswered in
                defer { isAnswered = true }
                return !isAnswered
            }
            if isFirst { self?.answered(level) }
        }
        let handle = link.send(make(Method.loggingSetLevel, ["level": .string(level)])) { event in
            switch event {
            case .notification, .question: break
            case .result, .error, .fault: answered()
            }
        }
        // Answered by then, this changes nothing.
        group.any().scheduleTask(in: Self.patience) {
            handle.cancel()
            answered()
        }
    }

    /// Sends what waited for that level.
    private func answered(_ level: String) {
        let ready = state.withLock { state in
            state.levels.answered(level)
            let ready = state.waiting.values.filter { LogLevel.passes($0.level, least: level) }
            // Its place is made before it runs, so that a call that is cancelled meanwhile is seen.
            for waiting in ready {
                state.waiting[waiting.request.number] = nil
                state.handles[waiting.request.number] = .finished
            }
            return ready.sorted { $0.request.number < $1.request.number }
        }
        for waiting in ready { send(waiting) }
    }

    private func send(_ waiting: Waiting) {
        let number = waiting.request.number
        let handle = link.send(waiting.request) { [weak self] event in
            switch event {
            case .notification, .question: break
            case .result, .error, .fault: self?.state.withLock { _ = $0.handles.removeValue(forKey: number) }
            }
            waiting.sink(event)
        }
        let isOpen = state.withLock { state in
            guard state.handles[number] != nil else { return false }
            state.handles[number] = handle
            return true
        }
        // Cancelled, or over: cancelling what is over does nothing.
        if !isOpen { handle.cancel() }
    }

    func notify(_ method: String, _ params: JSON?) { link.notify(method, params) }
    func announce(_ method: String) async { await link.announce(method) }

    func respond(_ message: RPCMessage) { link.respond(message) }

    func settle(_ revision: ProtocolRevision) {
        state.withLock { $0.levels.reset() }
        link.settle(revision)
    }

    func attend() async { await link.attend() }

    func whenAttentive() async { await link.whenAttentive() }
    var sessionNumber: Int { link.sessionNumber }
    /// Calls by the short way want no log messages.
    var laneLink: LaneLink? { link.laneLink }

    func close() async -> String? {
        onClose()
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for over in waiting {
            over.sink(.fault(BackendFault(.notReached, "the connection was closed")))
            over.request.whenDone?()
        }
        return await link.close()
    }
}
