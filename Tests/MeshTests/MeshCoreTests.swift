import Catalog
import JSONSlice
import MartletTestKit
import Mesh
import Testing

/// One node's core, with real signatures, and a peer that says whatever a test wants.
struct MeshCoreTests {
    let mesh: TestMesh
    let node: LocalNode
    let peer: LocalNode
    let link = LinkID(1)
    var core: MeshCore
    var random = SplitMix64(seed: 5)
    var now = Instant.zero + .seconds(1)

    init() throws {
        mesh = try TestMesh(seed: 31)
        node = try mesh.node("lab", roles: .all, using: &random)
        peer = try mesh.node("peer", roles: .all, using: &random)
        core = mesh.core(node)
    }

    private mutating func begin() -> [MeshEffect] {
        let started = core.handle(.started(StoredState()), at: now, using: &random)
        let hello = Hello(versions: 1...1, node: peer.id, incarnation: 1, life: peer.life, software: "")
        let facts = LinkFacts(hello: hello, openedByMe: false, address: nil)
        return started + core.handle(.linkUp(link, facts), at: now, using: &random)
    }

    private mutating func receive(_ frame: Frame) -> [MeshEffect] {
        core.handle(.received(frame, from: link), at: now, using: &random)
    }

    private func document(
        _ key: DocumentKey, _ body: [UInt8]?, by node: LocalNode, incarnation: UInt64 = 1,
        life: UInt64? = nil,
        sequence: UInt64 = 1
    ) throws -> Document {
        try Document(
            key,
            version: DocumentVersion(incarnation: incarnation, life: life ?? node.life, sequence: sequence),
            body: body, mesh: mesh.trust.mesh, by: node.signer)
    }

    private func nodeBody(_ node: LocalNode) -> [UInt8] {
        NodeBody(enrolment: node.enrolment, addresses: [], versions: 1...1, software: "").canonicalBytes
    }

    private func notices(_ effects: [MeshEffect]) -> [MeshNotice] {
        effects.compactMap { if case .notice(let notice) = $0 { notice } else { nil } }
    }

    private func frames(_ effects: [MeshEffect]) -> [Frame] {
        effects.compactMap { if case .send(let frame, _) = $0 { frame } else { nil } }
    }

    @Test mutating func `what a node says is on disk before it is sent`() throws {
        _ = begin()
        let record = ServerRecord(key: ServerKey(owner: node.id, name: "files"), state: .up)
        let effects = try core.publish(
            record, manifest: try .sample(tools: 2), at: now, using: &random)
        let stored = effects.indices.filter {
            switch effects[$0] {
            case .store, .storeManifest: true
            default: false
            }
        }
        let sent = try effects.firstIndex { if case .send = $0 { true } else { false } }.orFail()
        #expect(stored.count == 2)
        #expect(try stored.max().orFail() < sent)
        #expect(effects.contains(.catalogChanged))
        // The same again is no news.
        #expect(try core.publish(record, manifest: try .sample(tools: 2), at: now, using: &random).isEmpty)
    }

    @Test mutating func `a server that goes down keeps what it offers`() throws {
        _ = begin()
        let key = ServerKey(owner: node.id, name: "files")
        _ = try core.publish(
            ServerRecord(key: key, state: .up), manifest: try .sample(tools: 2), at: now, using: &random)
        _ = try core.publish(
            ServerRecord(key: key, state: .down, stateReason: "it exited"), manifest: nil, at: now,
            using: &random)
        let known = try core.catalogSnapshot().servers[key].orFail()
        #expect(known.record.state == .down)
        #expect(known.manifest?.entries.count == 2)
    }

