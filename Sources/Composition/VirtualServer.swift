package import Catalog
package import JSONSlice
package import MCPModel

/// A composed MCP server: chosen entries of any servers under one name, renamed and narrowed.
///
/// The same shape is written by people, with ``ServerName``s, and signed and stored, with ``ServerKey``s;
/// `resolve` leads from the one to the other when a definition is applied.
package struct VirtualServer<Server: ServerReference>: Hashable, Sendable {
    package enum Use: Hashable, Sendable {
        case server(WholeServer<Server>)
        case entry(SingleEntry<Server>)
        case choice(EntryChoice<Server>)
        case composite(CompositeTool<Server>)
    }

    package var title: String?
    package var description: String?
    /// Takes the place of the servers' own instructions.
    package var instructions: String?
    /// In the order in which clients see it.
    package var use: [Use]
    /// How the URIs of its sources are shown.
    package var uris: ShownURIs
    /// How tools are shown to clients that do not say how they want them.
    package var mode: ListingMode
    /// Tools, by the names that clients see, that are listed even where the others are searched.
    package var always: [Glob]
    /// With ``ListingMode/auto``: how many tools are listed before they are searched; `nil`: as the node has it.
    package var listedTools: Int?
    /// Whether nodes announce it by mDNS to plain clients on their segments.
    package var isAdvertised: Bool
    /// Whom it is for, teams as the node has them at which a caller comes in; empty: everybody.
    package var access: [PrincipalPattern]

    package init(
        title: String? = nil, description: String? = nil, instructions: String? = nil, use: [Use],
        uris: ShownURIs = .prefixed, mode: ListingMode = .full, always: [Glob] = [], listedTools: Int? = nil,
        isAdvertised: Bool = false,
        access: [PrincipalPattern] = []
    ) {
        self.title = title
        self.description = description
        self.instructions = instructions
        self.use = use
        self.uris = uris
        self.mode = mode
        self.always = always
        self.listedTools = listedTools
        self.isAdvertised = isAdvertised
        self.access = access
    }
}

/// How a virtual server shows URIs and URI templates of resources.
package enum ShownURIs: String, Hashable, Sendable, CaseIterable {
    /// As `martlet://NODE--SERVER/ORIGINAL`: no two sources can have one.
    case prefixed
    /// As the servers have them.
    case own
}

/// As written in a file or a request.
package typealias VirtualServerDefinition = VirtualServer<ServerName>
/// As signed and stored: every server for good.
package typealias ResolvedDefinition = VirtualServer<ServerKey>

/// All entries of a server, or those whose own name (tool, prompt) or URI (resource, template) the globs leave.
package struct WholeServer<Server: ServerReference>: Hashable, Sendable {
    package var from: Server
    /// Empty: everything.
    package var only: [Glob]
    package var hide: [Glob]

    package init(from: Server, only: [Glob] = [], hide: [Glob] = []) {
        self.from = from
        self.only = only
        self.hide = hide
    }

    package func selects(_ name: String) -> Bool {
        (only.isEmpty || only.contains { $0.matches(name) }) && !hide.contains { $0.matches(name) }
    }
}

/// One entry, made to measure. It stands for the entry in this definition: a whole server beside it leaves it out.
package struct SingleEntry<Server: ServerReference>: Hashable, Sendable {
    package var server: Server
    package var kind: EntryKind
    /// The server's own name for it: name, URI or URI template.
    package var entry: String
    /// What clients shall call it; tools and prompts only.
    package var name: String?
    package var title: String?
    package var description: String?
    /// Members to set in the tool's annotations.
    package var annotations: [Argument]
    /// Arguments that are always these, and hidden from clients.
    package var fixed: [Argument]
    /// Arguments that are these unless the client gives others.
    package var defaults: [Argument]

    package init(
        _ kind: EntryKind, _ entry: String, of server: Server, as name: String? = nil, title: String? = nil,
        description: String? = nil, annotations: [Argument] = [], fixed: [Argument] = [],
        defaults: [Argument] = []
    ) {
        self.server = server
        self.kind = kind
        self.entry = entry
        self.name = name
        self.title = title
        self.description = description
        self.annotations = annotations
        self.fixed = fixed
        self.defaults = defaults
    }

    /// `SERVER/ENTRY` in the spelling of ``Server``.
    package var reference: String { "\(server.reference)/\(entry)" }
}

/// One named value, in a list that keeps its order.
package struct Argument: Hashable, Sendable {
    package var name: String
    package var value: JSON

    package init(_ name: String, _ value: JSON) {
        self.name = name
        self.value = value
    }
}

extension VirtualServer where Server == ServerKey {
    /// Servers that stand in it by name.
    var namedServers: Set<ServerKey> {
        use.reduce(into: []) { named, use in
            switch use {
            case .server(let whole): named.insert(whole.from)
            case .entry(let single): named.insert(single.server)
            case .choice, .composite: break
            }
        }
    }

    /// Every server used, once, in the order of first use; for a choice by `where` all that it looks at. Not those that only steps
    /// of composites call: their entries are not shown.
    ///
    /// - Complexity: O(servers) for each choice by `where`
    package func servers(in catalog: CatalogSnapshot) -> [ServerKey] {
        var seen: Set<ServerKey> = []
        return use.flatMap { use -> [ServerKey] in
            switch use {
            case .server(let whole): [whole.from]
            case .entry(let single): [single.server]
            case .choice(let choice): choice.servers(in: catalog)
            case .composite: []
            }
        }.filter { seen.insert($0).inserted }
    }

    /// Every server that a step of a composite calls.
    var stepServers: Set<ServerKey> {
        use.reduce(into: []) { servers, use in
            if case .composite(let tool) = use { servers.formUnion(tool.steps.map(\.server)) }
        }
    }

    /// The nodes whose entries may be chosen by `where`; where operators' approvals choose, all that are known.
    func choiceOwners(in catalog: CatalogSnapshot) -> Set<NodeID> {
        use.reduce(into: []) { owners, use in
            guard case .choice(let choice) = use else { return }
            owners.formUnion(choice.takesApproved ? Array(catalog.nodes.keys) : choice.owners)
        }
    }

    /// Whether what is in it depends on operators' approvals.
    var choosesApproved: Bool {
        use.contains { if case .choice(let choice) = $0 { choice.takesApproved } else { false } }
    }
}
