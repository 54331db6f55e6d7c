package import Catalog
package import JSONSlice

/// What a client connects to.
package enum Endpoint: Hashable, Sendable {
    /// All servers of the mesh (`/mcp`).
    case all
    /// One real server, as it is (`/servers/NAME/mcp`).
    case oneServer(ServerKey)
    /// A composed one (`/servers/NAME/mcp`).
    case virtual(ResolvedDefinition)

    /// The URI space on this endpoint of one server.
    ///
    /// On `/mcp` this node's own servers go without node name, as their entries do. A virtual server is one face
    /// on many nodes, so there every URI names the node: a client keeps it when it moves to another node.
    func space(of server: ServerKey, me: NodeID, nodes: NodeNames) -> ResourceSpace {
        switch self {
        case .oneServer: ResourceSpace(authority: nil)
        case .all where server.owner == me:
            ResourceSpace(authority: EntryNaming.authority(node: nil, server: server.name))
        case .all:
            ResourceSpace(authority: EntryNaming.authority(node: nodes[server.owner], server: server.name))
        case .virtual(let definition):
            ResourceSpace(
                authority: EntryNaming.authority(node: nodes[server.owner], server: server.name),
                keepsURIs: definition.uris == .own)
        }
    }

    /// The URI space of a server that only steps call: nothing of it can be read here, so its URIs must not look like those that can.
    func space(ofStepServer server: ServerKey, nodes: NodeNames) -> ResourceSpace {
        ResourceSpace(authority: EntryNaming.authority(node: nodes[server.owner], server: server.name))
    }

    /// The servers that only steps of composites call, or steps too.
    var stepServers: [ServerKey] {
        if case .virtual(let definition) = self { definition.stepServers.sorted() } else { [] }
    }

    /// The servers behind it, in the order in which lists show them.
    func servers(in catalog: CatalogSnapshot) -> [ServerKey] {
        switch self {
        case .all: catalog.serversInOrder.map(\.record.key)
        case .oneServer(let server): [server]
        case .virtual(let definition): definition.servers(in: catalog)
        }
    }
}

/// One line of a list, with what it stands for.
package struct ListedEntry: Hashable, Sendable {
    /// What clients call it: a name, a URI or a URI template.
    package let name: String
    /// The definition as clients get it.
    package let definition: JSON
    /// Of a composite: its first step's, which says where it begins. Calls go by ``composite`` then.
    package let binding: Binding
    /// What is run instead of one call; `nil` for an entry of a server.
    package var composite: BoundComposite?
    /// Quarantined: it keeps its name, agents are not shown it, and calls of it are refused.
    package var isHeld = false
}

/// Something about a view that a person may want to know; nothing here keeps the rest from working.
package enum ViewNote: Hashable, Sendable {
    /// A definition uses a server that this node has not heard of.
    case unknownServer(ServerKey)
    /// The server is known, its entries are not yet.
    case notListedYet(ServerKey)
    /// The server is switched off by its owner's configuration.
    case disabled(ServerKey)
    /// A definition names an entry that its server does not offer (any more).
    case missingEntry(ServerKey, EntryKind, String)
    /// The server changed an entry so that what the definition fixes in it cannot be fixed any more; showing it
    /// unfixed would be wrong, so it is not shown.
    case withheld(ServerKey, EntryKind, String, NarrowingError)
    /// A composite calls this tool, which is not there; the composite is left out.
    case incomplete(composite: String, step: String, ServerKey, String)
    /// The server lists two entries under one name; the first counts.
    case repeated(ServerKey, EntryKind, String)
    /// With `uris: own`: another server of the definition could mean the URI too, so it is shown of neither.
    case contestedURI(ServerKey, EntryKind, String, others: [ServerKey])
    /// Entries would carry one name. Nobody takes a name from another: they are told apart as said.
    case clash(EntryKind, name: String, Clashing, shownAs: String)

    package struct Clashing: Hashable, Sendable {
        package let server: ServerKey
        package let entry: String
        /// Whether it is a composite of this name, and the server that of its first step.
        package var isComposite = false
    }
}

extension ViewNote: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknownServer(let server):
            "server \(server) is not known here (yet); its entries are missing"
        case .notListedYet(let server):
            "server \(server) has not been listed yet; its entries are missing"
        case .disabled(let server):
            "server \(server) is disabled; its entries are left out"
        case .missingEntry(let server, let kind, let name):
            "server \(server) offers no \(kind) \(name)"
        case .withheld(let server, let kind, let name, let reason):
            "\(kind) \(name) of \(server) is held back, because what the definition fixes in it "
                + "no longer fits: \(reason)"
        case .incomplete(let composite, let step, let server, let tool):
            "composite \(composite) is left out: step \(step) calls \(tool) of server \(server), which is not there"
        case .repeated(let server, let kind, let name):
            "server \(server) lists \(kind) \(name) twice; the first counts"
        case .contestedURI(let server, let kind, let uri, let others):
            "\(kind) \(uri) of server \(server) is left out: \(others.map(\.description).joined(separator: " and ")) could mean it too; "
                + "hide one of them in the definition, or leave out uris: own"
        case .clash(let kind, let name, let side, let shownAs):
            "more than one \(kind) would be called \(name); "
                + (side.isComposite
                    ? "the composite is shown as \(shownAs)"
                    : "that of \(side.server) (\(side.entry)) is shown as \(shownAs)")
        }
    }
}
