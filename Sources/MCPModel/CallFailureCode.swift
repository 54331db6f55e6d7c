import JSONSlice

/// The one place where the gateway's reasons get their JSON-RPC codes and their shape on the wire.
///
/// Codes are stable: a new reason takes the next number, and none is ever given twice. 7001 and up lie outside
/// the range that JSON-RPC reserves.
package enum CallFailureCode {
    package static func code(of reason: Reason) -> Int {
        switch reason {
        case .unknownEntry: RPCError.Code.invalidParams
        case .ownerUnreachable: 7001
        case .noPath: 7002
        case .notConfirmed: 7003
        case .backendUnavailable: 7004
        case .backendProtocol: 7005
        case .backendAuth: 7006
        case .deadlineExceeded: 7007
        case .outcomeUnknown: 7008
        case .denied: 7009
        case .pendingApproval: 7010
        case .quarantined: 7011
        case .limited: 7012
        case .blockedByGuardrail: 7013
        case .tooLarge: 7014
        case .invalidArguments: 7015
        case .cancelled: 7016
        case .sealed: 7017
        case .unsupportedInEra: 7018
        }
    }

    /// The error object of a call that the gateway ended: `data: {reason, detail, callId, node, hint, retryAfterMs, steps}`,
    /// absent members left out.
    ///
    /// - Parameter uri: of the resource asked for, so that an unknown one carries `data.uri` as MCP wants it.
    package static func error(of failure: CallFailure, uri: String? = nil) -> RPCError {
        var data: [(String, JSON)] = [
            ("reason", .string(failure.reason.rawValue)), ("detail", .string(failure.detail)),
        ]
        if let callID = failure.callID { data.append(("callId", .string(callID.description))) }
        if let node = failure.node { data.append(("node", .string(node))) }
        if let hint = failure.hint { data.append(("hint", .string(hint))) }
        if let wait = failure.retryAfter {
            data.append(("retryAfterMs", .number(Int((wait / .milliseconds(1)).rounded(.up)))))
        }
        if let steps = failure.steps { data.append(("steps", steps)) }
        if failure.reason == .unknownEntry, let uri { data.append(("uri", .string(uri))) }
        return RPCError(code: code(of: failure.reason), message: failure.detail, data: .object(data))
    }
}
