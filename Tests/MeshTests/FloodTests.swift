import Catalog
import JSONSlice
import MartletTestKit
import Testing

@testable import Mesh

/// One node, and a neighbour that says too much.
struct FloodTests {
    let mesh: TestMesh
    let node: LocalNode
    let peer: LocalNode
    let link = LinkID(1)
    var core: MeshCore
    var random = SplitMix64(seed: 5)
    var now = Instant.zero + .seconds(1)

    init() throws {
        mesh = try TestMesh(seed: 41, .hashed)
        node = try mesh.node("lab", roles: .all, using: &random)
        peer = try mesh.node("peer", roles: .all, using: &random)
        core = mesh.core(node)
    }

    private mutating func begin(_ limits: MeshLimits = MeshLimits()) throws {
        core = mesh.core(node, limits: limits)
        _ = core.handle(.started(StoredState()), at: now, using: &random)
        let hello = Hello(versions: 1...1, node: peer.id, incarnation: 1, life: peer.life, software: "")
        let facts = LinkFacts(hello: hello, openedByMe: false, address: nil)
        _ = core.handle(.linkUp(link, facts), at: now, using: &random)
        try know(peer)
    }

    private mutating func know(_ node: LocalNode) throws {
        let body = NodeBody(enrolment: node.enrolment, addresses: [], versions: 1...1, software: "")
        _ = receive([try Population.document(.node(node.id), body.canonicalBytes, 1, by: node, in: mesh)])
    }

    private mutating func receive(_ documents: [Document]) -> [MeshEffect] {
        receive(.documents(documents.map(\.encoded)))
    }

    private mutating func receive(_ frame: Frame) -> [MeshEffect] {
        core.handle(.received(frame, from: link), at: now, using: &random)
    }

    private func server(_ sequence: UInt64, by node: LocalNode) throws -> Document {
        try Population.server("files", .up, sequence, of: node, in: mesh)
    }

    /// How many documents of others were kept.
    private func taken(_ effects: [MeshEffect]) -> Int {
        effects.count { if case .store(let document) = $0 { document.key.origin != node.id } else { false } }
    }

    @Test mutating func `over its burst an origin is heard at its rate, is named, and is forgotten`() throws {
        var limits = MeshLimits()
        limits.documentsBurst = 100
        try begin(limits)
        let effects = receive(try (2...301).map { try server($0, by: peer) })
        #expect(taken(effects) == 100)
        let flood = try core.currentFloods(at: now).first.orFail()
        #expect(flood.node == peer.id && flood.part == .origin && flood.since == now)
        #expect(flood.leftOut == 200)
        #expect(core.currentFloods(at: now).count == 1)

        now = now + .seconds(2)
        #expect(taken(receive(try (302...401).map { try server($0, by: peer) })) == 20)
        #expect(try core.currentFloods(at: now).first.orFail().leftOut == 280)
        now = now + limits.floodForgottenAfter
        #expect(core.currentFloods(at: now).isEmpty)
    }

    @Test mutating func `what was left out of a flood comes by repair, its newest only`() throws {
        var limits = MeshLimits()
        limits.documentsBurst = 10
        try begin(limits)
        let newest = try server(99, by: peer)
        _ = receive(try (2...40).map { try server($0, by: peer) } + [newest])
        let row = newest.row
        func pulls(_ effects: [MeshEffect]) -> [DocumentKey] {
            effects.flatMap { effect -> [DocumentKey] in
                if case .send(.pull(let keys), _) = effect { keys } else { [] }
            }
        }
        #expect(pulls(receive(.announce([row]))).isEmpty)
        now = now + .milliseconds(200)
        #expect(pulls(receive(.announce([row]))) == [row.key])
        #expect(taken(receive([newest])) == 1)
    }

    @Test(arguments: [(documents: 10, bytes: 24_000_000), (documents: 1_000, bytes: 2_000)])
    mutating func `a node that floods is not taken for a dead one`(documents: Int, bytes: Int) throws {
        var limits = MeshLimits()
        limits.documentsBurst = documents
        limits.originBytesBurst = bytes
        try begin(limits)
        let offered = receive(try (2...40).map { try server($0, by: peer) })
        #expect(taken(offered) < 39)
        let links = LinksBody(links: [
            node.id: ListedLink(roundTrip: RoundTripClass(level: 1), relays: true)
        ])
        let document = try Population.document(
            .links(peer.id), links.canonicalBytes, 50, by: peer, in: mesh)
        #expect(taken(receive([document])) == 1)
    }

