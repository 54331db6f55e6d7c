import Catalog
import MCPModel
import MartletTestKit
import Policy
import Testing

struct LimitBookTests {
    private static let alice = Caller(issuer: "key", subject: "alice")
    private static let bob = Caller(issuer: "key", subject: "bob")

    private static func rate(_ count: Int, _ seconds: Int) throws -> AccessLimit.Rate {
        try #require(AccessLimit.Rate(count, in: .seconds(seconds)))
    }

    private func at(_ milliseconds: Int) -> Instant { .zero + .milliseconds(milliseconds) }

    private func book(
        rate: AccessLimit.Rate? = nil, concurrency: Int? = nil, isShared: Bool = false, bucketsMax: Int = 100
    )
        -> LimitBook
    {
        LimitBook(
            [AccessLimit("l", rate: rate, concurrency: concurrency, isShared: isShared)],
            bucketsMax: bucketsMax)
    }

    private func stated(
        _ signer: UInt64, _ count: Int?, concurrency: Int? = nil, word: UInt8 = 1
    ) throws -> StatedLimit {
        StatedLimit(
            target: .node(NodeID(high: 9, low: 9)), signer: NodeID(high: 1, low: signer),
            try CallAllowance(
                rate: count.flatMap { CallRate($0, in: .seconds(10)) }, concurrency: concurrency
            )
            .orFail(), reason: "", at: 0, word: ContentHash(of: [word]))
    }

