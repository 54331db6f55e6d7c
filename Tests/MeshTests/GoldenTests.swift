import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Mesh
import Testing

/// The bytes on the wire, fixed by files that another implementation could be written against.
struct GoldenTests {
    static let frames: [(name: String, frame: Frame)] = {
        let id = NodeID(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718)
        let other = NodeID(high: 1, low: 2)
        let row = DocumentRow(
            key: .server(id, "files"), version: DocumentVersion(incarnation: 3, life: 0xABCD, sequence: 9),
            hash: ContentHash(of: [1]))
        let hash = ContentHash(of: [2])
        var buckets = BucketSet(level: 4)
        for bucket in [0, 9] { buckets.insert(bucket) }
        return [
            (
                "hello",
                .hello(
                    Hello(
                        versions: 1...2, features: 5, node: id, incarnation: 7, life: 0xFEED_FACE,
                        software: "martlet 0.1"))
            ),
            ("heartbeat", .heartbeat),
            ("goodbye", .goodbye(.full, text: "try 10.0.0.2:7331")),
            ("ping", .ping(0x0102_0304_0506_0708)),
            ("pong", .pong(9)),
            ("documents", .documents([[1, 2, 3], []])),
            ("announce", .announce([row])),
            ("pull", .pull([.node(id), .virtualServer(other, "team")])),
            ("digest", .digest(Digest(count: 12, root: hash))),
            ("digest-rows", .digestRows(DigestPage(after: .links(other), rows: [row], isLast: true))),
            ("digest-rows-first", .digestRows(DigestPage(after: nil, rows: [], isLast: true))),
            (
                "bucket-digest",
                .bucketDigest(
                    BucketDigest(
                        level: 1, hashes: [BucketHash(high: 1, low: 2), BucketHash(high: 3, low: 4)]))
            ),
            (
                "bucket-rows",
                .bucketRows(
                    BucketRows(buckets: buckets, page: DigestPage(after: nil, rows: [row], isLast: true)))
            ),
            ("manifest-pull", .manifestPull(ManifestPull(manifest: hash, firstPage: 16, pageCount: 16))),
            ("manifest-page", .manifestPage(ManifestPage(manifest: hash, index: 2, bytes: [9, 8, 7]))),
            ("manifest-absent", .manifestAbsent(hash)),
            ("statement-digest", .statementDigest(Digest(count: 3, root: hash))),
            ("statements", .statements([[1, 2, 3], []], isLast: true)),
            ("scoped-offer", .scopedOffer(Digest(count: 3, root: hash))),
            ("scoped-held", .scopedHeld(Digest(count: 3, root: hash), isAnswer: true)),
            ("scoped-documents", .scopedDocuments([[1, 2, 3], []], isLast: true)),
            ("open", .open(3, .circuit, header: [4, 5])),
            ("data", .data(3, kind: 1, isLast: true, Array("{}".utf8))),
            ("end", .end(3)),
            ("reset", .reset(3, .cancelled, text: "the client has gone")),
            ("credit", .credit(0, bytes: 131_072)),
        ]
    }()

    @Test(arguments: frames.map(\.name))
    func `a frame is written and read as its golden bytes`(name: String) throws {
        let frame = try Self.frames.first { $0.name == name }.orFail().frame
        let golden = try Fixture.vectors("mesh/frames.txt")[name].orFail("vector \(name)")
        #expect(frame.encoded == golden)
        var decoder = FrameDecoder()
        decoder.append(golden)
        #expect(try decoder.next() == frame)
    }

    @Test func `every golden frame has a test`() throws {
        #expect(try Set(Fixture.vectors("mesh/frames.txt").keys) == Set(Self.frames.map(\.name)))
    }

    @Test func `documents are written, signed and read as their golden bytes`() throws {
        let golden = try Fixture.vectors("mesh/documents.txt")
        let made = try GoldenDocuments(grant: IssuerGrant(canonical: golden["grant"].orFail()))
        for (name, bytes) in made.vectors {
            #expect(Hex.encode(bytes) == Hex.encode(try golden[name].orFail("vector \(name)")), "\(name)")
        }
        #expect(Set(made.vectors.keys) == Set(golden.keys))

        var store = DocumentStore(
            trust: try MeshTrust(rootKey: golden["root-key"].orFail()).orFail(), checker: .real,
            limits: MeshLimits())
        for name in ["node", "links", "server", "virtual-server"] {
            let document = try Document.decode(golden[name].orFail()).orFail()
            #expect(store.take(document) == .taken(replacing: nil, evicted: []), "\(name)")
            #expect(document.encodedCount == golden[name]?.count)
        }
        let deleted = try Document.decode(golden["server-deleted"].orFail()).orFail()
        #expect(
            store.take(deleted)
                == .taken(replacing: try Document.decode(golden["server"].orFail()), evicted: []))
        #expect(deleted.encoded.count < 200)