    @Test mutating func `an origin's bytes are bounded, too`() throws {
        var limits = MeshLimits()
        limits.originBytesBurst = 100_000
        try begin(limits)
        let definition = VirtualServerBody(
            counter: 1, replaces: nil, definition: ["text": .string(String(repeating: "x", count: 50_000))])
        let documents = try (UInt64(2)...9).map {
            try Population.document(
                .virtualServer(peer.id, "team"), definition.canonicalBytes, $0, by: peer, in: mesh)
        }
        #expect(taken(documents.flatMap { receive([$0]) }) == 2)
    }

    @Test mutating func `nobody uses up another's allowance with forgeries, and who tries is not looked at`()
        throws
    {
        var limits = MeshLimits()
        limits.documentsBurst = 10
        try begin(limits)
        let victim = try mesh.node("victim", using: &random)
        try know(victim)
        let thief = peer.signer
        let forged = try (UInt64(2)...2000).map { sequence in
            let honest = try server(sequence, by: victim)
            return try Document(
                honest.key, version: honest.version, body: honest.body, mesh: mesh.trust.mesh, by: thief)
        }
        var refusals = 0
        for document in forged { refusals += receive([document]).count }
        // The rest is let drop unread.
        #expect(refusals < 300)
        let flood = try core.currentFloods(at: now).first.orFail()
        #expect(flood.node == peer.id && flood.part == .neighbour)
        #expect(core.servers.isEmpty)

        // The victim is heard by way of another.
        let other = try mesh.node("other", using: &random)
        let hello = Hello(versions: 1...1, node: other.id, incarnation: 1, life: other.life, software: "")
        _ = core.handle(
            .linkUp(LinkID(2), LinkFacts(hello: hello, openedByMe: false, address: nil)), at: now,
            using: &random)
        let effects = core.handle(
            .received(.documents([try server(3000, by: victim).encoded]), from: LinkID(2)), at: now,
            using: &random)
        #expect(taken(effects) == 1)

        // Once it keeps still, it is heard again.
        now = now + .seconds(20)
        #expect(taken(receive([try server(2, by: peer)])) == 1)
    }

    @Test mutating func `forged revocations end nobody, and their sender is soon not looked at any more`()
        throws
    {
        core = mesh.core(node)
        _ = core.handle(.started(StoredState()), at: now, using: &random)
        var hello = Hello(versions: 1...2, node: peer.id, incarnation: 1, life: peer.life, software: "")
        hello.features = Hello.ownFeatures
        let facts = LinkFacts(hello: hello, openedByMe: false, address: nil)
        _ = core.handle(.linkUp(link, facts), at: now, using: &random)
        // A member signs as if it were an issuer.
        let victim = try mesh.node("victim", using: &random)
        let thief = try mesh.signer(using: &random)
        let pretender = Signer(key: mesh.issuer.key, sign: thief.sign)
        var refusals = 0
        for number in 0..<2000 {
            let forged = try Revocation(
                of: victim.id, reason: "\(number)", grant: mesh.grant, by: pretender)
            refusals += receive(.statements([forged.encoded], isLast: false)).count
        }
        #expect((200..<300).contains(refusals))
        #expect(core.revocations.count == 0)
        #expect(core.currentFloods(at: now).map(\.part) == [.neighbour])
    }

    @Test mutating func `a neighbour that says too much is still heard on revocations and on scoped servers`()
        throws
    {
        var limits = MeshLimits()
        limits.neighbourBytesBurst = 10_000
        core = mesh.core(node, limits: limits)
        _ = core.handle(.started(StoredState()), at: now, using: &random)
        var hello = Hello(versions: 1...2, node: peer.id, incarnation: 1, life: peer.life, software: "")
        hello.features = Hello.ownFeatures
        let facts = LinkFacts(hello: hello, openedByMe: false, address: nil)
        _ = core.handle(.linkUp(link, facts), at: now, using: &random)
        for _ in 0..<10 {
            _ = receive(.announce([DocumentRow](repeating: try server(2, by: peer).row, count: 50)))
        }
        #expect(core.currentFloods(at: now).map(\.part) == [.neighbour])
        let victim = try mesh.node("victim", using: &random)
        let revocation = try Revocation(of: victim.id, reason: "lost", grant: mesh.grant, by: mesh.issuer)
        _ = receive(.statements([revocation.encoded], isLast: true))
        #expect(core.revocations.count == 1)
        // A set of which a part was let drop would be taken for the whole.
        #expect(Frame.scopedDocuments([], isLast: true).costToReader == nil)
    }

