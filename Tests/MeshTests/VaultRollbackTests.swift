import Catalog
import MartletTestKit
import Mesh
import Testing

/// A node whose vault was put back, and the peers who remember.
struct VaultRollbackTests {
    let mesh: TestMesh
    var owner: LocalNode
    let peer: LocalNode
    var random = SplitMix64(seed: 6)

    init() throws {
        mesh = try TestMesh(seed: 61)
        owner = try mesh.node("owner", using: &random)
        peer = try mesh.node("peer", using: &random)
    }

    private func said(_ counter: UInt64?, incarnation: UInt64, life: UInt64) throws -> Document {
        try Document(
            .node(owner.id), version: DocumentVersion(incarnation: incarnation, life: life, sequence: 1),
            body: NodeBody(
                enrolment: owner.enrolment, addresses: [], versions: 1...2, software: "",
                vaultCounter: counter
            ).canonicalBytes, mesh: mesh.trust.mesh, by: owner.signer)
    }

    private func peerDocument() throws -> Document {
        try Document(
            .node(peer.id), version: DocumentVersion(incarnation: 1, life: 1, sequence: 1),
            body: NodeBody(enrolment: peer.enrolment, addresses: [], versions: 1...2, software: "")
                .canonicalBytes,
            mesh: mesh.trust.mesh, by: peer.signer)
    }

    /// What the owner knows of a later vault of its own, once linked to a peer that holds `documents`.
    private func remembered(
        counter: UInt64, incarnation: UInt64, life: UInt64, peerHolds documents: [Document],
        ownDisk: [Document] = [], then: (inout LinkedPair) throws -> Void = { _ in }
    ) throws -> UInt64? {
        var owner = owner
        owner.vaultCounter = counter
        owner.incarnation = incarnation
        owner.life = life
        var pair = LinkedPair(mesh, (owner, ownDisk), (peer, documents))
        pair.link()
        for _ in 0..<30 { pair.pass(.seconds(1)) }
        try then(&pair)
        return pair.cores[0].vaultRemembered
    }

