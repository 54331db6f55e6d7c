import Catalog
import Composition

/// What a person means by a target: `node:NAME`, `SERVER`, `NODE--SERVER`, `SERVER/ENTRY`, `NODE--SERVER/ENTRY`, or what
/// `/mcp` calls an entry.
struct TargetLookup {
    let snapshot: CatalogSnapshot
    let nodes: NodeNames
    let view: EndpointView?
    let nameLengthMax: Int
    /// Entries of this node's own servers that wait; in no list.
    let waiting: [EntryAddress]

    /// - Returns: never empty; several where a server has, say, a tool and a prompt of that name.
    func targets(_ text: String) throws(Refusal) -> [StatementTarget] {
        if text.hasPrefix("node:") {
            guard let node = nodes.node(String(text.dropFirst(5))) else {
                throw Refusal(
                    .notFound, "no node named \(text.dropFirst(5)) is known here",
                    hint: "`martlet peers` lists them")
            }
            return [.node(node)]
        }
        if let slash = text.firstIndex(of: "/"), let server = server(String(text[..<slash])) {
            let name = String(text[text.index(after: slash)...])
            let found = addresses.filter { $0.server == server && $0.name.utf8.elementsEqual(name.utf8) }
            if !found.isEmpty { return found.map(StatementTarget.of) }
            throw Refusal(
                .notFound, "\(text[..<slash]) is known here to offer nothing named \(name)",
                hint: "`martlet catalog search` shows what is listed, `martlet review` what waits")
        }
        let listed = EntryKind.allCases.compactMap { view?.entry($0, named: text) }
            .filter { $0.composite == nil }
            .map { EntryAddress(server: $0.binding.server, kind: $0.binding.kind, name: $0.binding.entry) }
        if !listed.isEmpty { return listed.map(StatementTarget.of) }
        let unlisted = addresses.filter { called($0) == text }
        if !unlisted.isEmpty { return unlisted.map(StatementTarget.of) }
        if let server = server(text) { return [.server(server)] }
        if let node = nodes.node(text) { return [.node(node)] }
        throw Refusal(
            .notFound, "\"\(text)\" is no entry, server or node that is known here",
            hint: "an entry is [NODE--]SERVER/ENTRY, a server [NODE--]SERVER, a node node:NAME")
    }

    /// What `/mcp` would call an entry.
    func called(_ address: EntryAddress) -> String {
        EntryNaming.name(
            node: address.server.owner == snapshot.me ? nil : nodes[address.server.owner],
            server: address.server.name, entry: address.name, lengthMax: nameLengthMax)
    }

    private func server(_ text: String) -> ServerKey? {
        guard let name = ServerName(reference: text) else { return nil }
        let owner = name.node.map { nodes.node($0.text) } ?? snapshot.me
        let key = owner.map { ServerKey(owner: $0, name: name.server) }
        return key.flatMap { known in
            snapshot.servers[known] != nil || stated.contains { $0.server == known }
                ? known : nil
        }
    }

    /// All that is known to exist or to be held back, each once, in order.
    private var addresses: [EntryAddress] {
        var all = Set(waiting)
        for (key, known) in snapshot.servers {
            for entry in (known.manifest?.entries ?? []) + (known.manifest?.pending ?? []) {
                all.insert(EntryAddress(server: key, kind: entry.kind, name: entry.name))
            }
        }
        for case .entry(let address) in stated { all.insert(address) }
        return all.sorted()
    }

    /// What is held back or limited, whether it exists by now or not.
    private var stated: [StatementTarget] {
        snapshot.holds.all.map(\.target) + snapshot.limits.all.map(\.target)
    }
}
