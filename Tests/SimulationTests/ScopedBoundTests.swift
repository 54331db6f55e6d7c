import Catalog
import MartletTestKit
import Mesh
import Synchronization
import Testing

/// What one member can cost another by way of servers that are for some nodes only.
struct ScopedBoundTests {
    private typealias Town = ScopedTown

    @Test func `a server whose health changes all the time is given once a second`() throws {
        let town = try Town(seed: 11)
        try town.publish()
        #expect(try town.mesh.run(atMost: .seconds(20)) { try town.entries(at: town.near) == 3 } != nil)
        let before = town.watch.timesSeen
        let key = ServerKey(owner: town.mesh.id(town.owner), name: Town.name)
        for round in UInt64(0)..<200 {
            let record = ServerRecord(
                key: key, state: round % 2 == 0 ? .degraded : .up, stateReason: "\(round)", stateSince: round)
            try town.mesh.act(town.owner) { core, now, random throws(PublishProblem) in
                try core.publish(record, manifest: nil, to: Town.scope, at: now, using: &random)
            }
            town.mesh.run(for: .milliseconds(50))
        }
        // Three readers, ten seconds.
        #expect(town.watch.timesSeen - before <= 3 * 11)
        let took = try town.mesh.run(atMost: .seconds(5)) {
            try [town.near, town.far, town.lab].allSatisfy {
                try town.mesh.core($0).catalogSnapshot().servers[key]?.record.stateReason == "199"
            }
        }
        #expect(took != nil)
    }

    @Test func `a member that floods a reader gets few answers, fills no disk, and keeps nobody waiting`()
        throws
    {
        let town = try Town(seed: 12)
        let mesh = town.mesh
        mesh.run(for: .seconds(5))
        let (flooder, victim) = (town.outside, town.near)
        var answers = 0
        let watch = mesh.wireObserver
        mesh.wireObserver = { from, to, bytes in
            watch?(from, to, bytes)
            guard from == victim, to == flooder else { return }
            var decoder = FrameDecoder()
            decoder.append(bytes)
            while let frame = try? decoder.next() {
                if case .scopedHeld = frame { answers += 1 }
                if case .scopedOffer = frame { answers += 1 }
                if case .scopedDocuments = frame { answers += 1 }
            }
        }
        try town.publish(tools: 3)
        var number: UInt64 = 0
        for _ in 0..<100 {
            try mesh.act(flooder) { core, _, _ throws(SigningFailure) in
                guard let link = core.link(to: mesh.id(victim)) else { return [] }
                var effects: [MeshEffect] = []
                for _ in 0..<20 {
                    number += 1
                    let key = ServerKey(owner: core.me.id, name: "flood")
                    let document = try ScopedDocument(
                        key,
                        version: DocumentVersion(incarnation: 1, life: core.me.life, sequence: number),
                        body: ServerBody(
                            ServerRecord(key: key, state: .up, stateSince: number), manifestBytes: 0),
                        mesh: core.trust.mesh, by: core.me.signer)
                    let digest = Digest(count: 1, root: document.contentHash)
                    effects.append(.send(.scopedDocuments([document.encoded], isLast: true), link))
                    effects.append(.send(.scopedOffer(digest), link))
                    effects.append(.send(.scopedHeld(digest, isAnswer: false), link))
                }
                return effects
            }
            mesh.run(for: .milliseconds(50))
        }
        // 6,000 frames in five seconds: four sets and sixteen words at once, then one and four a second; each is answered at
        // most twice.
        #expect((1...100).contains(answers), "\(answers)")
        #expect(try town.entries(at: victim) == 3 && town.entries(at: town.far) == 3)
        #expect(mesh.disk(victim).state.scoped.count <= 2)
        #expect(town.watch.faults.isEmpty)
    }

    /// A core of its own with a link to a peer which it knows, and what checks signatures counted.
    private struct Pair {
        var core: MeshCore
        var random: SplitMix64
        let identities: TestMesh
        let (peer, link): (LocalNode, LinkID)
        let checks: Counter
        var now = Instant.zero + .seconds(1)

        final class Counter: Sendable {
            private let count = Mutex(0)
            var value: Int { count.withLock { $0 } }
            func add() { count.withLock { $0 += 1 } }
        }

