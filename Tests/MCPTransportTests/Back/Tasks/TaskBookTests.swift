import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

struct TaskBookTests {
    private static let me = Caller(issuer: "key", subject: "me")
    private static let other = Caller(issuer: "key", subject: "other")
    private let start = ContinuousClock.now
    private var book = TaskBook(
        TaskBook.Limits(countMax: 4, perCallerMax: 2, bytesMax: 1_000, lifeMax: .seconds(86_400)))

    private static func key(_ id: String, _ caller: Caller = me) -> TaskBook.Key {
        TaskBook.Key(id: id, caller: caller)
    }

    private static func task(_ status: TaskStatus = .working, ttl: JSON = 60_000) -> JSON {
        ["status": .string(status.rawValue), "ttlMs": ttl]
    }

    @Test mutating func `a task is known to the caller who was handed it, and to no other`() {
        let admitted = book.admit(Self.task(), as: Self.key("a"), at: start)
        #expect(admitted && book.knows(Self.key("a"), at: start))
        #expect(!book.knows(Self.key("a", Self.other), at: start) && !book.knows(Self.key("b"), at: start))
        // The server may hand it to both.
        let shared = book.admit(Self.task(), as: Self.key("a", Self.other), at: start)
        #expect(shared && book.knows(Self.key("a", Self.other), at: start))
    }

    private static let lives: [(JSON, Duration, Duration)] = [
        (60_000, .seconds(60), .seconds(121)), (.null, .seconds(86_000), .seconds(86_401)),
        (1e15, .seconds(86_000), .seconds(86_401)), (-5, .seconds(86_000), .seconds(86_401)),
    ]

    @Test(arguments: lives)
    func `it is known for its server's time, and no longer than the bound`(
        ttl: JSON, known: Duration, gone: Duration
    ) {
        var book = book
        _ = book.admit(Self.task(ttl: ttl), as: Self.key("a"), at: start)
        #expect(book.knows(Self.key("a"), at: start + known))
        #expect(!book.knows(Self.key("a"), at: start + gone))
    }

    @Test mutating func `its time may change, counted from its beginning`() {
        _ = book.admit(Self.task(), as: Self.key("a"), at: start)
        book.saw(Self.task(ttl: 600_000), as: Self.key("a"), at: start + .seconds(30))
        #expect(book.knows(Self.key("a"), at: start + .seconds(600)))
        #expect(!book.knows(Self.key("a"), at: start + .seconds(661)))
    }

    @Test mutating func `one caller cannot fill the book`() {
        for id in ["a", "b"] { _ = book.admit(Self.task(), as: Self.key(id), at: start) }
        let third = book.admit(Self.task(), as: Self.key("c"), at: start)
        #expect(!third)
        let others = ["a", "b"].map { book.admit(Self.task(), as: Self.key($0, Self.other), at: start) }
        #expect(others == [true, true] && book.count == 4)
        let full = book.admit(
            Self.task(), as: Self.key("a", Caller(issuer: "key", subject: "third")), at: start)
        #expect(!full)
    }

    @Test mutating func `what has ended makes room before anything is refused`() {
        for id in ["a", "b"] { _ = book.admit(Self.task(), as: Self.key(id), at: start) }
        book.saw(Self.task(.completed), as: Self.key("a"), at: start)
        let third = book.admit(Self.task(), as: Self.key("c"), at: start)
        #expect(third && !book.knows(Self.key("a"), at: start) && book.knows(Self.key("b"), at: start))
        // So does what is past its time.
        let fourth = book.admit(Self.task(), as: Self.key("d"), at: start + .seconds(200))
        #expect(fourth && book.count == 1)
    }

    @Test mutating func `results that take too much room go, the first to go anyhow first`() {
        for (id, ttl) in [("a", 60_000), ("b", 600_000)] {
            _ = book.admit(Self.task(ttl: .number(ttl)), as: Self.key(id), at: start)
        }
        book.keeps(600, as: Self.key("a"))
        book.keeps(600, as: Self.key("b"))
        #expect(!book.knows(Self.key("a"), at: start) && book.knows(Self.key("b"), at: start))
        // The newest stays whatever it takes: it was not given yet.
        book.keeps(6_000, as: Self.key("b"))
        #expect(book.knows(Self.key("b"), at: start))
    }

