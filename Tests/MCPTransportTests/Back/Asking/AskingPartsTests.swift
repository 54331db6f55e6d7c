import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import MCPTransport

/// The decisions behind calls that ask, without a backend or a clock.
struct AskingPartsTests {
    private static let start = ContinuousClock.now

    // MARK: Rounds

    private static func question(_ number: Int, _ method: String = Method.elicitationCreate)
        -> BackendQuestion
    {
        BackendQuestion(id: RPCID(number), method: method, params: nil)
    }

    /// What effects there are, by name and what is in them.
    private static func names(_ effects: [AskingRounds.Effect]) -> [String] {
        effects.map { effect in
            switch effect {
            case .openWindow: "window"
            case .suspend(let requests): "suspend \(requests.members.map(\.key).joined(separator: " "))"
            case .answer(.response(let id, let result)): "answer \(id) \(result.text)"
            case .answer(let message): "refuse \(message.id?.description ?? "")"
            case .finish(.result(let result)): "finish \(result.text)"
            case .finish: "fail"
            case .cancel: "cancel"
            }
        }
    }

    @Test func `a call is asked, suspended, resumed and done`() {
        var rounds = AskingRounds()
        #expect(Self.names(rounds.asked(Self.question(7))) == ["window"])
        #expect(rounds.asked(Self.question(8, Method.rootsList)).isEmpty)
        #expect(!rounds.isSuspended)
        #expect(Self.names(rounds.windowClosed()) == ["suspend elicitation-1 roots-2"])
        #expect(rounds.isSuspended)
        // Asked while nobody listens: in the next round.
        #expect(rounds.asked(Self.question(9, Method.samplingCreateMessage)).isEmpty)
        #expect(
            Self.names(rounds.resumed(with: [("elicitation-1", ["a": 1]), ("x", [:])]))
                == [#"answer 7 {"a":1}"#, "window"])
        #expect(Self.names(rounds.windowClosed()) == ["suspend roots-2 sampling-3"])
        #expect(
            Self.names(rounds.resumed(with: [("roots-2", [:]), ("sampling-3", [:])]))
                == ["answer 8 {}", "answer 9 {}"])
        #expect(Self.names(rounds.ended(.result(["done": true]))) == [#"finish {"done":true}"#])
        #expect(rounds.abandoned().isEmpty)
    }

    @Test func `a result that comes before the window closes ends the leg, a later one waits for the next`() {
        var early = AskingRounds()
        _ = early.asked(Self.question(1))
        #expect(Self.names(early.ended(.result([:]))) == ["finish {}"])
        #expect(early.windowClosed().isEmpty)

        var late = AskingRounds()
        _ = late.asked(Self.question(1))
        _ = late.windowClosed()
        #expect(late.ended(.result([:])).isEmpty && late.isSuspended)
        #expect(Self.names(late.resumed(with: [])) == ["finish {}"])
    }

    @Test func `an abandoned call answers what is open and is cancelled, once`() {
        var rounds = AskingRounds()
        _ = rounds.asked(Self.question(1))
        _ = rounds.asked(Self.question(2, Method.rootsList))
        _ = rounds.windowClosed()
        #expect(Self.names(rounds.abandoned()) == [#"answer 1 {"action":"cancel"}"#, "refuse 2", "cancel"])
        #expect(rounds.abandoned().isEmpty && rounds.resumed(with: []).isEmpty)
        #expect(Self.names(rounds.asked(Self.question(3))) == [#"answer 3 {"action":"cancel"}"#])
    }

    @Test func `a backend that keeps asking comes to an end`() {
        var rounds = AskingRounds()
        _ = rounds.asked(Self.question(1))
        for _ in 1..<AskingRounds.roundsMax {
            _ = rounds.windowClosed()
            #expect(Self.names(rounds.resumed(with: [])) == ["window"])
        }
        _ = rounds.windowClosed()
        #expect(Self.names(rounds.resumed(with: [])).suffix(2) == ["cancel", "fail"])

        var flood = AskingRounds()
        let refused = (0..<40).flatMap { flood.asked(Self.question($0)) }.filter {
            if case .answer = $0 { true } else { false }
        }
        #expect(refused.count == 40 - AskingRounds.questionsMax)
    }

    // MARK: The book

