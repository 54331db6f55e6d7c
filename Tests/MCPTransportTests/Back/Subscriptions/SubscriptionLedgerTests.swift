import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

/// What the owner of a server asks it for because of subscriptions, as short words: `link subscribe uri`.
struct SubscriptionLedgerTests {
    private static func greeting(_ revision: ProtocolRevision, offers: Bool = true) -> Greeting {
        Greeting(
            revision: revision, serverInfo: [:], instructions: nil,
            capabilities: ["resources": ["subscribe": .bool(offers)]])
    }

    private var ledger = SubscriptionLedger(
        holdersMax: 8, backoff: Backoff(from: .seconds(1), to: .seconds(4)))
    private var asks: [SubscriptionLedger.Ask] = []
    private var lastListen = 0

    /// Notes what there is to answer, and says the effects in words.
    private mutating func words(_ effects: [SubscriptionLedger.Effect]) -> [String] {
        effects.map { effect in
            switch effect {
            case .ask(let ask):
                asks.append(ask)
                return "\(ask.link) \(ask.isSubscribe ? "subscribe" : "unsubscribe") \(ask.uri)"
            case .listen(let link, let listen, let uris):
                lastListen = listen
                return "\(link) listen \(uris.joined(separator: ","))"
            case .endListen(let link, _): return "\(link) end"
            case .retry(let link, let time): return "\(link) retry after \(time)"
            case .tell(let holders, .notification(Method.subscriptionsAcknowledged, _)):
                return "acknowledge \(holders)"
            case .tell(let holders, .notification(_, let params)):
                return "updated \(params["uri"]?.string ?? "") to \(holders)"
            case .tell(let holders, .error(let error)): return "refuse \(holders): \(error["code"]?.int ?? 0)"
            case .tell(let holders, _): return "end \(holders)"
            }
        }
    }

    private mutating func open(_ uri: String) throws -> (holder: Int, words: [String]) {
        let taken = ledger.open(uri)
        let opened = try #require(taken)
        return (opened.holder, words(opened.effects))
    }

    private mutating func nextAsk() throws -> SubscriptionLedger.Ask {
        let ask = asks.popLast()
        return try #require(ask)
    }

    private mutating func answer() throws -> [String] {
        let ask = try nextAsk()
        return words(ledger.answered(ask))
    }

    // MARK: Legacy

    @Test mutating func `a legacy server hears of the first and of the last`() throws {
        _ = ledger.linked(1, Self.greeting(.v2025_06_18), isFirst: true)
        let first = try open("a:1")
        #expect(first.words == ["1 subscribe a:1"])
        let second = try open("a:1")
        #expect(second.words.isEmpty)
        #expect(try answer() == ["acknowledge [\(first.holder)]", "acknowledge [\(second.holder)]"])
        let third = try open("a:1")
        #expect(third.words == ["acknowledge [\(third.holder)]"])
        #expect(words(ledger.close(first.holder)).isEmpty)
        #expect(words(ledger.close(second.holder)).isEmpty)
        #expect(words(ledger.close(third.holder)) == ["1 unsubscribe a:1"])
        #expect(try answer().isEmpty)
        #expect(ledger.holderCount == 0 && ledger.uris.isEmpty)
    }

    @Test mutating func `requests about one resource never overtake each other`() throws {
        _ = ledger.linked(1, Self.greeting(.v2025_06_18), isFirst: true)
        let first = try open("a:1")
        #expect(words(ledger.close(first.holder)).isEmpty, "it waits for the answer to the first")
        let second = try open("a:1")
        #expect(second.words.isEmpty)
        #expect(try answer() == ["acknowledge [\(second.holder)]"])
        #expect(words(ledger.close(second.holder)) == ["1 unsubscribe a:1"])
        let third = try open("a:1")
        #expect(try answer() == ["1 subscribe a:1"])
        #expect(third.words == ["acknowledge [\(third.holder)]"] || third.words.isEmpty)
    }

