import Catalog
import MartletTestKit
import Mesh
import Testing

struct LinkGraphTests {
    private let ids = (1...12).map { NodeID(high: 0, low: UInt64($0)) }

    private func listed(_ pairs: [(Int, Int, UInt8)], oneSided: [(Int, Int)] = [], mute: Set<Int> = [])
        -> [NodeID: LinksBody]
    {
        var listed: [NodeID: LinksBody] = [:]
        func add(_ a: Int, _ b: Int, _ level: UInt8) {
            listed[ids[a], default: LinksBody()].links[ids[b]] = ListedLink(
                roundTrip: RoundTripClass(level: level), relays: !mute.contains(a))
        }
        for (a, b, level) in pairs {
            add(a, b, level)
            add(b, a, level)
        }
        for (a, b) in oneSided { add(a, b, 0) }
        return listed
    }

    /// The ways from the first node.
    private func routes(
        _ listed: [NodeID: LinksBody], masked: Set<NodePair> = [], avoided: Set<NodeID> = []
    ) -> [NodeID: Route] {
        let graph = LinkGraph(me: ids[0], listed: listed)
        return RouteTable(
            graph, direct: listed[ids[0]]?.links ?? [:], masked: masked, avoided: avoided
        ).routes(in: graph, to: ids)
    }

    private func path(_ routes: [NodeID: Route], to index: Int) -> [Int]? {
        routes[ids[index]]?.path.compactMap { ids.firstIndex(of: $0) }
    }

    @Test func `the cheapest path wins over the shortest`() {
        let found = routes(listed([(0, 1, 1), (1, 2, 1), (0, 2, 5)]))
        #expect(path(found, to: 2) == [1, 2])
    }

    @Test func `a link counts when both ends list it`() {
        let found = routes(listed([(0, 1, 1)], oneSided: [(1, 2), (3, 1)]))
        #expect(path(found, to: 1) == [1])
        #expect(path(found, to: 2) == nil)
        #expect(path(found, to: 3) == nil)
    }

    @Test func `a node that does not relay is an end, never a middle`() {
        let around = routes(listed([(0, 1, 0), (1, 2, 0), (0, 3, 4), (3, 2, 4)], mute: [1]))
        #expect(path(around, to: 1) == [1])
        #expect(path(around, to: 2) == [3, 2])
    }

    @Test func `no path names more than eight nodes`() {
        let chain = listed((0..<11).map { ($0, $0 + 1, 0) })
        let found = routes(chain)
        #expect(path(found, to: 8) == Array(1...8))
        #expect(path(found, to: 9) == nil)
    }

    @Test func `a masked link is gone around`() {
        let square = listed([(0, 1, 0), (1, 2, 0), (0, 3, 2), (3, 2, 2)])
        #expect(path(routes(square), to: 2) == [1, 2])
        #expect(path(routes(square, masked: [NodePair(ids[1], ids[2])]), to: 2) == [3, 2])
        #expect(path(routes(square, masked: [NodePair(ids[0], ids[1])]), to: 1) == [3, 2, 1])
    }

    @Test func `an avoided node is an end, never a middle`() {
        let square = listed([(0, 1, 0), (1, 2, 0), (0, 3, 2), (3, 2, 2)])
        let around = routes(square, avoided: [ids[1]])
        #expect(path(around, to: 1) == [1])
        #expect(path(around, to: 2) == [3, 2])
    }

    @Test(arguments: UInt64(1)...100)
    func `whatever the nodes list, no path loops, is too long, or uses a link that is not there`(seed: UInt64)
        throws
    {
        var random = SplitMix64(seed: seed)
        var listed: [NodeID: LinksBody] = [:]
        for a in ids {
            for b in ids where a != b && Int.random(in: 0..<4, using: &random) == 0 {
                listed[a, default: LinksBody()].links[b] = ListedLink(
                    roundTrip: RoundTripClass(level: UInt8.random(in: 0...6, using: &random)),
                    relays: Int.random(in: 0..<5, using: &random) > 0)
            }
        }
        // Half the time both ends agree.
        for a in ids {
            for (b, link) in listed[a]?.links ?? [:] where Bool.random(using: &random) {
                listed[b, default: LinksBody()].links[a] = link
            }
        }
        let found = routes(listed)
        for (end, route) in found {
            #expect(route.path.last == end)
            #expect(route.path.count <= CircuitHeader.pathMax)
            #expect(Set(route.path + [ids[0]]).count == route.path.count + 1)
            var cost = 0
            var before = ids[0]
            for node in route.path {
                let link = try (listed[before]?.links[node]).orFail("a link on the path")
                if before != ids[0] {
                    let back = try (listed[node]?.links[before]).orFail("the link's other end")
                    #expect(link.relays)
                    cost += max(link.roundTrip, back.roundTrip).cost
                } else {
                    cost += link.roundTrip.cost
                }
                before = node
            }
            #expect(route.cost == cost)
        }
    }

