import Catalog
import MartletTestKit
import Mesh
import Testing

/// With real signatures: whose word ends whom.
struct RevocationTests {
    let mesh: TestMesh
    let chief: LocalNode
    let other: LocalNode
    let member: LocalNode
    var random = SplitMix64(seed: 31)
    var book = RevocationBook(perSignerMax: 3)

    init() throws {
        mesh = try TestMesh(seed: 30)
        chief = try mesh.node("chief", roles: .all, using: &random)
        other = try mesh.node("other", roles: .all, using: &random)
        member = try mesh.node("lab", using: &random)
    }

    private func word(
        on target: NodeID, by issuer: LocalNode? = nil, reason: String = "lost"
    ) throws -> Revocation {
        let issuer = issuer ?? chief
        return try Revocation(
            of: target, reason: reason, grant: issuer.enrolment.grant, by: issuer.signer)
    }

    private func rootWord(on target: NodeID, _ terms: RootTerms = RootTerms()) throws -> Revocation {
        try Revocation(of: target, reason: "stolen", terms: terms, by: mesh.root)
    }

    private mutating func take(
        _ revocation: Revocation, isIssuer: (NodeID) -> Bool = { _ in false }
    ) -> RevocationBook.Outcome {
        book.take(revocation, under: mesh.trust, by: mesh.checker, isIssuer: isIssuer)
    }

    private func enrolled(
        _ node: LocalNode, by issuer: LocalNode, serial: UInt64 = 1, roles: Roles = .ordinary
    ) throws -> Enrolment {
        try Enrolment(
            of: node.signer.key, label: "lab", roles: roles, segment: "home", serial: serial,
            grant: issuer.enrolment.grant, by: issuer.signer)
    }

    @Test mutating func `an issuer ends a node, whoever had enrolled it`() throws {
        let enrolment = try enrolled(member, by: other)
        #expect(book.objection(to: enrolment) == nil)
        let said = try word(on: member.id)
        #expect(take(said) == .taken(dropped: []))
        #expect(book.objection(to: enrolment)?.signer == chief.id)
        let again = try word(on: member.id)
        #expect(take(again) == .known)
        // For good: a later enrolment of that key does not stand either.
        #expect(book.objection(to: try enrolled(member, by: other, serial: .max)) != nil)
    }

    @Test mutating func `an issuer does not end an issuer, and what it said of one is dropped`() throws {
        let said = try word(on: other.id)
        let (chief, other) = (chief, other)
        let outcome = take(said, isIssuer: { $0 == other.id })
        #expect(outcome == .refused(.beyondRole(signer: chief.id, target: other.id)))
        // Heard before anything is known of its target, it has no effect on it.
        #expect(take(said) == .taken(dropped: []))
        #expect(book.objection(to: other.enrolment) == nil)
        let dropped = book.dropIssuersWord(on: other.id)
        #expect(dropped == [said.key])
        #expect(book.count == 0)
    }

    @Test mutating func `the root ends an issuer, its enrolments and its words but for those listed`() throws
    {
        let (kept, lost) = (try enrolled(member, by: other, serial: 7), try enrolled(chief, by: other))
        let (rightly, wrongly) = (NodeID(high: 1, low: 1), NodeID(high: 1, low: 2))
        _ = take(try word(on: rightly, by: other))
        _ = take(try word(on: wrongly, by: other))
        let terms = RootTerms(
            enrolments: [KeptEnrolment(node: member.id, serial: 7)], revocations: [rightly])
        let ended = take(try rootWord(on: other.id, terms))
        #expect(ended == .taken(dropped: [RevocationKey(target: wrongly, signer: other.id)]))
        #expect(book.objection(to: other.enrolment) != nil)
        #expect(book.objection(toIssuer: other.id) != nil)
        #expect(book.objection(to: kept) == nil)
        #expect(book.objection(to: lost) != nil)
        #expect(book.objection(to: try enrolled(member, by: other, serial: 8)) != nil)
        #expect(book.objection(to: rightly) != nil)
        #expect(book.objection(to: wrongly) == nil)
        // What it says later finds no ears.
        let late = take(try word(on: member.id, by: other))
        #expect(late == .refused(.signerRevoked(other.id)))
        // The root may think again.
        var later = terms
        later.counter = 2
        later.revocations = []
        _ = take(try rootWord(on: other.id, later))
        #expect(book.objection(to: rightly) == nil)
        let overtaken = take(try rootWord(on: other.id, terms))
        #expect(overtaken == .outdated)
    }