    @Test func `an operator's limit counts all callers together, and of several the strictest decides`()
        throws
    {
        var book = LimitBook([])
        let limits = try [stated(1, 5), stated(2, 2)]
        _ = try book.enter([], limits, as: Self.alice, from: "a", at: at(0)).get()
        _ = try book.enter([], limits, as: Self.bob, from: "b", at: at(0)).get()
        #expect(throws: LimitExcess(limit: .stated(limits[1]), wait: .seconds(5))) {
            try book.enter([], limits, as: Self.alice, from: "a", at: at(0)).get()
        }
        #expect(book.left(of: limits[0], at: at(0)).calls == 3, "what one refuses uses up none of the other")
        // Without the stricter one there are three left.
        for _ in 0..<3 { _ = try book.enter([], [limits[0]], as: Self.alice, from: "a", at: at(0)).get() }
        #expect(throws: LimitExcess.self) {
            try book.enter([], [limits[0]], as: Self.bob, from: "b", at: at(0)).get()
        }
    }

    @Test func `a limit that is said anew goes on with what runs`() throws {
        var book = LimitBook([])
        let place = try book.enter([], [stated(1, nil, concurrency: 2)], as: Self.alice, from: nil, at: at(0))
            .get()
        let stricter = try stated(1, nil, concurrency: 1, word: 2)
        #expect(throws: LimitExcess(limit: .stated(stricter), wait: nil)) {
            try book.enter([], [stricter], as: Self.bob, from: nil, at: at(1)).get()
        }
        book.leave(place)
        _ = try book.enter([], [stricter], as: Self.bob, from: nil, at: at(2)).get()
    }

    private func stated(_ count: Int, in time: Duration) throws -> StatedLimit {
        StatedLimit(
            target: .node(NodeID(high: 9, low: 9)), signer: NodeID(high: 1, low: 1),
            try CallAllowance(rate: CallRate(count, in: time), concurrency: nil).orFail(), reason: "", at: 0,
            word: ContentHash(of: [UInt8(clamping: count)]))
    }

    @Test func `a limit that is said anew more loosely is not held up by the old one`() throws {
        var book = LimitBook([])
        let (strict, loose) = try (stated(1, in: .seconds(86_400)), stated(100, in: .seconds(1)))
        _ = try book.enter([], [strict], as: Self.alice, from: nil, at: at(0)).get()
        #expect(throws: LimitExcess.self) {
            try book.enter([], [strict], as: Self.alice, from: nil, at: at(0)).get()
        }
        #expect(book.left(of: loose, at: at(0)).calls == 0)
        // All of it is used up, and comes back at the new rate, also where somebody asks in between.
        #expect(throws: LimitExcess(limit: .stated(loose), wait: .milliseconds(10))) {
            try book.enter([], [loose], as: Self.alice, from: nil, at: at(0)).get()
        }
        #expect(throws: LimitExcess(limit: .stated(loose), wait: .milliseconds(5))) {
            try book.enter([], [loose], as: Self.bob, from: nil, at: at(5)).get()
        }
        _ = try book.enter([], [loose], as: Self.bob, from: nil, at: at(10)).get()
        #expect(book.left(of: loose, at: at(510)).calls == 50)
        #expect(book.left(of: loose, at: at(510)).running == 2, "what runs runs on")
    }

    @Test func `a limit that is said anew more strictly gives nothing away`() throws {
        var book = LimitBook([])
        let (loose, strict) = try (stated(10, in: .seconds(10)), stated(2, in: .seconds(3_600)))
        for _ in 0..<5 { _ = try book.enter([], [loose], as: Self.alice, from: nil, at: at(0)).get() }
        #expect(book.left(of: strict, at: at(0)).calls == 1, "half is used up of either")
        _ = try book.enter([], [strict], as: Self.alice, from: nil, at: at(0)).get()
        #expect(throws: LimitExcess(limit: .stated(strict), wait: .seconds(1_800))) {
            try book.enter([], [strict], as: Self.alice, from: nil, at: at(0)).get()
        }
    }

    @Test(arguments: [(1, 86_400), (7, 86_399), (10_000, 86_400)])
    func `the longest times are no trouble`(count: Int, seconds: Int) throws {
        var book = LimitBook([])
        let (one, other) = try (stated(count, in: .seconds(seconds)), stated(3, in: .seconds(86_400)))
        for limit in [one, other, one] {
            while case .success = book.enter([], [limit], as: Self.alice, from: nil, at: at(0)) {}
            #expect(book.left(of: limit, at: at(0)).calls == 0)
            #expect(book.left(of: limit, at: at(90_000_000)).calls == limit.allowance.rate?.count)
        }
    }

    @Test(arguments: [1, 3, 7, 60, 9_999, 10_000])
    func `exactly so many go at once, and each comes back in its time`(count: Int) throws {
        var book = book(rate: try Self.rate(count, 60))
        for _ in 0..<count { _ = try book.enter([0], as: Self.alice, from: nil, at: at(1_000)).get() }
        let excess = try #require(throws: LimitExcess.self) {
            try book.enter([0], as: Self.alice, from: nil, at: at(1_000)).get()
        }
        let wait = try #require(excess.wait)
        #expect(excess.limit == .configured("l") && wait > .zero && wait <= .seconds(60) / count)
        // Not a moment too early, and then exactly one.
        let then = at(1_000) + wait
        #expect(throws: LimitExcess.self) {
            try book.enter([0], as: Self.alice, from: nil, at: Instant(nanoseconds: then.nanoseconds - 1))
                .get()
        }
        _ = try book.enter([0], as: Self.alice, from: nil, at: then).get()
        #expect(throws: LimitExcess.self) { try book.enter([0], as: Self.alice, from: nil, at: then).get() }
    }

    @Test func `who is refused has used nothing up`() throws {
        var book = book(rate: try Self.rate(1, 10))
        _ = try book.enter([0], as: Self.alice, from: nil, at: at(0)).get()
        for time in stride(from: 0, to: 10_000, by: 500) {
            #expect(throws: LimitExcess.self) {
                try book.enter([0], as: Self.alice, from: nil, at: at(time)).get()
            }
        }
        _ = try book.enter([0], as: Self.alice, from: nil, at: at(10_000)).get()
    }

    @Test(arguments: [true, false])
    func `a limit is each caller's own, or that of all together`(isShared: Bool) throws {
        var book = book(concurrency: 1, isShared: isShared)
        _ = try book.enter([0], as: Self.alice, from: nil, at: at(0)).get()
        let second = book.enter([0], as: Self.bob, from: nil, at: at(0))
        #expect((try? second.get()) == nil ? isShared : !isShared)
    }

    @Test func `a key's name is one node's own, a token's subject is the same everywhere`() throws {
        var book = book(concurrency: 1)
        _ = try book.enter([0], as: Self.alice, from: "gw1", at: at(0)).get()
        _ = try book.enter([0], as: Self.alice, from: "gw2", at: at(0)).get()
        let token = Caller(issuer: "https://idp.example.com", subject: "alice")
        _ = try book.enter([0], as: token, from: "gw1", at: at(0)).get()
        #expect(throws: LimitExcess.self) { try book.enter([0], as: token, from: "gw2", at: at(0)).get() }
    }

    @Test func `a place is free again when its call is over, and not before`() throws {
        var book = book(concurrency: 2)
        let first = try book.enter([0], as: Self.alice, from: nil, at: at(0)).get()
        _ = try book.enter([0], as: Self.alice, from: nil, at: at(0)).get()
        let excess = #expect(throws: LimitExcess.self) {
            try book.enter([0], as: Self.alice, from: nil, at: at(99_999)).get()
        }
        #expect(excess?.wait == nil)
        book.leave(first)
        _ = try book.enter([0], as: Self.alice, from: nil, at: at(0)).get()
    }

    @Test func `one limit that is reached uses up none of the others`() throws {
        let rate = try Self.rate(1, 1)
        var book = LimitBook([AccessLimit("r", rate: rate), AccessLimit("c", concurrency: 1)])
        let running = try book.enter([1], as: Self.alice, from: nil, at: at(0)).get()
        #expect(throws: LimitExcess.self) {
            try book.enter([0, 1], as: Self.alice, from: nil, at: at(0)).get()
        }
        book.leave(running)
        _ = try book.enter([0, 1], as: Self.alice, from: nil, at: at(0)).get()
    }

    @Test func `however many call, no more are counted than there is room for, and none goes uncounted`()
        throws
    {
        var book = book(rate: try Self.rate(1, 10), bucketsMax: 3)
        let caller = { (number: Int) in Caller(issuer: "key", subject: "\(number)") }
        for number in 0..<3 {
            book.leave(try book.enter([0], as: caller(number), from: nil, at: at(0)).get())
        }
        #expect(throws: LimitExcess.self) {
            try book.enter([0], as: caller(3), from: nil, at: at(5_000)).get()
        }
        // By then the first ones' buckets are full again, and forgotten.
        _ = try book.enter([0], as: caller(3), from: nil, at: at(11_000)).get()
    }

    @Test(arguments: [(0, 60), (10_001, 60), (1, 0), (1, 86_401)])
    func `a rate out of bounds is none`(count: Int, seconds: Int) {
        #expect(AccessLimit.Rate(count, in: .seconds(seconds)) == nil)
    }

    @Test func `what is left is told`() throws {
        var book = book(rate: try Self.rate(4, 4), concurrency: 9)
        #expect(book.left(of: 0, for: Self.alice, from: nil, at: at(0))?.calls == 4)
        for _ in 0..<3 { _ = try book.enter([0], as: Self.alice, from: nil, at: at(0)).get() }
        let left = try #require(book.left(of: 0, for: Self.alice, from: nil, at: at(0)))
        #expect(left.calls == 1 && left.running == 3)
        #expect(book.left(of: 0, for: Self.alice, from: nil, at: at(2_000))?.calls == 3)
        #expect(book.left(of: 7, for: Self.alice, from: nil, at: at(0)) == nil)
    }
}
