import Catalog
import MartletTestKit
import Mesh
import Testing

/// Decisions on what may be called, on the product's own cores in virtual time (docs/decisions/0034).
struct StatementTests {
    private func entry(_ owner: NodeID, _ name: String = "pay") -> EntryAddress {
        EntryAddress(server: ServerKey(owner: owner, name: "bank"), kind: .tool, name: name)
    }

    @Test(arguments: UInt64(1)...20)
    func `a quarantine reaches the far end of five segments within a second`(seed: UInt64) throws {
        let mesh = try SimulatedMesh(seed: seed)
        mesh.network.loss = 0.05
        let nodes = try (0..<5).map { index in
            try mesh.addNode(
                Label("s\(index)").orFail(), roles: index == 0 ? .all : .ordinary,
                segment: Label("seg\(index)").orFail(), attachedTo: ["net\(index)", "net\(index + 1)"],
                by: index == 0 ? nil : 0)
        }
        for index in nodes { mesh.start(index) }
        for (index, node) in nodes.enumerated() where index > 0 {
            mesh.sight(node, mesh.address(nodes[index - 1]))
        }
        #expect(try mesh.run(atMost: .seconds(20)) { try mesh.agree(nodes) && mesh.allReach(nodes) } != nil)

        let target = StatementTarget.of(entry(mesh.id(nodes[2])))
        try mesh.quarantine(nodes[0], target)
        let took = try mesh.run(atMost: .seconds(5)) {
            try nodes.allSatisfy { try mesh.core($0).catalogSnapshot().holds.exactly(target).count == 1 }
        }
        #expect(try took.orFail("all to hold it back") <= .seconds(1), "replay with seed \(seed)")
    }