    @Test mutating func `only an operator defines virtual servers`() throws {
        var random = SplitMix64(seed: 8)
        let plain = try mesh.node("plain", using: &random)
        var core = mesh.core(plain)
        _ = core.handle(.started(StoredState()), at: now, using: &random)
        #expect(throws: PublishProblem.needsRole(.operator)) {
            try core.publish(virtualServer: "team", definition: [:], at: now, using: &random)
        }
        #expect(throws: PublishProblem.notOwner(ServerKey(owner: peer.id, name: "files"))) {
            try core.publish(
                ServerRecord(key: ServerKey(owner: peer.id, name: "files")), manifest: nil, at: now,
                using: &random)
        }
    }

    @Test mutating func `the definition with the greatest counter stands, whoever signed it`() throws {
        _ = begin()
        _ = try core.publish(virtualServer: "team", definition: ["v": 1], at: now, using: &random)
        let body = VirtualServerBody(counter: 5, replaces: nil, definition: ["v": 2])
        let theirs = try document(.virtualServer(peer.id, "team"), body.canonicalBytes, by: peer, sequence: 2)
        let known = try document(.node(peer.id), nodeBody(peer), by: peer)
        _ = receive(.documents([theirs.encoded, known.encoded]))
        #expect(core.catalogSnapshot().virtualServers["team"]?.definition == ["v": 2])
        _ = try core.publish(virtualServer: "team", definition: ["v": 3], at: now, using: &random)
        let standing = try core.catalogSnapshot().virtualServers["team"].orFail()
        #expect(standing.counter == 6)
        #expect(standing.author == node.id)
    }

    @Test mutating func `a document that is no news goes no further`() throws {
        _ = begin()
        let known = try document(.node(peer.id), nodeBody(peer), by: peer)
        #expect(receive(.documents([known.encoded])).contains(.store(known)))
        #expect(receive(.documents([known.encoded])).isEmpty)
    }

    @Test mutating func `a refused document is told with its reason, not stored, not passed on`() throws {
        _ = begin()
        _ = receive(.documents([try document(.node(peer.id), nodeBody(peer), by: peer).encoded]))
        let forged = try document(.node(node.id), nodeBody(node), by: peer, incarnation: 9)
        let effects = receive(.documents([forged.encoded, [1, 2, 3]]))
        #expect(
            notices(effects) == [
                .refused(nil, .malformed(.truncated("origin")), from: peer.id),
                .refused(.node(node.id), .badSignature, from: peer.id),
            ])
        #expect(frames(effects).isEmpty)
    }

    @Test mutating func `an origin whose enrolment is refused is not asked for again and again`() throws {
        _ = begin()
        let stranger = try TestMesh(seed: 99).node("stranger", using: &random)
        let node = try document(.node(stranger.id), nodeBody(stranger), by: stranger)
        let links = try document(.links(stranger.id), LinksBody().canonicalBytes, by: stranger, sequence: 2)
        let asked = frames(receive(.documents([links.encoded])))
        #expect(asked == [.pull([.node(stranger.id), .links(stranger.id)])])
        #expect(frames(receive(.documents([node.encoded, links.encoded]))).isEmpty)
        #expect(frames(receive(.documents([links.encoded]))).isEmpty)
    }

    @Test mutating func `a node that meets its own later life goes above it, on disk before a word`() throws {
        _ = begin()
        let former = try document(
            .links(node.id), LinksBody().canonicalBytes, by: node, incarnation: 7, life: 1)
        let effects = receive(.documents([former.encoded]))
        #expect(effects.first == .persistIncarnation(8))
        #expect(core.incarnation(of: node.id) == 8)
        #expect(core.hello.incarnation == 8)
        #expect(notices(effects) == [.sawOwnOtherLife(incarnation: 8)])
    }

    @Test mutating func `a machine that runs with this node's key stops both`() throws {
        _ = begin()
        var effects: [MeshEffect] = []
        for _ in 0..<3 {
            let incarnation = try core.incarnation(of: node.id).orFail() + 1
            let clone = try document(
                .links(node.id), LinksBody().canonicalBytes, by: node, incarnation: incarnation, life: 1)
            effects = receive(.documents([clone.encoded]))
        }
        #expect(notices(effects) == [.clone])
        #expect(core.isHeldAsClone)
        #expect(throws: PublishProblem.clone) {
            try core.withdraw(server: "files", at: now, using: &random)
        }
    }

    @Test mutating func `an origin that signs two bodies under one version is held back`() throws {
        _ = begin()
        _ = receive(.documents([try document(.node(peer.id), nodeBody(peer), by: peer).encoded]))
        let key = ServerKey(owner: peer.id, name: "files")
        let bodies = [ServerState.up, .down].map {
            ServerBody(ServerRecord(key: key, state: $0), manifestBytes: 0).canonicalBytes
        }
        let both = try bodies.map { try document(.server(peer.id, "files"), $0, by: peer, sequence: 2) }
        _ = receive(.documents([both[0].encoded]))
        #expect(core.catalogSnapshot().servers[key] != nil)
        let effects = receive(.documents([both[1].encoded]))
        #expect(notices(effects) == [.equivocation(.server(peer.id, "files"), both[0].version)])
        #expect(core.catalogSnapshot().servers[key] == nil)
        let proof = try core.equivocations[peer.id].orFail()
        #expect(Set([proof.first.hash, proof.second.hash]) == Set(both.map(\.hash)))
    }

    @Test mutating func `a peer that announces without end fills no memory`() throws {
        var limits = MeshLimits()
        limits.pullsAtOnce = 100
        core = mesh.core(node, limits: limits)
        _ = begin()
        var asked = 0
        for number in 0..<50 {
            let rows = (0..<100).map { index in
                DocumentRow(
                    key: .links(NodeID(high: UInt64(number), low: UInt64(index))),
                    version: DocumentVersion(incarnation: 1, life: 1, sequence: 1), hash: ContentHash(of: []))
            }
            for case .pull(let keys) in frames(receive(.announce(rows))) { asked += keys.count }
        }
        #expect(asked == 100)
    }

    @Test mutating func `what one peer only claims to have is asked of another that shows something else`()
        throws
    {
        var limits = MeshLimits()
        limits.pullsAtOnce = 10
        core = mesh.core(node, limits: limits)
        _ = begin()
        let second = try linkUp(2)
        func row(_ number: UInt64, sequence: UInt64) -> DocumentRow {
            DocumentRow(
                key: .links(NodeID(high: 1, low: number)),
                version: DocumentVersion(incarnation: 1, life: 1, sequence: sequence),
                hash: ContentHash(of: []))
        }
        _ = receive(.announce((0..<20).map { row($0, sequence: 9) }))
        let asked = frames(
            core.handle(
                .received(
                    .announce([row(0, sequence: 9), row(1, sequence: 1), row(30, sequence: 1)]), from: second),
                at: now, using: &random))
        // The same word is asked for once; another one, and what the first peer had no place for, of the second.
        #expect(asked == [.pull([row(1, sequence: 1).key, row(30, sequence: 1).key])])
    }

    private mutating func linkUp(_ number: UInt64) throws -> LinkID {
        let other = try mesh.node("other", using: &random)
        let hello = Hello(versions: 1...1, node: other.id, incarnation: 1, life: 1, software: "")
        let facts = LinkFacts(hello: hello, openedByMe: false, address: nil)
        _ = core.handle(.linkUp(LinkID(number), facts), at: now, using: &random)
        return LinkID(number)
    }

    @Test mutating func `rows that were not asked for are not looked at, nor are any twice`() throws {
        _ = begin()
        func row(_ number: UInt64) -> DocumentRow {
            DocumentRow(
                key: .links(NodeID(high: 1, low: number)),
                version: DocumentVersion(incarnation: 1, life: 1, sequence: 1), hash: ContentHash(of: []))
        }
        let first = Frame.digestRows(DigestPage(after: nil, rows: [row(1)], isLast: false))
        let last = Frame.digestRows(DigestPage(after: row(1).key, rows: [row(2)], isLast: true))
        #expect(receive(first).isEmpty)
        // The beat on which it compares itself with a neighbour.
        now = now + MeshLimits().repairEvery * 2
        let asked = frames(core.handle(.tick, at: now, using: &random))
        #expect(asked.contains { if case .digest = $0 { true } else { false } })
        #expect(frames(receive(last)).isEmpty)
        #expect(frames(receive(first)).contains(.pull([row(1).key])))
        #expect(receive(first).isEmpty)
        #expect(frames(receive(last)).contains(.pull([row(2).key])))
        #expect(receive(first).isEmpty)
    }

    @Test
    mutating func `what comes in bulk goes on as announcements, and what says who is alive does not wait`()
        throws
    {
        var limits = MeshLimits()
        limits.unaskedDocuments = 3
        core = mesh.core(node, limits: limits)
        _ = begin()
        let second = try linkUp(2)
        _ = receive(.documents([try document(.node(peer.id), nodeBody(peer), by: peer).encoded]))
        func say(_ numbers: ClosedRange<Int>) throws -> [Frame] {
            let documents = try numbers.map { number in
                let name = try Label("s\(number)").orFail()
                let record = ServerRecord(key: ServerKey(owner: peer.id, name: name), state: .up)
                return try document(
                    .server(peer.id, name), ServerBody(record, manifestBytes: 0).canonicalBytes, by: peer,
                    sequence: UInt64(number + 2))
            }
            return receive(.documents(documents.map(\.encoded))).compactMap {
                if case .send(let frame, second) = $0 { frame } else { nil }
            }
        }
        func counts(_ frames: [Frame]) -> (sent: Int, announced: Int) {
            frames.reduce((0, 0)) { sum, frame in
                switch frame {
                case .documents(let documents): (sum.0 + documents.count, sum.1)
                case .announce(let rows): (sum.0, sum.1 + rows.count)
                default: sum
                }
            }
        }
        // In one frame or in several, at one time: three unasked, and the rest is announced.
        #expect(counts(try say(1...2)) == (2, 0))
        #expect(counts(try say(3...12)) == (1, 9))
        #expect(counts(try say(13...20)) == (0, 8))
        let links = try document(.links(peer.id), LinksBody().canonicalBytes, by: peer, sequence: 90)
        let alive = receive(.documents([links.encoded]))
        #expect(alive.contains(.send(.documents([links.encoded]), second)))
        // After a pause as many again; what this node has to say of itself goes out before.
        now = now + .seconds(1)
        _ = core.handle(.tick, at: now, using: &random)
        #expect(counts(try say(21...30)) == (3, 7))
    }

    @Test mutating func `what links a node with many has goes on at once, not when it is asked for`() throws {
        _ = begin()
        let second = try linkUp(2)
        _ = receive(.documents([try document(.node(peer.id), nodeBody(peer), by: peer).encoded]))
        let listed = (UInt64(1)...UInt64(MeshLimits().acceptedLinks)).map { number in
            (NodeID(high: number, low: number), ListedLink(roundTrip: RoundTripClass(level: 2), relays: true))
        }
        let body = LinksBody(links: Dictionary(uniqueKeysWithValues: listed))
        let links = try document(.links(peer.id), body.canonicalBytes, by: peer, sequence: 2)
        #expect(links.encoded.count > MeshLimits().smallDocumentBytes)
        #expect(receive(.documents([links.encoded])).contains(.send(.documents([links.encoded]), second)))
    }

    @Test
    mutating func `a peer that asks for all rows again and again is answered at its pace, not its greed`()
        throws
    {
        _ = begin()
        let other = Frame.digest(Digest(count: 0, root: ContentHash(of: [0])))
        #expect(!frames(receive(other)).isEmpty)
        #expect(frames(receive(other)).isEmpty)
        now = now + .seconds(10)
        #expect(!frames(receive(other)).isEmpty)
    }

    @Test mutating func `pages that do not make the manifest are thrown away and it is asked of another`()
        throws
    {
        _ = begin()
        let second = LinkID(2)
        let third = try mesh.node("third", using: &random)
        let hello = Hello(versions: 1...1, node: third.id, incarnation: 1, life: 1, software: "")
        _ = core.handle(
            .linkUp(second, LinkFacts(hello: hello, openedByMe: false, address: nil)), at: now, using: &random
        )
        let bytes = try ManifestCodec.encode(try .sample(tools: 2))
        let hash = ContentHash(of: bytes)
        var record = ServerRecord(key: ServerKey(owner: peer.id, name: "files"), state: .up)
        record.manifest = hash
        let effects = receive(
            .documents([
                try document(.node(peer.id), nodeBody(peer), by: peer).encoded,
                try document(
                    .server(peer.id, "files"), ServerBody(record, manifestBytes: bytes.count).canonicalBytes,
                    by: peer, sequence: 2
                ).encoded,
            ]))
        let pull = Frame.manifestPull(ManifestPull(manifest: hash, firstPage: 0, pageCount: 16))
        #expect(effects.contains(.send(pull, link)))

        var wrong = bytes
        wrong[20] ^= 1
        let spoilt = receive(.manifestPage(ManifestPage(manifest: hash, index: 0, bytes: wrong)))
        #expect(notices(spoilt).count == 1)
        #expect(spoilt.contains(.send(pull, second)))
        let page = Frame.manifestPage(ManifestPage(manifest: hash, index: 0, bytes: bytes))
        let whole = core.handle(.received(page, from: second), at: now, using: &random)
        #expect(whole.contains(.storeManifest(hash, bytes)))
        #expect(core.manifest(hash)?.entries.count == 2)
    }

    /// The peer shows a server whose list has so many bytes, with two more neighbours there.
    private mutating func begin(listOf bytes: [UInt8]) throws -> [MeshEffect] {
        _ = begin()
        _ = try linkUp(2)
        _ = try linkUp(3)
        var record = ServerRecord(key: ServerKey(owner: peer.id, name: "files"), state: .up)
        record.manifest = ContentHash(of: bytes)
        return receive(
            .documents([
                try document(.node(peer.id), nodeBody(peer), by: peer).encoded,
                try document(
                    .server(peer.id, "files"), ServerBody(record, manifestBytes: bytes.count).canonicalBytes,
                    by: peer, sequence: 2
                ).encoded,
            ]))
    }

    private func asked(_ effects: [MeshEffect]) -> [LinkID] {
        effects.compactMap { if case .send(.manifestPull, let link) = $0 { link } else { nil } }
    }

    @Test
    mutating func `a small list that lets wait for it is asked of one more, and whoever is first counts`()
        throws
    {
        let bytes = try ManifestCodec.encode(try .sample(tools: 2))
        #expect(asked(try begin(listOf: bytes)) == [link])
        now = now + .milliseconds(100)
        #expect(asked(core.handle(.tick, at: now, using: &random)).isEmpty)
        now = now + .milliseconds(100)
        #expect(asked(core.handle(.tick, at: now, using: &random)) == [LinkID(2)])
        now = now + .milliseconds(100)
        #expect(asked(core.handle(.tick, at: now, using: &random)).isEmpty)
        let page = Frame.manifestPage(
            ManifestPage(manifest: ContentHash(of: bytes), index: 0, bytes: bytes))
        // From one that was not asked it is nothing.
        #expect(core.handle(.received(page, from: LinkID(3)), at: now, using: &random).isEmpty)
        let whole = core.handle(.received(page, from: LinkID(2)), at: now, using: &random)
        #expect(whole.contains(.storeManifest(ContentHash(of: bytes), bytes)))
        #expect(core.handle(.received(page, from: link), at: now, using: &random).isEmpty)
    }

    @Test mutating func `a large one is not, nor one that keeps coming`() throws {
        let bytes = [UInt8](repeating: 1, count: 8 * ManifestCodec.pageBytes)
        #expect(asked(try begin(listOf: bytes)) == [link])
        for _ in 0..<10 {
            now = now + .milliseconds(100)
            #expect(asked(core.handle(.tick, at: now, using: &random)).isEmpty)
        }
    }

    @Test mutating func `where the second does not have it the first is waited for`() throws {
        let bytes = try ManifestCodec.encode(try .sample(tools: 2))
        let hash = ContentHash(of: bytes)
        _ = try begin(listOf: bytes)
        now = now + .milliseconds(200)
        #expect(asked(core.handle(.tick, at: now, using: &random)) == [LinkID(2)])
        #expect(
            asked(core.handle(.received(.manifestAbsent(hash), from: LinkID(2)), at: now, using: &random))
                .isEmpty)
        let page = Frame.manifestPage(ManifestPage(manifest: hash, index: 0, bytes: bytes))
        #expect(receive(page).contains(.storeManifest(hash, bytes)))
    }

    @Test mutating func `manifests that nobody has leave their places to others`() throws {
        var limits = MeshLimits()
        limits.manifestFetches = 1
        core = mesh.core(node, limits: limits)
        _ = begin()
        let bytes = try ManifestCodec.encode(try .sample(tools: 2))
        let (lost, held) = (ContentHash(of: [1]), ContentHash(of: bytes))
        var documents = [try document(.node(peer.id), nodeBody(peer), by: peer).encoded]
        for (index, (name, hash)) in ([("a", lost), ("b", held)] as [(Label, ContentHash)]).enumerated() {
            var record = ServerRecord(key: ServerKey(owner: peer.id, name: name), state: .up)
            record.manifest = hash
            documents.append(
                try document(
                    .server(peer.id, name), ServerBody(record, manifestBytes: bytes.count).canonicalBytes,
                    by: peer, sequence: UInt64(index) + 2
                ).encoded)
        }
        _ = receive(.documents(documents))
        for _ in 0..<10 where core.manifest(held) == nil {
            _ = receive(.manifestAbsent(lost))
            now = now + limits.manifestTimeout
            _ = core.handle(.tick, at: now, using: &random)
            now = now + MeshLimits.tickEvery
            _ = core.handle(.tick, at: now, using: &random)
            _ = receive(.manifestPage(ManifestPage(manifest: held, index: 0, bytes: bytes)))
        }
        #expect(core.manifest(held)?.entries.count == 2)
    }

    @Test
    mutating func `a node that left keeps its link for a moment, and comes back by a later enrolment only`()
        throws
    {
        _ = begin()
        let gone = NodeBody(
            standing: .left, enrolment: peer.enrolment, addresses: [], versions: 1...1, software: "")
        _ = receive(.documents([try document(.node(peer.id), gone.canonicalBytes, by: peer).encoded]))
        // Its disk restored, it goes on as if nothing had been.
        let restored = try document(.node(peer.id), nodeBody(peer), by: peer, sequence: 2)
        #expect(
            notices(receive(.documents([restored.encoded])))
                == [.refused(.node(peer.id), .departed(peer.id), from: peer.id)])
        func isClosed(_ effects: [MeshEffect]) -> Bool {
            effects.contains { if case .close(link, .notEnrolled, _) = $0 { true } else { false } }
        }
        #expect(!isClosed(core.handle(.tick, at: now, using: &random)))
        now = now + MeshLimits().departedLinkMax
        #expect(isClosed(core.handle(.tick, at: now, using: &random)))

        var back = peer
        back.enrolment = try Enrolment(
            of: peer.signer.key, label: "peer", roles: .ordinary, segment: peer.enrolment.segment,
            serial: peer.enrolment.serial + 1, grant: mesh.grant, by: mesh.issuer)
        _ = receive(.documents([try document(.node(peer.id), nodeBody(back), by: back, sequence: 3).encoded]))
        #expect(core.catalogSnapshot().nodes[peer.id] != nil)
        #expect(!isClosed(core.handle(.tick, at: now, using: &random)))
    }

    @Test mutating func `a node that finds its own leave keeps to it`() throws {
        _ = begin()
        let gone = NodeBody(
            standing: .left, enrolment: node.enrolment, addresses: [], versions: 1...1, software: "")
        let said = try document(.node(node.id), gone.canonicalBytes, by: node, incarnation: 9, life: 1)
        #expect(notices(receive(.documents([said.encoded]))) == [.leftBefore])
        #expect(throws: PublishProblem.left) {
            try core.withdraw(server: "files", at: now, using: &random)
        }
    }

    @Test mutating func `a server whose list changes is shown as it was until the new list is here`() throws {
        _ = begin()
        _ = receive(.documents([try document(.node(peer.id), nodeBody(peer), by: peer).encoded]))
        let key = ServerKey(owner: peer.id, name: "files")
        let old = try offer(key, tools: 2, sequence: 2)
        _ = deliver(old)
        #expect(shownTools(of: key) == 2)

        // Two changes one after the other: the first list never arrives.
        let lost = try offer(key, tools: 3, sequence: 3)
        let new = try offer(key, tools: 4, sequence: 4)
        #expect(shownTools(of: key) == 2)
        #expect(core.manifest(ContentHash(of: old)) != nil)
        let effects = deliver(new)
        #expect(shownTools(of: key) == 4)
        #expect(effects.contains(.dropManifest(ContentHash(of: old))))
        #expect(core.manifest(ContentHash(of: old)) == nil)
        _ = deliver(lost)
        #expect(shownTools(of: key) == 4)

        // And back to a list that is held: at once.
        _ = try offer(key, tools: 5, sequence: 5)
        _ = try offer(key, tools: 4, sequence: 6)
        #expect(shownTools(of: key) == 4)
        let removed = receive(
            .documents([try document(.server(peer.id, "files"), nil, by: peer, sequence: 7).encoded]))
        #expect(removed.contains(.dropManifest(ContentHash(of: new))))
        #expect(core.catalogSnapshot().servers[key] == nil)
    }

    @Test mutating func `what a server showed before counts against its owner's share`() throws {
        let list = try ManifestCodec.encode(try .sample(tools: 2))
        var limits = MeshLimits()
        limits.manifestBytesPerOrigin = list.count * 2
        core = mesh.core(node, limits: limits)
        _ = begin()
        _ = receive(.documents([try document(.node(peer.id), nodeBody(peer), by: peer).encoded]))
        let key = ServerKey(owner: peer.id, name: "files")
        _ = deliver(try offer(key, tools: 2, sequence: 2))
        #expect(shownTools(of: key) == 2)
        let effects = receiveOffer(key, hash: ContentHash(of: [1]), size: list.count + 1, sequence: 3)
        #expect(effects.contains(.dropManifest(ContentHash(of: list))))
        #expect(shownTools(of: key) == nil)
    }

    /// A server of the peer's says that it offers so many tools.
    ///
    /// - Returns: the manifest, which does not arrive by that.
    private mutating func offer(_ key: ServerKey, tools: Int, sequence: UInt64) throws -> [UInt8] {
        let bytes = try ManifestCodec.encode(try .sample(tools: tools))
        _ = receiveOffer(key, hash: ContentHash(of: bytes), size: bytes.count, sequence: sequence)
        return bytes
    }

    private mutating func receiveOffer(
        _ key: ServerKey, hash: ContentHash, size: Int, sequence: UInt64
    ) -> [MeshEffect] {
        var record = ServerRecord(key: key, state: .up)
        record.manifest = hash
        let body = ServerBody(record, manifestBytes: size).canonicalBytes
        guard
            let document = try? document(
                .server(key.owner, key.name), body, by: peer, sequence: sequence)
        else { return [] }
        return receive(.documents([document.encoded]))
    }

    /// The one page of a small manifest.
    private mutating func deliver(_ bytes: [UInt8]) -> [MeshEffect] {
        receive(.manifestPage(ManifestPage(manifest: ContentHash(of: bytes), index: 0, bytes: bytes)))
    }

    private func shownTools(of key: ServerKey) -> Int? {
        core.catalogSnapshot().servers[key]?.manifest?.entries.count
    }

    @Test mutating func `a node that left is listed no more, and its name is free`() throws {
        _ = begin()
        _ = receive(.documents([try document(.node(peer.id), nodeBody(peer), by: peer).encoded]))
        #expect(core.holder(of: "peer") == peer.id)
        let gone = NodeBody(
            standing: .left, enrolment: peer.enrolment, addresses: [], versions: 1...1, software: "")
        _ = receive(
            .documents([try document(.node(peer.id), gone.canonicalBytes, by: peer, sequence: 2).encoded]))
        #expect(core.holder(of: "peer") == nil)
        #expect(core.catalogSnapshot().nodes[peer.id] == nil)
    }

    @Test mutating func `two nodes enrolled under one label are both shown with their ids`() throws {
        _ = begin()
        let twin = try mesh.node("peer", using: &random)
        let effects = receive(
            .documents([
                try document(.node(peer.id), nodeBody(peer), by: peer).encoded,
                try document(.node(twin.id), nodeBody(twin), by: twin).encoded,
            ]))
        #expect(notices(effects) == [.labelClash("peer", [peer.id, twin.id].sorted())])
        let labels = core.catalogSnapshot().nodes.mapValues(\.label.text)
        #expect(labels[peer.id] == "peer-\(peer.id.description.prefix(6))")
        #expect(labels[twin.id] == "peer-\(twin.id.description.prefix(6))")
        #expect(labels[node.id] == "lab")
    }

    @Test mutating func `links that come up and break at once are dialled less and less`() throws {
        _ = begin()
        let other = try mesh.node("other", using: &random)
        let address = "10.0.0.8:7331"
        _ = core.handle(
            .sighted(Candidate(address: address, source: .sighting, node: other.id)), at: now, using: &random)
        let hello = Hello(versions: 1...1, node: other.id, incarnation: 1, life: 1, software: "")
        let facts = LinkFacts(hello: hello, openedByMe: true, address: address)
        var links = 0
        for _ in 0..<300 {
            now = now + MeshLimits.tickEvery
            for case .dial in core.handle(.tick, at: now, using: &random) {
                links += 1
                let id = LinkID(UInt64(100 + links))
                _ = core.handle(.linkUp(id, facts), at: now, using: &random)
                _ = core.handle(.linkDown(id), at: now, using: &random)
            }
        }
        #expect((4...12).contains(links))  // in 30 s, as if nobody had answered
    }

    @Test mutating func `DNS takes back what DNS said, never a seed that is written down`() throws {
        _ = begin()
        let address = "10.0.0.8:7331"
        for source in [CandidateSource.seed, .dns] {
            _ = core.handle(.sighted(Candidate(address: address, source: source)), at: now, using: &random)
        }
        _ = core.handle(.vanished(address: address, .dns), at: now, using: &random)
        #expect(core.addresses.map(\.sources) == [[.seed]])
        _ = core.handle(.vanished(address: address, .seed), at: now, using: &random)
        #expect(core.addresses.isEmpty)
    }

    @Test mutating func `a node of another mesh is listed, never dialled`() throws {
        _ = begin()
        let foreign = Candidate(
            address: "10.0.0.9:7331", source: .sighting, node: NodeID(high: 9, low: 9),
            mesh: MeshID(high: 1, low: 1))
        let own = Candidate(
            address: "10.0.0.8:7331", source: .sighting, node: NodeID(high: 8, low: 8), mesh: mesh.trust.mesh)
        for candidate in [foreign, own] { _ = core.handle(.sighted(candidate), at: now, using: &random) }
        var dialled: [String] = []
        for _ in 0..<300 {
            now = now + MeshLimits.tickEvery
            for case .dial(let address, let expecting) in core.handle(.tick, at: now, using: &random) {
                dialled.append(address)
                _ = core.handle(
                    .dialFailed(address: address, expecting: expecting, .unreachable("refused")), at: now,
                    using: &random)
            }
        }
        #expect(Set(dialled) == ["10.0.0.8:7331"])
        #expect((4...12).contains(dialled.count))  // in 30 s, backing off
        #expect(core.addresses.count == 2)
    }
}
