import JSONSlice
import MCPModel

/// What one revision allows on the wire, from its schema and specification; kept apart from the bridge that is tested by it.
struct RevisionRules: Sendable {
    let revision: ProtocolRevision

    private var isModern: Bool { revision.era == .modern }

    static let modernPrefix = "io.modelcontextprotocol/"

    // MARK: Methods

    /// Requests that a client may make.
    var clientRequests: Set<String> {
        var known: Set = [
            "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read",
            "prompts/list", "prompts/get", "completion/complete",
        ]
        known.formUnion(
            isModern
                ? ["server/discover", "subscriptions/listen"]
                : [
                    "initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe",
                ])
        return known
    }

    /// Requests that a server may make of its client.
    var serverRequests: Set<String> {
        if isModern { return [] }
        let all: Set = ["sampling/createMessage", "roots/list", "ping"]
        return revision < .v2025_06_18 ? all : all.union(["elicitation/create"])
    }

    /// What `inputRequests` may hold.
    static let inputRequests: Set = ["sampling/createMessage", "roots/list", "elicitation/create"]

    var serverNotifications: Set<String> {
        var known: Set = [
            "notifications/progress", "notifications/message", "notifications/cancelled",
            "notifications/tools/list_changed", "notifications/resources/list_changed",
            "notifications/prompts/list_changed", "notifications/resources/updated",
        ]
        if isModern { known.insert("notifications/subscriptions/acknowledged") }
        if revision == .v2025_11_25 {
            known.formUnion(["notifications/elicitation/complete", "notifications/tasks/status"])
        }
        return known
    }

    /// - Parameter isHTTP: over HTTP a modern client has nothing to notify of.
    func clientNotifications(isHTTP: Bool) -> Set<String> {
        if isModern { return isHTTP ? [] : ["notifications/cancelled"] }
        return [
            "notifications/initialized", "notifications/cancelled", "notifications/progress",
            "notifications/roots/list_changed",
        ]
    }

    // MARK: Results

    private static let cacheable: Set = [
        "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list",
        "resources/read",
    ]

    /// Why a server of this revision cannot have given this result; `nil`: it can.
    func objection(toResult result: JSON, of method: String) -> String? {
        if isModern {
            switch result["resultType"]?.string {
            case "input_required": return objection(toInputRequired: result, of: method)
            case "complete": break
            case let other: return "resultType is \(other ?? "missing")"
            }
            let isCached = result["ttlMs"] != nil || result["cacheScope"] != nil
            guard Self.cacheable.contains(method) else {
                return isCached ? "\(method) has no ttlMs and no cacheScope" : nil
            }
            guard let ttl = result["ttlMs"]?.int, ttl >= 0 else { return "ttlMs is missing" }
            guard ["public", "private"].contains(result["cacheScope"]?.string) else {
                return "cacheScope is missing"
            }
        } else {
            for member in ["resultType", "ttlMs", "cacheScope", "inputRequests", "requestState"]
            where result[member] != nil { return "\(member) came with 2026-07-28" }
        }
        return objection(toWords: result)
            ?? (result["tools"]?.elements ?? []).lazy.compactMap { objection(toTool: $0) }.first
            ?? (method == "tools/call" ? objection(toToolResult: result) : nil)
    }

    private func objection(toInputRequired result: JSON, of method: String) -> String? {
        guard ["tools/call", "prompts/get", "resources/read"].contains(method) else {
            return "\(method) cannot need input"
        }
        guard result["ttlMs"] == nil, result["content"] == nil else {
            return "input_required is no answer yet"
        }
        let requests = result["inputRequests"]?.members ?? []
        guard !requests.isEmpty || result["requestState"]?.string != nil else {
            return "neither inputRequests nor requestState is there"
        }
        for (key, request) in requests {
            guard let method = request["method"]?.string, Self.inputRequests.contains(method) else {
                return "the input request \(key) has no method that exists"
            }
            guard request["id"] == nil, request["jsonrpc"] == nil else {
                return "the input request \(key) is no JSON-RPC request"
            }
            if let objection = objection(toQuestion: method, request["params"] ?? .emptyObject) {
                return objection
            }
        }
        return nil
    }

    /// Why a question to a client is not of this revision.
    func objection(toQuestion method: String, _ params: JSON) -> String? {
        guard method == "elicitation/create" else { return objection(toWords: params) }
        guard params["message"]?.string != nil else { return "an elicitation has a message" }
        guard params["elicitationId"] == nil else { return "a form has no elicitationId" }
        let mode = params["mode"]?.string
        switch revision {
        case .v2025_06_18 where mode != nil: return "mode came with 2025-11-25"
        case .v2025_11_25 where mode != nil && mode != "form",
            .v2026_07_28 where mode != nil && mode != "form":
            return "the mode of a form is form"
        default: return objection(toWords: params)
        }
    }

    /// Reserved keys of 2026-07-28, wherever they stand.
    private func objection(toWords value: JSON) -> String? {
        guard !isModern else { return nil }
        for (key, inner) in value.members {
            if key.hasPrefix(Self.modernPrefix) { return "\(key) came with 2026-07-28" }
            if let objection = objection(toWords: inner) { return objection }
        }
        return value.elements.lazy.compactMap { objection(toWords: $0) }.first
    }

    /// Members of definitions and the revision that brought each.
    static let toolMembers: [String: ProtocolRevision] = [
        "annotations": .v2025_03_26, "title": .v2025_06_18, "outputSchema": .v2025_06_18,
        "icons": .v2025_11_25, "execution": .v2025_11_25,
    ]

    private func objection(toTool tool: JSON) -> String? {
        Self.toolMembers.sorted { $0.key < $1.key }.first { tool[$0.key] != nil && revision < $0.value }
            .map { "\($0.key) of a tool came with \($0.value.rawValue)" }
    }

    /// Kinds of content and the revision that brought each.
    static let contents: [String: ProtocolRevision] = [
        "text": .v2024_11_05, "image": .v2024_11_05, "resource": .v2024_11_05, "audio": .v2025_03_26,
        "resource_link": .v2025_06_18,
    ]

    private func objection(toToolResult result: JSON) -> String? {
        if let structured = result["structuredContent"] {
            if revision < .v2025_06_18 { return "structuredContent came with 2025-06-18" }
            if !isModern, structured.kind != .object { return "structuredContent must be an object" }
        }
        for block in result["content"]?.elements ?? [] {
            guard let first = Self.contents[block["type"]?.string ?? ""], first <= revision else {
                return "\(revision.rawValue) has no content \(block["type"]?.text ?? "without a type")"
            }
        }
        return nil
    }

    // MARK: Requests of a client

    /// Why a client of this revision cannot have sent these params; `nil`: it can.
    func objection(toParams params: JSON, of method: String) -> String? {
        let meta = params["_meta"]
        if isModern {
            guard meta?["\(Self.modernPrefix)protocolVersion"]?.string == revision.rawValue else {
                return "\(method) without the revision in _meta"
            }
            guard meta?["\(Self.modernPrefix)clientCapabilities"]?.kind == .object else {
                return "\(method) without the client's capabilities in _meta"
            }
            return nil
        }
        for member in ["inputResponses", "requestState"] where params[member] != nil {
            return "\(member) came with 2026-07-28"
        }
        return objection(toWords: params)
    }
}
