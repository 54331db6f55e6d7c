package import JSONSlice
import MCPModel

/// Tasks of one server on an endpoint that shows several: its id `ID` is shown as `SERVER/ID`.
extension ResourceSpace {
    /// The id that clients see.
    package func outward(taskID id: String) -> String { authority.map { "\($0)/\(id)" } ?? id }

    /// Takes an outward id apart; `nil` when it is none of ours. The server's own part may hold anything.
    package static func inward(taskID id: String) -> (authority: String, original: String)? {
        guard let slash = id.firstIndex(of: "/") else { return nil }
        return (String(id[..<slash]), String(id[id.index(after: slash)...]))
    }

    /// A result of a call that may have made a task, or asked after one: the task's id, and all that its final result
    /// says, as ``outward(result:)`` would.
    package func outward(result: JSON, of method: String) -> JSON {
        switch method {
        case Method.toolsCall where result["resultType"]?.string == TasksExtension.resultType,
            Method.tasksGet:
            outward(task: result)
        default: outward(result: result)
        }
    }

    /// A task object of 2026-07-28, as it stands in results and in `notifications/tasks`.
    package func outward(task: JSON) -> JSON {
        guard authority != nil else { return task }
        var task = task
        if let id = task["taskId"]?.string {
            task = task.setting("taskId", to: .string(outward(taskID: id)))
        }
        guard let result = task["result"] else { return task }
        let shown = outward(result: result)
        return shown == result ? task : task.setting("result", to: shown)
    }
}
