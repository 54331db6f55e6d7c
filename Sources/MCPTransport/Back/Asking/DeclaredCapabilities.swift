import JSONSlice
import MCPModel

/// What a legacy backend can be allowed to ask for: declared to it at `initialize`, and known of each caller.
///
/// A legacy backend learns once what its client can be asked for, a modern client says it with each request. Only
/// what a backend can *ask* for counts, in one spelling: there are a few dozen values at most, whatever clients send.
struct DeclaredCapabilities: Hashable, Sendable {
    /// Of a caller who can be asked for nothing.
    static let none = DeclaredCapabilities(json: .emptyObject)

    /// All that can be bridged. Roots have no `listChanged`: modern clients do not tell of that.
    static let everything = DeclaredCapabilities(
        of: [
            "elicitation": ["form": [:], "url": [:]], "roots": [:],
            "sampling": ["context": [:], "tools": [:]],
        ], at: .newestLegacy)

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

    /// Why a caller with these cannot be asked that; `nil`: it can.
    func objection(to method: String, _ params: JSON?) -> RPCError? {
        switch method {
        case Method.elicitationCreate:
            guard let elicitation = json["elicitation"] else { return .methodNotFound(method) }
            let mode = params?["mode"]?.string ?? "form"
            let isDeclared = elicitation[mode] != nil || (mode == "form" && elicitation["url"] == nil)
            return isDeclared ? nil : .invalidParams("the client declared no elicitation of mode \(mode)")
        case Method.samplingCreateMessage:
            guard let sampling = json["sampling"] else { return .methodNotFound(method) }
            let wantsTools = params?["tools"] != nil || params?["toolChoice"] != nil
            return wantsTools && sampling["tools"] == nil
                ? .invalidParams("the client declared no sampling with tools") : nil
        case Method.rootsList: return json["roots"] == nil ? .methodNotFound(method) : nil
        default: return .methodNotFound(method)
        }
    }
}
