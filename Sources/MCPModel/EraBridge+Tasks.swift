package import JSONSlice

/// Tasks between the eras: the extension of 2026-07-28 and the experiment of 2025-11-25.
///
/// | 2025-11-25 | 2026-07-28 |
/// |---|---|
/// | `tasks.requests.tools.call` of a server | the extension |
/// | `{task: {…}}` as a result | `resultType: "task"` and the task's members beside it |
/// | `ttl`, `pollInterval` | `ttlMs`, `pollIntervalMs` |
/// | `tasks/result` | `result` or `error` inside the task |
extension EraBridge {
    // MARK: Down

    /// A task object as 2025-11-25 knows it; what it ended with, or waits for, has ways of its own there.
    package static func legacyTask(fromModern task: JSON) -> JSON {
        let bare = task.removing { ["resultType", "result", "error", "inputRequests"].contains($0) }
        let legacy = withoutModernMeta(bare).renaming("ttlMs", to: "ttl")
            .renaming("pollIntervalMs", to: "pollInterval")
        return legacy["ttl"] == nil ? legacy.setting("ttl", to: .null) : legacy
    }

    /// The result that hands a task out.
    package static func legacyTaskCreation(fromModern task: JSON) -> JSON {
        ["task": legacyTask(fromModern: task.removing("_meta"))]
    }

    /// Says which task a message of 2025-11-25 belongs to.
    package static func related(_ object: JSON, toTask id: String) -> JSON {
        let meta = object["_meta"].flatMap { $0.kind == .object ? $0 : nil } ?? .emptyObject
        return object.setting("_meta", to: meta.setting(MetaKey.relatedTask, to: ["taskId": .string(id)]))
    }

    /// A tool's definition that says whether it may be called as a task, where it did not say it.
    package static func legacyTool(_ definition: JSON, taskSupport: TaskSupport) -> JSON {
        guard taskSupport != .forbidden, TaskSupport(of: definition) == nil else { return definition }
        let execution = definition["execution"].flatMap { $0.kind == .object ? $0 : nil } ?? .emptyObject
        return definition.setting(
            "execution", to: execution.setting("taskSupport", to: .string(taskSupport.rawValue)))
    }

    /// What a legacy server says of its tasks: all that the gateway does for an endpoint whose calls can become some.
    static let legacyTasks: JSON = ["list": [:], "cancel": [:], "requests": ["tools": ["call": [:]]]]

    // MARK: Up

    /// A task object as 2026-07-28 knows it.
    package static func modernTask(fromLegacy task: JSON) -> JSON {
        let modern = task.renaming("ttl", to: "ttlMs").renaming("pollInterval", to: "pollIntervalMs")
        return modern["ttlMs"]?.int == nil ? modern.setting("ttlMs", to: .null) : modern
    }

    /// Whether a legacy server makes tasks of tool calls.
    static func hasTasks(_ capabilities: JSON) -> Bool {
        capabilities["tasks"]?["requests"]?["tools"]?["call"]?.kind == .object
    }

    /// A result without the word on which task it belongs to: modern says that where the result stands.
    package static func unrelated(_ result: JSON) -> JSON {
        guard let meta = result["_meta"], meta[MetaKey.relatedTask] != nil else { return result }
        let rest = meta.removing(MetaKey.relatedTask)
        return rest.members.isEmpty ? result.removing("_meta") : result.setting("_meta", to: rest)
    }
}
