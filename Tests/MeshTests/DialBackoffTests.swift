import Catalog
import MartletTestKit
import Mesh
import Testing

/// How patiently an address is dialled that never answers.
struct DialBackoffTests {
    private let peer = NodeID(high: 2, low: 2)
    private let dead = NodeID(high: 3, low: 3)
    private var random = SplitMix64(seed: 41)
    private var now = Instant.zero + .seconds(1)
    private var near: Neighbourhood
    private let limits = MeshLimits()
    private static let address = "10.0.0.9:7332"

    init() throws {
        near = Neighbourhood(
            me: NodeID(high: 1, low: 1), mesh: try TestMesh(seed: 40).trust.mesh, limits: limits)
        let hello = Hello(versions: 1...1, node: peer, incarnation: 1, life: 1, software: "")
        let facts = LinkFacts(hello: hello, openedByMe: false, address: nil)
        _ = near.up(LinkID(1), facts, isOtherwiseAlone: true, at: now)
        near.sighted(
            Candidate(address: Self.address, source: .document, node: dead), at: now, using: &random)
    }

    /// Lets time pass, with each dial in vain.
    ///
    /// - Returns: when it was dialled.
    private mutating func pass(_ span: Duration) -> [Instant] {
        var dialled: [Instant] = []
        let end = now + span
        while now < end {
            now = now + MeshLimits.tickEvery
            for dial in near.dials(wanted: [dead], isKnown: { _ in true }, at: now, using: &random) {
                dialled.append(now)
                near.dialFailed(
                    dial.address, expecting: dial.expecting, .unreachable("no answer"), at: now,
                    using: &random)
            }
        }
        return dialled
    }

    /// A link to the address comes up, and is gone at once.
    private mutating func comeAndGo(_ number: Int, isRejection: Bool = false) {
        let facts = LinkFacts(
            hello: Hello(versions: 1...1, node: dead, incarnation: 1, life: 1, software: ""),
            openedByMe: true, address: Self.address)
        let link = LinkID(UInt64(number))
        _ = near.up(link, facts, isOtherwiseAlone: true, at: now)
        _ = near.down(link, isRejection: isRejection, at: now, using: &random)
    }

    private mutating func untilDialled(within limit: Duration) -> Bool { !pass(limit).isEmpty }

    @Test mutating func `an address that never answers is dialled less and less, and never given up`() {
        let first = pass(.seconds(600))
        #expect(first.count >= 600 / 8)
        _ = pass(.seconds(24 * 3600))
        let late = pass(.seconds(6 * 3600))
        let bound = limits.dialBackoffLongest
        #expect(late.count <= 6 * 3600 / 150 + 1, "\(late.count) dials in six hours")
        #expect(zip(late, late.dropFirst()).allSatisfy { $1 - $0 <= bound + MeshLimits.tickEvery })
        // Not at the same moment each time, as those would who lost it at once.
        #expect(Set(zip(late, late.dropFirst()).map { $1 - $0 }).count > late.count / 2)
    }

    @Test mutating func `what was gone for an hour is found again within half a minute`() {
        _ = pass(.seconds(3600))
        #expect(untilDialled(within: .seconds(30) + MeshLimits.tickEvery))
    }

    @Test mutating func `a sighting ends the wait`() {
        _ = pass(.seconds(24 * 3600))
        near.sighted(
            Candidate(address: Self.address, source: .sighting, node: dead), at: now, using: &random)
        #expect(untilDialled(within: .seconds(1)))
        #expect(pass(.seconds(60)).count >= 6)
    }

    @Test mutating func `so does what others say of the node`() {
        _ = pass(.seconds(24 * 3600))
        near.encourage([dead], at: now)
        #expect(untilDialled(within: .seconds(1)))
        #expect(pass(.seconds(60)).count >= 6)
    }

    @Test mutating func `a node without any link goes on as at first`() {
        _ = pass(.seconds(24 * 3600))
        _ = near.down(LinkID(1), at: now, using: &random)
        #expect(untilDialled(within: limits.dialBackoffMax + MeshLimits.tickEvery))
        _ = pass(.seconds(24 * 3600))
        #expect(pass(.seconds(80)).count >= 10)
    }

    @Test(arguments: [CandidateSource.seed, .dns])
    mutating func `a node without any link never waits long for an address that it was given`(
        source: CandidateSource
    ) {
        near.sighted(Candidate(address: Self.address, source: source), at: now, using: &random)
        _ = pass(.seconds(24 * 3600))
        _ = near.down(LinkID(1), at: now, using: &random)
        for _ in 1...50 {
            #expect(untilDialled(within: limits.dialBackoffAlone + MeshLimits.tickEvery))
        }
    }

    @Test mutating func `nor for one where a link stood a moment ago, however often it broke`() {
        _ = near.down(LinkID(1), at: now, using: &random)
        for broken in 0..<50 {
            comeAndGo(broken + 2)
            #expect(untilDialled(within: limits.dialBackoffAlone + MeshLimits.tickEvery))
        }
        // A minute of that, then it is one of many.
        _ = pass(limits.wayBackFor)
        #expect(pass(.seconds(600)).count <= 600 / 4)
    }

    @Test mutating func `where a link was ended for what one end said it is no way back`() {
        _ = near.down(LinkID(1), at: now, using: &random)
        for ended in 0..<6 {
            comeAndGo(ended + 2, isRejection: true)
        }
        #expect(!untilDialled(within: limits.dialBackoffMax / 2 - MeshLimits.tickEvery))
        // One that breaks makes it one again.
        comeAndGo(1_000)
        #expect(untilDialled(within: limits.dialBackoffAlone + MeshLimits.tickEvery))
    }

    @Test mutating func `with another link it waits longer each time, as one that does not stay`() {
        for broken in 0..<20 {
            comeAndGo(broken + 2)
        }
        #expect(!untilDialled(within: limits.dialBackoffMax / 2 - MeshLimits.tickEvery))
    }

    @Test mutating func `what is refused is not asked again at once`() {
        _ = near.down(LinkID(1), at: now, using: &random)
        near.sighted(Candidate(address: Self.address, source: .seed), at: now, using: &random)
        for _ in 0..<10 {
            near.dialFailed(Self.address, expecting: nil, .refused("not enrolled"), at: now, using: &random)
        }
        near.vanished(Self.address, .document)
        #expect(!untilDialled(within: limits.dialBackoffMax / 2 - MeshLimits.tickEvery))
    }

    @Test mutating func `so does one that moved to another network`() {
        _ = pass(.seconds(24 * 3600))
        near.hurry(at: now, using: &random)
        #expect(untilDialled(within: limits.dialBackoffMax + MeshLimits.tickEvery))
    }
}