    @Test mutating func `only the root and its issuers are believed`() throws {
        let foreign = try TestMesh(seed: 99)
        let stranger = try foreign.node("x", roles: .all, using: &random)
        let strange = take(try word(on: member.id, by: stranger))
        #expect(strange == .refused(.otherMesh(foreign.trust.mesh)))

        // A grant that another root signed in this mesh's name.
        let pretender = RootSigner(trust: mesh.trust, sign: foreign.root.sign)
        let grant = try IssuerGrant(to: member.signer.key, by: pretender)
        let forged = try Revocation(of: chief.id, reason: "", grant: grant, by: member.signer)
        let ungranted = take(forged)
        #expect(ungranted == .refused(.grantNotByRoot(issuer: member.id)))

        // An issuer's grant under another's signature, and a root's word that is not the root's.
        let thief = Signer(key: chief.signer.key, sign: member.signer.sign)
        let unsigned = try Revocation(
            of: other.id, reason: "", grant: chief.enrolment.grant, by: thief)
        #expect(take(unsigned) == .refused(.badSignature))
        let usurped = try Revocation(of: chief.id, reason: "", terms: RootTerms(), by: pretender)
        #expect(take(usurped) == .refused(.badSignature))
        #expect(book.count == 0)
    }

    @Test mutating func `one issuer fills no memory`() throws {
        for low in UInt64(1)...3 { _ = take(try word(on: NodeID(high: 9, low: low))) }
        let fourth = take(try word(on: NodeID(high: 9, low: 4)))
        #expect(fourth == .refused(.tooMany(signer: chief.id, max: 3)))
        let others = take(try word(on: NodeID(high: 9, low: 4), by: other))
        #expect(others == .taken(dropped: []))
    }

