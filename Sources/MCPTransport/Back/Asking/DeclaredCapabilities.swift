import JSONSlice
import MCPModel

/// What the gateway declares at `initialize` to a legacy backend on behalf of callers: the key of a session.
///
/// A legacy backend learns once what its client can be asked for, a modern client says it with each request, so
/// callers that differ here cannot share a session (mcp-spec §5.1). Only what a backend can *ask* for counts, in
/// one spelling: there are a few dozen values at most, whatever clients send.
struct DeclaredCapabilities: Hashable, Sendable {
    /// Of a session whose backend may ask for nothing.
    static let none = DeclaredCapabilities(json: .emptyObject)

    /// The ClientCapabilities object, in the terms of the backend's revision.
    let json: JSON

    private init(json: JSON) { self.json = json }

    /// - Parameter capabilities: a caller's own, in modern terms.
    init(of capabilities: JSON, at revision: ProtocolRevision) {
        let legacy = EraBridge.legacyClientCapabilities(fromModern: capabilities, revision: revision)
        var members: [(String, JSON)] = []
        if let elicitation = legacy["elicitation"], elicitation.kind == .object {
            // 2025-06-18 knows forms only, and has no word for them.
            members.append(
                ("elicitation", revision < .v2025_11_25 ? .emptyObject : Self.modes(of: elicitation)))
        }
        if legacy["roots"]?.kind == .object { members.append(("roots", .emptyObject)) }
        if let sampling = legacy["sampling"], sampling.kind == .object {
            let parts = ["context", "tools"].filter { sampling[$0]?.kind == .object }
            members.append(("sampling", .object(parts.map { ($0, .emptyObject) })))
        }
        json = .object(members)
    }

    /// An empty declaration means forms.
    private static func modes(of elicitation: JSON) -> JSON {
        let hasURL = elicitation["url"]?.kind == .object
        let hasForm = elicitation["form"]?.kind == .object || !hasURL
        return .object((hasForm ? [("form", .emptyObject)] : []) + (hasURL ? [("url", .emptyObject)] : []))
    }

    /// Why a request of the backend goes beyond what was declared to it; `nil`: it does not (mcp-spec §4.4).
    func objection(to method: String, _ params: JSON?) -> RPCError? {
        switch method {
        case Method.elicitationCreate:
            guard let elicitation = json["elicitation"] else { return .methodNotFound(method) }
            let mode = params?["mode"]?.string ?? "form"
            let isDeclared = elicitation[mode] != nil || (mode == "form" && elicitation["url"] == nil)
            return isDeclared ? nil : .invalidParams("the client declared no elicitation of mode \(mode)")
        case Method.samplingCreateMessage: return json["sampling"] == nil ? .methodNotFound(method) : nil
        case Method.rootsList: return json["roots"] == nil ? .methodNotFound(method) : nil
        default: return .methodNotFound(method)
        }
    }
}
