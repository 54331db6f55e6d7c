import Catalog
import MartletTestKit
import Mesh
import Testing

/// With real signatures: who may decide what, and whose word stands.
struct StatementTests {
    let mesh: TestMesh
    let chief: LocalNode
    let other: LocalNode
    let member: LocalNode
    var random = SplitMix64(seed: 41)
    var book = StatementBook()

    init() throws {
        mesh = try TestMesh(seed: 40)
        chief = try mesh.node("chief", roles: .all, using: &random)
        other = try mesh.node("other", roles: [.member, .operator], using: &random)
        member = try mesh.node("lab", using: &random)
    }

    private func say(
        _ decision: StatementDecision, by node: LocalNode, sequence: UInt64 = 1, enrolment: Enrolment? = nil
    ) throws -> Statement {
        let body = StatementBody(decision, reason: "why", at: 1_785_000_000)
        return try Statement(
            decision.verb, body.name,
            version: DocumentVersion(incarnation: 1, life: node.life, sequence: sequence),
            body: body, enrolment: enrolment ?? node.enrolment, by: node.signer)
    }

    private func lift(_ statement: Statement, by node: LocalNode, sequence: UInt64 = 2) throws -> Statement {
        try Statement(
            try statement.body.orFail().decision.verb, statement.name,
            version: DocumentVersion(incarnation: 1, life: node.life, sequence: sequence),
            body: nil, enrolment: node.enrolment, by: node.signer)
    }

    private mutating func take(_ statement: Statement) -> StatementBook.Outcome {
        book.take(statement, under: mesh.trust, by: mesh.checker)
    }

    private func entry(of node: LocalNode, _ name: String = "pay") -> EntryAddress {
        EntryAddress(server: ServerKey(owner: node.id, name: "bank"), kind: .tool, name: name)
    }

    private func allowance(_ count: Int, concurrency: Int? = nil) throws -> CallAllowance {
        try CallAllowance(rate: CallRate(count, in: .seconds(10)), concurrency: concurrency).orFail()
    }

    private let pin = Pin(ContentHash(of: [1]))

    private func standing(_ revocations: RevocationBook = RevocationBook()) -> StatementBook.Standing {
        book.standing(after: revocations) { _ in nil }
    }

    private func word(_ statement: Statement) -> ReleasedWord {
        ReleasedWord(signer: statement.origin, word: statement.hash)
    }

