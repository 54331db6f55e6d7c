import Catalog
import MartletTestKit
import Mesh
import Testing

struct JoinTokenTests {
    static let token = JoinToken(
        rootFingerprint: ContentHash(of: [1]), issuer: NodeID(high: 1, low: 2),
        secret: [UInt8](repeating: 7, count: 32), label: "lab", roles: .ordinary, segment: "home", uses: 2,
        lifeSeconds: 900, addresses: ["10.0.0.1:7331"])

    @Test func `a token comes back from its text, also with spaces around it`() throws {
        let text = Self.token.text
        #expect(text.hasPrefix("martlet-join-"))
        #expect(try JoinToken(text: text) == Self.token)
        #expect(try JoinToken(text: "  \(text)\n") == Self.token)
        #expect(Self.token.mesh.bytes == Array(ContentHash(of: [1]).bytes.prefix(16)))
    }

    @Test func `a damaged token says so`() throws {
        let text = Self.token.text
        #expect(throws: JoinTokenError.notAToken) { try JoinToken(text: "hello") }
        #expect(throws: JoinTokenError.damaged) { try JoinToken(text: String(text.dropLast(3))) }
        for offset in [20, 60, 100] {
            var characters = Array(text)
            characters[offset] = characters[offset] == "a" ? "b" : "a"
            #expect(throws: JoinTokenError.damaged) { try JoinToken(text: String(characters)) }
        }
    }

    @Test func `its description does not show the secret`() {
        #expect(!"\(Self.token)".contains(Base32.encode(Self.token.secret).prefix(10)))
    }
}

/// Both sides of an admission, with real signatures.
struct JoinExchangeTests {
    let mesh: TestMesh
    let joiner: Signer
    let token: JoinToken
    let leaf = ContentHash(of: [42])
    var random = SplitMix64(seed: 77)
    var ledger = JoinLedger()

    init() throws {
        mesh = try TestMesh(seed: 21)
        joiner = try mesh.signer(using: &random)
        token = JoinToken(
            rootFingerprint: mesh.trust.rootFingerprint, issuer: mesh.issuer.key.id, secret: random.bytes(32),
            segment: "home", addresses: [])
        ledger.add(token, at: .zero)
    }

    private func request(_ signer: Signer? = nil, label: Label = "laptop", csr: [UInt8] = [1, 2, 3]) throws
        -> JoinRequest
    {
        try JoinRequest(csr: csr, label: label, mesh: mesh.trust.mesh, by: signer ?? joiner)
    }

    private func grant(_ order: JoinOrder) throws -> JoinGrant {
        let enrolment = try Enrolment(
            of: order.request.nodeKey, label: order.label, roles: order.roles, segment: order.segment,
            serial: 2,
            grant: mesh.grant, by: mesh.issuer)
        return JoinGrant(
            chain: [[1], [2]], rootCertificate: [3], rootKey: mesh.trust.rootKey, enrolment: enrolment)
    }

    /// Runs a whole exchange, every message through its codec.
    private mutating func join(
        _ request: JoinRequest, token: JoinToken? = nil, at now: Instant = .zero,
        joinerSees: ContentHash? = nil,
        holder: (Label) -> NodeID? = { _ in nil }, altering: (JoinGrant) -> JoinGrant = { $0 }
    ) throws -> (result: Result<JoinGrant, JoinError>, desk: [JoinDesk.Step]) {
        var side = Joiner(
            token: token ?? self.token, request: request, issuerLeaf: joinerSees ?? leaf, checker: .real,
            using: &random)
        var desk = JoinDesk(trust: mesh.trust, ownLeaf: leaf, checker: .real)
        var toDesk = [side.opening]
        var all: [JoinDesk.Step] = []
        var result: Result<JoinGrant, JoinError>?
        while let message = toDesk.popLast() {
            var steps = desk.receive(
                try reread(message), ledger: &ledger, holder: holder, at: now, using: &random)
            while !steps.isEmpty {
                let step = steps.removeFirst()
                all.append(step)
                switch step {
                case .make(let order): steps += desk.made(altering(try grant(order)), ledger: &ledger)
                case .send(let message):
                    let reread = try reread(message)
                    do throws(JoinError) {
                        switch try side.receive(reread) {
                        case .send(let answer): toDesk.append(answer)
                        case .joined(let grant, let trust):
                            #expect(trust == mesh.trust)
                            result = .success(grant)
                        }
                    } catch {
                        result = .failure(error)
                    }
                case .storeUse, .admitted, .refused, .close: break
                }
            }
        }
        return (try result.orFail("an end of the exchange"), all)
    }

    private func reread(_ message: JoinMessage) throws -> JoinMessage {
        var decoder = JoinMessageDecoder()
        for byte in try message.encoded() {
            #expect(try decoder.next() == nil)
            decoder.append([byte])
        }
        return try decoder.next().orFail("the message")
    }

    private func refusal(_ result: Result<JoinGrant, JoinError>) -> JoinRefusal? {
        if case .failure(.refused(let refusal, _)) = result { refusal } else { nil }
    }

    @Test mutating func `a joiner with the token gets its enrolment, and the use is stored first`() throws {
        let (result, steps) = try join(try request())
        let grant = try result.get()
        #expect(grant.enrolment.node == joiner.key)
        #expect(grant.enrolment.label == "laptop")
        #expect(grant.enrolment.roles == .ordinary)
        let stored = try steps.firstIndex(of: .storeUse(token.id)).orFail()
        let sent = try steps.lastIndex { if case .send = $0 { true } else { false } }.orFail()
        #expect(stored < sent)
    }

