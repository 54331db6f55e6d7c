import Catalog
import Foundation
import Testing

@testable import Discovery

/// Random steps that a seed repeats (a linear congruential generator; Knuth's constants).
private struct Steps: RandomNumberGenerator {
    var seed: UInt64

    mutating func next() -> UInt64 {
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return seed ^ seed >> 29
    }
}

struct SRVAnswerTests {
    private static let question: [UInt8] =
        [7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + Array("\u{8}_martlet\u{4}_tcp\u{4}test\u{0}".utf8) + [
            0, 33, 0, 1,
        ]

    private func read(
        _ records: [(priority: UInt16, weight: UInt16, port: UInt16, target: String)], seconds: UInt32 = 60
    ) throws -> SRVAnswer {
        let bytes = try #require(DNSServer.message(.records(records, seconds: seconds), to: Self.question))
        return try #require(SRVAnswer(message: bytes))
    }

    @Test func `records come in the order of their priority, then of their weight`() throws {
        let answer = try read(
            [(2, 9, 7332, "c.test"), (1, 1, 7333, "b.test"), (1, 5, 7334, "a.test")], seconds: 77)
        #expect(answer.records.map(\.address.description) == ["a.test:7334", "b.test:7333", "c.test:7332"])
        #expect(answer.secondsToLive == 77)
    }

    @Test(arguments: ["", "a b.test", "-x.test", "ä.test", "a/../b.test", "a:1.test", "a\n.test"])
    func `a target that is no host is left out`(target: String) throws {
        #expect(try read([(1, 1, 1, target), (1, 1, 2, "good.test")]).records.map(\.address.port) == [2])
    }

    @Test func `more records than a mesh needs are left out, and a port of zero is none`() throws {
        let many = (1...100).map { (UInt16(1), UInt16(1), UInt16($0), "h\($0).test") }
        #expect(try read(many).records.count == SRVAnswer.recordsMax)
        #expect(try read([(1, 1, 0, "a.test")]).records.isEmpty)
    }

    @Test func `a name that points at itself, and one beyond the end, are no answer`() {
        let head: [UInt8] = [7, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
        #expect(SRVAnswer(message: head + [0xC0, 12, 0, 33, 0, 1]) == nil)
        #expect(SRVAnswer(message: head + [0xC0, 0xFF, 0, 33, 0, 1]) == nil)
        #expect(SRVAnswer(message: head + [63, 1, 2]) == nil)
        #expect(SRVAnswer(message: [UInt8](repeating: 0, count: 11)) == nil)
    }

    @Test(arguments: UInt64(1)...200)
    func `whatever the bytes are, reading them ends`(seed: UInt64) throws {
        var random = Steps(seed: seed)
        var bytes = try #require(
            DNSServer.message(
                .records([(1, 1, 1, "a.b.test"), (2, 2, 2, "c.test")], seconds: 9), to: Self.question))
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
        }
        bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
        #expect((SRVAnswer(message: bytes)?.records.count ?? 0) <= 2)
    }
}

struct SRVSeedTests {
    private var random = Steps(seed: 1)
    private var seed = SRVSeed("_martlet._tcp.test", at: .zero)

    private func answer(_ ports: UInt16..., seconds: UInt32 = 60) throws -> SRVSeed.Outcome {
        let question: [UInt8] = [7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 33, 0, 1]
        let records = ports.map { (priority: UInt16(1), weight: UInt16(1), port: $0, target: "a.test") }
        let bytes = try #require(DNSServer.message(.records(records, seconds: seconds), to: question))
        return .answered(try #require(SRVAnswer(message: bytes)))
    }

    private func address(_ port: UInt16) -> PeerAddress { PeerAddress(host: "a.test", port: port) }

    @Test mutating func `an answer replaces what was known`() throws {
        var changes = seed.take(try answer(1, 2), at: .zero, using: &random)
        #expect(changes == [.appeared(address(1)), .appeared(address(2))])
        changes = seed.take(try answer(2, 3), at: .zero, using: &random)
        #expect(changes == [.vanished(address(1)), .appeared(address(3))])
        changes = seed.take(.nothing, at: .zero, using: &random)
        #expect(changes == [.vanished(address(2)), .vanished(address(3))] && seed.problem != nil)
    }

    @Test mutating func `a resolver that does not answer takes nothing away`() throws {
        _ = seed.take(try answer(1), at: .zero, using: &random)
        let changes = seed.take(.failed(reason: "silent"), at: .zero, using: &random)
        #expect(changes.isEmpty && seed.addresses == [address(1)] && seed.problem == "silent")
        _ = seed.take(try answer(1), at: .zero, using: &random)
        #expect(seed.problem == nil)
    }

    @Test(arguments: [(0, 30), (45, 45), (3_600, 3_600), (4_000_000_000, 3_600)] as [(UInt32, Int64)])
    mutating func `an answer holds as long as it says, within bounds`(seconds: UInt32, holds: Int64) throws {
        _ = seed.take(try answer(1, seconds: seconds), at: .zero, using: &random)
        #expect(seed.dueAt == .zero + .seconds(holds))
    }

    @Test mutating func `failures are retried soon, then ever more seldom, up to a minute`() throws {
        var waits: [Duration] = []
        for _ in 1...10 {
            _ = seed.take(.failed(reason: "silent"), at: .zero, using: &random)
            waits.append(seed.dueAt - .zero)
        }
        #expect(waits[0] >= .milliseconds(500) && waits[0] <= .seconds(1))
        #expect(waits[9] >= .seconds(30) && waits[9] <= .seconds(60))
        _ = seed.take(try answer(1), at: .zero, using: &random)
        _ = seed.take(.failed(reason: "silent"), at: .zero, using: &random)
        #expect(seed.dueAt - .zero <= .seconds(1), "a good answer forgives")
    }
}

@Suite(.timeLimit(.minutes(3)))
struct SRVLookupTests {
    private func with(_ body: (DNSServer, SRVLookup) async throws -> Void) async throws {
        let server = try #require(DNSServer())
        #expect(DetachedThread.start { server.serve() })
        do {
            try await body(server, SRVLookup(server: ("127.0.0.1", server.port)))
        } catch {
            server.close()
            throw error
        }
        server.close()
    }

