package import JSONSlice
import MCPModel
import Synchronization

/// The short way to one tool of a backend: what is the same for every call of it, made ready once.
///
/// Good for one connection of the backend's, and as long as the backend has it: ``enter()`` says so.
package final class BackendLane: Sendable {
    /// How a call leaves.
    enum Exit: Hashable, Sendable {
        /// It was answered.
        case answered
        /// By an HTTP status alone, which says something of the backend.
        case refused(BackendFault)
        /// Its caller went; the backend is told.
        case cancelled
        /// It goes on by the long way, and keeps its place.
        case carried
    }

    let backend: Backend
    let connection: Backend.Connection
    let carrier: any LaneCarrier
    /// The backend's own name of the tool, as a JSON string.
    package let toolName: JSON

    init(_ backend: Backend, _ connection: Backend.Connection, _ carrier: any LaneCarrier, name: JSON) {
        self.backend = backend
        self.connection = connection
        self.carrier = carrier
        toolName = name
    }

    /// Takes a place among the backend's calls.
    ///
    /// - Returns: the call's number; `nil` where it has to go the long way: the backend has another connection or none, or no place.
    func enter() -> Int? {
        backend.state.withLock { state in
            guard state.connection?.number == connection.number, state.callsOpen < backend.limits.callsMax
            else {
                return nil
            }
            state.callsOpen += 1
            state.shortCalls += 1
            state.lastNumber += 1
            _ = state.health.heard(.began, at: .now)
            return state.lastNumber
        }
    }

    func leave(_ exit: Exit, at now: ContinuousClock.Instant = .now) {
        let mustTell = backend.state.withLock { state in
            let isNews =
                switch exit {
                case .answered: state.health.heard(.answered, at: now)
                case .refused(let fault): state.health.callFailed(fault, at: now)
                case .cancelled, .carried: false
                }
            _ = state.health.heard(.ended, at: now)
            if exit != .carried { state.callsOpen -= 1 }
            return isNews
        }
        backend.tell(mustTell)
    }

    /// Whether the backend still has the connection that this is good for.
    var isOpen: Bool { backend.connectionNumber == connection.number }

    /// - Parameter answers: those to the asker's calls before.
    /// - Returns: `nil` for what does not end on the short way.
    func answer(
        _ whole: LaneAnswer.Whole, to number: Int, knowing answers: borrowing KnownAnswers
    ) -> PlainToolAnswer? {
        switch whole {
        case .body(let bytes, 200): answers.answer(in: bytes, to: number, limits: carrier.limits.json)
        case .result(let result): carrier.answer(result)
        case .body, .error: nil
        }
    }

    /// - Returns: `nil` for what does not end on the short way.
    func refusal(_ whole: LaneAnswer.Whole, to number: Int, of call: PlainToolCall) -> LaneRefusal? {
        LaneRefusal(whole, to: number, limits: carrier.limits.json) { carrier.error($0, of: call) }
    }

    /// What the caller of a refused call is told.
    func failure(of id: CallID, _ fault: BackendFault) -> CallFailure {
        fault.failure(of: id, Method.toolsCall, backend: backend.name)
    }

    /// Whether calls of a client with these capabilities may go this way.
    package func takes(_ capabilities: JSON) -> Bool { carrier.takes(capabilities) }

    /// How long a call may be silent.
    var patience: Duration { min(backend.limits.silenceMax, backend.limits.callMax) }
}

extension Backend {
    /// The short way to a tool; `nil` where there is none: another transport, an older revision over HTTP, a tool whose arguments are
    /// mirrored in headers, one that runs as a task only, a credential that is opened for each request.
    package func lane(toTool tool: String) -> BackendLane? {
        guard let connection = state.withLock({ $0.connection }), connection.refusedTools[tool] == nil,
            connection.taskSupport[tool] != .required, let link = connection.link.laneLink
        else { return nil }
        let name = JSON.string(tool)
        switch link {
        case .http(let link):
            guard connection.greeting.revision == .newestModern, connection.parameters[tool] == nil,
                client.tokens == nil
            else { return nil }
            let mirrored = MirroredHeaders(
                version: connection.greeting.revision.rawValue, method: Method.toolsCall,
                params: ["name": name])
            guard let request = link.plainRequest(mirrored) else { return nil }
            return BackendLane(self, connection, HTTPLane(self, link, name: name, request), name: name)
        case .child(let link):
            let revision = connection.greeting.revision
            guard revision.era == .legacy || revision == .newestModern else { return nil }
            return BackendLane(self, connection, ChildLane(self, link, revision, name: name), name: name)
        }
    }
}
