import JSONSlice
import MCPModel

/// To which request a notification goes that no revision knows, on a channel which all requests share (docs/decisions/0024).
///
/// It may hold what only one caller may see, and nothing obliges a server to say whose it is. So it goes to the call that it
/// names in one of MCP's own ways, else to the one that runs alone, else to one of the calls that run if all are of one
/// caller; and otherwise to nobody.
enum ForeignNotification {
    /// - Parameter open: what runs, also what nobody waits for any more; in any order.
    /// - Returns: the number of the request; `nil`: nobody's.
    static func addressee(_ params: JSON, among open: [LinkRequest]) -> Int? {
        let calls = open.filter { $0.method != Method.subscriptionsListen }
        let meta = params["_meta"]
        if let task = meta?[MetaKey.relatedTask]?["taskId"]?.string {
            return calls.first { $0.taskID == task }?.number
        }
        if let token = params["progressToken"] ?? meta?[MetaKey.progressToken] {
            // Our tokens are the numbers of their requests, and only calls whose clients want progress have one.
            return calls.first { $0.params?["_meta"]?[MetaKey.progressToken] == token }?.number
        }
        if calls.count == 1 { return calls.first?.number }
        // What the gateway asks for itself is no caller's.
        let callers = calls.filter { $0.caller != nil }
        guard let caller = callers.first?.caller, callers.allSatisfy({ $0.caller == caller }),
            // Whoever shows no credential may be anybody.
            caller != .anonymous
        else { return nil }
        return callers.map(\.number).max()
    }
}