        let scoped = try ScopedDocument(decoding: golden["scoped-server"].orFail())
        #expect(scoped.encoded == golden["scoped-server"])
        let key = try store.nodes[scoped.server.owner].orFail().enrolment.node
        #expect(
            scoped.isSigned(
                by: key, in: try MeshTrust(rootKey: golden["root-key"].orFail()).orFail().mesh, checker: .real
            ))
        // No store of documents takes it: not a kind, not a purpose that it signs for.
        let asDocument = try? Document.decode(scoped.encoded)
        #expect(asDocument == nil || asDocument == .some(nil))
    }
}

extension GoldenTests {
    @Test func `revocations are written, signed and read as their golden bytes`() throws {
        let golden = try Fixture.vectors("mesh/statements.txt")
        let documents = try Fixture.vectors("mesh/documents.txt")
        let grant = try IssuerGrant(canonical: documents["grant"].orFail())
        let trust = try MeshTrust(rootKey: documents["root-key"].orFail()).orFail()
        let issuer = try Signer(seed: Array(repeating: 2, count: 32)).orFail()
        let target = NodeID(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718)

        let byIssuer = try Revocation(of: target, reason: "lost", grant: grant, by: issuer)
        #expect(Hex.encode(byIssuer.encoded) == Hex.encode(try golden["revocation"].orFail()))
        let read = try Revocation.decode(golden["revocation"].orFail()).orFail()
        #expect(read == byIssuer)
        try read.check(under: trust, by: .real)

        // ECDSA signs differently each time: all but the signature is compared.
        let root = try RootSigner(scalar: Array(repeating: 1, count: 32)).orFail()
        let terms = RootTerms(
            counter: 2, enrolments: [KeptEnrolment(node: NodeID(high: 1, low: 2), serial: 5)],
            revocations: [NodeID(high: 1, low: 3), NodeID(high: 1, low: 2)])
        let byRoot = try Revocation(of: target, reason: "key stolen", terms: terms, by: root)
        let stored = try golden["root-revocation"].orFail()
        #expect(Hex.encode(byRoot.encoded.dropLast(64)) == Hex.encode(stored.dropLast(64)))
        try Revocation.decode(stored).orFail().check(under: trust, by: .real)
    }

    @Test func `decisions are written, signed and read as their golden bytes`() throws {
        let golden = try Fixture.vectors("mesh/decisions.txt")
        let documents = try Fixture.vectors("mesh/documents.txt")
        let enrolment = try Enrolment(canonical: documents["enrolment"].orFail())
        let trust = try MeshTrust(rootKey: documents["root-key"].orFail()).orFail()
        let made = try GoldenDecisions(enrolment)
        #expect(Set(made.vectors.keys) == Set(golden.keys))
        for (name, bytes) in made.vectors {
            let (written, stored) = (Hex.encode(bytes), Hex.encode(try golden[name].orFail("vector \(name)")))
            #expect(written == stored, "\(name)")
            var book = StatementBook()
            let read = try Statement.decode(bytes)
            #expect(book.take(read, under: trust, by: .real) == .taken)
        }
    }

    @Test func `messages of a renewal are written and read as their golden bytes`() throws {
        let golden = try Fixture.vectors("mesh/renewal.txt")
        let documents = try Fixture.vectors("mesh/documents.txt")
        let enrolment = try Enrolment(canonical: documents["enrolment"].orFail())
        let grant = try IssuerGrant(canonical: documents["grant"].orFail())
        let request = RenewalRequest(
            enrolment: enrolment, lastChain: [[1, 2], [3]], leafRequest: [4, 5], authorityRequest: nil)
        let messages: [String: JoinMessage] = [
            "renew": .renew(mesh: enrolment.mesh, nonce: [UInt8](repeating: 7, count: 32)),
            "renewal": .renewal(request, enrolment.signature),
            "renewed": .renewed(
                RenewalGrant(
                    chain: [[6], [7, 8]], authority: AuthorityGrant(grant: grant, certificate: [9]))),
        ]
        #expect(Set(golden.keys) == Set(messages.keys))
        for (name, message) in messages {
            let bytes = try golden[name].orFail()
            #expect(Hex.encode(try message.encoded()) == Hex.encode(bytes), "\(name)")
            var decoder = JoinMessageDecoder()
            decoder.append(bytes)
            #expect(try decoder.next() == message)
        }
    }
}

/// The documents of the fixture, from fixed keys. The grant is taken from the file: ECDSA signs differently each time.
struct GoldenDocuments {
    var vectors: [String: [UInt8]] = [:]

