package import Catalog

/// Which servers are one backend fronted by several nodes.
///
/// Only where configuration says so at both: each names the other under `replicaOf`, both have the same address, and both list
/// the same. Equal names mean nothing. What is not agreed upon stands for itself alone, and ``standings(of:in:)`` says why.
package struct ReplicaSets: Sendable {
    /// What became of one name under `replicaOf`.
    package enum Standing: Hashable, Sendable, CustomStringConvertible {
        case replica(ServerKey)
        /// No such server is known here.
        case unknown
        case itself
        /// It does not name this one.
        case oneSided
        case otherAddress
        case otherDefinitions

        package var description: String {
            switch self {
            case .replica: "a replica"
            case .unknown: "not known here"
            case .itself: "the server itself"
            case .oneSided: "it does not name this server under replicaOf"
            case .otherAddress: "it has another url"
            case .otherDefinitions: "it lists something else"
            }
        }
    }

    private let sets: [ServerKey: [ServerKey]]

    /// - Complexity: O(servers), and for those with `replicaOf` O(entries) where no hash names their manifest
    package init(_ snapshot: CatalogSnapshot) {
        var sets: [ServerKey: [ServerKey]] = [:]
        for (key, known) in snapshot.servers where !known.record.replicaOf.isEmpty {
            let others = Self.standings(of: known, in: snapshot).compactMap { name, standing in
                if case .replica(let other) = standing { other } else { nil }
            }
            if !others.isEmpty { sets[key] = Set(others).sorted() }
        }
        self.sets = sets
    }

    /// The others that are the same backend, in order; mostly none.
    package func replicas(of server: ServerKey) -> [ServerKey] { sets[server] ?? [] }

    /// Each name that a server gives, and whether it holds.
    package static func standings(
        of known: CatalogSnapshot.KnownServer, in snapshot: CatalogSnapshot
    ) -> [(name: ReplicaName, standing: Standing)] {
        known.record.replicaOf.map { ($0, standing(of: $0, for: known, in: snapshot)) }
    }

    private static func standing(
        of name: ReplicaName, for known: CatalogSnapshot.KnownServer, in snapshot: CatalogSnapshot
    ) -> Standing {
        let owners = snapshot.nodes.values.filter { $0.label == name.node }.map(\.id)
        // Two nodes of one label (two cut-off issuers): neither is meant for certain.
        guard owners.count == 1, let owner = owners.first,
            let other = snapshot.servers[ServerKey(owner: owner, name: name.server)]
        else { return .unknown }
        let (mine, theirs) = (known.record, other.record)
        guard theirs.key != mine.key else { return .itself }
        let myLabel = snapshot.nodes[mine.key.owner]?.label
        guard theirs.replicaOf.contains(where: { $0.node == myLabel && $0.server == mine.key.name }) else {
            return .oneSided
        }
        guard let address = mine.address, address == theirs.address else { return .otherAddress }
        return listTheSame(known, other) ? .replica(theirs.key) : .otherDefinitions
    }

    private static func listTheSame(
        _ a: CatalogSnapshot.KnownServer, _ b: CatalogSnapshot.KnownServer
    ) -> Bool {
        if let one = a.record.manifest, let two = b.record.manifest { return one == two }
        guard let one = a.manifest, let two = b.manifest else { return false }
        return one == two
    }
}
