import JSONSlice
import MCPModel
import Synchronization

/// Tasks that were made for clients who had gone by then.
extension MCPService {
    /// Starts a call; where its client goes and a task of it comes nevertheless, the task is cancelled.
    func callMindingTasks(_ call: EndpointCall, _ sink: @escaping CallSink) -> CallHandle {
        guard call.method == Method.toolsCall, TasksExtension.isDeclared(in: call.client.capabilities) else {
            return self.call(call, sink)
        }
        let isGone = GoneSign()
        let handle = self.call(call) { event in
            guard isGone.isSet, case .result(let task) = event,
                task["resultType"]?.string == TasksExtension.resultType
            else { return sink(event) }
            abandon(task, at: call.endpoint, of: call.caller)
        }
        return CallHandle {
            isGone.set()
            handle.cancel()
        }
    }

    /// Cancels a task that its client has not heard of; nobody waits for the server's word on that.
    func abandon(_ task: JSON, at endpoint: EndpointName, of caller: Caller) {
        guard let id = task["taskId"]?.string else { return }
        _ = self.call(
            EndpointCall(
                endpoint: endpoint, caller: caller, method: Method.tasksCancel,
                params: ["taskId": .string(id)], client: ClientFacts(capabilities: TasksExtension.required))
        ) { _ in }
    }
}

/// Set once a client has gone.
private final class GoneSign: Sendable {
    private let state = Mutex(false)

    var isSet: Bool { state.withLock { $0 } }

    func set() { state.withLock { $0 = true } }
}
