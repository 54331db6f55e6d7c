package import JSONSlice

/// JSON-RPC errors between the eras.
extension EraBridge {
    /// A modern error object as a legacy client may see it. One without a counterpart loses its `data` too,
    /// which speaks of modern things.
    package static func legacyError(fromModern error: JSON, method: String) -> JSON {
        switch error["code"]?.int {
        case RPCError.Code.invalidParams
        where ofResource.contains(method) && error["data"]?["uri"]?.string != nil:
            error.setting("code", to: .number(RPCError.Code.resourceNotFound))
        case RPCError.Code.headerMismatch, RPCError.Code.missingCapability, RPCError.Code.unsupportedVersion:
            error.setting("code", to: .number(RPCError.Code.internalError)).removing("data")
        default: error
        }
    }

    /// Methods whose invalid URI is a resource that is not there.
    private static let ofResource: Set<String> = [
        Method.resourcesRead, Method.resourcesSubscribe, Method.resourcesUnsubscribe,
    ]

    static func modernError(_ error: JSON, method: String, params: JSON, capabilities: JSON) -> Answer {
        switch error["code"]?.int {
        case RPCError.Code.resourceNotFound:
            let invalid = error.setting("code", to: .number(RPCError.Code.invalidParams))
            let data = invalid["data"] ?? .emptyObject
            guard data["uri"] == nil, let uri = params["uri"] else { return .error(invalid) }
            let object = data.kind == .object ? data : .object([("detail", data)])
            return .error(invalid.setting("data", to: object.setting("uri", to: uri)))
        case RPCError.Code.urlElicitationRequired:
            // Asked before, and the person would not: the server would ask for ever.
            let answers = params["inputResponses"]?.members ?? []
            if answers.contains(where: { ["decline", "cancel"].contains($0.value["action"]?.string) }) {
                return .error(
                    RPCError.internalError("the user did not visit the URL that this call needs").json)
            }
            return urlElicitation(error, method: method, capabilities: capabilities)
        case RPCError.Code.headerMismatch, RPCError.Code.missingCapability, RPCError.Code.unsupportedVersion:
            return .error(error.setting("code", to: .number(RPCError.Code.internalError)))
        default: return .error(error)
        }
    }

    /// -32042 `data.elicitations` as `inputRequests`.
    private static func urlElicitation(_ error: JSON, method: String, capabilities: JSON) -> Answer {
        let wanted = error["data"]?["elicitations"]?.elements ?? []
        let requests = wanted.enumerated().compactMap { index, elicitation -> (String, JSON)? in
            guard elicitation["url"]?.string != nil else { return nil }
            let request: JSON = [
                "method": .string(Method.elicitationCreate),
                "params": elicitation.removing("elicitationId").setting("mode", to: "url"),
            ]
            return ("url-\(index + 1)", request)
        }
        guard !requests.isEmpty, Method.multiRound.contains(method) else {
            return .error(error.setting("code", to: .number(RPCError.Code.internalError)))
        }
        guard capabilities["elicitation"]?["url"] != nil else {
            return .error(RPCError.missingCapability(required: ["elicitation": ["url": [:]]]).json)
        }
        return .result(["resultType": "input_required", "inputRequests": .object(requests)])
    }
}
