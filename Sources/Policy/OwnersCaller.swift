package import MCPModel

extension Caller {
    /// Doors whose names are each node's own: `key:alice` of one node is another Alice than that of the next.
    private static let nodesOwn: Set<String> = [ListenerPolicy.keyIssuer, "basic", "certificate"]
    /// Between a door and its node; in the name of no door.
    private static let mark: Character = "@"

    /// The caller as an owner tells him from others, in whatever it keeps for one caller: tasks, sessions at backends, open questions.
    ///
    /// Who has his name from one node alone is told apart by that node. The bearer of a token is the same wherever he comes in, since his
    /// issuer vouches for him and not the node; so are those who have no name, who may move between nodes as they always could.
    ///
    /// - Parameters:
    ///   - entryNode: as the link proved it.
    package func qualified(by entryNode: String) -> Caller {
        // Also of what a node makes up that is written like another node's: nothing that it says leads out of its own names.
        let door = issuer.prefix { $0 != Self.mark }
        guard Self.nodesOwn.contains(String(door)) else { return self }
        return Caller(issuer: "\(issuer)\(Self.mark)\(entryNode)", subject: subject)
    }
}