    @Test mutating func `a member speaks of its own, an operator of everything`() throws {
        let (mine, theirs) = (entry(of: member), entry(of: chief))
        for decision in [StatementDecision.approve(mine, pin), .quarantine(.node(member.id))] {
            #expect(take(try say(decision, by: member)) == .taken)
        }
        for decision in [
            StatementDecision.approve(theirs, pin), .quarantine(.of(theirs)),
            .quarantine(.server(theirs.server)),
            .quarantine(.node(chief.id)), .limit(.of(theirs), try allowance(1)),
            .limit(.of(mine), try allowance(1)),
            .release(.node(member.id), [ReleasedWord(signer: member.id, word: ContentHash(of: []))]),
        ] {
            let refused = take(try say(decision, by: member))
            #expect(
                refused
                    == .refused(
                        .beyondRole(signer: member.id, verb: decision.verb, owner: decision.target.owner)))
            #expect(take(try say(decision, by: other)) == .taken)
        }
    }

    @Test mutating func `what an origin shows must be its own enrolment, and its own signature`() throws {
        let decision = StatementDecision.quarantine(.node(chief.id))
        let thief = LocalNode(
            signer: Signer(key: other.signer.key, sign: member.signer.sign), enrolment: other.enrolment,
            incarnation: 1, life: 1, addresses: [], software: "")
        #expect(take(try say(decision, by: thief)) == .refused(.badSignature))
        let foreign = try TestMesh(seed: 99)
        let stranger = try foreign.node("x", roles: .all, using: &random)
        #expect(
            take(try say(decision, by: stranger)) == .refused(.badEnrolment(.otherMesh(foreign.trust.mesh))))
        // Roles that nobody gave it.
        let forged = try Enrolment(
            of: member.signer.key, label: "lab", roles: .all, segment: "home", serial: 2,
            grant: member.enrolment.grant, by: Signer(key: mesh.issuer.key, sign: member.signer.sign))
        let usurped = take(try say(decision, by: member, enrolment: forged))
        #expect(usurped == .refused(.badEnrolment(.issuerNotByRoot(member.id))))
        #expect(book.isEmpty)
    }

    @Test mutating func `a quarantine ends when its signer takes it back, or an operator names it`() throws {
        let target = StatementTarget.of(entry(of: member))
        let mine = try say(.quarantine(target), by: member)
        let theirs = try say(.quarantine(target), by: chief)
        _ = take(mine)
        _ = take(theirs)
        #expect(standing().holds.map(\.reach).sorted() == [.owner, .mesh])
        // A release that names another word, or another's, lifts nothing; an owner's word is its own to lift.
        _ = take(
            try say(
                .release(target, [ReleasedWord(signer: chief.id, word: mine.hash), word(mine)].sorted()),
                by: other))
        #expect(standing().holds.count == 2)
        _ = take(try say(.release(target, [word(theirs)]), by: other, sequence: 2))
        #expect(standing().holds.map(\.signer) == [member.id])
        // Said anew it is another word.
        _ = take(try say(.quarantine(target), by: chief, sequence: 7))
        #expect(standing().holds.count == 2)
        _ = take(try lift(mine, by: member))
        _ = take(try lift(theirs, by: chief, sequence: 8))
        #expect(standing().holds.isEmpty)
        // Nothing that was lifted comes back.
        #expect(take(mine) == .outdated && standing().holds.isEmpty)
    }

    @Test mutating func `all limits of a target stand until each is taken back or named, whoever said it`()
        throws
    {
        let target = StatementTarget.of(entry(of: member))
        let mine = try say(.limit(target, allowance(10)), by: chief)
        let theirs = try say(.limit(target, allowance(2, concurrency: 4)), by: other)
        _ = take(mine)
        _ = take(theirs)
        _ = take(try say(.quarantine(target), by: chief))
        let limits = StatedLimits(standing().limits)
        #expect(
            limits.on(entry(of: member)).map(\.allowance.rate?.count).sorted { $0 ?? 0 < $1 ?? 0 } == [2, 10])
        // Said anew it takes the place of the first, and is another word.
        let anew = try say(.limit(target, allowance(7)), by: chief, sequence: 2)
        _ = take(anew)
        _ = take(try say(.release(target, [word(mine)]), by: other))
        #expect(standing().limits.count == 2)
        // Of a revoked operator limits stand, its releases do not count.
        _ = take(try say(.release(target, [word(anew)]), by: other, sequence: 2))
        #expect(standing().limits.map(\.signer) == [other.id])
        var revocations = RevocationBook()
        let revoked = try Revocation(of: other.id, reason: "", grant: chief.enrolment.grant, by: chief.signer)
        _ = revocations.take(revoked, under: mesh.trust, by: mesh.checker, isIssuer: { _ in false })
        #expect(standing(revocations).limits.count == 2)
        _ = take(try say(.release(target, [word(theirs)]), by: chief))
        #expect(standing(revocations).limits.map(\.signer) == [chief.id])
        _ = take(try lift(anew, by: chief, sequence: 3))
        #expect(standing(revocations).limits.isEmpty && standing().holds.count == 1)
    }

    @Test func `a limit out of bounds is no statement`() throws {
        #expect(CallAllowance(rate: nil, concurrency: nil) == nil)
        #expect(CallAllowance(rate: nil, concurrency: 0) == nil)
        let good = try say(.limit(.node(member.id), allowance(9, concurrency: 5)), by: chief).encoded
        let body = StatementBody(
            .limit(.node(member.id), try allowance(9, concurrency: 5)), reason: "why", at: 1)
        var bytes = body.canonicalBytes
        // Behind verb, target and the flag stands the count.
        let place = 1 + 1 + 16 + 1
        #expect(Array(bytes[place..<place + 4]) == [0, 0, 0, 9])
        bytes.replaceSubrange(place..<place + 4, with: [0, 0, 0xFF, 0xFF])
        #expect(throws: WireError.invalid("rate")) { try StatementBody(canonical: bytes) }
        // Nor is a limit under the number of other decisions, which older nodes would read.
        #expect(good.first == 4)
        #expect(throws: WireError.invalid("statement kind")) { try Statement.decode([3] + good.dropFirst()) }
    }

    @Test mutating func `an approval lifts no quarantine`() throws {
        let address = entry(of: member)
        _ = take(try say(.quarantine(.of(address)), by: other))
        _ = take(try say(.approve(address, pin), by: chief))
        _ = take(try say(.approve(address, pin), by: member))
        #expect(standing().holds.count == 1 && standing().approvals.map(\.signer) == [chief.id])
        #expect(Holds(standing().holds).on(address)?.signer == other.id)
    }

    @Test mutating func `a plain member's approval of its own is no operator's`() throws {
        let address = entry(of: member)
        #expect(take(try say(.approve(address, pin), by: member)) == .taken)
        #expect(standing().approvals.isEmpty)
        // It counts as soon as its signer is one.
        let now = book.standing(after: RevocationBook()) { [member] in $0 == member.id ? .all : nil }
        #expect(now.approvals.map(\.signer) == [member.id])
    }

    @Test mutating func `of a revoked operator quarantines stand, and approvals and releases do not`() throws
    {
        let address = entry(of: member)
        let first = try say(.quarantine(.of(address)), by: chief)
        _ = take(first)
        _ = take(try say(.quarantine(.node(member.id)), by: other))
        _ = take(try say(.approve(address, pin), by: other))
        _ = take(try say(.release(.of(address), [word(first)]), by: other))
        #expect(standing().holds.count == 1 && standing().approvals.count == 1)

        var revocations = RevocationBook()
        let revoked = try Revocation(of: other.id, reason: "", grant: chief.enrolment.grant, by: chief.signer)
        _ = revocations.take(revoked, under: mesh.trust, by: mesh.checker, isIssuer: { _ in false })
        let after = standing(revocations)
        #expect(after.approvals.isEmpty)
        #expect(Set(after.holds.map(\.signer)) == [chief.id, other.id])
        // By name it ends.
        let theirs = try after.holds.first { $0.signer == other.id }.orFail()
        let named = ReleasedWord(signer: other.id, word: try theirs.word.orFail())
        _ = take(try say(.release(.node(member.id), [named]), by: chief, sequence: 3))
        #expect(standing(revocations).holds.map(\.signer) == [chief.id])
    }

    @Test mutating func `who is no operator any more approves nothing, and what it held back stays`() throws {
        let address = entry(of: member)
        _ = take(try say(.quarantine(.of(address)), by: other))
        _ = take(try say(.approve(address, pin), by: other))
        let now = book.standing(after: RevocationBook()) { [other] in $0 == other.id ? .ordinary : nil }
        #expect(now.approvals.isEmpty && now.holds.count == 1)
    }

    @Test func `one origin fills no memory, and members crowd no operator out`() throws {
        var limits = MeshLimits()
        limits.liveStatements = 3
        limits.statementsOfMember = 5
        limits.statementsOfMembers = 5
        var book = StatementBook(limits: limits)
        func take(_ statement: Statement) -> StatementBook.Outcome {
            book.take(statement, under: mesh.trust, by: mesh.checker)
        }
        let said = try (0..<6).map { try say(.approve(entry(of: member, "t\($0)"), pin), by: member) }
        for statement in said.prefix(3) { #expect(take(statement) == .taken) }
        #expect(take(said[3]) == .refused(.tooMany(signer: member.id, max: 3)))
        for (number, statement) in said.prefix(3).enumerated() {
            #expect(take(try lift(statement, by: member, sequence: UInt64(10 + number))) == .taken)
        }
        #expect(book.live(of: member.id) == 0)
        for statement in said[3...4] { #expect(take(statement) == .taken) }
        #expect(take(said[5]) == .refused(.tooMany(signer: member.id, max: 5)))
        var random = SplitMix64(seed: 3)
        let second = try mesh.node("second", using: &random)
        #expect(
            take(try say(.quarantine(.node(second.id)), by: second)) == .refused(.bookFull(max: 5)))
        #expect(take(try say(.quarantine(.node(second.id)), by: chief)) == .taken)
    }

    @Test(arguments: UInt64(1)...50)
    func `any order makes the same book and means the same`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var words: [Statement] = []
        for number in UInt64(1)...12 {
            let signer = [chief, other].randomElement(using: &random) ?? chief
            let target = StatementTarget.of(entry(of: member, "t\(Int.random(in: 0..<2, using: &random))"))
            let quarantines = words.filter { $0.body?.decision.verb == .quarantine }
            switch Int.random(in: 0..<4, using: &random) {
            case 0: words.append(try say(.approve(entry(of: member), pin), by: signer, sequence: number))
            case 1:
                if let named = quarantines.randomElement(using: &random), let body = named.body {
                    words.append(
                        try say(.release(body.decision.target, [word(named)]), by: signer, sequence: number))
                }
            case 2:
                if let named = quarantines.randomElement(using: &random) {
                    words.append(
                        try lift(named, by: named.origin == chief.id ? chief : other, sequence: number))
                }
            default: words.append(try say(.quarantine(target), by: signer, sequence: number))
            }
        }
        var digests: Set<Digest> = []
        var meanings: Set<StatementBook.Standing> = []
        for _ in 0..<5 {
            var book = StatementBook()
            for statement in (words + words).shuffled(using: &random) {
                _ = book.take(statement, under: mesh.trust, by: mesh.checker)
            }
            digests.insert(book.digest())
            meanings.insert(book.standing(after: RevocationBook()) { _ in nil })
        }
        #expect(digests.count == 1 && meanings.count == 1)
    }

    @Test func `what is written is read back, and nothing else is a statement`() throws {
        let address = EntryAddress(
            server: entry(of: member).server, kind: .resource, name: String(repeating: "x", count: 9_000))
        let released = (0..<StatementBody.releasedMax).map {
            ReleasedWord(signer: NodeID(high: 1, low: UInt64($0)), word: ContentHash(of: [UInt8($0)]))
        }
        let longest = StatementBody(
            .release(.of(address), released), reason: String(repeating: "é", count: 900), at: .max)
        #expect(longest.canonicalBytes.count <= Statement.bodyMax)
        let said = try [
            say(.approve(entry(of: member), pin), by: chief), say(.quarantine(.node(member.id)), by: chief),
            say(.quarantine(.server(address.server)), by: chief),
            say(.release(.of(address), released), by: chief),
            say(.limit(.of(address), allowance(3)), by: chief),
            lift(say(.limit(.of(address), allowance(3)), by: chief), by: chief),
            lift(say(.quarantine(.node(member.id)), by: chief), by: chief),
        ]
        for statement in said {
            let bytes = statement.encoded
            #expect(bytes.count <= Statement.bytesMax)
            let read = try Statement.decode(bytes)
            #expect(read == statement && read.encoded == bytes)
            #expect(try Revocation.decode(bytes) == nil, "an older node skips it")
            for count in stride(from: 1, to: bytes.count, by: 7) {
                #expect(throws: WireError.self) { try Statement.decode(bytes.prefix(count)) }
            }
            #expect(throws: WireError.self) { try Statement.decode(bytes + [0]) }
        }
        // A name that is not its content's would let one decision hide behind another.
        let body = StatementBody(.quarantine(.node(member.id)), reason: "", at: 0)
        let misnamed = try Statement(
            .quarantine, StatementBody.name(.quarantine, .node(chief.id)),
            version: DocumentVersion(incarnation: 1, life: 1, sequence: 1), body: body,
            enrolment: chief.enrolment, by: chief.signer)
        #expect(throws: WireError.invalid("statement name")) { try Statement.decode(misnamed.encoded) }
    }

    // MARK: On a link

    @Test(arguments: [true, false])
    func `limits go to whom they mean something, and two nodes compare only what both know`(isNew: Bool)
        throws
    {
        var pair = LinkedPair(
            mesh, (chief, []), (other, []),
            features: isNew ? Hello.ownFeatures : Hello.ownFeatures & ~Hello.takesLimits)
        let target = StatementTarget.node(member.id)
        _ = try pair.cores[0].say(
            .quarantine(target), reason: "", wall: 0, at: pair.now, using: &pair.random)
        _ = try pair.cores[0].say(
            .limit(target, allowance(4)), reason: "", wall: 0, at: pair.now, using: &pair.random)
        pair.link()
        #expect(pair.cores[1].standingStatements.holds.count == 1)
        #expect(pair.cores[1].standingStatements.limits.count == (isNew ? 1 : 0))
        // What differs is not said over and over.
        let before = pair.frames.count
        for _ in 0..<10 { pair.pass(.seconds(12)) }
        let sets = pair.frames.dropFirst(before).count { if case .statements = $0 { true } else { false } }
        #expect(sets == 0)
    }

    @Test func `a decision is stored, then sent to all, then shown`() throws {
        var random = SplitMix64(seed: 3)
        var core = mesh.core(chief)
        _ = core.handle(.started(StoredState()), at: .zero, using: &random)
        let hello = mesh.core(member).hello
        _ = core.handle(
            .linkUp(LinkID(1), LinkFacts(hello: hello, openedByMe: true, address: nil)), at: .zero,
            using: &random)
        let target = StatementTarget.of(entry(of: member))
        let effects = try core.say(.quarantine(target), reason: "bad", wall: 5, at: .zero, using: &random)
        let said = try core.statements.all.values.first.orFail()
        func place(_ effect: MeshEffect) throws -> Int {
            try effects.firstIndex(of: effect).orFail("\(effect)")
        }
        let stored = try place(.storeDecision(said))
        // Before anything of documents was said on this link.
        let sent = try place(.send(.statements([said.encoded], isLast: false), LinkID(1)))
        let shown = try place(.catalogChanged)
        #expect(stored < sent && sent < shown)
        #expect(core.catalogSnapshot().holds.on(entry(of: member))?.reason == "bad")

        // What is said first on a new link differs for whoever lacks it, and who does is told.
        let greeting = core.handle(
            .linkUp(
                LinkID(2), LinkFacts(hello: mesh.core(other).hello, openedByMe: true, address: nil)),
            at: .zero,
            using: &random)
        var none = RevocationBook()
        let empty = none.digest()
        #expect(!greeting.contains(.send(.statementDigest(empty), LinkID(2))))
        let answer = core.handle(
            .received(.statementDigest(empty), from: LinkID(2)), at: .zero, using: &random)
        #expect(answer.contains(.send(.statements([said.encoded], isLast: true), LinkID(2))))
        // After a restart it counts before anybody is met.
        var again = mesh.core(chief)
        _ = again.handle(.started(StoredState(statements: [said])), at: .zero, using: &random)
        #expect(again.catalogSnapshot().holds.exactly(target).count == 1)
    }

    @Test func `a decision beyond its signer's role is named, not kept, not passed on`() throws {
        var random = SplitMix64(seed: 4)
        var core = mesh.core(chief)
        _ = core.handle(.started(StoredState()), at: .zero, using: &random)
        _ = core.handle(
            .linkUp(
                LinkID(1), LinkFacts(hello: mesh.core(member).hello, openedByMe: true, address: nil)),
            at: .zero, using: &random)
        let word = try say(.quarantine(.node(chief.id)), by: member)
        let effects = core.handle(
            .received(.statements([word.encoded], isLast: false), from: LinkID(1)), at: .zero, using: &random)
        #expect(
            effects == [
                .notice(
                    .refusedDecision(
                        word.key, .beyondRole(signer: member.id, verb: .quarantine, owner: chief.id),
                        from: member.id))
            ])
        #expect(core.statements.isEmpty && core.catalogSnapshot().holds.isEmpty)
    }

    @Test func `a release that names too many takes nothing back`() throws {
        var random = SplitMix64(seed: 6)
        let target = StatementTarget.of(entry(of: member))
        let theirs = try (0...StatementBody.releasedMax).map { number in
            let label = try Label("op\(number)").orFail()
            let node = try mesh.node(label, roles: [.member, .operator], using: &random)
            return try say(.quarantine(target), by: node)
        }
        var core = mesh.core(chief)
        _ = core.handle(.started(StoredState(statements: theirs)), at: .zero, using: &random)
        _ = try core.say(.quarantine(target), reason: "bad", wall: 5, at: .zero, using: &random)
        let before = core.statements
        #expect(throws: PublishProblem.tooManyToRelease(theirs.count, max: StatementBody.releasedMax)) {
            try core.release(target, reason: "", wall: 6, at: .zero, using: &random)
        }
        #expect(core.statements == before)
        #expect(core.catalogSnapshot().holds.exactly(target).contains { $0.signer == chief.id })
    }

    @Test func `with a revocation the catalog is shown anew, also of one of whom only decisions are known`()
        throws
    {
        var random = SplitMix64(seed: 7)
        let approval = try say(.approve(entry(of: member), pin), by: other)
        var core = mesh.core(chief)
        _ = core.handle(.started(StoredState(statements: [approval])), at: .zero, using: &random)
        #expect(core.catalogSnapshot().approvals.all.count == 1)
        let effects = try core.revoke(other.id, reason: "lost", at: .zero, using: &random)
        #expect(effects.contains(.catalogChanged))
        #expect(core.catalogSnapshot().approvals.all.isEmpty)
    }

    @Test func `a member's mesh-wide decision is refused where it is made`() throws {
        var random = SplitMix64(seed: 5)
        var core = mesh.core(member)
        _ = core.handle(.started(StoredState()), at: .zero, using: &random)
        #expect(throws: PublishProblem.needsRole(.operator)) {
            try core.say(.quarantine(.node(chief.id)), reason: "", wall: 0, at: .zero, using: &random)
        }
        #expect(throws: PublishProblem.needsRole(.operator)) {
            try core.say(.approve(entry(of: chief), pin), reason: "", wall: 0, at: .zero, using: &random)
        }
    }
}
