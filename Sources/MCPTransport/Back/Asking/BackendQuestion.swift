import JSONSlice
import MCPModel

/// A request that a legacy backend makes of its client in the middle of a call.
struct BackendQuestion: Hashable, Sendable {
    /// In the backend's own space of ids; the answer bears it.
    let id: RPCID
    let method: String
    let params: JSON?

    init(id: RPCID, method: String, params: JSON?) {
        self.id = id
        self.method = method
        self.params = params?.detached
    }

    /// The task for which it is asked (2025-11-25).
    var taskID: String? { params?["_meta"]?[MetaKey.relatedTask]?["taskId"]?.string }

    /// As an entry of `inputRequests`: what only the legacy connection knows (tokens, tasks, the id of a URL
    /// elicitation) is gone, and a form says that it is one.
    var inputRequest: JSON {
        guard let params else { return ["method": .string(method)] }
        var modern = EraBridge.unrelated(RequestMeta.stripped(params).removing("task"))
        if method == Method.elicitationCreate {
            modern = modern.removing("elicitationId")
            if modern["mode"] == nil { modern = modern.setting("mode", to: "form") }
        }
        return ["method": .string(method), "params": modern]
    }

    /// The caller's answer as the backend's response.
    func answered(_ result: JSON) -> RPCMessage { .response(id: id, result: result) }

    /// What the backend is told when no answer will come: a person who walks away cancels an elicitation, for
    /// the others only an error says so.
    var abandoned: RPCMessage {
        method == Method.elicitationCreate
            ? .response(id: id, result: ["action": "cancel"])
            : .failure(id, .internalError("the client did not answer \(method)"))
    }
}
