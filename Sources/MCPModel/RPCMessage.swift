package import JSONSlice

/// One JSON-RPC 2.0 message as MCP allows it, its members raw.
///
/// Members of the envelope that JSON-RPC does not know are left behind; `params`, `result` and `error` are kept to
/// the byte. Batches are arrays of messages and are taken apart by the front that still allows them (2025-03-26).
package enum RPCMessage: Hashable, Sendable {
    case request(id: RPCID, method: String, params: JSON?)
    case notification(method: String, params: JSON?)
    case response(id: RPCID, result: JSON)
    /// The id is absent where the other side could not read that of the request.
    case errorResponse(id: RPCID?, error: JSON)

    /// - Throws: ``RPCError/invalidRequest(_:)``; ``readableID(in:)`` finds the id to answer it with.
    /// - Complexity: one pass over the bytes.
    package init(_ json: JSON) throws(RPCError) {
        guard json.kind == .object else {
            throw .invalidRequest(
                json.kind == .array ? "batches are not part of this revision" : "a message is a JSON object")
        }
        let parts = Parts(json)
        guard parts.version?.string == "2.0" else { throw .invalidRequest("\"jsonrpc\" must be \"2.0\"") }
        if let method = parts.method {
            self = try Self.call(method, parts)
        } else {
            self = try Self.answer(parts)
        }
    }

    /// The message as bytes, its members in the order `jsonrpc`, `id`, `method`, `params`, `result`, `error`.
    package var json: JSON {
        switch self {
        case .request(let id, let method, let params):
            Self.envelope([("id", id.json), ("method", .string(method))] + Self.optional("params", params))
        case .notification(let method, let params):
            Self.envelope([("method", .string(method))] + Self.optional("params", params))
        case .response(let id, let result):
            Self.envelope([("id", id.json), ("result", result)])
        case .errorResponse(let id, let error):
            Self.envelope([("id", id?.json ?? .null), ("error", error)])
        }
    }

    /// What stands before and behind the result in a response, byte for byte as in ``json``.
    package static func aroundResult(of id: RPCID) -> (head: [UInt8], tail: [UInt8]) {
        (
            Array(#"{"jsonrpc":"2.0","id":"#.utf8) + id.json.bytes + Array(#","result":"#.utf8),
            [UInt8(ascii: "}")]
        )
    }

    package var method: String? {
        switch self {
        case .request(_, let method, _), .notification(let method, _): method
        case .response, .errorResponse: nil
        }
    }

    package var params: JSON? {
        switch self {
        case .request(_, _, let params), .notification(_, let params): params
        case .response, .errorResponse: nil
        }
    }

    package var id: RPCID? {
        switch self {
        case .request(let id, _, _), .response(let id, _): id
        case .errorResponse(let id, _): id
        case .notification: nil
        }
    }

    /// The id of a message that was refused: errors keep it whenever it can be read.
    package static func readableID(in json: JSON) -> RPCID? { json["id"].flatMap(RPCID.init) }

    package static func failure(_ id: RPCID?, _ error: RPCError) -> RPCMessage {
        .errorResponse(id: id, error: error.json)
    }

    // MARK: -

    private struct Parts {
        var version: JSON?
        var id: JSON?
        var method: JSON?
        var params: JSON?
        var result: JSON?
        var error: JSON?

        init(_ json: JSON) {
            json.forEachMember { key, value in
                switch key {
                case "jsonrpc": version = value
                case "id": id = value
                case "method": method = value
                case "params": params = value
                case "result": result = value
                case "error": error = value
                default: break
                }
            }
        }
    }

    private static func call(_ method: JSON, _ parts: Parts) throws(RPCError) -> RPCMessage {
        guard let name = method.string, !name.isEmpty else {
            throw .invalidRequest("\"method\" must be a string that is not empty")
        }
        guard parts.result == nil, parts.error == nil else {
            throw .invalidRequest("a message with \"method\" has neither \"result\" nor \"error\"")
        }
        // Some clients write absent params as null; no method gives it a meaning.
        let params = parts.params.flatMap { $0.isNull ? nil : $0 }
        guard params == nil || params?.kind == .object else {
            throw .invalidRequest("\"params\" must be an object")
        }
        guard let written = parts.id else { return .notification(method: name, params: params) }
        guard let id = RPCID(written) else { throw .invalidRequest("\"id\" must be a string or an integer") }
        return .request(id: id, method: name, params: params)
    }

    private static func answer(_ parts: Parts) throws(RPCError) -> RPCMessage {
        let id = parts.id.flatMap(RPCID.init)
        switch (parts.result, parts.error) {
        case (let result?, nil):
            guard let id else { throw .invalidRequest("the \"id\" of a response must be that of a request") }
            guard result.kind == .object else { throw .invalidRequest("\"result\" must be an object") }
            return .response(id: id, result: result)
        case (nil, let error?):
            guard id != nil || parts.id == nil || parts.id?.isNull == true else {
                throw .invalidRequest("the \"id\" of a response must be that of a request")
            }
            guard error.kind == .object else { throw .invalidRequest("\"error\" must be an object") }
            return .errorResponse(id: id, error: error)
        case (nil, nil): throw .invalidRequest("neither \"method\" nor \"result\" nor \"error\" is there")
        case (_?, _?): throw .invalidRequest("a response has \"result\" or \"error\", not both")
        }
    }

    private static func envelope(_ members: [(String, JSON)]) -> JSON {
        .object([("jsonrpc", "2.0")] + members)
    }

    private static func optional(_ key: String, _ value: JSON?) -> [(String, JSON)] {
        value.map { [(key, $0)] } ?? []
    }
}