    @Test func `the system's resolver is asked, and its answer read`() async throws {
        try await with { server, lookup in
            server.reply(
                .records([(2, 0, 7332, "b.example.test"), (1, 0, 7333, "a.example.test")], seconds: 120))
            guard case .answered(let answer) = await lookup("_martlet._tcp.example.test") else {
                Issue.record("no answer")
                return
            }
            #expect(
                answer.records.map(\.address.description) == ["a.example.test:7333", "b.example.test:7332"])
            #expect(answer.secondsToLive == 120)
        }
    }

    @Test func `no such name, a refusal and garbage are told apart`() async throws {
        try await with { server, lookup in
            server.reply(.nothing)
            let nothing = await lookup("_martlet._tcp.example.test")
            #expect(nothing == .nothing)
            for reply in [DNSServer.Reply.refused, .garbage([0, 1, 0, 1, 0, 0, 0, 0, 0xC0])] {
                server.reply(reply)
                let outcome = await lookup("_martlet._tcp.example.test")
                guard case .failed(let reason) = outcome else {
                    Issue.record("\(outcome)")
                    continue
                }
                #expect(!reason.isEmpty)
            }
            #expect(server.asked < 20, "retries are bounded")
        }
    }

    @Test func `a server that says nothing keeps nobody who is told to stop`() async throws {
        try await with { server, lookup in
            server.reply(.silence)
            let asking = Task { await lookup("_martlet._tcp.example.test") }
            while server.asked == 0 {
                try await Task.sleep(for: .milliseconds(2))  // a condition with the suite's deadline
            }
            asking.cancel()
            let outcome = await asking.value
            #expect(
                outcome == .failed(reason: "the node is stopping"),
                "the resolver would have said that nobody answers")
        }
    }

    @Test func `an address that two seeds name is there until neither does`() {
        var tally = SeedTally()
        let (one, two) = (PeerAddress(host: "a.test", port: 1), PeerAddress(host: "b.test", port: 1))
        #expect(tally.take([.appeared(one)]) == [.appeared(one)])
        #expect(tally.take([.appeared(one), .appeared(two)]) == [.appeared(two)])
        #expect(tally.take([.vanished(one), .vanished(two)]) == [.vanished(two)])
        #expect(tally.take([.vanished(one)]) == [.vanished(one)])
        #expect(tally.take([.vanished(one)]).isEmpty, "what is not there cannot go")
    }

    @Test func `seeds are asked again until they answer, and what they name appears`() async throws {
        try await with { server, lookup in
            server.reply(.refused)
            let start = ContinuousClock.now
            let seeds = SRVSeeds(
                ["_martlet._tcp.example.test"],
                now: { Instant(nanoseconds: Int64((ContinuousClock.now - start) / .nanoseconds(1))) },
                lookup: { await lookup($0) })
            let (changes, tell) = AsyncStream.makeStream(of: SRVSeed.Change.self)
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await seeds.run { tell.yield($0) } }
                while seeds.all.first?.problem == nil { await Task.yield() }
                server.reply(.records([(1, 1, 7332, "a.example.test")], seconds: 60))
                var first = changes.makeAsyncIterator()
                let change = await first.next()
                #expect(change == .appeared(PeerAddress(host: "a.example.test", port: 7332)))
                group.cancelAll()
            }
        }
    }
}