    @Test func `a round trip on the edge of its class does not flap`() {
        let level = RoundTripClass(.milliseconds(9))  // below 16 ms
        #expect(level.level == 4)
        #expect(level.moved(to: .milliseconds(7)) == level)
        #expect(level.moved(to: .milliseconds(17)) == level)
        #expect(level.moved(to: .milliseconds(5)).level == 3)
        #expect(level.moved(to: .milliseconds(30)).level == 5)
        #expect(RoundTripClass(.seconds(100)) == .greatest)
        #expect(RoundTripClass(.zero).level == 0)
    }
}

struct SilenceWatchTests {
    private func run(_ watch: inout SilenceWatch, from start: Instant, ticks: Int) -> [SilenceWatch.Verdict] {
        (1...ticks).map { watch.tick(at: start + SilenceWatch.tickEvery * $0) }
    }

    @Test func `a second without sending asks for a heartbeat, two and a half without hearing is down`() {
        var watch = SilenceWatch(at: .zero)
        let verdicts = run(&watch, from: .zero, ticks: 25)
        #expect(verdicts.indices.filter { verdicts[$0] == .sendHeartbeat }.map { $0 + 1 } == [10, 20])
        #expect(verdicts.last == .down)
        #expect(verdicts.filter { $0 == .down }.count == 1)
    }

    @Test func `any byte in time keeps the link up`() {
        var watch = SilenceWatch(at: .zero)
        for tick in 1...100 {
            #expect(watch.tick(at: .zero + SilenceWatch.tickEvery * tick) != .down)
            if tick.isMultiple(of: 24) { watch.heard() }
        }
    }

    @Test func `a late tick counts nothing and gives the peer a fresh window`() {
        var watch = SilenceWatch(at: .zero)
        _ = run(&watch, from: .zero, ticks: 24)
        let late = Instant.zero + .seconds(60)
        #expect(watch.tick(at: late) == .sendHeartbeat)
        let verdicts = run(&watch, from: late, ticks: 25)
        #expect(!verdicts.dropLast().contains(.down))
        #expect(verdicts.last == .down)
    }
}

struct CircuitTests {
    private let ids = (0...9).map { NodeID(high: 0, low: UInt64($0)) }

    private func decide(
        _ path: [Int], at me: Int, from peer: Int, linked: [Int] = [1, 2, 3], relays: Bool = true,
        open: Int = 0, held: Int = 0
    ) throws -> RelayDecision {
        let header = try CircuitHeader(purpose: .link, source: ids[0], path: path.map { ids[$0] }).orFail()
        return RelayDecision(
            header, from: ids[peer], at: ids[me], linked: Set(linked.map { ids[$0] }), relays: relays,
            openFromSource: open, heldForSource: held)
    }

    @Test func `a path is one to eight ids without repeats`() {
        #expect(CircuitHeader(purpose: .link, source: ids[0], path: []) == nil)
        #expect(CircuitHeader(purpose: .link, source: ids[0], path: Array(ids[1...9])) == nil)
        #expect(CircuitHeader(purpose: .link, source: ids[0], path: [ids[1], ids[2], ids[1]]) == nil)
        #expect(CircuitHeader(purpose: .link, source: ids[0], path: [ids[1], ids[0]]) == nil)
        #expect(CircuitHeader(purpose: .link, source: ids[0], path: Array(ids[1...8])) != nil)
    }

    @Test func `a header comes back as it was, and one with a loop is refused`() throws {
        let header = try CircuitHeader(purpose: .join, source: ids[0], path: [ids[1], ids[2]]).orFail()
        #expect(try CircuitHeader(canonical: header.canonicalBytes) == header)
        let looping = header.canonicalBytes.dropLast(16) + ids[1].bytes
        #expect(throws: WireError.invalid("path")) { try CircuitHeader(canonical: looping) }
    }

    @Test func `the last on the path accepts`() throws {
        let header = try CircuitHeader(purpose: .link, source: ids[0], path: [ids[2]]).orFail()
        #expect(try decide([2], at: 2, from: 1, relays: false) == .accept(header))
    }

    @Test func `a relay passes on with itself taken off`() throws {
        let onward = try CircuitHeader(purpose: .link, source: ids[0], path: [ids[2], ids[3]]).orFail()
        #expect(try decide([1, 2, 3], at: 1, from: 0) == .forward(next: ids[2], onward))
    }

    @Test func `everything else is refused with its reason`() throws {
        func code(_ decision: RelayDecision) -> ResetCode? {
            if case .refuse(let code, _) = decision { code } else { nil }
        }
        #expect(code(try decide([2, 3], at: 1, from: 0)) == .protocolError)
        #expect(code(try decide([1, 2], at: 1, from: 2)) == .protocolError)
        #expect(code(try decide([1, 2], at: 1, from: 0, relays: false)) == .refused)
        #expect(code(try decide([1, 4], at: 1, from: 0)) == .nextUnreachable)
        #expect(code(try decide([1, 2], at: 1, from: 0, open: 64)) == .limited)
        let held = RelayLimits().bytesInFlight
        #expect(code(try decide([1, 2], at: 1, from: 0, held: held)) == .limited)
        #expect(code(try decide([1, 2], at: 1, from: 0, held: held - 1)) == nil)
    }
}
