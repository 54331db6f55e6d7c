package import Catalog

/// How a definition names a server: as a person writes it, or for good as it is signed and stored.
package protocol ServerReference: Hashable, Sendable {
    /// What is expected where a server is to be named, for problems.
    static var form: String { get }
    /// How many `/` the spelling of a server contains, so that an entry's name can follow behind one more.
    static var slashes: Int { get }

    init?(reference: String)
    var reference: String { get }

    /// A node by itself.
    associatedtype Node: Hashable, Sendable
    static func node(reference: String) -> Node?
    static func reference(ofNode node: Node) -> String
}

extension ServerReference {
    /// Takes `SERVER/ENTRY` apart. A server's spelling is fixed, so an entry's name may contain anything.
    static func entry(_ text: String) -> (server: Self, entry: String)? {
        let parts = text.split(separator: "/", maxSplits: slashes + 1, omittingEmptySubsequences: false)
        guard parts.count == slashes + 2, let entry = parts.last, !entry.isEmpty,
            let server = Self(reference: parts.dropLast().joined(separator: "/"))
        else { return nil }
        return (server, String(entry))
    }
}

/// A server as people write it: `SERVER` on this node, `NODE--SERVER` on another (or this) one.
///
/// A plain name never means another node's server: what a definition selects must not change because a node
/// joined that has a server of the same name.
package struct ServerName: ServerReference {
    /// A node's label, or its id.
    package var node: Label?
    package var server: Label

    package init(node: Label? = nil, server: Label) {
        self.node = node
        self.server = server
    }

    package static let form = "SERVER or NODE--SERVER"
    package static let slashes = 0

    package init?(reference: String) {
        if let separator = reference.firstRange(of: "--") {
            guard let node = Label(reference[..<separator.lowerBound]),
                let server = Label(reference[separator.upperBound...])
            else { return nil }
            self.init(node: node, server: server)
        } else {
            guard let server = Label(reference) else { return nil }
            self.init(server: server)
        }
    }

    package var reference: String { EntryNaming.authority(node: node?.text, server: server) }

    package static func node(reference: String) -> Label? { Label(reference) }
    package static func reference(ofNode node: Label) -> String { node.text }
}

/// `NODEID/SERVER`: the form that holds whatever nodes are called later.
extension ServerKey: ServerReference {
    package static var form: String { "NODEID/SERVER" }
    package static var slashes: Int { 1 }

    package init?(reference: String) {
        let parts = reference.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let owner = NodeID(parts[0]), let name = Label(parts[1]) else { return nil }
        self.init(owner: owner, name: name)
    }

    package var reference: String { description }

    package static func node(reference: String) -> NodeID? { NodeID(reference) }
    package static func reference(ofNode node: NodeID) -> String { node.description }
}
