import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

/// Which call asks on a channel that all calls share.
struct AskerSearchTests {
    private static let start = ContinuousClock.now
    private static let form = DeclaredCapabilities(of: ["elicitation": [:]], at: .v2025_11_25)

    private static func question(_ number: Int, _ method: String = Method.elicitationCreate)
        -> BackendQuestion
    {
        BackendQuestion(id: RPCID(number), method: method, params: nil)
    }

    private static func search(_ open: [Int: DeclaredCapabilities]) -> AskerSearch {
        var search = AskerSearch(timeMax: .seconds(10))
        for (number, declared) in open { search.began(number, declared) }
        return search
    }

    @Test func `the one open call is asked at once`() {
        var search = Self.search([4: Self.form])
        #expect(search.asked(Self.question(1), at: Self.start) == [.give(Self.question(1), to: 4)])
    }

    @Test func `of several calls the one that is left is asked, whatever began since`() {
        var search = Self.search([1: Self.form, 2: Self.form, 3: .none])
        #expect(search.asked(Self.question(7), at: Self.start) == [.look(in: .seconds(10))])
        search.began(4, Self.form)
        #expect(search.ended(1).isEmpty)
        #expect(search.ended(3) == [.give(Self.question(7), to: 2)])
        #expect(search.heldCount == 0 && search.ended(2).isEmpty)
    }

    @Test func `a question that names its task belongs to whoever waits for that task, another to no task`() {
        var search = Self.search([1: Self.form])
        for (number, task) in [(2, "a"), (3, "b")] { search.began(number, Self.form, task: task) }
        let task: JSON = ["taskId": "b"]
        let meta: JSON = .object([(MetaKey.relatedTask, task)])
        let tasks = BackendQuestion(
            id: RPCID(7), method: Method.elicitationCreate, params: ["message": "", "_meta": meta])
        #expect(search.asked(tasks, at: Self.start) == [.give(tasks, to: 3)])
        #expect(search.asked(Self.question(8), at: Self.start) == [.give(Self.question(8), to: 1)])
        // Where nothing but tasks is open, it is one of theirs.
        #expect(search.ended(1).isEmpty && search.ended(3).isEmpty)
        #expect(search.asked(Self.question(9), at: Self.start) == [.give(Self.question(9), to: 2)])
    }

    @Test func `a question of a task that nobody waits for yet is nobody's but those who are making one`() {
        let task: JSON = ["taskId": "a"]
        let meta: JSON = .object([(MetaKey.relatedTask, task)])
        let asked = BackendQuestion(
            id: RPCID(7), method: Method.elicitationCreate, params: ["message": "", "_meta": meta])
        var search = Self.search([1: Self.form])
        guard case .refuse(asked, _) = search.asked(asked, at: Self.start).first else {
            Issue.record("not refused")
            return
        }
        for number in [2, 3] { search.began(number, Self.form, makesTask: true) }
        #expect(search.asked(asked, at: Self.start) == [.look(in: .seconds(10))])
        // The first made another task; whose the second's is, is known when it is waited for.
        search.began(4, Self.form, task: "a")
        #expect(search.ended(3) == [.give(asked, to: 4)])
        #expect(search.heldCount == 0 && search.ended(2).isEmpty)
        #expect(search.asked(asked, at: Self.start) == [.give(asked, to: 4)])
    }

    @Test func `what cannot be decided in time is refused, and says why`() throws {
        var search = Self.search([1: Self.form, 2: .none])
        _ = search.asked(Self.question(7), at: Self.start)
        #expect(search.expire(at: Self.start + .seconds(9)).isEmpty)
        let effects = search.expire(at: Self.start + .seconds(10))
        guard case .refuse(let question, let error) = try #require(effects.first) else {
            Issue.record("not refused")
            return
        }
        #expect(question == Self.question(7) && error.code == RPCError.Code.internalError)
        #expect(error.message.contains("2 calls were open"))
        #expect(search.ended(2).isEmpty)
    }

    @Test func `the end of a cancelled call says nothing of who asked`() {
        var search = Self.search([1: Self.form, 2: Self.form])
        _ = search.asked(Self.question(7), at: Self.start)
        search.cancelled(1)
        guard case .refuse(Self.question(7), _) = search.ended(1).first else {
            Issue.record("not refused")
            return
        }
        #expect(search.asked(Self.question(8), at: Self.start) == [.give(Self.question(8), to: 2)])
    }

    @Test func `a question of nobody is refused, and so is one that nobody open can be asked`() {
        var nobody = Self.search([:])
        guard case .refuse = nobody.asked(Self.question(1), at: Self.start).first else {
            Issue.record("not refused")
            return
        }
        var unable = Self.search([1: .none, 2: Self.form])
        #expect(
            unable.asked(Self.question(1, Method.rootsList), at: Self.start)
                == [.refuse(Self.question(1, Method.rootsList), .methodNotFound(Method.rootsList))])
        // As soon as only those are left.
        #expect(unable.asked(Self.question(2), at: Self.start) == [.look(in: .seconds(10))])
        #expect(
            unable.ended(2) == [.refuse(Self.question(2), .methodNotFound(Method.elicitationCreate))])
    }

    @Test func `no more questions are held than may be`() {
        var search = Self.search([1: Self.form, 2: Self.form])
        for number in 0..<AskerSearch.heldMax {
            #expect(search.asked(Self.question(number), at: Self.start) == [.look(in: .seconds(10))])
        }
        guard case .refuse = search.asked(Self.question(99), at: Self.start).first else {
            Issue.record("not refused")
            return
        }
        #expect(search.heldCount == AskerSearch.heldMax)
    }
}