    @Test func `a call in the book is resumed once, in time, by its id`() {
        var book = SuspensionBook<Int>(countMax: 2)
        let (a, b, c) = (CallID(high: 0, low: 1), CallID(high: 0, low: 2), CallID(high: 0, low: 3))
        #expect(book.suspend(1, as: a, until: Self.start + .seconds(10)) == true)
        #expect(book.suspend(2, as: b, until: Self.start + .seconds(20)) == true)
        #expect(book.suspend(3, as: c, until: Self.start + .seconds(20)) == false)
        #expect(book.resume(c, at: Self.start) == nil)
        #expect(book.resume(a, at: Self.start + .seconds(10)) == nil)
        #expect(book.expire(b, at: Self.start + .seconds(19)) == nil)
        #expect(book.expire(a, at: Self.start + .seconds(10)) == 1)
        #expect(book.resume(b, at: Self.start + .seconds(19)) == 2)
        #expect(book.resume(b, at: Self.start + .seconds(19)) == nil && book.count == 0)
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `whatever happens, no call leaves the book twice and the bound holds`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var book = SuspensionBook<Int>(countMax: 5)
        var ids: [CallID] = []
        var (inside, seconds) = (Set<Int>(), 0)
        for number in 0..<500 {
            seconds += Int.random(in: 0...2, using: &random)
            let now = Self.start + .seconds(seconds)
            let known = ids.randomElement(using: &random) ?? CallID(high: 9, low: 9)
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                let id = CallID(using: &random)
                let isIn = book.suspend(
                    number, as: id, until: now + .seconds(Int.random(in: 1...20, using: &random)))
                #expect(isIn == (inside.count < 5))
                if isIn {
                    inside.insert(number)
                    ids.append(id)
                }
            case 1: if let out = book.resume(known, at: now) { #expect(inside.remove(out) != nil) }
            default: if let out = book.expire(known, at: now) { #expect(inside.remove(out) != nil) }
            }
            #expect(book.count == inside.count && book.count <= 5)
        }
        #expect(Set(book.empty()) == inside && book.count == 0)
    }

    // MARK: Sessions

    private static func declared(_ capabilities: JSON) -> DeclaredCapabilities {
        DeclaredCapabilities(of: capabilities, at: .v2025_11_25)
    }

    @Test func `a session serves its declaration, and the one longest idle makes room for another`() {
        var shelf = SessionShelf(countMax: 2)
        let (form, roots) = (Self.declared(["elicitation": [:]]), Self.declared(["roots": [:]]))
        let now = Self.start
        #expect(shelf.choose(for: form, at: now) == .open(1, after: nil))
        #expect(shelf.choose(for: form, at: now) == .use(1))
        #expect(shelf.choose(for: roots, at: now) == .open(2, after: nil))
        #expect(shelf.choose(for: .everything, at: now) == .full)
        #expect(shelf.released(2, at: now) == true)
        #expect(shelf.choose(for: .everything, at: now) == .open(3, after: 2))
        #expect(shelf.choose(for: roots, at: now) == .full)
        shelf.ended(2)
        #expect(shelf.count == 2)
        shelf.ending(1)
        #expect(shelf.choose(for: form, at: now) == .full)
    }

    @Test func `only a session that is idle for long enough is closed`() {
        var shelf = SessionShelf(countMax: 2)
        let form = Self.declared(["elicitation": [:]])
        _ = shelf.choose(for: form, at: Self.start)
        _ = shelf.choose(for: form, at: Self.start)
        #expect(shelf.released(1, at: Self.start) == false)
        let idleness = { (seconds: Int) in
            shelf.idleness(of: 1, after: .seconds(5), at: Self.start + .seconds(seconds))
        }
        #expect(idleness(60) == .busy)
        #expect(shelf.released(1, at: Self.start + .seconds(60)) == true)
        #expect(idleness(64) == .lookAgain(in: .seconds(1)))
        // Used once more meanwhile: whoever looks already will look again.
        _ = shelf.choose(for: form, at: Self.start)
        #expect(shelf.released(1, at: Self.start + .seconds(64)) == false)
        #expect(idleness(65) == .lookAgain(in: .seconds(4)))
        #expect(idleness(69) == .over)
        #expect(idleness(70) == .busy)
        #expect(shelf.choose(for: form, at: Self.start) == .open(2, after: nil))
    }

    // MARK: Declarations

    @Test(arguments: [
        ("{}", "2025-11-25", "{}"), (#"{"elicitation":{}}"#, "2025-11-25", #"{"elicitation":{"form":{}}}"#),
        (#"{"elicitation":{"url":{}}}"#, "2025-11-25", #"{"elicitation":{"url":{}}}"#),
        (#"{"elicitation":{"url":{}}}"#, "2025-06-18", "{}"),
        (#"{"elicitation":{"form":{"x":1},"url":{}}}"#, "2025-06-18", #"{"elicitation":{}}"#),
        (#"{"elicitation":{}}"#, "2025-03-26", "{}"),
        (
            #"{"sampling":{"tools":{},"x":{}},"roots":{"listChanged":true},"experimental":{"y":{}}}"#,
            "2025-11-25",
            #"{"roots":{},"sampling":{"tools":{}}}"#
        ),
        (#"{"sampling":{"tools":{}},"roots":7}"#, "2024-11-05", #"{"sampling":{}}"#),
    ])
    func `a declaration has one spelling, in the backend's terms`(
        given: String, revision: String, declared: String
    ) throws {
        let revision = try #require(ProtocolRevision(rawValue: revision))
        let declaration = DeclaredCapabilities(of: try JSON(validating: given), at: revision)
        #expect(declaration.json.text == declared)
    }

    @Test func `what was not declared is refused as the specification wants`() {
        let form = Self.declared(["elicitation": ["form": [:]]])
        #expect(form.objection(to: Method.elicitationCreate, nil) == nil)
        #expect(
            form.objection(to: Method.elicitationCreate, ["mode": "url"])?.code == RPCError.Code.invalidParams
        )
        #expect(form.objection(to: Method.rootsList, nil)?.code == RPCError.Code.methodNotFound)
        #expect(form.objection(to: "no/such", nil)?.code == RPCError.Code.methodNotFound)
        let url = Self.declared(["elicitation": ["url": [:]]])
        #expect(url.objection(to: Method.elicitationCreate, nil)?.code == RPCError.Code.invalidParams)
    }
}