    @Test(arguments: [
        (incarnation: UInt64(3), life: UInt64(1)),  // below what peers hold
        (4, 1), (4, 1 << 63),  // another life of the same, whichever stands
        (5, 1), (9, 1),  // above: what peers held is replaced, and they remember
    ])
    func `a node that starts with an older vault hears of it`(incarnation: UInt64, life: UInt64) throws {
        let newest = try said(57, incarnation: 4, life: 1 << 40)
        #expect(
            try remembered(counter: 12, incarnation: incarnation, life: life, peerHolds: [newest]) == 57)
    }

    @Test func `a vault that is as new, or newer, alarms nobody`() throws {
        let newest = try said(57, incarnation: 4, life: 9)
        for counter in [UInt64(57), 58] {
            #expect(try remembered(counter: counter, incarnation: 5, life: 1, peerHolds: [newest]) == nil)
        }
        #expect(
            try remembered(
                counter: 1, incarnation: 5, life: 1, peerHolds: [try said(nil, incarnation: 4, life: 9)])
                == nil)
    }

    @Test func `without peers only the node's own documents tell`() throws {
        #expect(try remembered(counter: 12, incarnation: 5, life: 1, peerHolds: []) == nil)
        let own = try said(57, incarnation: 4, life: 9)
        #expect(
            try remembered(counter: 12, incarnation: 5, life: 1, peerHolds: [], ownDisk: [own]) == 57,
            "the vault's rows were put back, and what was said of them not")
    }

    @Test func `once the counter goes on above, peers forget, and the alarm stands until a person accepts`()
        throws
    {
        let newest = try said(57, incarnation: 4, life: 9)
        let left = try remembered(counter: 12, incarnation: 5, life: 1, peerHolds: [newest]) { pair in
            #expect(pair.cores[0].vaultRemembered == 57)
            #expect(pair.cores[1].vaultWitnessCount == 1)
            pair.give(.vaultChanged(58), to: 0)
            for _ in 0..<12 { pair.pass(.seconds(1)) }
            #expect(pair.cores[1].nodes[owner.id]?.vaultCounter == 58)
            #expect(pair.cores[1].vaultWitnessCount == 0)
        }
        #expect(left == 57)
        let accepted = try remembered(counter: 12, incarnation: 5, life: 1, peerHolds: [newest]) { pair in
            pair.give(.vaultChanged(58), to: 0)
            pair.give(.vaultAccepted(59), to: 0)
            for _ in 0..<12 { pair.pass(.seconds(1)) }
            #expect(pair.cores[1].nodes[owner.id]?.vaultCounter == 59)
        }
        #expect(accepted == nil)
    }

    @Test func `the alarm outlives a restart, whatever the counter is by then`()
        throws
    {
        let (newest, own) = (try said(57, incarnation: 4, life: 9), try said(80, incarnation: 6, life: 1))
        var random = random
        var owner = owner
        (owner.vaultCounter, owner.incarnation, owner.life) = (12, 5, 1)
        // It is put on the disk when it is noticed.
        var core = mesh.core(owner)
        var effects = core.handle(.started(StoredState(documents: [newest])), at: .zero, using: &random)
        #expect(effects.contains(.storeVaultWitness(newest)))

        var stored = StoredState(documents: [own])
        stored.vaultWitnesses = [newest]
        (owner.vaultCounter, owner.incarnation) = (80, 7)
        core = mesh.core(owner)
        effects = core.handle(.started(stored), at: .zero, using: &random)
        #expect(core.vaultRemembered == 57)
        #expect(effects.contains(.notice(.vaultOlder(counter: 80, remembered: 57))))
        effects = core.handle(.vaultAccepted(81), at: .zero, using: &random)
        #expect(core.vaultRemembered == nil && effects.contains(.dropVaultWitness(owner.id)))

        // What somebody else signed in its name alarms nobody.
        stored.vaultWitnesses = [
            try Document(
                .node(owner.id), version: DocumentVersion(incarnation: 4, life: 9, sequence: 1),
                body: newest.body, mesh: mesh.trust.mesh, by: peer.signer)
        ]
        core = mesh.core(owner)
        effects = core.handle(.started(stored), at: .zero, using: &random)
        #expect(core.vaultRemembered == nil && effects.contains(.dropVaultWitness(owner.id)))
    }

    @Test func `peers remember over a restart, and nobody can make up a later vault for another`() throws {
        let (newest, older) = (try said(57, incarnation: 4, life: 9), try said(12, incarnation: 5, life: 1))
        var forged = StoredState(documents: [older, try peerDocument()])
        let peersWord = try Document(
            .node(owner.id), version: DocumentVersion(incarnation: 4, life: 9, sequence: 1),
            body: newest.body, mesh: mesh.trust.mesh, by: peer.signer)
        forged.vaultWitnesses = [peersWord]
        var random = random
        var core = mesh.core(peer)
        var effects = core.handle(.started(forged), at: .zero, using: &random)
        #expect(core.vaultWitnessCount == 0)
        #expect(effects.contains(.dropVaultWitness(owner.id)))

        var stored = StoredState(documents: [older, try peerDocument()])
        stored.vaultWitnesses = [newest]
        core = mesh.core(peer)
        effects = core.handle(.started(stored), at: .zero, using: &random)
        #expect(core.vaultWitnessCount == 1)
        #expect(!effects.contains(.dropVaultWitness(owner.id)))
    }

    @Test func `many changes are told of rarely, and the last one in the end`() throws {
        var owner = owner
        owner.vaultCounter = 1
        var pair = LinkedPair(mesh, (owner, []), (peer, []))
        pair.link()
        let before = pair.frames.count
        for counter in UInt64(2)...200 {
            pair.give(.vaultChanged(counter), to: 0)
            pair.pass(.milliseconds(50))
        }
        let told = pair.frames[before...].count { if case .documents = $0 { true } else { false } }
        #expect(told <= 4, "\(told) in ten seconds")
        for _ in 0..<6 { pair.pass(.seconds(1)) }
        #expect(pair.cores[1].nodes[owner.id]?.vaultCounter == 200)
    }

    @Test func `nothing is told while a node is known that could not read it`() throws {
        var (owner, random) = (owner, random)
        owner.vaultCounter = 5
        let third = try mesh.node("third", using: &random)
        func word(_ versions: ClosedRange<UInt16>, incarnation: UInt64) throws -> MeshEvent {
            let document = try Document(
                .node(third.id), version: DocumentVersion(incarnation: incarnation, life: 1, sequence: 1),
                body: NodeBody(enrolment: third.enrolment, addresses: [], versions: versions, software: "")
                    .canonicalBytes, mesh: mesh.trust.mesh, by: third.signer)
            return .received(.documents([document.encoded]), from: LinkID(1))
        }
        var pair = LinkedPair(mesh, (owner, []), (peer, []))
        pair.link()
        pair.give(try word(1...ProtocolVersion.vaultCounters - 1, incarnation: 1), to: 0)
        for _ in 0..<12 { pair.pass(.seconds(1)) }
        #expect(pair.cores[1].nodes[third.id] != nil)
        #expect(try #require(pair.cores[1].nodes[owner.id]).vaultCounter == nil)
        // It is built anew.
        pair.give(try word(ProtocolVersion.spoken, incarnation: 2), to: 0)
        for _ in 0..<12 { pair.pass(.seconds(1)) }
        #expect(pair.cores[1].nodes[owner.id]?.vaultCounter == 5)
    }

    @Test func `a document of before the counter is read as it was written`() throws {
        let body = NodeBody(enrolment: owner.enrolment, addresses: ["a:1"], versions: 1...2, software: "x")
        #expect(try NodeBody(canonical: body.canonicalBytes) == body)
        var later = body
        later.vaultCounter = 7
        #expect(later.canonicalBytes.count == body.canonicalBytes.count + 8)
        #expect(later.canonicalBytes.starts(with: body.canonicalBytes))
        #expect(try NodeBody(canonical: later.canonicalBytes) == later)
        #expect(throws: WireError.self) { try NodeBody(canonical: later.canonicalBytes.dropLast()) }
    }
}
