import JSONSlice
import MCPModel

/// A notification of a call on its way to the client who made the call.
enum RelayedNotification {
    /// The message with the client's own progress token in it.
    ///
    /// - Returns: `nil` when this client did not ask for it, or it is between the gateway and the server.
    static func message(
        _ method: String, _ params: JSON, token: JSON?, logLevel: String?, revision: ProtocolRevision
    ) -> JSON? {
        switch method {
        case Method.progress:
            guard let token else { return nil }
            return note(method, params.setting("progressToken", to: token), revision)
        case Method.message:
            guard let logLevel, let level = params["level"]?.string, LogLevel.passes(level, least: logLevel)
            else { return nil }
            return note(method, params, revision)
        default:
            // What no revision knows means something to the two ends alone.
            return Method.isForeignNotification(method)
                ? RPCMessage.notification(method: method, params: params).json : nil
        }
    }

    private static func note(_ method: String, _ params: JSON, _ revision: ProtocolRevision) -> JSON {
        let known =
            revision.era == .modern
            ? params : EraBridge.legacyNotification(fromModern: params, method: method, revision: revision)
        return RPCMessage.notification(method: method, params: known).json
    }
}

extension RPCMessage {
    /// An error response as it goes onto the wire.
    static func refusal(_ id: RPCID?, _ error: RPCError) -> JSON {
        RPCMessage.failure(id, error).json
    }

    /// An error response to what is not taken in. What is only too deep is answered under its id; in what is no JSON
    /// (JSON-RPC 2.0 §5) no id is looked for.
    static func refusal(unreadable bytes: [UInt8], _ error: JSONError) -> JSON {
        let refusal = RPCError.unreadable(error)
        return self.refusal(
            refusal.code == RPCError.Code.parseError ? nil : EnvelopeSkim(bytes).id, refusal)
    }
}

extension SSEEvent {
    /// A message of MCP as an event.
    init(message: JSON) { self.init(type: "message", data: Array(message.onOneLine.bytes)) }
}
