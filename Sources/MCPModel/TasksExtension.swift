package import JSONSlice

/// The extension `io.modelcontextprotocol/tasks` of 2026-07-28: a `tools/call` may be answered with a
/// task that its caller asks after.
///
/// Client and server declare it alike, as a member of `extensions` in their capabilities; a client on each request.
package enum TasksExtension {
    package static let id = "io.modelcontextprotocol/tasks"
    /// The `resultType` that the extension adds: only of `tools/call`, only where the request declared it.
    package static let resultType = "task"

    /// A capabilities object with nothing but the extension: what a refusal names as required.
    package static let required: JSON = ["extensions": .object([(id, .emptyObject)])]

    /// - Parameter capabilities: of a client or a server, in modern terms.
    package static func isDeclared(in capabilities: JSON?) -> Bool {
        capabilities?["extensions"]?[id]?.kind == .object
    }

    /// The capabilities with the extension declared.
    package static func declared(in capabilities: JSON) -> JSON {
        if isDeclared(in: capabilities) { return capabilities }
        let old = capabilities["extensions"].flatMap { $0.kind == .object ? $0 : nil } ?? .emptyObject
        return capabilities.setting("extensions", to: old.setting(id, to: .emptyObject))
    }

    /// The capabilities with this extension at most: all that an endpoint of several servers can carry, since what
    /// another extension names, nobody here could rename.
    package static func only(in capabilities: JSON) -> JSON {
        guard let extensions = capabilities["extensions"] else { return capabilities }
        guard let own = extensions[id], own.kind == .object else {
            return capabilities.removing("extensions")
        }
        return capabilities.setting("extensions", to: .object([(id, own)]))
    }

    /// Whether an error says that the caller should have declared the extension.
    package static func isRequired(by error: JSON) -> Bool {
        error["code"]?.int == RPCError.Code.missingCapability
            && error["data"]?["requiredCapabilities"]?["extensions"]?[id] != nil
    }
}

/// What a task is doing; the same words in both eras.
package enum TaskStatus: String, Hashable, Sendable, CaseIterable {
    case working
    case inputRequired = "input_required"
    case completed
    case failed
    case cancelled

    /// Of a task object; `nil` for what is none.
    package init?(of task: JSON) {
        guard let word = task["status"]?.string, let status = TaskStatus(rawValue: word) else { return nil }
        self = status
    }

    /// Whether it stays so.
    package var isTerminal: Bool {
        switch self {
        case .working, .inputRequired: false
        case .completed, .failed, .cancelled: true
        }
    }
}

/// Whether a tool may, must or must not be called as a task; the word is that of 2025-11-25 (`execution.taskSupport`).
package enum TaskSupport: String, Hashable, Sendable {
    case forbidden
    case optional
    case required

    /// What a definition says; `nil` where it says nothing.
    package init?(of definition: JSON) {
        guard let word = definition["execution"]?["taskSupport"]?.string, let support = Self(rawValue: word)
        else {
            return nil
        }
        self = support
    }
}