    @Test mutating func `what is to be remembered is noted once, and when its time moves on far enough`() {
        _ = book.admit(Self.task(ttl: .null), as: Self.key("a"), at: start)
        let kept = book.takeChanges()
        let entry = TaskMemory.Entry(id: "a", caller: Self.me, age: .zero, left: .seconds(86_400))
        #expect(kept == [.keep(entry)])
        book.saw(Self.task(ttl: .null), as: Self.key("a"), at: start + .seconds(60))
        let none = book.takeChanges()
        #expect(none.isEmpty)
        book.saw(Self.task(ttl: .null), as: Self.key("a"), at: start + .seconds(4_000))
        let moved = book.takeChanges()
        #expect(
            moved == [
                .keep(
                    TaskMemory.Entry(
                        id: "a", caller: Self.me, age: .seconds(4_000), left: .seconds(86_400)))
            ])
        book.saw(Self.task(ttl: 60_000), as: Self.key("a"), at: start + .seconds(4_001))
        book.forget(Self.key("a"))
        book.forget(Self.key("b"))
        let last = book.takeChanges().last
        #expect(last == .forget(id: "a", caller: Self.me))
    }

    @Test func `what is remembered is known for the rest of its time, or lost with its process`() {
        let entry = TaskMemory.Entry(id: "a", caller: Self.me, age: .seconds(50), left: .seconds(10))
        for (areLost, standing) in [(false, TaskBook.Standing.known), (true, .lost)] {
            let book = TaskBook(
                TaskBook.Limits(countMax: 4, perCallerMax: 2, bytesMax: 1_000, lifeMax: .seconds(86_400)),
                remembering: [entry], areLost: areLost, at: start)
            #expect(book.standing(of: Self.key("a"), at: start + .seconds(9)) == standing)
            #expect(book.standing(of: Self.key("a"), at: start + .seconds(11)) == .unknown)
            #expect(book.standing(of: Self.key("a", Self.other), at: start) == .unknown)
        }
    }

    @Test mutating func `a task is unasked until its caller says something of it`() {
        _ = book.admit(Self.task(), as: Self.key("a"), at: start)
        #expect(book.isUnasked(Self.key("a"), at: start) && !book.isUnasked(Self.key("b"), at: start))
        let foreign = book.asked(after: Self.key("a", Self.other), at: start)
        #expect(foreign == .unknown && book.isUnasked(Self.key("a"), at: start))
        let own = book.asked(after: Self.key("a"), at: start)
        #expect(own == .known && !book.isUnasked(Self.key("a"), at: start))
        // A server may answer a second call with the same task: its caller knows it from the first.
        _ = book.admit(Self.task(), as: Self.key("b"), at: start)
        _ = book.admit(Self.task(), as: Self.key("b"), at: start)
        #expect(!book.isUnasked(Self.key("b"), at: start))
    }

    @Test mutating func `a task that nobody is to know is noted, and is nobody's to ask after`() {
        book.hides(Self.task(), as: Self.key("h"), at: start)
        let noted = book.takeChanges()
        let hidden = TaskMemory.Entry(
            id: "h", caller: Self.me, age: .zero, left: .seconds(120), isHidden: true)
        #expect(noted == [.keep(hidden)])
        #expect(!book.knows(Self.key("h"), at: start) && book.count == 0)
        book.hidesNoMore(Self.key("h"))
        let over = book.takeChanges()
        #expect(over == [.forget(id: "h", caller: Self.me)])
    }

    @Test(arguments: [true, false])
    func `hidden tasks of an earlier life are left to be cancelled, unless they went with their process`(
        areLost: Bool
    ) {
        let hidden = TaskMemory.Entry(
            id: "h", caller: Self.me, age: .seconds(5), left: .seconds(60), isHidden: true)
        var book = TaskBook(
            TaskBook.Limits(countMax: 4, perCallerMax: 2, bytesMax: 1_000, lifeMax: .seconds(86_400)),
            remembering: [hidden], areLost: areLost, at: start)
        #expect(book.standing(of: Self.key("h"), at: start) == .unknown)
        let (left, again) = (book.takeLeft(), book.takeLeft())
        #expect(left == (areLost ? [] : [Self.key("h")]) && again.isEmpty)
        let changes = book.takeChanges()
        #expect(changes == (areLost ? [.forget(id: "h", caller: Self.me)] : []), "until it is cancelled")
    }

    @Test(arguments: [true, false])
    func `an id that is handed out again is no more whose it was before a restart, unless it was seen`(
        wasSeen: Bool
    ) {
        let mine = TaskMemory.Entry(id: "a", caller: Self.me, age: .zero, left: .seconds(600))
        let second = TaskMemory.Entry(id: "b", caller: Self.me, age: .zero, left: .seconds(600))
        var book = TaskBook(
            TaskBook.Limits(countMax: 4, perCallerMax: 2, bytesMax: 1_000, lifeMax: .seconds(86_400)),
            remembering: [mine, second], at: start)
        if wasSeen { book.saw(Self.task(), as: Self.key("a"), at: start) }
        _ = book.takeChanges()
        let admitted = book.admit(Self.task(), as: Self.key("a", Self.other), at: start)
        #expect(admitted && book.knows(Self.key("a", Self.other), at: start))
        #expect(book.knows(Self.key("a"), at: start) == wasSeen && book.knows(Self.key("b"), at: start))
        let changes = book.takeChanges()
        #expect(changes.contains(.forget(id: "a", caller: Self.me)) == !wasSeen)
    }

    @Test mutating func `tasks that went with their process make room first`() {
        let lost = ["a", "b"].map {
            TaskMemory.Entry(id: $0, caller: Self.me, age: .zero, left: .seconds(60))
        }
        book = TaskBook(
            TaskBook.Limits(countMax: 4, perCallerMax: 2, bytesMax: 1_000, lifeMax: .seconds(86_400)),
            remembering: lost, areLost: true, at: start)
        let admitted = ["c", "d"].map { book.admit(Self.task(), as: Self.key($0), at: start) }
        #expect(admitted == [true, true] && book.count == 2)
    }
}