        init(seed: UInt64, limits: MeshLimits = MeshLimits()) throws {
            random = SplitMix64(seed: seed)
            identities = try TestMesh(seed: seed)
            let me = try identities.node("me", using: &random)
            peer = try identities.node("peer", using: &random)
            link = LinkID(1)
            checks = Counter()
            let (checker, checks) = (identities.checker, checks)
            core = MeshCore(
                me, trust: identities.trust,
                checker: SignatureChecker(
                    node: {
                        checks.add()
                        return checker.node($0, $1, $2)
                    }, root: checker.root), limits: limits)
            _ = core.handle(.started(StoredState()), at: now, using: &random)
            let hello = Hello(
                versions: 1...2, features: 4, node: peer.id, incarnation: 1, life: 1, software: "")
            _ = handle(.linkUp(link, LinkFacts(hello: hello, openedByMe: false, address: nil)))
            let node = try Document(
                .node(peer.id), version: DocumentVersion(incarnation: 1, life: peer.life, sequence: 1),
                body: NodeBody(enrolment: peer.enrolment, addresses: [], versions: 1...2, software: "")
                    .canonicalBytes,
                mesh: identities.trust.mesh, by: peer.signer)
            _ = hear(.documents([node.encoded]))
        }

        /// - Returns: the frames that are sent to the peer.
        mutating func handle(_ event: MeshEvent) -> [Frame] {
            core.handle(event, at: now, using: &random).compactMap { effect in
                if case .send(let frame, _) = effect { frame } else { nil }
            }
        }

        mutating func hear(_ frame: Frame) -> [Frame] { handle(.received(frame, from: link)) }

        func sets(_ frames: [Frame]) -> Int {
            frames.count { if case .scopedDocuments = $0 { true } else { false } }
        }

        /// The peer's own servers, as they are at a time.
        func documents(_ count: Int, since time: UInt64) throws -> [[UInt8]] {
            try (0..<count).map { number in
                let key = ServerKey(owner: peer.id, name: try Label("s\(number)").orFail())
                return try ScopedDocument(
                    key, version: DocumentVersion(incarnation: 1, life: peer.life, sequence: time),
                    body: ServerBody(ServerRecord(key: key, state: .up, stateSince: time), manifestBytes: 0),
                    mesh: identities.trust.mesh, by: peer.signer
                ).encoded
            }
        }
    }

    @Test(arguments: [true, false])
    func `a set that has no effect is given ever less often over one link`(isAnswered: Bool) throws {
        var pair = try Pair(seed: 13)
        let key = ServerKey(owner: pair.core.me.id, name: "files")
        _ = try pair.core.publish(
            ServerRecord(key: key, state: .up), manifest: nil, to: ServerScope(nodes: ["peer"]), at: pair.now,
            using: &pair.random)
        var given: [Duration] = []
        let begin = pair.now
        var sent = pair.hear(.scopedHeld(ScopedBoundTests.nothing, isAnswer: true))
        for _ in 0..<6_000 {
            if pair.sets(sent) > 0 {
                given.append(pair.now - begin)
                sent = isAnswered ? pair.hear(.scopedHeld(ScopedBoundTests.nothing, isAnswer: true)) : []
                #expect(pair.sets(sent) == 0, "not at once")
            }
            pair.now = pair.now + .milliseconds(100)
            sent = pair.handle(.tick)
        }
        let waits = zip(given.dropFirst(), given).map { $0 - $1 }
        #expect(waits.allSatisfy { $0 <= .seconds(62) })
        #expect(isAnswered ? (12...15).contains(given.count) : (9...11).contains(given.count), "\(given)")
        #expect(isAnswered ? waits.first ?? .zero >= .seconds(2) : waits.first ?? .zero >= .seconds(59))
    }

    @Test func `an owner's flood of sets costs bounded checking, and one that is held costs none`() throws {
        var limits = MeshLimits()
        limits.serversPerOrigin = 30
        var pair = try Pair(seed: 14, limits: limits)
        let before = pair.checks.value
        for time in UInt64(1)...8 {
            _ = pair.hear(.scopedDocuments(try pair.documents(30, since: time), isLast: true))
        }
        #expect(pair.checks.value - before == 60, "two sets of the largest size")
        let held = pair.core.scopedServers
        #expect(Set(held.values.map(\.body.stateSince)) == [2], "a set that was cut short takes nothing away")
        pair.now = pair.now + .seconds(5)
        // Its own documents are checked too.
        _ = pair.handle(.tick)
        let second = pair.checks.value
        _ = pair.hear(.scopedDocuments(try pair.documents(30, since: 2), isLast: true))
        #expect(pair.checks.value == second)
        _ = pair.hear(.scopedDocuments(try pair.documents(15, since: 3), isLast: false))
        let answers = pair.hear(.scopedDocuments([[1, 2, 3]], isLast: false))
        #expect(answers.isEmpty && pair.core.scopedServers.count == 30)
        _ = pair.hear(.scopedDocuments(try pair.documents(10, since: 3), isLast: true))
        #expect(pair.core.scopedServers.count == 30, "the rest of a set that is none is no set")
        _ = pair.hear(.scopedDocuments(try pair.documents(10, since: 4), isLast: true))
        #expect(pair.core.scopedServers.count == 10)
    }

    private static let nothing = Digest(count: 0, root: ContentHash(of: [UInt8]()))
}
