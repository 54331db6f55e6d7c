import Catalog
import JSONSlice
import MartletTestKit
import Mesh
import Testing

/// With real signatures: who may say what.
struct DocumentStoreTests {
    let mesh: TestMesh
    let member: LocalNode
    let chief: LocalNode
    var store: DocumentStore

    init() throws {
        mesh = try TestMesh(seed: 11)
        var random = SplitMix64(seed: 12)
        member = try mesh.node("lab", using: &random)
        chief = try mesh.node("chief", roles: .all, using: &random)
        var limits = MeshLimits()
        limits.serversPerOrigin = 3
        store = DocumentStore(trust: mesh.trust, checker: .real, limits: limits)
    }

    private func document(
        _ key: DocumentKey, _ body: [UInt8]?, by node: LocalNode, incarnation: UInt64 = 1,
        sequence: UInt64 = 1
    ) throws -> Document {
        try Document(
            key, version: DocumentVersion(incarnation: incarnation, life: node.life, sequence: sequence),
            body: body,
            mesh: mesh.trust.mesh, by: node.signer)
    }

    private func nodeDocument(_ node: LocalNode, showing enrolment: Enrolment? = nil, sequence: UInt64 = 1)
        throws
        -> Document
    {
        let body = NodeBody(
            enrolment: enrolment ?? node.enrolment, addresses: [], versions: 1...1, software: "test")
        return try document(.node(node.id), body.canonicalBytes, by: node, sequence: sequence)
    }

    private func server(_ node: LocalNode, _ name: Label, sequence: UInt64, state: ServerState = .up) throws
        -> Document
    {
        let record = ServerRecord(key: ServerKey(owner: node.id, name: name), state: state)
        return try document(
            .server(node.id, name), ServerBody(record, manifestBytes: 0).canonicalBytes, by: node,
            sequence: sequence)
    }

    private var definition: [UInt8] {
        VirtualServerBody(counter: 1, replaces: nil, definition: ["use": []]).canonicalBytes
    }

    @Test mutating func `signing two documents under one version is no way around the caps`() throws {
        _ = store.take(try nodeDocument(member))
        for (index, name) in (["a", "b", "c"] as [Label]).enumerated() {
            _ = store.take(try server(member, name, sequence: UInt64(index) + 2))
        }
        let removed = try document(.server(member.id, "d"), nil, by: member, sequence: 9)
        #expect(store.take(removed) == .taken(replacing: nil, evicted: []))
        // One of these beats the removal by its hash.
        for state in [ServerState.up, .down, .starting] {
            let outcome = store.take(try server(member, "d", sequence: 9, state: state))
            #expect(outcome == .equivocation(taken: false, evicted: []))
        }
        #expect(store.servers.count == 3)
        #expect(store.equivocations[member.id] != nil)
    }

    @Test mutating func `a document whose origin is unknown waits for its origin`() throws {
        let files = try server(member, "files", sequence: 2)
        #expect(store.take(files) == .refused(.unknownOrigin(member.id)))
        #expect(store.take(try nodeDocument(member)) == .taken(replacing: nil, evicted: []))
        #expect(store.take(files) == .taken(replacing: nil, evicted: []))
        #expect(store.take(files) == .known)
    }

    @Test mutating func `a node cannot speak for another`() throws {
        _ = store.take(try nodeDocument(member))
        _ = store.take(try nodeDocument(chief))
        let record = ServerRecord(key: ServerKey(owner: chief.id, name: "files"), state: .up)
        let forged = try document(
            .server(chief.id, "files"), ServerBody(record, manifestBytes: 0).canonicalBytes, by: member,
            sequence: 9)
        #expect(store.take(forged) == .refused(.badSignature))
        #expect(store.servers.isEmpty)
    }

