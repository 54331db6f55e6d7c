package import JSONSlice
import MCPModel
package import MCPTransport
import Synchronization

/// A modern server with tasks, as what stands behind a front: its tasks do what the test says.
///
/// | tool | what it does |
/// | --- | --- |
/// | `job` | makes a task where the call declared that it knows tasks, else answers at once |
/// | `must` | runs only as a task |
/// | `ask` | makes a task that waits for the answers to `first` and `second` |
/// | `greet` | answers at once |
/// | `slow` | makes a task when ``nameSlowTasks()`` says so, also of calls that are cancelled by then |
/// | `rude` | makes a task of every call |
package final class TaskServer: Sendable {
    private struct State: Sendable {
        var tasks: [String: JSON] = [:]
        var answers: [String: JSON] = [:]
        var calls: [EndpointCall] = []
        var slow: [CallSink] = []
        var cancelledCalls = 0
    }

    package static let description = EndpointDescription(
        serverInfo: ["name": "tasks", "version": "1"],
        capabilities: [
            "tools": .emptyObject,
            "extensions": ["io.modelcontextprotocol/tasks": .emptyObject, "org.example/other": ["x": 1]],
        ])
    package static let tools = ["job", "must", "ask", "greet", "rude", "slow"]

    private let pollMilliseconds: Int
    private let state = Mutex(State())

    package init(pollMilliseconds: Int = 10) { self.pollMilliseconds = pollMilliseconds }

    /// All that was asked, oldest first.
    package var calls: [EndpointCall] { state.withLock { $0.calls } }

    /// The last call of a method.
    package func last(_ method: String) -> EndpointCall? { calls.last { $0.method == method } }

    /// Calls that were cancelled before they were answered.
    package var cancelledCalls: Int { state.withLock { $0.cancelledCalls } }

    /// Answers the calls of `slow`.
    package func nameSlowTasks() {
        let sinks = state.withLock { state in
            defer { state.slow = [] }
            return state.slow
        }
        for sink in sinks { sink(.result(make("working"))) }
    }

    package var taskIDs: [String] { state.withLock { $0.tasks.keys.sorted() } }

    /// Moves a task on: these members take the place of those it had.
    package func set(_ id: String, _ members: JSON) {
        state.withLock { state in
            guard var task = state.tasks[id] else { return }
            for (key, value) in members.members { task = task.setting(key, to: value) }
            state.tasks[id] = task
        }
    }

    package func complete(_ id: String, _ text: String) {
        set(id, ["status": "completed", "result": Self.result(text)])
    }

    package var service: MCPService {
        MCPService(
            door: .open,
            describe: { _, _ in Self.description },
            list: { _, _, kind, _ in
                .success(ListPage(items: kind == .tools ? Self.tools.map(Self.definition) : []))
            },
            call: { [self] call, sink in
                guard call.method == Method.toolsCall, call.params["name"] == "slow" else {
                    sink(answer(call))
                    return .finished
                }
                state.withLock { state in
                    state.calls.append(call)
                    state.slow.append(sink)
                }
                return CallHandle { [self] in state.withLock { $0.cancelledCalls += 1 } }
            },
            watch: { _, _, _ in .none },
            definition: { _, _, _, name in Self.tools.contains(name) ? Self.definition(name) : nil },
            taskSupport: { _, _, name in Self.tools.contains(name) ? .optional : .forbidden })
    }

    package static func definition(_ name: String) -> JSON {
        ["name": .string(name), "inputSchema": ["type": "object"]]
    }

    package static func result(_ text: String) -> JSON {
        ["content": [["type": "text", "text": .string(text)]]]
    }

    private static func complete(_ text: String) -> CallEvent {
        .result(result(text).setting("resultType", to: "complete"))
    }

    private func answer(_ call: EndpointCall) -> CallEvent {
        state.withLock { $0.calls.append(call) }
        let id = call.params["taskId"]?.string ?? ""
        switch call.method {
        case Method.toolsCall: return tool(call)
        case Method.tasksGet:
            guard let task = state.withLock({ $0.tasks[id] }) else { return Self.unknown }
            return .result(task.setting("resultType", to: "complete"))
        case Method.tasksCancel:
            guard let task = state.withLock({ $0.tasks[id] }) else { return Self.unknown }
            if TaskStatus(of: task)?.isTerminal == false { set(id, ["status": "cancelled"]) }
            return .result(["resultType": "complete"])
        case Method.tasksUpdate: return update(id, call.params["inputResponses"] ?? .emptyObject)
        default: return .error(RPCError.methodNotFound(call.method).json)
        }
    }

    private func tool(_ call: EndpointCall) -> CallEvent {
        let knowsTasks = TasksExtension.isDeclared(in: call.client.capabilities)
        switch call.params["name"]?.string {
        case "job" where !knowsTasks: return Self.complete("at once")
        case "must" where !knowsTasks:
            return .error(RPCError.missingCapability(required: TasksExtension.required).json)
        case "job", "must", "rude": return .result(make("working"))
        case "ask":
            let form: JSON = [
                "method": "elicitation/create",
                "params": ["mode": "form", "message": "Sure?", "requestedSchema": ["type": "object"]],
            ]
            let task = make("input_required")
            set(task["taskId"]?.string ?? "", ["inputRequests": ["first": form, "second": form]])
            return .result(task)
        case "greet": return Self.complete("hello")
        case let name: return .error(RPCError.invalidParams("no tool \(name ?? "")").json)
        }
    }

    /// - Returns: the result that hands the task out.
    private func make(_ status: String) -> JSON {
        state.withLock { state in
            let id = "t/\(state.tasks.count + 1)"
            let task: JSON = [
                "taskId": .string(id), "status": .string(status), "createdAt": "2026-07-28T10:00:00Z",
                "lastUpdatedAt": "2026-07-28T10:00:00Z", "ttlMs": 600_000,
                "pollIntervalMs": .number(pollMilliseconds),
            ]
            state.tasks[id] = task
            return task.setting("resultType", to: "task")
        }
    }

    private func update(_ id: String, _ responses: JSON) -> CallEvent {
        state.withLock { state in
            guard let task = state.tasks[id] else { return Self.unknown }
            var open = task["inputRequests"] ?? .emptyObject
            for (key, value) in responses.members where open[key] != nil {
                open = open.removing(key)
                state.answers[id] = (state.answers[id] ?? .emptyObject).setting(key, to: value)
            }
            if open.members.isEmpty {
                state.tasks[id] = task.removing("inputRequests").setting("status", to: "completed")
                    .setting("result", to: Self.result((state.answers[id] ?? .emptyObject).text))
            } else {
                state.tasks[id] = task.setting("inputRequests", to: open)
            }
            return .result(["resultType": "complete"])
        }
    }

    private static let unknown = CallEvent.error(RPCError.invalidParams("no such task").json)
}
