import Catalog
import JSONSlice
import MCPModel

/// What an endpoint says of itself: title, instructions, capabilities (MCP `server/discover`, `initialize`).
struct EndpointFace {
    /// Instructions of all servers together: they go into every conversation, so they cost everybody.
    static let instructionsBytesMax = 16 * 1024
    /// One server's share where several are shown.
    static let serverInstructionsBytesMax = 2 * 1024

    let title: String?
    let instructions: String?
    let capabilities: JSON

    init(
        of endpoint: Endpoint, servers: [CatalogSnapshot.KnownServer], nodes: NodeNames, me: NodeID,
        listed: Set<EntryKind>
    ) {
        switch endpoint {
        case .oneServer:
            title = servers.first?.record.title
            instructions = servers.first?.manifest?.instructions
            capabilities =
                servers.first?.manifest.map { Self.ownCapabilities($0.capabilities) } ?? Self.unlisted
        case .all:
            title = nil
            instructions = Self.merged(servers, nodes: nodes, me: me)
            capabilities = Self.union(of: servers, listed: listed)
        case .virtual(let definition):
            title = definition.title
            instructions = definition.instructions ?? Self.merged(servers, nodes: nodes, me: nil)
            capabilities = Self.union(of: servers, listed: listed)
        }
    }

    // MARK: Instructions

    /// Each server's under its name, cut where they would grow past the bounds.
    private static func merged(
        _ servers: [CatalogSnapshot.KnownServer], nodes: NodeNames, me: NodeID?
    ) -> String? {
        var text = ""
        for server in servers where server.record.state != .disabled {
            guard let own = server.manifest?.instructions, !own.isEmpty else { continue }
            let key = server.record.key
            let name = EntryNaming.authority(
                node: key.owner == me ? nil : nodes[key.owner], server: key.name)
            let part = "## \(name)\n\n\(cut(own, to: serverInstructionsBytesMax))"
            let separator = text.isEmpty ? "" : "\n\n"
            guard text.utf8.count + separator.utf8.count + part.utf8.count <= instructionsBytesMax else {
                return text + separator + "(More servers have instructions than fit here.)"
            }
            text += separator + part
        }
        return text.isEmpty ? nil : text
    }

    private static func cut(_ text: String, to bytesMax: Int) -> String {
        guard text.utf8.count > bytesMax else { return text }
        var kept = ""
        for character in text {
            guard kept.utf8.count + character.utf8.count < bytesMax else { break }
            kept.append(character)
        }
        return kept + "…"
    }

    // MARK: Capabilities

    /// Of a server that was never listed: what it has is not known yet, and whoever asks now must hear of it later. A legacy
    /// client learns capabilities once; a modern one listens only to what was declared.
    private static let unlisted: JSON = [
        "tools": ["listChanged": true], "resources": ["listChanged": true], "prompts": ["listChanged": true],
    ]

    /// A server's own, its extensions included, except that the gateway itself tells of changed lists: what is advertised
    /// has to be true. (`tasks` is legacy's word for what stands among the extensions by now.)
    private static func ownCapabilities(_ declared: JSON) -> JSON {
        var result = declared.removing("tasks")
        for list in ["tools", "resources", "prompts"] {
            guard let own = result[list], own.kind == .object else { continue }
            result = result.setting(list, to: own.setting("listChanged", to: true))
        }
        return result
    }

    /// Whether capabilities promise to tell of updates of single resources.
    static func tellsOfUpdates(_ capabilities: JSON) -> Bool {
        capabilities["resources"]?["subscribe"]?.bool == true
    }

    /// Of all servers together: what one of them has, the endpoint has. Tools always: a
    /// legacy client learns capabilities once, and the first server may come later. Of extensions only the one whose
    /// names the gateway can make outward.
    private static func union(of servers: [CatalogSnapshot.KnownServer], listed: Set<EntryKind>) -> JSON {
        let declared = servers.compactMap { $0.record.state == .disabled ? nil : $0.manifest?.capabilities }
        let has = { (name: String) in declared.contains { $0[name] != nil } }
        let notifying: JSON = ["listChanged": true]
        var members: [(String, JSON)] = [("tools", notifying)]
        if has("resources") || listed.contains(.resource) || listed.contains(.resourceTemplate) {
            let subscribe = declared.contains(where: tellsOfUpdates)
            members.append(
                ("resources", subscribe ? ["subscribe": true, "listChanged": true] : notifying))
        }
        if has("prompts") || listed.contains(.prompt) { members.append(("prompts", notifying)) }
        for name in ["completions", "logging"] where has(name) { members.append((name, .emptyObject)) }
        if servers.contains(where: \.hasTasks) {
            members.append(("extensions", .object([(TasksExtension.id, .emptyObject)])))
        }
        return .object(members)
    }
}
