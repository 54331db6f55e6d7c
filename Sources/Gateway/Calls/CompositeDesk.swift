import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import Synchronization

/// The composites that run at this node, and those of them that wait for answers of their callers
/// (docs/decisions/0028-composite-tools.md).
///
/// A run is held in memory only: with the node it is gone, and no further step of it is started.
final class CompositeDesk: Sendable {
    /// Runs at once, waiting ones included; each keeps up to 4 MiB of results (``CompositeLimits/bytesMax``).
    static let runsMax = 256
    /// Runs that wait for their callers, who may never come back; of one caller a quarter.
    static let waitingMax = 64
    static let waitingPerCallerMax = 16

    private struct Waiting: Sendable {
        let course: CompositeCourse
        let caller: Caller
        let expiry: Instant
    }

    private struct State: Sendable {
        var runs = 0
        var waiting: [CallID: Waiting] = [:]
    }

    private let seal: StateSeal
    private let waitMax: Duration
    private let callMax: Duration
    private let now: @Sendable () -> Instant
    private let state = Mutex(State())

    /// - Parameters:
    ///   - waitMax: how long a run waits for its caller's answers.
    ///   - callMax: how long one leg of a run may take.
    init(
        seal: StateSeal, waitMax: Duration, callMax: Duration, now: @escaping @Sendable () -> Instant
    ) {
        self.seal = seal
        self.waitMax = waitMax
        self.callMax = callMax
        self.now = now
    }

    /// Sends a call of a step, as any call is sent; nothing more comes after its final event.
    typealias Send = @Sendable (StepCall, CallRequest, @escaping CallSink) -> CallHandle

    /// Begins a run, or lets one go on that waits for this caller.
    ///
    /// - Parameter request: the client's own call, of the composite.
    func call(
        _ composite: BoundComposite, _ request: CallRequest, at endpoint: EndpointName,
        _ sink: @escaping @Sendable (CompositeEvent) -> Void, send: @escaping Send
    ) -> CallHandle {
        let place = "\(endpoint) \(composite.tool.name)"
        let requestState = request.params["requestState"]
        let answers = request.params["inputResponses"]
        // A run may wait for long, and holds no more of its caller's message than it needs.
        var kept = request
        kept.params = JSON.object(
            [
                ("name", .string(composite.tool.name)),
                ("arguments", request.params["arguments"] ?? .emptyObject),
            ])
        let leg = CompositeCourse.Leg(
            request: kept, place: place, end: now() + callMax,
            isWithdrawal: requestState != nil && answers?.members.isEmpty != false, sink: sink, send: send)
        if let requestState { return resume(leg, requestState, answers) }
        let isFull = state.withLock { state in
            guard state.runs < Self.runsMax else { return true }
            state.runs += 1
            return false
        }
        if isFull {
            let detail = "\(Self.runsMax) composites run here already"
            sink(.failure(CallFailure(.limited, detail, hint: "try again in a moment", isUnsent: true)))
            return .finished
        }
        let run = CompositeRun(
            composite, input: request.params["arguments"] ?? .emptyObject,
            wantsProgress: request.client.wantsProgress, withdrawablePrefix: RequestState.prefix)
        let course = CompositeCourse(
            run, leg, now: now,
            suspend: { [weak self] in self?.suspend($0, $1, $2) ?? .failure(.init(.noPath, "shutting down"))
            },
            ended: { [weak self] course in self?.ended(course) })
        course.start()
        return CallHandle { course.cancel(leg) }
    }

    private func resume(_ leg: CompositeCourse.Leg, _ requestState: JSON, _ given: JSON?) -> CallHandle {
        let responses = given?.members ?? []
        guard given == nil || given?.kind == .object, responses.allSatisfy({ $0.value.kind == .object })
        else {
            leg.sink(.error(RPCError.invalidParams("inputResponses must be an object of results").json))
            return .finished
        }
        let id = requestState.string.flatMap { RequestState.id(in: $0, of: leg.request, at: leg.place, seal) }
        let time = now()
        let waiting = state.withLock { state -> Waiting? in
            guard let id, let waiting = state.waiting[id], waiting.expiry > time else { return nil }
            state.waiting[id] = nil
            return waiting
        }
        guard let waiting else {
            leg.sink(
                .failure(
                    CallFailure(
                        .invalidArguments,
                        "its requestState names no run that waits at this node for this caller with these arguments: it was changed or used before, "
                            + "is of another node, or more than \(waitMax) went by",
                        hint: "call again without requestState")))
            return .finished
        }
        waiting.course.resume(leg, with: responses)
        return CallHandle { waiting.course.cancel(leg) }
    }

    /// Takes in a run that waits.
    ///
    /// - Returns: what its leg ends with; a failure when it cannot wait.
    private func suspend(
        _ course: CompositeCourse, _ leg: CompositeCourse.Leg, _ inputRequests: JSON
    ) -> CompositeEvent {
        let id = CallID.random()
        let caller = leg.request.caller
        guard let text = RequestState.text(of: id, for: leg.request, at: leg.place, seal) else {
            return .failure(CallFailure(.limited, "its requestState could not be sealed"))
        }
        let expiry = now() + waitMax
        let bound = state.withLock { state -> String? in
            if state.waiting.count >= Self.waitingMax { return "\(Self.waitingMax) runs" }
            if state.waiting.values.count(where: { $0.caller == caller }) >= Self.waitingPerCallerMax {
                return "\(Self.waitingPerCallerMax) runs of this caller"
            }
            state.waiting[id] = Waiting(course: course, caller: caller, expiry: expiry)
            return nil
        }
        if let bound {
            return .failure(
                CallFailure(
                    .limited, "\(bound) of composites wait for answers of their callers already",
                    hint: "answer or cancel what was asked, or try again later"))
        }
        return .result(
            ["resultType": "input_required", "inputRequests": inputRequests, "requestState": .string(text)],
            of: nil)
    }

    private func ended(_ course: CompositeCourse) {
        state.withLock { state in
            state.runs -= 1
            for (id, waiting) in state.waiting where waiting.course === course { state.waiting[id] = nil }
        }
    }

    /// Ends the runs whose callers have not come back in time. To be called now and then.
    func expire() {
        let time = now()
        let late = state.withLock { state in
            let late = state.waiting.filter { $0.value.expiry <= time }
            for id in late.keys { state.waiting[id] = nil }
            return late.values.map(\.course)
        }
        for course in late { course.expire() }
    }
}

/// What comes of a run on its way to its caller.
enum CompositeEvent: Sendable {
    case notification(method: String, params: JSON)
    /// - `of`: the server in whose terms resources are named in it.
    case result(JSON, of: ServerKey?)
    case error(JSON)
    case failure(CallFailure)
}