    init(grant given: IssuerGrant? = nil) throws {
        let root = try RootSigner(scalar: Array(repeating: 1, count: 32)).orFail()
        let issuer = try Signer(seed: Array(repeating: 2, count: 32)).orFail()
        let node = try Signer(seed: Array(repeating: 3, count: 32)).orFail()
        let grant = try given ?? IssuerGrant(to: issuer.key, by: root)
        let enrolment = try Enrolment(
            of: node.key, label: "lab", roles: [.member, .entry, .operator], segment: "home", serial: 5,
            grant: grant, by: issuer)
        vectors["root-key"] = root.trust.rootKey
        vectors["grant"] = grant.canonicalBytes
        vectors["enrolment"] = enrolment.canonicalBytes

        func add(_ name: String, _ key: DocumentKey, _ sequence: UInt64, _ body: [UInt8]?) throws {
            vectors[name] = try Document(
                key,
                version: DocumentVersion(incarnation: 4, life: 0x0123_4567_89AB_CDEF, sequence: sequence),
                body: body, mesh: root.trust.mesh, by: node
            ).encoded
        }
        let id = node.key.id
        try add(
            "node", .node(id), 1,
            NodeBody(
                enrolment: enrolment, addresses: ["10.0.0.1:7331", "[fd00::1]:7331"], versions: 1...1,
                software: "martlet 0.1"
            ).canonicalBytes)
        try add(
            "links", .links(id), 2,
            LinksBody(links: [
                NodeID(high: 1, low: 1): ListedLink(roundTrip: RoundTripClass(level: 3), relays: true),
                NodeID(high: 1, low: 0): ListedLink(roundTrip: RoundTripClass(level: 0), relays: false),
            ]).canonicalBytes)
        let record = ServerRecord(
            key: ServerKey(owner: id, name: "files"), title: "Files", tags: ["disk"], state: .degraded,
            stateReason: "slow", stateSince: 1_785_200_000, lastSuccess: 1_785_200_007,
            revision: "2025-11-25", auth: .ready,
            replicaOf: [ReplicaName(node: "hq", server: "files")], address: ContentHash(of: [9]),
            manifest: ContentHash(of: [7]))
        try add("server", .server(id, "files"), 3, ServerBody(record, manifestBytes: 1234).canonicalBytes)
        vectors["scoped-server"] = try ScopedDocument(
            ServerKey(owner: id, name: "files"),
            version: DocumentVersion(incarnation: 4, life: 0x0123_4567_89AB_CDEF, sequence: 6),
            body: ServerBody(record, manifestBytes: 1234), mesh: root.trust.mesh, by: node
        ).encoded
        try add("server-deleted", .server(id, "files"), 4, nil)
        try add(
            "virtual-server", .virtualServer(id, "team"), 5,
            VirtualServerBody(
                counter: 2, replaces: ContentHash(of: [8]), isConfigured: true, definition: ["use": []]
            ).canonicalBytes)
    }
}

/// The decisions of the fixture, by the node of ``GoldenDocuments``.
struct GoldenDecisions {
    var vectors: [String: [UInt8]] = [:]

    init(_ enrolment: Enrolment) throws {
        let node = try Signer(seed: Array(repeating: 3, count: 32)).orFail()
        let server = ServerKey(owner: NodeID(high: 1, low: 2), name: "files")
        let entry = EntryAddress(server: server, kind: .tool, name: "read_file")
        func add(_ name: String, _ sequence: UInt64, _ decision: StatementDecision, isLifted: Bool = false)
            throws
        {
            let body = StatementBody(decision, reason: "why", at: 1_785_200_000)
            vectors[name] = try Statement(
                decision.verb, body.name,
                version: DocumentVersion(incarnation: 4, life: 0x0123_4567_89AB_CDEF, sequence: sequence),
                body: isLifted ? nil : body, enrolment: enrolment, by: node
            ).encoded
        }
        try add("approve", 1, .approve(entry, Pin(ContentHash(of: [7]))))
        try add("quarantine-entry", 2, .quarantine(.entry(entry)))
        try add("quarantine-server", 3, .quarantine(.server(server)))
        try add("quarantine-node", 4, .quarantine(.node(server.owner)))
        try add(
            "release", 5,
            .release(
                .entry(entry),
                [
                    ReleasedWord(signer: NodeID(high: 1, low: 2), word: ContentHash(of: [1])),
                    ReleasedWord(signer: NodeID(high: 1, low: 3), word: ContentHash(of: [2])),
                ]))
        try add("taken-back", 6, .quarantine(.entry(entry)), isLifted: true)
        let rate = CallRate(100, in: .seconds(60))
        let both = try CallAllowance(rate: rate, concurrency: 4).orFail()
        try add("limit", 7, .limit(.server(server), both))
        try add(
            "limit-at-once", 8, .limit(.node(server.owner), CallAllowance(rate: nil, concurrency: 2).orFail())
        )
        try add("limit-taken-back", 9, .limit(.server(server), both), isLifted: true)
    }
}
