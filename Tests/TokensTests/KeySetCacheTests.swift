import JSONSlice
import MartletTestKit
import Testing

@testable import Tokens

struct KeySetCacheTests {
    private static let old = try? TokenMint("EdDSA", keyID: "old")
    private static let new = try? TokenMint("EdDSA", keyID: "new")

    private static func set(_ mints: TokenMint?...) throws -> WebKeySet {
        try WebKeySet(document: TokenMint.keySet(mints.compactMap { $0 }), allowsShared: false)
    }

    private static func token(of mint: TokenMint?) throws -> CompactSignature {
        try CompactSignature(try #require(mint).token(["sub": "x"]))
    }

    private enum Word: Equatable {
        case use, useAndFetch, fetch, wait, noKeys
    }

    private static func word(_ step: KeySetCache.Step) -> Word {
        switch step {
        case .use: .use
        case .useAndFetch: .useAndFetch
        case .fetch: .fetch
        case .wait: .wait
        case .noKeys: .noKeys
        }
    }

    @Test func `the first caller has the keys fetched, the others wait, and then all use them`() throws {
        var cache = KeySetCache()
        let token = try Self.token(of: Self.old)
        #expect(Self.word(cache.next(for: token, at: 0)) == .fetch)
        for _ in 1...1_000 { #expect(Self.word(cache.next(for: token, at: 0)) == .wait) }
        cache.fetched(try Self.set(Self.old), at: 1)
        #expect(Self.word(cache.next(for: token, at: 2)) == .use)
        #expect(Self.word(cache.next(for: token, at: KeySetCache.freshFor)) == .use)
    }

    @Test func `stale keys are used while one fetch goes for fresh ones`() throws {
        var cache = KeySetCache()
        let token = try Self.token(of: Self.old)
        cache.fetched(try Self.set(Self.old), at: 0)
        let late = KeySetCache.freshFor
        #expect(Self.word(cache.next(for: token, at: late)) == .useAndFetch)
        #expect(Self.word(cache.next(for: token, at: late)) == .use)
        cache.fetched(try Self.set(Self.old, Self.new), at: late + 1)
        #expect(Self.word(cache.next(for: try Self.token(of: Self.new), at: late + 2)) == .use)
    }

    @Test func `a key that was withdrawn is good no longer than keys are fresh`() throws {
        var cache = KeySetCache()
        let token = try Self.token(of: Self.old)
        cache.fetched(try Self.set(Self.old, Self.new), at: 0)
        #expect(Self.word(cache.next(for: token, at: KeySetCache.freshFor)) == .useAndFetch)
        cache.fetched(try Self.set(Self.new), at: KeySetCache.freshFor)
        guard case .use(let keys) = cache.next(for: token, at: KeySetCache.freshFor + 1) else {
            Issue.record("refused otherwise")
            return
        }
        #expect(keys.candidates(for: token).isEmpty)
    }

    @Test func `an unknown key has the keys fetched at once, but an inventor of keys does not set the pace`()
        throws
    {
        var cache = KeySetCache()
        cache.fetched(try Self.set(Self.old), at: 0)
        let unknown = try Self.token(of: Self.new)
        var fetches = 0
        for second in Int64(1)...600 {
            if case .fetch = cache.next(for: unknown, at: second) {
                fetches += 1
                cache.fetched(try Self.set(Self.old), at: second)
            }
        }
        #expect(fetches == 20, "one in \(KeySetCache.unknownKeyPause) s")
        // Whoever has a known key never waits for it.
        #expect(Self.word(cache.next(for: try Self.token(of: Self.old), at: 601)) == .use)
    }

    @Test func `keys outlive an issuer that cannot be reached, up to a bound`() throws {
        var cache = KeySetCache()
        let token = try Self.token(of: Self.old)
        cache.fetched(try Self.set(Self.old), at: 0)
        var fetches = 0
        var now = KeySetCache.freshFor
        while now < KeySetCache.keptMax {
            switch cache.next(for: token, at: now) {
            case .use: break
            case .useAndFetch:
                fetches += 1
                cache.failed(at: now)
            case .fetch, .wait, .noKeys: Issue.record("at \(now)")
            }
            now += 1
        }
        let floor = (KeySetCache.keptMax - KeySetCache.freshFor) / KeySetCache.failurePauses.upperBound
        #expect((Int(floor)...Int(floor) + 10).contains(fetches))
        var step = cache.next(for: token, at: now)
        if case .noKeys = step {
            step = cache.next(for: token, at: now + KeySetCache.failurePauses.upperBound)
        }
        #expect(Self.word(step) == .fetch)
        #expect(!cache.hasKeys)
    }

    @Test func `after a failure nobody asks before a pause that grows`() throws {
        var cache = KeySetCache()
        let token = try Self.token(of: Self.old)
        var now: Int64 = 0
        var pauses: [Int64] = []
        for _ in 0..<12 {
            #expect(Self.word(cache.next(for: token, at: now)) == .fetch)
            cache.failed(at: now)
            let failedAt = now
            while Self.word(cache.next(for: token, at: now + 1)) == .noKeys { now += 1 }
            now += 1
            // What was just asked for goes wrong again.
            pauses.append(now - failedAt)
            cache.failed(at: now)
            now += KeySetCache.failurePauses.upperBound
        }
        #expect(pauses.first == KeySetCache.failurePauses.lowerBound)
        #expect(pauses.last == KeySetCache.failurePauses.upperBound)
    }

    @Test func `keys are fetched once at the start`() {
        var cache = KeySetCache()
        let isFirst = cache.shouldFetchAtStart()
        let isSecond = cache.shouldFetchAtStart()
        #expect(isFirst && !isSecond)
    }
}
