package import JSONSlice

/// A JSON-RPC error object: code, message and whatever data goes with it.
package struct RPCError: Error, Hashable, Sendable {
    package var code: Int
    /// What happened, for a person.
    package var message: String
    package var data: JSON?

    package init(code: Int, message: String, data: JSON? = nil) {
        self.code = code
        self.message = message
        self.data = data
    }

    /// Reads what another side sent; what is missing or of another type becomes "internal error".
    package init(reading json: JSON) {
        code = json["code"]?.int ?? Code.internalError
        message = json["message"]?.string ?? "the other side gave no message"
        data = json["data"]
    }

    package var json: JSON {
        let members: [(String, JSON)] = [("code", .number(code)), ("message", .string(message))]
        return .object(members + (data.map { [("data", $0)] } ?? []))
    }

    /// The HTTP status that goes with the error in 2026-07-28, when nothing of the answer was
    /// sent yet. A missing `_meta` is 400 although its code is -32602: see ``ModernRefusal``.
    package var modernStatus: Int {
        switch code {
        case Code.parseError, Code.invalidRequest, Code.headerMismatch, Code.missingCapability,
            Code.unsupportedVersion:
            400
        case Code.methodNotFound: 404
        default: 200
        }
    }
}

extension RPCError: CustomStringConvertible {
    package var description: String { "\(message) (\(code))" }
}

/// The codes that JSON-RPC and MCP assign. Our own are in `CallFailureCode`.
extension RPCError {
    package enum Code {
        package static let parseError = -32700
        package static let invalidRequest = -32600
        package static let methodNotFound = -32601
        package static let invalidParams = -32602
        package static let internalError = -32603
        /// Legacy only; modern says ``invalidParams`` with `data.uri`.
        package static let resourceNotFound = -32002
        /// 2025-11-25 only; modern has `input_required` instead.
        package static let urlElicitationRequired = -32042
        package static let headerMismatch = -32020
        package static let missingCapability = -32021
        package static let unsupportedVersion = -32022
    }

    package static let parseError = RPCError(code: Code.parseError, message: "Parse error: not valid JSON")

    /// A parse error that says where; or, for what may well be valid JSON, the limit that it goes over.
    package static func unreadable(_ error: JSONError) -> RPCError {
        switch error {
        case .tooDeep(_, let limit): overLimit(.nesting, "\(limit) levels")
        case .tooLarge(_, let limit): overLimit(.message, ByteCount.spell(limit))
        default: RPCError(code: Code.parseError, message: "Parse error: \(error)")
        }
    }

    /// A message that goes over a limit of this node.
    package static func overLimit(_ name: LimitName, _ bound: String) -> RPCError {
        RPCError(
            code: Code.invalidRequest, message: "Invalid request: a message may have \(bound) (\(name))",
            data: [
                "reason": .string(Reason.tooLarge.rawValue), "limit": .string(name.description),
            ])
    }

    package static func invalidRequest(_ detail: String) -> RPCError {
        RPCError(code: Code.invalidRequest, message: "Invalid request: \(detail)")
    }

    package static func methodNotFound(_ method: String) -> RPCError {
        RPCError(code: Code.methodNotFound, message: "Method not found: \(method)")
    }

    package static func invalidParams(_ detail: String) -> RPCError {
        RPCError(code: Code.invalidParams, message: "Invalid params: \(detail)")
    }

    package static func internalError(_ detail: String) -> RPCError {
        RPCError(code: Code.internalError, message: "Internal error: \(detail)")
    }

    package static func headerMismatch(_ detail: String) -> RPCError {
        RPCError(code: Code.headerMismatch, message: "Header mismatch: \(detail)")
    }

    /// - Parameter required: a ClientCapabilities object with what the client would have to declare.
    package static func missingCapability(required: JSON) -> RPCError {
        RPCError(
            code: Code.missingCapability,
            message:
                "Missing required client capability: \(required.members.map(\.key).joined(separator: ", "))",
            data: .object([("requiredCapabilities", required)]))
    }

    /// Names modern revisions only: a modern client cannot use a legacy one per request.
    package static func unsupportedVersion(requested: String) -> RPCError {
        let supported = ProtocolRevision.modern.map { JSON.string($0.rawValue) }
        return RPCError(
            code: Code.unsupportedVersion, message: "Unsupported protocol version: \(requested)",
            data: .object([("supported", .array(supported)), ("requested", .string(requested))]))
    }

    /// Modern's word for a resource that is not there.
    package static func unknownResource(uri: String) -> RPCError {
        RPCError(
            code: Code.invalidParams, message: "Resource not found: \(uri)",
            data: .object([("uri", .string(uri))]))
    }
}
