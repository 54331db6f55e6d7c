import Catalog
import Composition
import JSONSlice

/// One other node of the mesh as `peers` and `status` show it.
struct PeerReport {
    let node: NodeRecord
    let name: String
    /// Labels of the nodes to cross, the peer itself left out; empty: a direct link.
    let via: [String]
    let servers: Int
    let tools: Int
    let now: Instant
    /// Whether what is known of it may be acted on.
    let isConfirmed: Bool

    var json: JSON {
        var members: [(String, JSON)] = [
            ("id", .string(node.id.description)), ("label", .string(name)),
            ("segment", .string(node.segment.text)),
            ("roles", .string(node.roles.description)), ("software", .string(node.software)),
            ("servers", .number(servers)), ("tools", .number(tools)),
            ("ageSeconds", .number(max(0, (now - node.heardAt).wholeSeconds))),
        ]
        switch node.reachability {
        case .me: members.append(("state", "this node"))
        case .reachable:
            members.append(("state", "reachable"))
            members.append(("path", .string(via.isEmpty ? "direct" : "via " + via.joined(separator: ", "))))
            if let since = node.reachedSince {
                members.append(("sinceSeconds", .number(max(0, (now - since).wholeSeconds))))
            }
        case .unreachable(let since):
            members.append(("state", "unreachable"))
            members.append(("path", "-"))
            members.append(("sinceSeconds", .number(max(0, (now - since).wholeSeconds))))
        }
        if !isConfirmed {
            members.removeAll { $0.0 == "state" }
            members.append(("state", .string(Self.notConfirmed)))
        }
        if let roundTrip = node.roundTrip {
            members.append(("roundTripMilliseconds", .number(roundTrip.milliseconds)))
        }
        return .object(members)
    }

    /// The state of what is known from before this node's start, until a peer has answered.
    static let notConfirmed = "not confirmed"

    /// All nodes but this one, by name.
    static func all(in snapshot: CatalogSnapshot, now: Instant) -> [PeerReport] {
        let names = NodeNames(snapshot)
        return snapshot.nodes.values.filter { $0.id != snapshot.me }.map { node in
            let own = snapshot.servers.values.filter { $0.record.key.owner == node.id }
            var via: [String] = []
            if case .reachable(let path) = node.reachability { via = path.dropLast().map { names[$0] } }
            return PeerReport(
                node: node, name: names[node.id], via: via, servers: own.count,
                tools: own.reduce(0) { $0 + ($1.manifest?.entries.count { $0.kind == .tool } ?? 0) },
                now: now,
                isConfirmed: snapshot.isConfirmed)
        }.sorted { $0.name < $1.name }
    }
}
