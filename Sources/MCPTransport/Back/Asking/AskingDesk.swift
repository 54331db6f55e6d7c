import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// Where the suspended calls of one backend wait for their callers, and where the callers come back to.
final class AskingDesk: Sendable {
    private struct Waiting: Sendable {
        var call: AskingCall
        var timer: Scheduled<Void>
    }

    /// Of Streamable HTTP.
    let sessions: AskingSessions
    /// Of stdio and HTTP+SSE.
    let instances: AskingInstances
    let host: SessionHost
    private let server: String
    private let seal: StateSeal
    private let limits: BackendLimits
    private let group: any EventLoopGroup
    private let book: Mutex<SuspensionBook<Waiting>>

    init(
        server: String, target: BackendTarget, seal: StateSeal, limits: BackendLimits,
        group: any EventLoopGroup
    ) {
        self.server = server
        host = SessionHost()
        sessions = AskingSessions(
            countMax: limits.sessionsMax - 1, idleMax: limits.idleSessionMax, host: host, group: group)
        instances = AskingInstances(limits.instanceQueue(of: target), host: host, group: group)
        self.seal = seal
        self.limits = limits
        self.group = group
        book = Mutex(SuspensionBook(countMax: limits.suspendedMax))
    }

    /// What is asked close together is one round.
    func inAMoment(_ body: @escaping @Sendable () -> Void) {
        group.any().scheduleTask(in: TimeAmount(limits.questionWindow), body)
    }

    /// Takes a call in.
    ///
    /// - Returns: what its leg ends with.
    func suspend(_ call: AskingCall, _ request: CallRequest, _ inputRequests: JSON) -> CallEvent {
        var random = SystemRandomNumberGenerator()
        let id = CallID(using: &random)
        let expiry = ContinuousClock.now + limits.suspendedTimeMax
        guard let text = RequestState.text(of: id, for: request, at: server, seal) else {
            return refusal(
                .limited, "the state of the call could not be sealed", request, hint: "call again")
        }
        let timer = group.any().scheduleTask(in: TimeAmount(limits.suspendedTimeMax)) {
            [weak self] () -> Void in
            self?.expire(id, at: expiry)
        }
        guard book.withLock({ $0.suspend(Waiting(call: call, timer: timer), as: id, until: expiry) }) else {
            timer.cancel()
            return refusal(
                .limited, "\(limits.suspendedMax) calls wait for answers of their callers already", request,
                hint: "answer or cancel what was asked, or try again later")
        }
        return .result([
            "resultType": "input_required", "inputRequests": inputRequests, "requestState": .string(text),
        ])
    }

    /// Whether a retry's `requestState` is one of this desk.
    func owns(_ request: CallRequest, _ requestState: String) -> Bool {
        RequestState.id(in: requestState, of: request, at: server, seal) != nil
    }

    /// Lets the suspended call of a retry go on; refuses what names none.
    func resume(_ leg: BackendCall, _ requestState: String) {
        let request = leg.request
        let given = request.params["inputResponses"]
        let responses = given?.members ?? []
        guard given == nil || given?.kind == .object, responses.allSatisfy({ $0.value.kind == .object })
        else {
            leg.finish(.error(RPCError.invalidParams("inputResponses must be an object of results").json))
            return
        }
        guard let id = RequestState.id(in: requestState, of: request, at: server, seal),
            let waiting = book.withLock({ $0.resume(id, at: .now) })
        else {
            leg.finish(
                refusal(
                    .invalidArguments,
                    "its requestState names no call that waits for this caller with these arguments: it was changed or used before, "
                        + "or more than \(limits.suspendedTimeMax) went by",
                    request, hint: "call again without requestState"))
            return
        }
        waiting.timer.cancel()
        waiting.call.resume(leg, with: responses)
    }

    /// Gives all suspended calls up: the backend is being stopped.
    func close() {
        for waiting in book.withLock({ $0.empty() }) {
            waiting.timer.cancel()
            waiting.call.expire()
        }
    }

    /// The timer's clock is not the book's: its word counts.
    private func expire(_ id: CallID, at expiry: ContinuousClock.Instant) {
        book.withLock { $0.expire(id, at: expiry) }?.call.expire()
    }

    private func refusal(
        _ reason: Reason, _ detail: String, _ request: CallRequest, hint: String? = nil
    ) -> CallEvent {
        .failure(CallFailure(reason, "server \(server): \(detail)", hint: hint, callID: request.id))
    }
}