    @Test mutating func `a new link gives a flooding neighbour no new allowance`() throws {
        var limits = MeshLimits()
        limits.neighbourBytesBurst = 16 * 1024 * 1024
        try begin(limits)
        let rows = try (0..<UInt64(500)).map { number in
            DocumentRow(
                key: .links(NodeID(high: 1, low: number)),
                version: try server(2, by: peer).version, hash: ContentHash(of: []))
        }
        for _ in 0..<400 { _ = receive(.announce(rows)) }
        #expect(core.currentFloods(at: now).map(\.part) == [.neighbour])
        _ = core.handle(.linkDown(link), at: now, using: &random)
        let hello = Hello(versions: 1...1, node: peer.id, incarnation: 2, life: 9, software: "")
        _ = core.handle(
            .linkUp(LinkID(3), LinkFacts(hello: hello, openedByMe: false, address: nil)), at: now,
            using: &random)
        let again = core.handle(.received(.announce(rows), from: LinkID(3)), at: now, using: &random)
        #expect(again.isEmpty)
    }

    @Test mutating func `a neighbour that asks without end is answered within bounds`() throws {
        var limits = MeshLimits()
        limits.answerBytesBurst = 100_000
        try begin(limits)
        let text = JSON.string(String(repeating: "x", count: 20_000))
        _ = try core.publish(virtualServer: "team", definition: ["text": text], at: now, using: &random)
        var bytes = 0
        for _ in 0..<1000 {
            for case .send(.documents(let documents), _) in receive(
                .pull([.virtualServer(node.id, "team")]))
            {
                bytes += documents.reduce(0) { $0 + $1.count }
            }
        }
        #expect(bytes > 50_000 && bytes < 150_000)
    }

    @Test mutating func `a hundred thousand invented origins leave nothing behind`() throws {
        try begin()
        let version = try server(2, by: peer).version
        let held = core.documentCount
        var asked = 0
        for start in stride(from: UInt64(0), to: 100_000, by: 500) {
            let ids = (start..<(start + 500)).map { NodeID(high: 0xBAD, low: $0) }
            let effects =
                receive(
                    .announce(
                        ids.map {
                            DocumentRow(key: .node($0), version: version, hash: ContentHash(of: [1]))
                        }))
                + receive(
                    try ids.map {
                        try Document(
                            .server($0, "files"), version: version, body: nil, mesh: mesh.trust.mesh,
                            by: peer.signer)
                    })
            for case .send(.pull(let keys), _) in effects { asked += keys.count }
            #expect(taken(effects) == 0)
        }
        #expect(asked <= MeshLimits().pullsAtOnce)
        #expect(core.documentCount == held)
        #expect(core.nodes.count == 2 && core.servers.isEmpty)
        #expect(core.catalogSnapshot().nodes.count == 2)
        // And what was asked for in vain is forgotten: the node is as free to ask as before.
        now = now + .seconds(60)
        _ = core.handle(.tick, at: now, using: &random)
        let row = DocumentRow(key: .links(peer.id), version: version, hash: ContentHash(of: [2]))
        #expect(receive(.announce([row])).contains(.send(.pull([row.key]), link)))
    }

    @Test mutating func `what was heard already is neither kept again nor passed on`() throws {
        try begin()
        let old = try server(2, by: peer)
        let new = try server(3, by: peer)
        _ = receive([old, new])
        // Replayed in their thousands: no store, no frame, no signature that counts against anybody.
        for _ in 0..<1000 { #expect(receive([old, new]).isEmpty) }
        #expect(core.document(old.key) == new)
        #expect(core.currentFloods(at: now).isEmpty)
    }

    @Test mutating func `a document larger than its kind may be is refused unread`() throws {
        try begin()
        let body = [UInt8](repeating: 0, count: DocumentKind.server.bodyMax + 1)
        let large = try Population.document(.server(peer.id, "big"), body, 7, by: peer, in: mesh)
        let effects = receive([large])
        #expect(
            effects == [
                .notice(
                    .refused(
                        nil, .malformed(.tooLong("body", max: DocumentKind.server.bodyMax)), from: peer.id))
            ])
        #expect(core.document(large.key) == nil)
    }
}
