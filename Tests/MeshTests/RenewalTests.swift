import Catalog
import MartletTestKit
import Mesh
import Testing

/// When a leaf is renewed, and at whom.
struct LeafRenewalTests {
    private static let day: Int64 = 86_400
    private let span = LeafSpan(from: WallSeconds(0), until: WallSeconds(14 * day))
    private let near = IssuerWay(issuer: NodeID(high: 1, low: 1), path: [NodeID(high: 1, low: 1)])
    private let far = IssuerWay(
        issuer: NodeID(high: 1, low: 2), path: [NodeID(high: 1, low: 9), NodeID(high: 1, low: 2)])
    private let outside = IssuerWay(issuer: NodeID(high: 1, low: 3), path: nil)

    @Test(arguments: UInt64(1)...100)
    func `from a third of its life, spread over another twelfth`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let renewal = LeafRenewal(span, using: &random)
        let third = 14 * Self.day / 3
        #expect(renewal.renewsAt.seconds >= third - 1)
        #expect(renewal.renewsAt.seconds <= third + 14 * Self.day / 12)
    }

    @Test func `a mesh made in one day does not renew in one minute`() {
        var random = SplitMix64(seed: 9)
        let all = (0..<1000).map { _ in LeafRenewal(span, using: &random).renewsAt.seconds / 60 }
        let busiest = Dictionary(grouping: all) { $0 }.values.map(\.count).max() ?? 0
        #expect(busiest < 10)
    }

    @Test(arguments: [
        (at: 0, phase: LeafRenewal.Phase.fresh), (at: 6, phase: .due), (at: 13, phase: .due),
        (at: 14, phase: .expired), (at: 27, phase: .expired), (at: 28, phase: .past),
    ])
    func `each day has its phase`(at day: Int, phase: LeafRenewal.Phase) {
        var random = SplitMix64(seed: 3)
        #expect(LeafRenewal(span, using: &random).phase(at: WallSeconds(Int64(day) * Self.day)) == phase)
    }

    @Test func `inside, whoever is near is asked; from outside only when links are closed`() {
        var random = SplitMix64(seed: 4)
        let renewal = LeafRenewal(span, using: &random)
        func choice(_ ways: [IssuerWay], day: Int64, isDistrusted: Bool = false) -> IssuerWay? {
            renewal.choice(
                among: ways, isDistrusted: isDistrusted, at: WallSeconds(day * Self.day), .zero)
        }
        #expect(choice([far, near, outside], day: 1) == nil)
        #expect(choice([far, near, outside], day: 6) == near)
        #expect(choice([outside], day: 6) == nil)
        #expect(choice([outside], day: 15) == outside)
        #expect(choice([outside], day: 29) == nil)
        // The issuer of the leaf fell: at once, however fresh it is.
        #expect(choice([far, outside], day: 1, isDistrusted: true) == far)
    }

    @Test func `after a failure another issuer is asked, later and later`() throws {
        var random = SplitMix64(seed: 5)
        var renewal = LeafRenewal(span, using: &random)
        let wall = WallSeconds(8 * Self.day)
        var now = Instant.zero
        var asked: [NodeID] = []
        var waits: [Duration] = []
        for _ in 0..<12 {
            let begin = now
            while renewal.choice(among: [near, far], isDistrusted: false, at: wall, now) == nil {
                now = now + .seconds(1)
                try #require(now - begin < .seconds(4000))
            }
            waits.append(now - begin)
            let way = try renewal.choice(among: [near, far], isDistrusted: false, at: wall, now).orFail()
            asked.append(way.issuer)
            renewal.failed(way.issuer, "busy", at: now, using: &random)
        }
        #expect(asked.prefix(4) == [near.issuer, far.issuer, near.issuer, far.issuer])
        #expect(waits[1] >= .seconds(30) && waits[1] <= .seconds(61))
        #expect(waits.max() ?? .zero <= .seconds(3601))
        #expect(waits.last ?? .zero >= .seconds(1800))
        #expect(renewal.lastProblem == "busy")
        renewal.renewed(
            LeafSpan(from: wall, until: WallSeconds(22 * Self.day)), at: now, using: &random)
        #expect(renewal.lastProblem == nil)
        #expect(renewal.phase(at: wall) == .fresh)
    }

    /// The issuer's clock is behind: what it has just made is due at once by ours.
    @Test func `a leaf that is due as it comes is not asked for again without a pause`() {
        var random = SplitMix64(seed: 5)
        let wall = WallSeconds(8 * Self.day)
        let old = LeafSpan(from: WallSeconds(0), until: WallSeconds(14 * Self.day))
        var renewal = LeafRenewal(old, using: &random)
        let near = IssuerWay(issuer: NodeID(high: 1, low: 1), path: [])
        #expect(renewal.choice(among: [near], isDistrusted: false, at: wall, .zero) != nil)
        renewal.renewed(old, at: .zero, using: &random)
        #expect(renewal.phase(at: wall) == .due)
        #expect(renewal.choice(among: [near], isDistrusted: false, at: wall, .zero + .seconds(60)) == nil)
        #expect(renewal.choice(among: [near], isDistrusted: false, at: wall, .zero + .seconds(3601)) != nil)
    }
}