    @Test mutating func `a node cannot show another's enrolment`() throws {
        let stolen = try nodeDocument(member, showing: chief.enrolment)
        #expect(
            store.take(stolen)
                == .refused(.badEnrolment(.otherKey(enrolled: chief.id, claimed: member.id))))
    }

    @Test mutating func `only the mesh's own issuers enrol`() throws {
        let other = try TestMesh(seed: 99)
        let foreign = try other.enrolment(of: member.signer, label: "lab")
        #expect(
            store.take(try nodeDocument(member, showing: foreign))
                == .refused(.badEnrolment(.otherMesh(other.trust.mesh))))

        // An issuer that the root never named: the grant is signed by another root, in this mesh's name.
        let pretender = RootSigner(trust: mesh.trust, sign: other.root.sign)
        let grant = try IssuerGrant(to: chief.signer.key, by: pretender)
        let enrolment = try Enrolment(
            of: member.signer.key, label: "lab", roles: .all, segment: "home", serial: 1, grant: grant,
            by: chief.signer)
        #expect(
            store.take(try nodeDocument(member, showing: enrolment))
                == .refused(.badEnrolment(.grantNotByRoot(issuer: chief.id))))

        // Somebody else's key under a good grant.
        let thief = Signer(key: mesh.grant.issuer, sign: member.signer.sign)
        let unsigned = try Enrolment(
            of: member.signer.key, label: "lab", roles: .all, segment: "home", serial: 1, grant: mesh.grant,
            by: thief)
        #expect(
            store.take(try nodeDocument(member, showing: unsigned))
                == .refused(.badEnrolment(.notSignedByIssuer(issuer: mesh.issuer.key.id))))
    }

    @Test mutating func `a member cannot define a virtual server, an operator can`() throws {
        _ = store.take(try nodeDocument(member))
        _ = store.take(try nodeDocument(chief))
        let wanted = try document(.virtualServer(member.id, "team"), definition, by: member, sequence: 2)
        #expect(store.take(wanted) == .refused(.beyondRole(needs: .operator, has: .ordinary)))
        let allowed = try document(.virtualServer(chief.id, "team"), definition, by: chief, sequence: 2)
        #expect(store.take(allowed) == .taken(replacing: nil, evicted: []))
    }

    @Test mutating func `who loses a role loses what it said in it`() throws {
        _ = store.take(try nodeDocument(chief))
        let key = DocumentKey.virtualServer(chief.id, "team")
        let team = try document(key, definition, by: chief, sequence: 2)
        _ = store.take(team)
        let before = store.digest()
        let demoted = try mesh.enrolment(of: chief.signer, label: "chief", roles: .ordinary, serial: 2)
        let node = try nodeDocument(chief, showing: demoted, sequence: 3)
        #expect(store.take(node) == .taken(replacing: try nodeDocument(chief), evicted: [key]))
        #expect(store.take(team) == .refused(.beyondRole(needs: .operator, has: .ordinary)))
        #expect(store.digest() != before)
        #expect(store.count == 1)
    }

    @Test func `digest and rows are the same whether asked for after each change or only once`() throws {
        var random = SplitMix64(seed: 5)
        let nodes = try (0..<12).map { try mesh.node(Label("n\($0)").orFail(), using: &random) }
        var limits = MeshLimits()
        limits.serversPerOrigin = 40
        var asked = DocumentStore(trust: mesh.trust, checker: .real, limits: limits)
        var plain = asked
        func take(_ document: Document) {
            _ = asked.take(document)
            _ = plain.take(document)
        }
        for node in nodes { take(try nodeDocument(node)) }
        for step in 0..<300 {
            let node = try nodes.randomElement(using: &random).orFail()
            let name = try Label("s\(Int.random(in: 0..<30, using: &random))").orFail()
            if step % 90 == 89 {
                _ = asked.dropAll(of: node.id)
                _ = plain.dropAll(of: node.id)
                take(try nodeDocument(node))
            } else {
                take(try server(node, name, sequence: UInt64(step) + 2))
            }
            _ = asked.bucketDigest(level: 3)
            var once = plain
            #expect(asked.rows() == once.rows(), "step \(step)")
            #expect(asked.digest() == once.digest())
            #expect(asked.bucketDigest(level: 3) == once.bucketDigest(level: 3))
        }
        #expect(asked.count > 150)
    }

    @Test(arguments: [
        (held: 7, incoming: 8, learns: true),
        (held: 7, incoming: 7, learns: false),  // a duplicate
        (held: 7, incoming: 6, learns: false),  // overtaken on the way
    ])
    mutating func `the greatest version stands`(held: UInt64, incoming: UInt64, learns: Bool) throws {
        _ = store.take(try nodeDocument(member))
        _ = store.take(try server(member, "files", sequence: held))
        let outcome = store.take(try server(member, "files", sequence: incoming))
        if case .taken = outcome { #expect(learns) } else { #expect(!learns) }
        #expect(store[.server(member.id, "files")]?.version.sequence == max(held, incoming))
    }

    @Test func `two bodies under one version are seen by all, and all keep the same one`() throws {
        let node = try nodeDocument(member)
        let up = try server(member, "files", sequence: 2)
        let down = try server(member, "files", sequence: 2, state: .down)
        var first = store
        var second = store
        for document in [node, up, down] { _ = first.take(document) }
        for document in [node, down, up] { _ = second.take(document) }
        #expect(first.digest() == second.digest())
        #expect(first.equivocations.keys.sorted() == [member.id])
        #expect(second.equivocations.keys.sorted() == [member.id])
    }

    @Test mutating func `an origin has so many live servers and no more`() throws {
        _ = store.take(try nodeDocument(member))
        for (index, name) in (["a", "b", "c"] as [Label]).enumerated() {
            _ = store.take(try server(member, name, sequence: UInt64(index) + 2))
        }
        let fourth = try server(member, "d", sequence: 6)
        #expect(store.take(fourth) == .refused(.tooMany(.server, max: 3)))
        _ = store.take(try document(.server(member.id, "a"), nil, by: member, sequence: 7))
        #expect(store.take(fourth) == .taken(replacing: nil, evicted: []))
        #expect(store.servers.count == 3)
        #expect(store.count == 5)  // the deleted one stays, without body
    }

    @Test mutating func `a body that is not canonical is refused`() throws {
        _ = store.take(try nodeDocument(member))
        let odd = try document(.links(member.id), [0, 0, 0, 1, 9], by: member, sequence: 2)
        guard case .refused(.malformed) = store.take(odd) else {
            Issue.record("taken")
            return
        }
    }

    @Test(arguments: UInt64(1)...20)
    func `any order of delivery ends in the same store`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let quick = try TestMesh(seed: 3, .hashed)
        let nodes = try (0..<3).map {
            try quick.node(try Label("n\($0)").orFail(), roles: .all, using: &random)
        }
        var sent: [Document] = []
        for node in nodes {
            for sequence in UInt64(1)...12 {
                let version = DocumentVersion(
                    incarnation: UInt64.random(in: 1...2, using: &random), life: node.life, sequence: sequence
                )
                let key: DocumentKey =
                    [.node(node.id), .server(node.id, "a"), .server(node.id, "b")]
                    .randomElement(using: &random) ?? .node(node.id)
                let record = ServerRecord(key: ServerKey(owner: node.id, name: "a"), state: .up)
                let body: [UInt8]? =
                    key.kind == .node
                    ? NodeBody(
                        enrolment: node.enrolment, addresses: ["\(sequence)"], versions: 1...1, software: ""
                    ).canonicalBytes
                    : Bool.random(using: &random) ? ServerBody(record, manifestBytes: 0).canonicalBytes : nil
                sent.append(
                    try Document(key, version: version, body: body, mesh: quick.trust.mesh, by: node.signer))
            }
            sent.append(
                try Document(
                    .node(node.id), version: DocumentVersion(incarnation: 1, life: node.life, sequence: 99),
                    body: NodeBody(enrolment: node.enrolment, addresses: [], versions: 1...1, software: "")
                        .canonicalBytes, mesh: quick.trust.mesh, by: node.signer))
        }
        func store(_ order: [Document]) -> DocumentStore {
            var store = DocumentStore(trust: quick.trust, checker: quick.checker, limits: MeshLimits())
            // What came before its origin's node document comes again, as repair would bring it.
            for document in order + order { _ = store.take(document) }
            return store
        }
        var first = store(sent)
        var second = store((sent + sent).shuffled(using: &random))
        #expect(first.digest() == second.digest())
        #expect(first.servers == second.servers)
    }

    @Test func `two stores that compare their rows page by page find all that differs`() throws {
        let quick = try TestMesh(seed: 3, .hashed)
        var random = SplitMix64(seed: 5)
        let node = try quick.node("big", using: &random)
        var limits = MeshLimits()
        limits.serversPerOrigin = 5000
        var mine = DocumentStore(trust: quick.trust, checker: quick.checker, limits: limits)
        var theirs = mine
        let body = NodeBody(enrolment: node.enrolment, addresses: [], versions: 1...1, software: "")
            .canonicalBytes
        var lacking: Set<DocumentKey> = []
        var ahead: Set<DocumentKey> = []
        for sequence in UInt64(0)..<1300 {
            let key =
                sequence == 0
                ? DocumentKey.node(node.id) : .server(node.id, try Label("s\(sequence)").orFail())
            let document = try Document(
                key, version: DocumentVersion(incarnation: 1, life: 1, sequence: sequence + 1),
                body: sequence == 0 ? body : nil, mesh: quick.trust.mesh, by: node.signer)
            switch sequence == 0 ? 9 : Int.random(in: 0...9, using: &random) {
            case 0:
                _ = mine.take(document)
                ahead.insert(key)
            case 1:
                _ = theirs.take(document)
                lacking.insert(key)
            default:
                _ = mine.take(document)
                _ = theirs.take(document)
            }
        }
        var found: (lacking: [DocumentKey], ahead: [DocumentKey]) = ([], [])
        let pages = theirs.digestPages()
        #expect(pages.count == 3)
        for page in pages {
            let compared = mine.compare(page)
            found.lacking += compared.lacking.map(\.key)
            found.ahead += compared.ahead
        }
        #expect(found.lacking.count == lacking.count && Set(found.lacking) == lacking)
        #expect(found.ahead.count == ahead.count && Set(found.ahead) == ahead)
        for document in theirs.all { _ = mine.take(document) }
        for document in mine.all { _ = theirs.take(document) }
        #expect(mine.digest() == theirs.digest())
    }
}
