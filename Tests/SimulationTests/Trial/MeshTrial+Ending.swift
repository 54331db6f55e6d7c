import Catalog
import MartletTestKit
import Mesh

extension MeshTrial {
    /// In what the nodes that are left still differ from one another, or from what they were told to offer.
    func difference() throws -> String? {
        let all = try honest.map { ($0, try mesh.core($0)) }
        // Whoever is ended by what any of the others holds.
        let present = all.filter { index, core in
            !departed.contains(index)
                && !all.contains {
                    $0.1.ownRevocation == nil && $0.1.revocations.objection(to: core.me.enrolment) != nil
                }
        }
        guard let (_, first) = present.first else { return "nobody is left" }
        let ids = Set(present.map { $0.1.me.id })
        let liar = hostile.map { mesh.id($0.index) }
        let rows = first.documents.map(\.row).filter { $0.key.origin != liar }
        let virtual = first.catalogSnapshot().virtualServers
        for (index, core) in present {
            guard !core.isHeldAsClone else { return "node \(index) is held as a copy" }
            guard core.revocations.all == first.revocations.all else { return "revocations at node \(index)" }
            guard core.documents.map(\.row).filter({ $0.key.origin != liar }) == rows else {
                return "documents at node \(index)"
            }
            guard core.document(.node(core.me.id))?.version.incarnation == mesh.incarnation(index) else {
                return "node \(index) goes by an incarnation that is not its own"
            }
            for id in ids where id != core.me.id && core.route(to: id) == nil {
                return "node \(index) does not reach \(id)"
            }
            if let origin = core.equivocations.keys.first(where: { $0 != liar }) {
                return "node \(index) does not believe \(origin)"
            }
            let view = core.catalogSnapshot()
            guard view.virtualServers == virtual else { return "virtual servers at node \(index)" }
            var shown: [ServerKey: Int] = [:]
            for (key, server) in view.servers where key.owner != liar {
                shown[key] = server.manifest?.entries.count ?? -1
            }
            let expected = expectedServers(of: present.map(\.0), at: index)
            guard shown == expected else {
                return "node \(index) shows \(shown), and it should be \(expected)"
            }
        }
        return nil
    }

    private func expectedServers(of owners: [NodeIndex], at index: NodeIndex) -> [ServerKey: Int] {
        var servers: [ServerKey: Int] = [:]
        for owner in owners {
            for (name, tools) in wanted[owner] ?? [:] {
                servers[ServerKey(owner: mesh.id(owner), name: name)] = tools
            }
        }
        if let scopedTools, owners.contains(Self.author), index == Self.author || index == Self.reader {
            servers[ServerKey(owner: mesh.id(Self.author), name: Self.scoped)] = scopedTools
        }
        return servers
    }
}
