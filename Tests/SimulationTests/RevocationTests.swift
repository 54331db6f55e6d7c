import Catalog
import MartletTestKit
import Mesh
import Testing

/// Revocations on the product's own cores in virtual time (docs/decisions/0014).
struct RevocationTests {
    /// Segments in a row, one node on each, each attached to its neighbours' networks.
    private func chain(_ mesh: SimulatedMesh, _ count: Int) throws -> [SimulatedMesh.NodeIndex] {
        let nodes = try (0..<count).map { index in
            try mesh.addNode(
                Label("s\(index)").orFail(), roles: index == 0 ? .all : .ordinary,
                segment: Label("seg\(index)").orFail(), attachedTo: ["net\(index)", "net\(index + 1)"],
                by: index == 0 ? nil : 0)
        }
        for index in nodes { mesh.start(index) }
        for (index, node) in nodes.enumerated() where index > 0 {
            mesh.sight(node, mesh.address(nodes[index - 1]))
        }
        return nodes
    }

    @Test(arguments: UInt64(1)...20)
    func `a revocation closes the last link at the far end of five segments within a second`(
        seed: UInt64
    ) throws {
        let mesh = try SimulatedMesh(seed: seed)
        mesh.network.loss = 0.05
        let nodes = try chain(mesh, 5)
        // The one to be revoked hangs at the far end.
        let victim = try mesh.addNode("victim", attachedTo: ["net5"], by: nodes[0])
        mesh.start(victim)
        mesh.sight(victim, mesh.address(nodes[4]))
        try mesh.publish(victim, "files", tools: 3)
        #expect(try mesh.run(atMost: .seconds(20)) { try mesh.agree(nodes + [victim]) } != nil)

        try mesh.revoke(nodes[0], victim)
        let took = try mesh.run(atMost: .seconds(5)) {
            try mesh.core(nodes[4]).links.values.allSatisfy { $0.facts.peer != mesh.id(victim) }
        }
        #expect(try took.orFail("the link to be closed") <= .seconds(1.5), "replay with seed \(seed)")
        mesh.run(for: .seconds(30))
        for node in nodes {
            let view = try mesh.core(node).catalogSnapshot()
            #expect(view.nodes[mesh.id(victim)] == nil)
            #expect(view.servers.isEmpty)
            #expect(try !mesh.core(node).linkedPeers.contains(mesh.id(victim)))
        }
        // It hears why, and stops.
        #expect(try mesh.core(victim).ownRevocation != nil)
        #expect(
            mesh.notices.contains { index, notice in
                if case .revoked = notice { index == victim } else { false }
            })
    }

    @Test func `a node that was cut off for long refuses whoever was revoked meanwhile`() throws {
        let mesh = try SimulatedMesh(seed: 5)
        let nodes = try mesh.addNodes(3, roles: .all)
        let thief = try mesh.addNode("thief", by: nodes[0])
        mesh.start(thief)
        mesh.sight(thief, mesh.address(nodes[0]))
        mesh.run(for: .seconds(3))
        // Two halves: the revocation is not heard where the thief is.
        mesh.cut([nodes[2], thief], from: [nodes[0], nodes[1]])
        mesh.run(for: .seconds(10))
        try mesh.revoke(nodes[0], thief)
        try mesh.publish(thief, "files", tools: 1)
        mesh.run(for: .seconds(3_600))
        #expect(try mesh.core(nodes[2]).catalogSnapshot().servers.count == 1)
        mesh.heal()
        let took = try mesh.run(atMost: .seconds(30)) {
            try mesh.agree(nodes) && mesh.agreeOnRevocations(nodes) && mesh.allReach(nodes)
        }
        #expect(took != nil)
        for node in nodes { #expect(try mesh.core(node).catalogSnapshot().servers.isEmpty) }
        #expect(try !mesh.core(nodes[2]).linkedPeers.contains(mesh.id(thief)))
    }

    @Test func `a restarted node knows whom it must not let in before it meets anybody`() throws {
        let mesh = try SimulatedMesh(seed: 6)
        let nodes = try mesh.addNodes(2, roles: .all)
        let gone = try mesh.addNode("gone", by: nodes[0])
        mesh.start(gone)
        mesh.sight(gone, mesh.address(nodes[0]))
        mesh.run(for: .seconds(3))
        try mesh.revoke(nodes[0], gone)
        mesh.run(for: .seconds(2))
        mesh.kill(nodes[0])
        mesh.kill(nodes[1])
        mesh.start(nodes[1])
        #expect(try mesh.core(nodes[1]).objection(to: mesh.id(gone)) != nil)
        #expect(try mesh.core(nodes[1]).nodes[mesh.id(gone)] == nil)
        mesh.run(for: .seconds(20))
        #expect(try mesh.core(nodes[1]).linkedPeers.isEmpty)
    }

    @Test func `the root ends an issuer, and only what it names of it stays`() throws {
        let mesh = try SimulatedMesh(seed: 7)
        let nodes = try mesh.addNodes(2, roles: .all)
        let (chief, rogue) = (nodes[0], nodes[1])
        var members: [SimulatedMesh.NodeIndex] = []
        for name in ["kept", "dropped", "wronged"] as [Label] {
            let index = try mesh.addNode(name, by: name == "wronged" ? chief : rogue)
            mesh.start(index)
            mesh.sight(index, mesh.address(chief))
            members.append(index)
        }
        mesh.run(for: .seconds(5))
        let (kept, dropped, wronged) = (members[0], members[1], members[2])
        // The rogue is told to go; what it does behind everybody's back does not stand.
        mesh.cut([rogue], from: [chief] + members)
        mesh.run(for: .seconds(5))
        try mesh.revokeByRoot(chief, rogue, dropping: [mesh.id(dropped)])
        try mesh.revoke(rogue, wronged)
        mesh.run(for: .seconds(5))
        mesh.heal()
        mesh.run(for: .seconds(30))
        let present = [chief, kept, wronged]
        #expect(try mesh.agree(present))
        #expect(try mesh.agreeOnRevocations(present))
        for node in present {
            #expect(try Set(mesh.core(node).nodes.keys) == Set(present.map { mesh.id($0) }))
            #expect(try mesh.core(node).revocations.count == 1)
        }
        #expect(try mesh.core(chief).objection(to: mesh.id(wronged)) == nil)
    }

    @Test(arguments: UInt64(1)...5)
    func `whom the root names later is back, though it was dropped or not known at the time`(seed: UInt64)
        throws
    {
        let mesh = try SimulatedMesh(seed: seed)
        mesh.network.loss = 0.05
        let nodes = try mesh.addNodes(2, roles: .all)
        let (chief, rogue) = (nodes[0], nodes[1])
        let members = try (["dropped", "unknown", "gone"] as [Label]).map { name in
            let index = try mesh.addNode(name, by: rogue)
            if name != "unknown" { mesh.start(index) }
            mesh.sight(index, mesh.address(chief))
            return index
        }
        let (dropped, unknown, gone) = (members[0], members[1], members[2])
        mesh.configure(dropped, servers: ["files"])
        try mesh.publish(dropped, "files", tools: 2)
        #expect(try mesh.run(atMost: .seconds(10)) { try mesh.agree([chief, dropped, gone]) } != nil)
        try mesh.revokeByRoot(chief, rogue, dropping: [mesh.id(dropped), mesh.id(gone)])
        mesh.start(unknown)
        mesh.sight(unknown, mesh.address(chief))
        mesh.run(for: .seconds(10))
        #expect(try Set(mesh.core(chief).nodes.keys) == [mesh.id(chief)])
        for index in members { #expect(try mesh.core(index).ownRevocation != nil) }

        try mesh.correctByRoot(chief, rogue, keeping: [dropped, unknown])
        mesh.kill(unknown)
        mesh.start(unknown)
        mesh.sight(unknown, mesh.address(chief))
        // One that starts anew need not wait for the minute that such a node dials in.
        let soon = try mesh.run(atMost: .seconds(5)) { try mesh.core(chief).nodes[mesh.id(unknown)] != nil }
        #expect(soon != nil, "replay with seed \(seed)")
        let present = [chief, dropped, unknown]
        let took = try mesh.run(atMost: .seconds(90)) {
            try mesh.agree(present) && mesh.agreeOnRevocations(present)
                && mesh.core(chief).nodes.count == present.count
        }
        #expect(took != nil, "replay with seed \(seed)")
        #expect(try mesh.core(chief).servers.keys.map(\.owner) == [mesh.id(dropped)])
        #expect(try mesh.core(gone).ownRevocation != nil)
        // One revocation stands, the later one; the first no longer does anything.
        #expect(try mesh.core(unknown).revocations.rootTerms(of: mesh.id(rogue))?.counter == 2)
    }

    @Test func `only what the root has said can be corrected`() throws {
        let mesh = try SimulatedMesh(seed: 8)
        let nodes = try mesh.addNodes(3, roles: .all)
        mesh.run(for: .seconds(5))
        #expect(throws: RevokeProblem.notRevokedByRoot(mesh.id(nodes[1]))) {
            try mesh.correctByRoot(nodes[0], nodes[1], keeping: [nodes[2]])
        }
    }

    /// Enrolments, revocations by issuers and by the root, cuts and restarts at random: whoever is left agrees, and nobody who
    /// heard of a revocation has its target.
    private func mixed(seed: UInt64) throws {
        let mesh = try SimulatedMesh(seed: seed)
        var random = SplitMix64(seed: seed &+ 77)
        let issuers = [
            try mesh.addNode("chief", roles: .all), try mesh.addNode("second", roles: .all),
        ]
        var nodes = issuers
        // With its seeds, at each start: it may have met nobody in its former life.
        func start(_ index: SimulatedMesh.NodeIndex) {
            mesh.start(index)
            for other in issuers where other != index { mesh.sight(index, mesh.address(other)) }
        }
        func enrol(by issuer: SimulatedMesh.NodeIndex) throws {
            let index = try mesh.addNode(Label("n\(nodes.count)").orFail(), by: issuer)
            nodes.append(index)
            start(index)
        }
        for index in issuers { mesh.start(index) }
        mesh.sight(issuers[1], mesh.address(issuers[0]))
        for _ in 0..<2 { try enrol(by: try issuers.randomElement(using: &random).orFail()) }
        mesh.run(for: .seconds(2))

        for _ in 0..<8 {
            let some = try nodes.randomElement(using: &random).orFail()
            let issuer = try issuers.randomElement(using: &random).orFail()
            switch Int.random(in: 0..<10, using: &random) {
            case 0...2 where mesh.isRunning(issuer):
                try? mesh.revoke(issuer, some)  // an issuer, oneself, or one that is revoked is refused
            case 3 where mesh.isRunning(issuers[0]):
                let dropping = Set(nodes.filter { _ in Bool.random(using: &random) }.map { mesh.id($0) })
                try? mesh.revokeByRoot(issuers[0], issuers[1], dropping: dropping)
                // Nothing to correct, or one that comes back.
                if Bool.random(using: &random) {
                    mesh.run(for: .milliseconds(Int64.random(in: 0...2500, using: &random)))
                    try? mesh.correctByRoot(issuers[0], issuers[1], keeping: [some])
                }
            case 4 where nodes.count < 7: try enrol(by: issuer)
            case 5 where mesh.isRunning(some): try? mesh.publish(some, "files", tools: 1)  // unless revoked
            case 6: if mesh.isRunning(some) { mesh.kill(some) } else { start(some) }
            case 7, 8:
                let side = nodes.filter { _ in Bool.random(using: &random) }
                mesh.cut(side, from: nodes.filter { !side.contains($0) })
            default: mesh.heal()
            }
            for node in nodes { mesh.configure(node, servers: ["files"]) }
            mesh.run(for: .milliseconds(Int64.random(in: 0...2500, using: &random)))
            for index in mesh.running {
                let core = try mesh.core(index)
                for id in core.revocations.targets where id != core.me.id && core.objection(to: id) != nil {
                    #expect(core.nodes[id] == nil, "seed \(seed): a revoked node's documents are held")
                    #expect(
                        core.links.values.allSatisfy {
                            $0.facts.peer != id || mesh.now - $0.since < .seconds(1)
                        },
                        "seed \(seed): a revoked node is linked")
                }
            }
        }
        mesh.heal()
        for index in nodes where !mesh.isRunning(index) { start(index) }
        // Whoever is ended by what any node holds, ends for all.
        let took = try mesh.run(atMost: .seconds(300)) {
            let left = try nodes.filter { try mesh.core($0).ownRevocation == nil }
            let chief = try mesh.core(issuers[0])
            let ended = nodes.filter { index in
                (try? mesh.core(index)).map { chief.revocations.objection(to: $0.me.enrolment) != nil }
                    ?? true
            }
            let present = nodes.filter { !ended.contains($0) }
            let ids = Set(present.map { mesh.id($0) })
            return try left.contains(issuers[0]) && mesh.agree(present) && mesh.agreeOnRevocations(present)
                && present.allSatisfy { try Set(mesh.core($0).nodes.keys) == ids }
        }
        #expect(took != nil, "replay with seed \(seed)")
    }

    @Test(arguments: 0..<50)
    func `a thousand seeds of enrolments, revocations and partitions end equal`(block: Int) throws {
        for seed in 1...20 { try mixed(seed: UInt64(block * 20 + seed)) }
    }
}
