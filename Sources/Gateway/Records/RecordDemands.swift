import Catalog
import MCPModel

/// Which calls of a server need a record on stable storage before they go out (`servers.NAME.audit`, `servers.NAME.tools`).
struct RecordDemands: Hashable, Sendable {
    var everything: Bool
    var tools: [Glob]

    static let none = RecordDemands(everything: false, tools: [])

    var isEmpty: Bool { !everything && tools.isEmpty }

    /// What does something, or shows something. Asking after a task, completing an argument, ending what runs: for these nobody waits
    /// for a disk.
    static let methods: Set<String> = [Method.toolsCall, Method.promptsGet, Method.resourcesRead]

    func include(_ request: CallRequest) -> Bool {
        guard !isEmpty, Self.methods.contains(request.method) else { return false }
        if everything { return true }
        guard request.method == Method.toolsCall, let tool = request.params["name"]?.string else {
            return false
        }
        return tools.contains { $0.matches(tool) }
    }
}
