package import JSONSlice

/// What this node knows of one node, itself included.
package struct NodeRecord: Hashable, Sendable {
    package enum Reachability: Hashable, Sendable {
        case me
        /// `path` are the ids to cross, the node itself last; one element: a direct link.
        case reachable(path: [NodeID])
        case unreachable(since: Instant)
    }

    package var id: NodeID
    package var label: Label
    package var segment: Label
    package var roles: Roles
    package var software: String
    package var addresses: [String]
    package var reachability: Reachability
    /// Round trip of the first link on the path, when measured.
    package var roundTrip: Duration?
    /// Since when it is reached on this path.
    package var reachedSince: Instant?
    /// When we last learnt something from its origin.
    package var heardAt: Instant

    package init(
        id: NodeID, label: Label, segment: Label, roles: Roles, software: String, addresses: [String],
        reachability: Reachability, roundTrip: Duration? = nil, reachedSince: Instant? = nil,
        heardAt: Instant
    ) {
        self.id = id
        self.label = label
        self.segment = segment
        self.roles = roles
        self.software = software
        self.addresses = addresses
        self.reachability = reachability
        self.roundTrip = roundTrip
        self.reachedSince = reachedSince
        self.heardAt = heardAt
    }

    package var isReachable: Bool {
        if case .unreachable = reachability { false } else { true }
    }
}

/// A virtual server's definition as its author signed it; `Composition` gives it meaning.
package struct VirtualServerRecord: Hashable, Sendable {
    package var name: Label
    package var author: NodeID
    /// One more than the definition it replaces; (counter, hash) decides between two authors.
    package var counter: UInt64
    /// Whether the author's configuration says it, so that it is changed only there.
    package var isConfigured: Bool
    /// The definition, in the normal form that `Composition` writes.
    package var definition: JSON

    package init(
        name: Label, author: NodeID, counter: UInt64, isConfigured: Bool = false, definition: JSON
    ) {
        self.name = name
        self.author = author
        self.counter = counter
        self.isConfigured = isConfigured
        self.definition = definition
    }
}

/// Everything this node knows, at one moment: immutable, shared by all requests that started meanwhile.
package struct CatalogSnapshot: Sendable {
    package struct KnownServer: Sendable {
        package var record: ServerRecord
        /// `nil` while the manifest has not arrived.
        package var manifest: Manifest?
        /// Whether its owner has said since this node's start that this is all so. Of servers that are for some nodes only;
        /// others have no one owner to ask.
        package var isConfirmed: Bool

        package init(record: ServerRecord, manifest: Manifest?, isConfirmed: Bool = true) {
            self.record = record
            self.manifest = manifest
            self.isConfirmed = isConfirmed
        }
    }

    package var me: NodeID
    package var nodes: [NodeID: NodeRecord]
    package var servers: [ServerKey: KnownServer]
    /// The one that stands for each name.
    package var virtualServers: [Label: VirtualServerRecord]
    /// Of each name all that is said, by each author, removals too; the one that counts first.
    package var virtualWords: [Label: [VirtualServerWord]] = [:]
    /// What is held back, and which definitions operators approved.
    package var holds = Holds.none
    package var approvals = Approvals.none
    /// How often operators let what be called.
    package var limits = StatedLimits.none
    /// Whether what is known of other nodes may be called; else it is from before this node's start, and no peer has
    /// answered yet.
    package var isConfirmed = true
    /// Since when this node, though it knows others, has no link with any.
    package var aloneSince: Instant?

    package init(
        me: NodeID, nodes: [NodeID: NodeRecord] = [:], servers: [ServerKey: KnownServer] = [:],
        virtualServers: [Label: VirtualServerRecord] = [:]
    ) {
        self.me = me
        self.nodes = nodes
        self.servers = servers
        self.virtualServers = virtualServers
    }

    /// Servers in the order in which lists show them: this node's own first, then by node label, then name.
    package var serversInOrder: [KnownServer] {
        servers.values.sorted { a, b in
            let (ka, kb) = (a.record.key, b.record.key)
            if (ka.owner == me) != (kb.owner == me) { return ka.owner == me }
            let (la, lb) = (nodes[ka.owner]?.label.text ?? "", nodes[kb.owner]?.label.text ?? "")
            return (la, ka) < (lb, kb)
        }
    }
}
