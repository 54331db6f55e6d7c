package import Catalog
package import MCPModel

/// What one may do with an entry.
package enum AccessVerb: String, Hashable, Sendable, CaseIterable {
    /// Find it in lists, and know that it is there.
    case see
    /// Call a tool.
    case call
    /// Read a resource, get a prompt, have their arguments completed.
    case read

    /// What using an entry of this kind means; who may use it may see it.
    package static func use(of kind: EntryKind) -> AccessVerb { kind == .tool ? .call : .read }
}

/// Who asks, and at which node: all that rules know of it.
package struct AccessSubject: Hashable, Sendable {
    /// A node as rules name it.
    package struct Place: Hashable, Sendable {
        package var node: String
        package var segment: String

        package init(node: String, segment: String) {
            self.node = node
            self.segment = segment
        }
    }

    package var principal: Principal
    /// The entry node; `nil` while it is not known.
    package var place: Place?
    /// Whether it is an entry node on behalf of some of its callers, which of them it does not say.
    package var isWholeNode: Bool

    package init(_ principal: Principal, at place: Place?, isWholeNode: Bool = false) {
        self.principal = principal
        self.place = place
        self.isWholeNode = isWholeNode
    }
}

/// What is asked for, as far as rules know it.
package struct AccessTarget: Hashable, Sendable {
    /// Every name by which rules may mean its server: `erp` and `here--erp` of this node's own, `hq--erp` of another's. Empty
    /// for a composite, which is of no server.
    package var servers: [String]
    package var kind: EntryKind
    /// The server's own name for it: name, URI or URI template.
    package var entry: String
    /// Through which virtual server, if through one.
    package var virtualServer: String?

    package init(servers: [String], kind: EntryKind, entry: String, virtualServer: String? = nil) {
        self.servers = servers
        self.kind = kind
        self.entry = entry
        self.virtualServer = virtualServer
    }

    /// To the byte, as patterns compare: what was said of one entry is not said of one that only looks like it.
    package static func == (one: AccessTarget, other: AccessTarget) -> Bool {
        one.kind == other.kind && one.entry.isExactly(other.entry) && one.servers.isExactly(other.servers)
            && (one.virtualServer ?? "").isExactly(other.virtualServer ?? "")
            && (one.virtualServer == nil) == (other.virtualServer == nil)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(kind)
        entry.hashExactly(into: &hasher)
        for server in servers { server.hashExactly(into: &hasher) }
        virtualServer?.hashExactly(into: &hasher)
    }
}