    @Test mutating func `a refusal ends the holders with the server's own error`() throws {
        _ = ledger.linked(1, Self.greeting(.v2025_06_18), isFirst: true)
        let holder = try open("a:1").holder
        let ask = try nextAsk()
        #expect(
            words(ledger.refused(ask, with: ["code": -32602, "message": "no"])) == [
                "refuse [\(holder)]: -32602"
            ])
        #expect(ledger.holderCount == 0)
    }

    @Test mutating func `a new session is asked anew, and holders hear that they may have missed something`()
        throws
    {
        _ = ledger.linked(1, Self.greeting(.v2025_06_18), isFirst: true)
        let holder = try open("a:1").holder
        _ = try answer()
        #expect(words(ledger.unlinked(1)).isEmpty)
        let meanwhile = try open("b:2")
        #expect(meanwhile.words == ["acknowledge [\(meanwhile.holder)]"], "kept until it is back")
        #expect(
            words(ledger.linked(2, Self.greeting(.v2025_06_18), isFirst: true))
                == ["2 subscribe a:1", "2 subscribe b:2"])
        #expect(try answer() == ["updated b:2 to [\(meanwhile.holder)]"])
        #expect(try answer() == ["updated a:1 to [\(holder)]"])
    }

    @Test mutating func `what was said before anybody could hear it counts as missed`() throws {
        _ = ledger.linked(1, Self.greeting(.v2025_06_18), isFirst: true)
        #expect(words(ledger.hearing()).isEmpty)
        let holder = try open("a:1").holder
        #expect(words(ledger.hearing()).isEmpty)
        _ = try answer()
        #expect(words(ledger.hearing()) == ["updated a:1 to [\(holder)]"])
    }

    @Test mutating func `an answer of an earlier session means nothing to the next`() throws {
        _ = ledger.linked(1, Self.greeting(.v2025_06_18), isFirst: true)
        _ = try open("a:1")
        let old = try nextAsk()
        #expect(words(ledger.linked(1, Self.greeting(.v2025_06_18), isFirst: true)) == ["1 subscribe a:1"])
        #expect(words(ledger.answered(old)).isEmpty)
        #expect(try answer().count == 1)
    }

    @Test mutating func `sessions besides the first are asked too, and their word does not count`() throws {
        _ = ledger.linked(1, Self.greeting(.v2025_11_25), isFirst: true)
        let holder = try open("a:1").holder
        _ = try answer()
        #expect(words(ledger.linked(2, Self.greeting(.v2025_11_25), isFirst: false)) == ["2 subscribe a:1"])
        let ask = try nextAsk()
        #expect(words(ledger.refused(ask, with: ["code": 1])).isEmpty)
        #expect(words(ledger.close(holder)) == ["1 unsubscribe a:1", "2 unsubscribe a:1"])
    }

    @Test mutating func `a server that does not answer is asked again, later each time`() throws {
        _ = ledger.linked(1, Self.greeting(.v2025_06_18), isFirst: true)
        _ = try open("a:1")
        for seconds in [1, 2, 4, 4] {
            let ask = try nextAsk()
            #expect(words(ledger.failed(ask, chance: 1)) == ["1 retry after \(Duration.seconds(seconds))"])
            #expect(words(ledger.retry(1)) == ["1 subscribe a:1"])
        }
    }

    @Test mutating func `a server that declares no subscriptions is not asked`() throws {
        _ = ledger.linked(1, Self.greeting(.v2025_06_18, offers: false), isFirst: true)
        let refused = try open("a:1")
        #expect(refused.words == ["refuse [\(refused.holder)]: -32601"])
        #expect(ledger.holderCount == 0)
    }

    // MARK: Modern

    @Test mutating func `a modern server has one listen with the whole set, the new before the old ends`()
        throws
    {
        _ = ledger.linked(1, Self.greeting(.v2026_07_28), isFirst: true)
        let first = try open("a:1")
        #expect(first.words == ["1 listen a:1"])
        let (second, third) = (try open("b:2"), try open("c:3"))
        #expect(second.words.isEmpty && third.words.isEmpty, "together after the first")
        #expect(
            words(ledger.acknowledged(lastListen, at: 1, uris: ["a:1"]))
                == ["acknowledge [\(first.holder)]", "1 listen a:1,b:2,c:3"])
        #expect(
            words(ledger.acknowledged(lastListen, at: 1, uris: ["a:1", "b:2", "c:3"]))
                == ["1 end", "acknowledge [\(second.holder)]", "acknowledge [\(third.holder)]"])
        #expect(words(ledger.close(second.holder)) == ["1 listen a:1,c:3"])
        #expect(words(ledger.acknowledged(lastListen, at: 1, uris: ["a:1", "c:3"])) == ["1 end"])
        #expect(words(ledger.close(first.holder)) == ["1 listen c:3"])
        #expect(words(ledger.close(third.holder)).isEmpty)
        #expect(words(ledger.acknowledged(lastListen, at: 1, uris: ["c:3"])) == ["1 end", "1 end"])
    }

    @Test mutating func `what a modern server does not honour is refused, the rest stands`() throws {
        _ = ledger.linked(1, Self.greeting(.v2026_07_28), isFirst: true)
        let first = try open("a:1")
        _ = words(ledger.acknowledged(lastListen, at: 1, uris: ["a:1"]))
        let second = try open("b:2")
        #expect(
            words(ledger.acknowledged(lastListen, at: 1, uris: ["a:1"]))
                == ["1 end", "refuse [\(second.holder)]: -32602"])
        #expect(words(ledger.updated(["uri": "a:1"])) == ["updated a:1 to [\(first.holder)]"])
    }

    @Test mutating func `a listen that is refused ends those who are new, and not those who stand`() throws {
        _ = ledger.linked(1, Self.greeting(.v2026_07_28), isFirst: true)
        let first = try open("a:1")
        _ = words(ledger.acknowledged(lastListen, at: 1, uris: ["a:1"]))
        let second = try open("bad")
        #expect(
            words(
                ledger.listenEnded(
                    lastListen, at: 1, refusing: ["code": -32602], isSteady: false, chance: 1))
                == ["refuse [\(second.holder)]: -32602"])
        #expect(words(ledger.updated(["uri": "a:1"])) == ["updated a:1 to [\(first.holder)]"])
    }

    @Test mutating func `a listen that breaks is opened again, and a miss is told`() throws {
        _ = ledger.linked(1, Self.greeting(.v2026_07_28), isFirst: true)
        let holder = try open("a:1").holder
        _ = words(ledger.acknowledged(lastListen, at: 1, uris: ["a:1"]))
        #expect(
            words(ledger.listenEnded(lastListen, at: 1, refusing: nil, isSteady: false, chance: 1))
                == ["1 retry after 1.0 seconds"])
        #expect(words(ledger.retry(1)) == ["1 listen a:1"])
        #expect(
            words(ledger.acknowledged(lastListen, at: 1, uris: ["a:1"])) == ["updated a:1 to [\(holder)]"])
    }

    // MARK: Both

    @Test(arguments: [
        ("a:1", "a:1", true), ("a:1/part", "a:1", true), ("a:1?x", "a:1", true), ("a:1#x", "a:1", true),
        ("a:/x", "a:/", true), ("a:12", "a:1", false), ("a:", "a:1", false), ("b:1", "a:1", false),
    ])
    func `an update of a part is one of the whole`(uri: String, held: String, isTold: Bool) throws {
        var test = self
        let holder = try test.open(held).holder
        let told = test.words(test.ledger.updated(["uri": .string(uri)]))
        #expect(told == (isTold ? ["updated \(uri) to [\(holder)]"] : []))
    }

    @Test mutating func `there is a bound, and all end with the backend`() throws {
        var holders: [Int] = []
        for number in 0..<8 { holders.append(try open("a:\(number)").holder) }
        #expect(ledger.open("a:8") == nil)
        #expect(
            words(ledger.closeAll(.failure(CallFailure(.backendUnavailable, "gone")))) == ["end \(holders)"])
        #expect(ledger.holderCount == 0)
    }
}
