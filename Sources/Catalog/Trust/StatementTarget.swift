/// What a statement is about: all of a node, one of its servers, or one entry.
package enum StatementTarget: Hashable, Comparable, Sendable, CustomStringConvertible {
    case node(NodeID)
    case server(ServerKey)
    /// Named as the history names it (``EntryAddress/noted``), so that no name makes a statement long.
    case entry(EntryAddress)

    /// - Returns: the entry under the name by which statements know it.
    package static func of(_ address: EntryAddress) -> Self { .entry(address.noted) }

    /// Whose it is.
    package var owner: NodeID {
        switch self {
        case .node(let node): node
        case .server(let server): server.owner
        case .entry(let address): address.server.owner
        }
    }

    package var server: ServerKey? {
        switch self {
        case .node: nil
        case .server(let server): server
        case .entry(let address): address.server
        }
    }

    package var description: String {
        switch self {
        case .node(let node): "node \(node)"
        case .server(let server): "\(server)"
        case .entry(let address): "\(address.kind) \(address.server)/\(address.name)"
        }
    }
}