    @Test
    func `a node that was cut off holds back what was quarantined meanwhile before it reads a document`()
        throws
    {
        let mesh = try SimulatedMesh(seed: 9)
        let nodes = try mesh.addNodes(3, roles: .all)
        mesh.run(for: .seconds(3))
        mesh.cut([nodes[2]], from: [nodes[0], nodes[1]])
        mesh.run(for: .seconds(10))
        let target = StatementTarget.server(ServerKey(owner: mesh.id(nodes[0]), name: "files"))
        try mesh.quarantine(nodes[1], target)
        try mesh.publish(nodes[0], "files", tools: 1)
        mesh.stepObserver = { index in
            guard index == nodes[2], let core = try? mesh.core(index), !core.servers.isEmpty else { return }
            #expect(core.catalogSnapshot().holds.exactly(target).count == 1)
        }
        mesh.heal()
        #expect(
            try mesh.run(atMost: .seconds(30)) { try mesh.agree(nodes) && mesh.agreeOnStatements(nodes) }
                != nil)
        #expect(try !mesh.core(nodes[2]).servers.isEmpty)
        // A restart forgets none of it.
        mesh.kill(nodes[2])
        mesh.start(nodes[2])
        #expect(try mesh.core(nodes[2]).catalogSnapshot().holds.exactly(target).count == 1)
    }

    @Test func `a restored operator goes above what it said before`() throws {
        let mesh = try SimulatedMesh(seed: 10)
        let nodes = try mesh.addNodes(2, roles: .all)
        mesh.run(for: .seconds(2))
        let backup = mesh.disk(nodes[1])
        let target = StatementTarget.node(mesh.id(nodes[0]))
        mesh.kill(nodes[1])
        mesh.start(nodes[1])
        mesh.sight(nodes[1], mesh.address(nodes[0]))
        mesh.run(for: .seconds(3))
        try mesh.quarantine(nodes[1], target)
        mesh.run(for: .seconds(2))
        mesh.kill(nodes[1])
        mesh.restoreDisk(nodes[1], backup.state, incarnation: backup.incarnation)
        mesh.start(nodes[1])
        mesh.sight(nodes[1], mesh.address(nodes[0]))
        #expect(try mesh.run(atMost: .seconds(20)) { try mesh.agreeOnStatements(nodes) } != nil)
        #expect(try mesh.core(nodes[1]).catalogSnapshot().holds.exactly(target).count == 1)
        // What it says now counts.
        try mesh.release(nodes[1], target)
        #expect(
            try mesh.run(atMost: .seconds(10)) {
                try nodes.allSatisfy { try mesh.core($0).catalogSnapshot().holds.isEmpty }
            } != nil)
    }

    /// What was said in a history, as an all-seeing clerk writes it down.
    private struct Clerk {
        var quarantines: [ReleasedWord: StatementTarget] = [:]
        var limits: [ReleasedWord: CallAllowance] = [:]
        /// Taken back by their signers, or said anew.
        var replaced: Set<ReleasedWord> = []
        /// Named by whom.
        var released: [ReleasedWord: Set<NodeID>] = [:]
    }

    /// Quarantines, limits, approvals, releases and revocations under cuts and restarts: in the end all hold the same, nobody is looser than
    /// the strictest word that stands, and at no step does a quarantine go without somebody's word.
    private func history(seed: UInt64) throws {
        let mesh = try SimulatedMesh(seed: seed)
        var random = SplitMix64(seed: seed &+ 991)
        let chief = try mesh.addNode("chief", roles: .all)
        let operators = [
            chief, try mesh.addNode("second", roles: [.member, .operator], by: chief),
            try mesh.addNode("third", roles: [.member, .operator], by: chief),
        ]
        let nodes = operators + [try mesh.addNode("lab", by: chief), try mesh.addNode("shop", by: chief)]
        func start(_ index: SimulatedMesh.NodeIndex) {
            mesh.start(index)
            for other in nodes where other != index { mesh.sight(index, mesh.address(other)) }
        }
        for index in nodes { start(index) }
        mesh.run(for: .seconds(2))
        let targets = nodes.suffix(2).flatMap { index in
            [
                StatementTarget.node(mesh.id(index)), .server(entry(mesh.id(index)).server),
                .of(entry(mesh.id(index))),
            ]
        }
        var clerk = Clerk()
        var stoodAt: [SimulatedMesh.NodeIndex: Set<ContentHash>] = [:]
        mesh.stepObserver = { index in
            guard let core = try? mesh.core(index) else { return }
            let standing = core.standingStatements
            let words = Set(standing.holds.compactMap(\.word) + standing.limits.map(\.word))
            for gone in (stoodAt[index] ?? []).subtracting(words) {
                let isHeld = core.statements.all.values.contains { $0.hash == gone }
                let isNamed = core.statements.all.values.contains {
                    guard case .release(_, let released)? = $0.body?.decision else { return false }
                    return released.contains { $0.word == gone }
                }
                #expect(
                    !isHeld || isNamed, "seed \(seed): node \(index) let a quarantine or a limit go by itself"
                )
            }
            stoodAt[index] = words
        }

        for _ in 0..<15 {
            let some = try nodes.randomElement(using: &random).orFail()
            let target = try targets.randomElement(using: &random).orFail()
            let isRunning = mesh.isRunning(some)
            switch Int.random(in: 0..<15, using: &random) {
            case 0...2 where isRunning:
                let before = try mesh.core(some).statements.all
                // Unless it is beyond its role, or revoked.
                guard (try? mesh.quarantine(some, target)) != nil else { break }
                let key = StatementKey(origin: mesh.id(some), name: StatementBody.name(.quarantine, target))
                let said = try mesh.core(some).statements[key].orFail()
                if let old = before[key] {
                    clerk.replaced.insert(ReleasedWord(signer: key.origin, word: old.hash))
                }
                clerk.quarantines[ReleasedWord(signer: key.origin, word: said.hash)] = target
            case 3...4 where isRunning:
                let before = Set(try mesh.core(some).standingStatements.holds.filter { $0.target == target })
                guard (try? mesh.release(some, target)) != nil else { break }
                let after = Set(try mesh.core(some).standingStatements.holds)
                for hold in before.subtracting(after) {
                    let word = ReleasedWord(signer: hold.signer, word: try hold.word.orFail())
                    if hold.signer == mesh.id(some) {
                        clerk.replaced.insert(word)
                    } else {
                        clerk.released[word, default: []].insert(mesh.id(some))
                    }
                }
            case 12...13 where isRunning:
                let before = try mesh.core(some).statements.all
                let allowance = try CallAllowance(
                    rate: CallRate(Int.random(in: 1...50, using: &random), in: .seconds(10)), concurrency: nil
                ).orFail()
                guard (try? mesh.limit(some, target, allowance)) != nil else { break }
                let key = StatementKey(origin: mesh.id(some), name: StatementBody.name(.limit, target))
                let said = try mesh.core(some).statements[key].orFail()
                if let old = before[key] {
                    clerk.replaced.insert(ReleasedWord(signer: key.origin, word: old.hash))
                }
                clerk.limits[ReleasedWord(signer: key.origin, word: said.hash)] = allowance
            case 14 where isRunning:
                let before = Set(try mesh.core(some).standingStatements.limits.filter { $0.target == target })
                guard (try? mesh.releaseLimits(some, target)) != nil else { break }
                let after = Set(try mesh.core(some).standingStatements.limits)
                for limit in before.subtracting(after) {
                    let word = ReleasedWord(signer: limit.signer, word: limit.word)
                    if limit.signer == mesh.id(some) {
                        clerk.replaced.insert(word)
                    } else {
                        clerk.released[word, default: []].insert(mesh.id(some))
                    }
                }
            case 5 where isRunning:
                try? mesh.approve(some, entry(mesh.id(nodes[3])), Pin(ContentHash(of: [1])))
            case 6 where mesh.isRunning(chief) && Int.random(in: 0..<3, using: &random) == 0:
                try? mesh.revoke(chief, operators[2])
            case 7: if isRunning { mesh.kill(some) } else { start(some) }
            case 8, 9:
                let side = nodes.filter { _ in Bool.random(using: &random) }
                mesh.cut(side, from: nodes.filter { !side.contains($0) })
            default: mesh.heal()
            }
            stoodAt = stoodAt.filter { mesh.isRunning($0.key) }
            mesh.run(for: .milliseconds(Int64.random(in: 0...2_500, using: &random)))
        }
        mesh.heal()
        for index in nodes where !mesh.isRunning(index) { start(index) }
        let took = try mesh.run(atMost: .seconds(300)) {
            let present = try nodes.filter {
                try mesh.core(chief).revocations.objection(to: mesh.core($0).me.enrolment) == nil
            }
            guard try mesh.agree(present), try mesh.agreeOnRevocations(present),
                try mesh.agreeOnStatements(present)
            else { return false }
            let meaning = try mesh.core(chief).standingStatements
            return try present.allSatisfy { try mesh.core($0).standingStatements == meaning }
        }
        #expect(took != nil, "replay with seed \(seed)")

        let core = try mesh.core(chief)
        let standing = core.standingStatements
        let words = Set(standing.holds.compactMap(\.word) + standing.limits.map(\.word))
        for word in Array(clerk.quarantines.keys) + clerk.limits.keys where !clerk.replaced.contains(word) {
            // What somebody said whom nobody heard before he was ended is heard by nobody.
            guard core.statements.all.values.contains(where: { $0.hash == word.word }) else {
                #expect(core.revocations.objection(to: word.signer) != nil, "seed \(seed): a word is lost")
                continue
            }
            let isReleased = (clerk.released[word] ?? []).contains {
                core.revocations.objection(to: $0) == nil
            }
            #expect(words.contains(word.word) || isReleased, "seed \(seed): \(word.word) is let go")
        }
        for limit in standing.limits {
            let said = clerk.limits[ReleasedWord(signer: limit.signer, word: limit.word)]
            #expect(said == limit.allowance, "seed \(seed): a limit that nobody said, or not so")
        }
        for approval in standing.approvals {
            #expect(
                core.revocations.objection(to: approval.signer) == nil, "seed \(seed): a void approval counts"
            )
        }
    }

    @Test(arguments: 0..<50)
    func `a thousand histories of decisions under partitions end equal and never looser`(block: Int) throws {
        for seed in Seeds.block(block, of: 20) { try history(seed: seed) }
    }
}
