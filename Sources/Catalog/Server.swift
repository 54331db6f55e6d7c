package import JSONSlice

/// Where a server is, for good: its owner and the name the owner gave it. Rules and definitions store this.
package struct ServerKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let owner: NodeID
    package let name: Label

    package init(owner: NodeID, name: Label) {
        self.owner = owner
        self.name = name
    }

    package var description: String { "\(owner)/\(name)" }
    package static func < (a: Self, b: Self) -> Bool { (a.owner, a.name) < (b.owner, b.name) }
}

/// Health of a server, known only to its owner and told by it (documents of the kind `server`).
package enum ServerState: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case starting = 0
    case up = 1
    case degraded = 2
    case down = 3
    case authNeeded = 4
    case disabled = 5

    package var description: String {
        switch self {
        case .starting: "starting"
        case .up: "up"
        case .degraded: "degraded"
        case .down: "down"
        case .authNeeded: "auth needed"
        case .disabled: "disabled"
        }
    }
}

/// Another node's server that is said to front the same backend (`servers.NAME.replicaOf`); by labels, since whoever writes it may
/// not have met that node.
package struct ReplicaName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let node: Label
    package let server: Label

    package init(node: Label, server: Label) {
        self.node = node
        self.server = server
    }

    /// - Returns: `nil` for what is not `NODE/SERVER`.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let node = Label(parts[0]), let server = Label(parts[1]) else { return nil }
        self.init(node: node, server: server)
    }

    package var description: String { "\(node)/\(server)" }
    package static func < (a: Self, b: Self) -> Bool { (a.node, a.server) < (b.node, b.server) }
}

/// Whether the owner holds the credential that the backend wants.
package enum AuthState: UInt8, Hashable, Sendable {
    case ready = 0
    case missing = 1
    case sealed = 2
}

/// What an owner tells the mesh of one of its servers; small, and changes with its health.
package struct ServerRecord: Hashable, Sendable {
    package var key: ServerKey
    package var title: String?
    package var tags: [String]
    package var state: ServerState
    /// Why it is in that state, for people; empty when `up`.
    package var stateReason: String
    /// When it came into that state, in seconds since 1970 on its owner's clock; 0: unknown. For people, never for order.
    package var stateSince: UInt64
    /// When it last answered anything, likewise, as of the time this was told; 0: not since its owner started.
    package var lastSuccess: UInt64
    /// The MCP revision spoken with the backend, e.g. `2025-11-25`; empty until known.
    package var revision: String
    package var auth: AuthState
    /// The replicas that its owner's configuration names.
    package var replicaOf: [ReplicaName]
    /// Of its canonical URL; `nil` without ``replicaOf``, since a hash of an address tells something of it.
    package var address: ContentHash?
    /// Names the ``Manifest``; `nil` until the server was listed once.
    package var manifest: ContentHash?

    package init(
        key: ServerKey, title: String? = nil, tags: [String] = [], state: ServerState = .starting,
        stateReason: String = "", stateSince: UInt64 = 0, lastSuccess: UInt64 = 0, revision: String = "",
        auth: AuthState = .ready, replicaOf: [ReplicaName] = [], address: ContentHash? = nil,
        manifest: ContentHash? = nil
    ) {
        self.key = key
        self.title = title
        self.tags = tags
        self.state = state
        self.stateReason = stateReason
        self.stateSince = stateSince
        self.lastSuccess = lastSuccess
        self.revision = revision
        self.auth = auth
        self.replicaOf = replicaOf
        self.address = address
        self.manifest = manifest
    }
}

/// All that one server offers, in the server's own order; complete: what is absent is gone.
package struct Manifest: Hashable, Sendable {
    package static let entriesMax = 10_000

    package let entries: [Entry]
    /// What the server offers too and nobody has approved; never called, never shown to agents.
    package let pending: [Entry]
    package let instructions: String?
    /// The server's capabilities object as it declared it.
    package let capabilities: JSON
    /// The server's `serverInfo` / Implementation object as it declared it.
    package let serverInfo: JSON

    package init(
        entries: [Entry], pending: [Entry] = [], instructions: String?, capabilities: JSON, serverInfo: JSON
    ) {
        self.entries = entries
        self.pending = pending
        self.instructions = instructions
        self.capabilities = capabilities
        self.serverInfo = serverInfo
    }

    package static let empty = Manifest(
        entries: [], instructions: nil, capabilities: .emptyObject, serverInfo: .emptyObject)

    package func entry(_ kind: EntryKind, named name: String) -> Entry? {
        entries.first { $0.kind == kind && $0.name == name }
    }
}
