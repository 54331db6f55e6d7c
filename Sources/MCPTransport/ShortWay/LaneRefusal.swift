import JSONSlice
import MCPModel

/// What a server says instead of a result, where that is all there is to it: such calls end on the short way, too, since who refuses is
/// often asked again at once.
enum LaneRefusal: Sendable {
    /// The server's error, as callers of this era see it.
    case error(JSON)
    /// An HTTP status without an answer of MCP.
    case status(Int)

    /// Whether an answer with this status may be one.
    ///
    /// What asks for a credential, and what a forgotten session is told, concern more than one call.
    static func mayBe(status: Int) -> Bool { status >= 400 && ![401, 403, 404].contains(status) }

    /// - Parameter shown: an error of the server's as callers see it; `nil` for one that does not end here.
    init?(_ whole: LaneAnswer.Whole, to number: Int, limits: JSONLimits, shown: (JSON) -> JSON?) {
        let error: JSON?
        switch whole {
        case .result: return nil
        case .error(let given): error = given
        case .body(let bytes, let status):
            error = Self.error(in: bytes, to: number, limits)
            if error == nil {
                guard Self.mayBe(status: status) else { return nil }
                self = .status(status)
                return
            }
        }
        // Both speak of headers and versions that are between the gateway and the server (``Backend/take(_:of:_:_:)``).
        let inner = [RPCError.Code.headerMismatch, RPCError.Code.unsupportedVersion]
        guard let error, let code = error["code"]?.int, !inner.contains(code), let seen = shown(error)
        else { return nil }
        self = .error(seen)
    }

    private static func error(in bytes: [UInt8], to number: Int, _ limits: JSONLimits) -> JSON? {
        guard !bytes.isEmpty, let document = try? JSON(validating: bytes[...], limits: limits),
            case .errorResponse(let id, let error) = try? RPCMessage(document),
            // Who refuses before he has read the request knows no id.
            id == nil || id?.json.int == number
        else { return nil }
        return error
    }
}