    @Test(arguments: UInt64(1)...50)
    func `any order makes the same book`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let targets = (UInt64(1)...4).map { NodeID(high: 5, low: $0) }
        var words: [Revocation] = []
        for target in targets {
            words.append(try word(on: target, by: Bool.random(using: &random) ? chief : other))
            words.append(try word(on: target, by: other, reason: "again"))
        }
        let standing = Set(targets.filter { _ in Bool.random(using: &random) })
        words.append(try rootWord(on: other.id, RootTerms(revocations: standing)))
        words.append(try rootWord(on: other.id, RootTerms(counter: 2, revocations: standing)))
        var digests: Set<Digest> = []
        for _ in 0..<5 {
            var book = RevocationBook()
            for revocation in (words + words).shuffled(using: &random) {
                _ = book.take(revocation, under: mesh.trust, by: mesh.checker, isIssuer: { _ in false })
            }
            digests.insert(book.digest())
        }
        #expect(digests.count == 1)
    }

    @Test func `what is written is read back, and nothing else is a revocation`() throws {
        let words = [
            try word(on: member.id),
            try rootWord(
                on: other.id,
                RootTerms(
                    enrolments: [
                        KeptEnrolment(node: member.id, serial: 1), KeptEnrolment(node: member.id, serial: 2),
                    ], revocations: [chief.id, member.id])),
        ]
        for word in words {
            let bytes = word.encoded
            let read = try Revocation.decode(bytes).orFail()
            #expect(read == word && read.signature == word.signature && read.encoded == bytes)
            for count in 1..<bytes.count {
                #expect(throws: WireError.self) { try Revocation.decode(bytes.prefix(count)) }
            }
            #expect(throws: WireError.self) { try Revocation.decode(bytes + [0]) }
            // A kind of a newer version.
            #expect(try Revocation.decode([99] + bytes.dropFirst()) == nil)
        }
    }

    // MARK: On a link

    /// A core with one link to a peer that exchanges revocations.
    private func linked(_ peer: LocalNode, openedByMe: Bool = true) -> (MeshCore, [MeshEffect]) {
        var core = mesh.core(chief)
        var random = SplitMix64(seed: 1)
        _ = core.handle(.started(StoredState()), at: .zero, using: &random)
        let hello = mesh.core(peer).hello
        let effects = core.handle(
            .linkUp(LinkID(1), LinkFacts(hello: hello, openedByMe: openedByMe, address: nil)), at: .zero,
            using: &random)
        return (core, effects)
    }

    private func frames(_ effects: [MeshEffect]) -> [Frame] {
        effects.compactMap { if case .send(let frame, _) = $0 { frame } else { nil } }
    }

    private func nodeDocument(_ node: LocalNode) throws -> Document {
        let body = NodeBody(enrolment: node.enrolment, addresses: [], versions: 1...1, software: "test")
        return try Document(
            .node(node.id), version: DocumentVersion(incarnation: 1, life: node.life, sequence: 1),
            body: body.canonicalBytes, mesh: mesh.trust.mesh, by: node.signer)
    }

    @Test func `before both are equal in revocations no document is sent or read`() throws {
        var random = SplitMix64(seed: 2)
        var (core, effects) = linked(member)
        var mine = RevocationBook()
        let empty = mine.digest()
        #expect(frames(effects) == [.statementDigest(empty)])
        let document = try nodeDocument(member)
        let early = core.handle(
            .received(.documents([document.encoded]), from: LinkID(1)), at: .zero, using: &random)
        #expect(early.isEmpty)
        #expect(core.nodes[member.id] == nil)

        // The peer holds one that this node does not.
        let gone = try mesh.node("gone", using: &random)
        var theirs = RevocationBook()
        let word = try word(on: gone.id, by: other)
        _ = theirs.take(word, under: mesh.trust, by: mesh.checker, isIssuer: { _ in false })
        let answer = core.handle(
            .received(.statementDigest(theirs.digest()), from: LinkID(1)), at: .zero, using: &random)
        #expect(frames(answer) == [.statements([], isLast: true)])
        let learnt = core.handle(
            .received(.statements([word.encoded], isLast: true), from: LinkID(1)), at: .zero,
            using: &random)
        #expect(learnt.first == .storeStatement(word))
        // Now the documents, from who opened the link.
        #expect(frames(learnt).contains { if case .digest = $0 { true } else { false } })
        let late = core.handle(
            .received(.documents([document.encoded, try nodeDocument(gone).encoded]), from: LinkID(1)),
            at: .zero, using: &random)
        #expect(late.contains(.store(document)))
        #expect(core.nodes[member.id] != nil && core.nodes[gone.id] == nil)
    }

    @Test func `a revocation is stored, then sent to all, then carried out`() throws {
        var random = SplitMix64(seed: 3)
        var (core, _) = linked(member)
        var mine = RevocationBook()
        _ = core.handle(
            .received(.statementDigest(mine.digest()), from: LinkID(1)), at: .zero, using: &random)
        _ = core.handle(
            .received(.documents([try nodeDocument(member).encoded]), from: LinkID(1)), at: .zero,
            using: &random)
        let effects = try core.revoke(member.id, reason: "lost", at: .zero, using: &random)
        let word = try core.revocations.all.values.first.orFail()
        func place(_ effect: MeshEffect) throws -> Int {
            try effects.firstIndex(of: effect).orFail("\(effect)")
        }
        let stored = try place(.storeStatement(word))
        let sent = try place(.send(.statements([word.encoded], isLast: false), LinkID(1)))
        let expelled = try place(.expel(member.id, text: "revoked by issuer \(chief.id): lost"))
        #expect(stored < sent && sent < expelled)
        #expect(effects.contains(.drop(.node(member.id))))
        #expect(core.catalogSnapshot().nodes[member.id] == nil)
        #expect(core.objection(to: member.id) != nil)
    }

    @Test func `a word beyond its signer's role is named, not kept, not passed on`() throws {
        var random = SplitMix64(seed: 4)
        var (core, _) = linked(other)
        var mine = RevocationBook()
        _ = core.handle(
            .received(.statementDigest(mine.digest()), from: LinkID(1)), at: .zero, using: &random)
        _ = core.handle(
            .received(.documents([try nodeDocument(other).encoded]), from: LinkID(1)), at: .zero,
            using: &random)
        let word = try word(on: chief.id, by: other)
        let effects = core.handle(
            .received(.statements([word.encoded], isLast: false), from: LinkID(1)), at: .zero, using: &random)
        #expect(
            effects == [
                .notice(
                    .refusedStatement(
                        word.key, .beyondRole(signer: other.id, target: chief.id), from: other.id))
            ])
    }

    @Test func `a node of an older version is linked as before`() throws {
        var core = mesh.core(chief)
        var random = SplitMix64(seed: 5)
        _ = core.handle(.started(StoredState()), at: .zero, using: &random)
        let hello = Hello(versions: 1...1, node: member.id, incarnation: 1, life: 1, software: "")
        let effects = core.handle(
            .linkUp(LinkID(1), LinkFacts(hello: hello, openedByMe: true, address: nil)), at: .zero,
            using: &random)
        #expect(frames(effects).contains { if case .digest = $0 { true } else { false } })
        #expect(!frames(effects).contains { $0.isStatement })
    }

    @Test func `an enrolment as issuer stands under the node's own grant only`() throws {
        var store = DocumentStore(trust: mesh.trust, checker: .real, limits: MeshLimits())
        var pretender = member
        pretender.enrolment = try enrolled(member, by: chief, roles: .all)
        #expect(
            store.take(try nodeDocument(pretender))
                == .refused(.badEnrolment(.issuerNotByRoot(member.id))))
        #expect(store.take(try nodeDocument(other)) == .taken(replacing: nil, evicted: []))
    }
}