/// Both sides of a renewal, with real signatures, every message through its codec.
struct RenewalExchangeTests {
    let mesh: TestMesh
    let office: LocalNode
    let member: LocalNode
    let leaf = ContentHash(of: [42])
    var random = SplitMix64(seed: 61)

    init() throws {
        mesh = try TestMesh(seed: 60)
        office = try mesh.node("office", roles: .all, using: &random)
        member = try mesh.node("lab", using: &random)
    }

    private func request(_ enrolment: Enrolment? = nil, authority: Bool = false) -> RenewalRequest {
        RenewalRequest(
            enrolment: enrolment ?? member.enrolment, lastChain: [[1], [2]],
            leafRequest: authority ? nil : [3], authorityRequest: authority ? [4] : nil)
    }

    private mutating func renew(
        _ request: RenewalRequest, by signer: Signer? = nil, sees: ContentHash? = nil,
        revocations: RevocationBook = RevocationBook(), known: NodeBody? = nil,
        answer: RenewalGrant = RenewalGrant(chain: [[5], [6]])
    ) throws -> Result<RenewalGrant, JoinError> {
        var renewer = Renewer(request, issuerLeaf: sees ?? leaf, by: signer ?? member.signer, using: &random)
        var desk = RenewalDesk(trust: mesh.trust, me: office.id, ownLeaf: leaf, checker: .real)
        var toDesk = [renewer.opening]
        while let message = toDesk.popLast() {
            var steps = desk.receive(
                try reread(message), revocations: revocations, known: { _ in known }, using: &random)
            while !steps.isEmpty {
                switch steps.removeFirst() {
                case .make: steps += desk.made(answer)
                case .send(let message):
                    let message = try reread(message)
                    do throws(JoinError) {
                        switch try renewer.receive(message) {
                        case .send(let answer): toDesk.append(answer)
                        case .renewed(let grant): return .success(grant)
                        }
                    } catch {
                        return .failure(error)
                    }
                case .renewed, .refused, .close: break
                }
            }
        }
        throw Missing(description: "an end of the exchange")
    }

    private func reread(_ message: JoinMessage) throws -> JoinMessage {
        var decoder = JoinMessageDecoder()
        decoder.append(try message.encoded())
        return try decoder.next().orFail("the message")
    }

    private func refusal(_ result: Result<RenewalGrant, JoinError>) -> JoinRefusal? {
        if case .failure(.refused(let refusal, _)) = result { refusal } else { nil }
    }

    @Test mutating func `the node key gets a new leaf, from an issuer that knows nothing of the node`() throws
    {
        let renewed = try renew(request())
        #expect(try renewed.get().chain == [[5], [6]])
    }

    @Test mutating func `another's key, and somebody in the middle, get none`() throws {
        let signer = office.signer
        let stolen = try renew(request(), by: signer)
        #expect(refusal(stolen) == .badProof)
        let relayed = try renew(request(), sees: ContentHash(of: [66]))
        #expect(refusal(relayed) == .badProof)
    }

    @Test mutating func `who was revoked or has left gets none`() throws {
        var book = RevocationBook()
        let word = try Revocation(
            of: member.id, reason: "lost", grant: office.enrolment.grant, by: office.signer)
        _ = book.take(word, under: mesh.trust, by: .real, isIssuer: { _ in false })
        let revoked = try renew(request(), revocations: book)
        #expect(refusal(revoked) == .revoked)
        let left = NodeBody(
            standing: .left, enrolment: member.enrolment, addresses: [], versions: 1...1, software: "")
        let departed = try renew(request(), known: left)
        #expect(refusal(departed) == .departed)
    }

    @Test mutating func `only a ticket of the issuer's own makes an issuer`() throws {
        let (office, member) = (office, member)
        func ticket(by issuer: LocalNode, roles: Roles) throws -> Enrolment {
            try Enrolment(
                of: member.signer.key, label: "lab", roles: roles, segment: "home", serial: 3,
                grant: issuer.enrolment.grant, by: issuer.signer)
        }
        let authority = AuthorityGrant(grant: mesh.grant, certificate: [9])
        let answer = RenewalGrant(chain: [], authority: authority)
        let good = request(try ticket(by: office, roles: .all), authority: true)
        let granted = try renew(good, answer: answer)
        #expect(try granted.get().authority == authority)
        let ordinary = request(try ticket(by: office, roles: .ordinary), authority: true)
        let ordinarily = try renew(ordinary, answer: answer)
        #expect(refusal(ordinarily) == .badRequest)
        let rival = try mesh.node("rival", roles: .all, using: &random)
        let foreign = request(try ticket(by: rival, roles: .all), authority: true)
        let elsewhere = try renew(foreign, answer: answer)
        #expect(refusal(elsewhere) == .badRequest)
    }

    @Test mutating func `an answer to something else is not taken`() throws {
        let result = try renew(request(), answer: RenewalGrant(chain: []))
        #expect(result == .failure(.notAsPromised("an answer")))
    }
}
