import JSONSlice
import MCPModel
import Synchronization

/// Tasks that were made for clients who had gone by then.
extension MCPService {
    /// Starts a call; where its client goes and a task of it comes nevertheless, the task is cancelled.
    ///
    /// - Returns: to be cancelled when the client has gone, if that was before it had the whole answer; not after that.
    func callMindingTasks(_ call: EndpointCall, _ sink: @escaping CallSink) -> CallHandle {
        guard call.method == Method.toolsCall, TasksExtension.isDeclared(in: call.client.capabilities) else {
            return self.call(call, sink)
        }
        let handover = TaskHandover()
        let handle = self.call(call) { event in
            guard case .result(let task) = event, task["resultType"]?.string == TasksExtension.resultType,
                !handover.begin(task)
            else { return sink(event) }
            abandon(task, at: call.endpoint, of: call.principal)
        }
        return CallHandle {
            let lost = handover.clientGone()
            handle.cancel()
            if let lost { abandon(lost, at: call.endpoint, of: call.principal) }
        }
    }

    /// Cancels a task that its client has not heard of; nobody waits for the server's word on that.
    func abandon(_ task: JSON, at endpoint: EndpointName, of principal: Principal) {
        guard let id = task["taskId"]?.string else { return }
        _ = self.call(
            EndpointCall(
                endpoint: endpoint, principal: principal, method: Method.tasksCancel,
                params: ["taskId": .string(id)], client: ClientFacts(capabilities: TasksExtension.required))
        ) { _ in }
    }
}

/// A task on its way to a client that may be gone.
private final class TaskHandover: Sendable {
    private enum State: Sendable {
        case waiting
        case underway(JSON)
        case gone
    }

    private let state = Mutex(State.waiting)

    /// - Returns: whether the client was still there.
    func begin(_ task: JSON) -> Bool {
        state.withLock { state in
            if case .gone = state { return false }
            state = .underway(task)
            return true
        }
    }

    /// - Returns: the task that was on its way.
    func clientGone() -> JSON? {
        state.withLock { state in
            defer { state = .gone }
            if case .underway(let task) = state { return task }
            return nil
        }
    }
}