    @Test mutating func `the same request repeated gets the same answer, another is refused`() throws {
        let first = try join(try request()).result.get()
        let (again, steps) = try join(try request())
        #expect(try again.get() == first)
        // The first time, storing may have failed.
        let stored = try steps.firstIndex(of: .storeUse(token.id)).orFail()
        let sent = try steps.lastIndex { if case .send = $0 { true } else { false } }.orFail()
        #expect(stored < sent)
        #expect(try join(try request(), at: .zero + .seconds(100_000)).result.get() == first)
        let other = try mesh.signer(using: &random)
        #expect(refusal(try join(try request(other, label: "other")).result) == .usedUp)
    }

    @Test mutating func `a token that is unknown, expired or withdrawn lets nobody in`() throws {
        var unknown = token
        unknown.secret = random.bytes(32)
        #expect(refusal(try join(try request(), token: unknown).result) == .unknownToken)
        #expect(refusal(try join(try request(), at: .zero + .seconds(900)).result) == .expired)
        ledger.revoke(token.id)
        #expect(refusal(try join(try request()).result) == .revokedToken)
    }

    @Test mutating func `a token of another mesh is refused`() throws {
        var foreign = token
        foreign.rootFingerprint = ContentHash(of: [9])
        #expect(refusal(try join(try request(), token: foreign).result) == .otherMesh)
    }

    @Test mutating func `a token made in a mesh that the issuer has left lets nobody into the next`() throws {
        var left = token
        left.rootFingerprint = ContentHash(of: [9])
        left.secret = random.bytes(32)
        ledger.add(left, at: .zero)
        // The joiner names the new mesh, and the token of the old one.
        var renamed = left
        renamed.rootFingerprint = mesh.trust.rootFingerprint
        #expect(refusal(try join(try request(), token: renamed).result) == .otherMesh)
    }

    @Test mutating func `somebody in the middle is refused`() throws {
        // The joiner sees the leaf of whoever stands between.
        let (result, steps) = try join(try request(), joinerSees: ContentHash(of: [66]))
        #expect(refusal(result) == .badProof)
        #expect(steps.contains(.refused(.badProof, JoinRefusal.badProof.description)))
        #expect(try join(try request()).result.get().enrolment.node == joiner.key)  // no use was lost
    }

    @Test mutating func `a node key that did not sign the request is refused`() throws {
        let other = try mesh.signer(using: &random)
        var stolen = try request(other)
        stolen.nodeKey = joiner.key
        #expect(refusal(try join(stolen).result) == .badRequest)
    }

    @Test mutating func `a label that is taken is refused, one's own is not`() throws {
        let other = NodeID(high: 1, low: 1)
        #expect(refusal(try join(try request(), holder: { _ in other }).result) == .labelTaken)
        let me = joiner.key.id
        #expect(try join(try request(), holder: { _ in me }).result.get().enrolment.label == "laptop")
    }

    @Test mutating func `two joins at once cannot have one label, nor one use`() throws {
        let second = JoinToken(
            rootFingerprint: mesh.trust.rootFingerprint, issuer: mesh.issuer.key.id, secret: random.bytes(32),
            segment: "home", addresses: [])
        ledger.add(second, at: .zero)
        _ = try join(try request()).result.get()
        let other = try mesh.signer(using: &random)
        #expect(refusal(try join(try request(other), token: second).result) == .labelTaken)
        #expect(
            try join(try request(other, label: "desk"), token: second).result.get().enrolment.label == "desk")
    }

    @Test mutating func `a joiner takes nothing but what its token promised`() throws {
        let (mesh, joiner) = (mesh, joiner)
        func altered(roles: Roles = .ordinary, segment: Label = "home", label: Label = "laptop") throws
            -> JoinGrant
        {
            let enrolment = try Enrolment(
                of: joiner.key, label: label, roles: roles, segment: segment, serial: 9, grant: mesh.grant,
                by: mesh.issuer)
            return JoinGrant(
                chain: [[1]], rootCertificate: [3], rootKey: mesh.trust.rootKey, enrolment: enrolment)
        }
        for (grant, what) in [
            (try altered(roles: .all), "roles"), (try altered(segment: "far"), "a segment"),
            (try altered(label: "else"), "a label"),
        ] {
            ledger = JoinLedger()
            ledger.add(token, at: .zero)
            let (result, _) = try join(try request(), altering: { _ in grant })
            #expect(result == .failure(.notAsPromised(what)))
        }
    }

    @Test mutating func `an issuer that cannot make the certificate gives the use back`() throws {
        var side = Joiner(
            token: token, request: try request(), issuerLeaf: leaf, checker: .real, using: &random)
        var desk = JoinDesk(trust: mesh.trust, ownLeaf: leaf, checker: .real)
        let steps = desk.receive(
            side.opening, ledger: &ledger, holder: { _ in nil }, at: .zero, using: &random)
        guard case .send(let challenge)? = steps.first, case .send(let answer) = try side.receive(challenge)
        else {
            throw Missing(description: "a challenge and its answer")
        }
        let order = desk.receive(answer, ledger: &ledger, holder: { _ in nil }, at: .zero, using: &random)
        guard case .make? = order.first else { throw Missing(description: "an order") }
        #expect(ledger.entries[token.id]?.usesLeft == 0)
        _ = desk.couldNotMake("disk full", ledger: &ledger)
        #expect(ledger.entries[token.id]?.usesLeft == 1)
    }

    @Test func `a guest's message is at most 8 KiB`() throws {
        var decoder = JoinMessageDecoder()
        decoder.append([0, 0, 0x20, 1])
        #expect(throws: WireError.frameTooLong(bytes: 8193, max: 8192)) { try decoder.next() }
    }
}
