import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Mesh
import Testing

struct CallJournalTests {
    private let ann = CallJournal.Caller(node: NodeID(high: 1, low: 1), incarnation: 1, life: 11)
    private let bob = CallJournal.Caller(node: NodeID(high: 2, low: 2), incarnation: 1, life: 22)
    private let now = Instant.zero + .seconds(1)

    private func journal(_ change: (inout CallJournal.Limits) -> Void = { _ in }) -> CallJournal {
        var limits = CallJournal.Limits()
        change(&limits)
        var journal = CallJournal(limits)
        #expect(journal.greeted(ann).isEmpty && journal.greeted(bob).isEmpty)
        return journal
    }

    private func id(_ number: UInt64) -> CallID { CallID(high: number, low: ~number) }

    private func run(
        _ journal: inout CallJournal, _ number: UInt64, from caller: CallJournal.Caller
    ) throws -> CallJournal.Key {
        try journal.arrived(id(number), number: number, from: caller, at: now)
    }

    private func ask(
        _ journal: inout CallJournal, _ number: UInt64, by caller: CallJournal.Caller
    ) -> CallStanding? {
        if case .standing(let standing) = journal.asked(id(number), number: number, by: caller, at: now) {
            standing
        } else {
            nil
        }
    }

    private func result(bytes: Int = 2) -> CallEvent {
        .result(.string(String(repeating: "x", count: bytes - 2)))
    }

    @Test func `a call runs once; what became of it can be asked until its node says that it knows`() throws {
        var journal = journal()
        let key = try run(&journal, 1, from: ann)
        #expect(ask(&journal, 1, by: ann) == .running)
        #expect(throws: CallJournal.Refusal.seenBefore) { try run(&journal, 1, from: ann) }
        journal.ended(key, result(bytes: 9), at: now)
        #expect(throws: CallJournal.Refusal.seenBefore) { try run(&journal, 1, from: ann) }
        for _ in 0..<2 {
            guard case .done(.result(let json)) = journal.asked(id(1), number: 1, by: ann, at: now) else {
                Issue.record("not done")
                return
            }
            #expect(json.bytes.count == 9)
        }
        #expect(journal.resultBytes == 9)
        journal.acknowledged(key)
        #expect(journal.count == 0 && journal.resultBytes == 0)
    }

    @Test func `what was not seen is fenced off by the question, for good`() throws {
        var journal = journal { $0.keep = .seconds(600) }
        #expect(ask(&journal, 5, by: ann) == .notSeen)
        #expect(ask(&journal, 5, by: ann) == .notSeen)
        #expect(throws: CallJournal.Refusal.fenced) { try run(&journal, 5, from: ann) }
        // Its fence is no longer kept: then the number itself tells.
        #expect(journal.sweep(at: now + .seconds(601)).isEmpty)
        #expect(journal.count == 0)
        #expect(throws: CallJournal.Refusal.beyondMemory) { try run(&journal, 5, from: ann) }
        #expect(ask(&journal, 5, by: ann) == .forgotten)
        #expect(ask(&journal, 6, by: ann) == .notSeen)
    }

    @Test func `another id under a known number is told nothing`() throws {
        var journal = journal()
        _ = try run(&journal, 1, from: ann)
        #expect(journal.asked(id(9), number: 1, by: ann, at: now).standing == .forgotten)
    }

    @Test func `nobody asks for, or ends, another node's calls`() throws {
        var journal = journal()
        _ = try run(&journal, 1, from: ann)
        #expect(ask(&journal, 1, by: bob) == .notSeen)
        #expect(throws: CallJournal.Refusal.fenced) { try run(&journal, 1, from: bob) }
        #expect(ask(&journal, 1, by: ann) == .running)
    }

    @Test func `one node's flood pushes out nothing of another's`() throws {
        var journal = journal {
            $0.ids = 30
            $0.idsPerSource = 20
            $0.resultBytes = 1000
        }
        let kept = try run(&journal, 1, from: bob)
        journal.ended(kept, result(bytes: 300), at: now)
        for number in UInt64(1)...500 {
            let key = try run(&journal, number, from: ann)
            journal.ended(key, result(bytes: 90), at: now)
            #expect(journal.count(of: ann.node) <= 20 && journal.resultBytes <= 1000)
        }
        guard case .done = journal.asked(id(1), number: 1, by: bob, at: now) else {
            Issue.record("bob's result is gone")
            return
        }
        #expect(ask(&journal, 1, by: ann) == .forgotten)
    }

    @Test func `over all, the greatest holder gives way first`() throws {
        var journal = journal {
            $0.ids = 10
            $0.idsPerSource = 8
        }
        for number in UInt64(1)...8 {
            journal.ended(try run(&journal, number, from: ann), result(), at: now)
        }
        for number in UInt64(1)...5 {
            journal.ended(try run(&journal, number, from: bob), result(), at: now)
        }
        #expect(journal.count == 10)
        #expect(journal.count(of: ann.node) == 5 && journal.count(of: bob.node) == 5)
    }

    @Test func `calls that run are never forgotten; their node is told that there is no more room`() throws {
        var journal = journal { $0.idsPerSource = 3 }
        for number in UInt64(1)...3 { _ = try run(&journal, number, from: ann) }
        #expect(throws: CallJournal.Refusal.full) { try run(&journal, 4, from: ann) }
        // Where there is no place for a fence, nothing is promised.
        #expect(ask(&journal, 4, by: ann) == .forgotten)
        _ = try run(&journal, 1, from: bob)
        journal.acknowledged(CallJournal.Key(of: ann, number: 2))
        _ = try run(&journal, 4, from: ann)
    }

    @Test func `a result greater than all that may be kept is not kept`() throws {
        var journal = journal { $0.resultBytes = 100 }
        let key = try run(&journal, 1, from: ann)
        journal.ended(key, result(bytes: 101), at: now)
        #expect(journal.resultBytes == 0)
        #expect(ask(&journal, 1, by: ann) == .forgotten)
    }

    @Test func `a call that nobody asks for is stopped, one that is asked for is not`() throws {
        var journal = journal { $0.orphanMax = .seconds(60) }
        let (first, second) = (try run(&journal, 1, from: ann), try run(&journal, 2, from: ann))
        journal.lost(first, at: now)
        journal.lost(second, at: now)
        #expect(journal.sweep(at: now + .seconds(59)).isEmpty)
        #expect(ask(&journal, 2, by: ann) == .running)
        #expect(journal.sweep(at: now + .seconds(60)) == [first])
    }

    @Test func `when a node starts again, its former calls are stopped and its former frames refused`() throws
    {
        var journal = journal()
        let key = try run(&journal, 1, from: ann)
        journal.ended(try run(&journal, 2, from: ann), result(), at: now)
        var later = ann
        later.incarnation = 2
        later.life = 12
        #expect(journal.greeted(later).running == [key])
        #expect(journal.count == 0 && journal.resultBytes == 0)
        #expect(throws: CallJournal.Refusal.formerLife) { try run(&journal, 3, from: ann) }
        #expect(ask(&journal, 1, by: ann) == .forgotten)
        let now = try run(&journal, 1, from: later)
        // Nor does what still comes of its calls, though their numbers are the same.
        journal.acknowledged(key)
        journal.ended(key, result(), at: self.now)
        #expect(now != key)
        // A link of the former life that only now comes up changes nothing.
        #expect(journal.greeted(ann).isEmpty)
        #expect(ask(&journal, 1, by: later) == .running)
    }

    private func task(_ id: String) -> AnsweredTask {
        AnsweredTask(
            server: "files", id: id,
            principal: WirePrincipal(issuer: "key", subject: "me", entryNode: ann.node))
    }

    @Test func `an answer that is turned down leaves the task that it names, once`() throws {
        var journal = journal()
        let key = try run(&journal, 1, from: ann)
        let running = journal.declined(key)
        #expect(running == nil, "what runs has no answer yet")
        journal.ended(key, result(), naming: task("t"), at: now)
        let first = journal.declined(key)
        let second = journal.declined(key)
        #expect(first == task("t") && second == nil)
        #expect(journal.count == 0 && journal.resultBytes == 0)
        let plain = try run(&journal, 2, from: ann)
        journal.ended(plain, result(), at: now)
        let none = journal.declined(plain)
        #expect(none == nil && journal.count == 0)
    }

    @Test func `a node that starts again leaves the tasks of answers that nobody has said to have`() throws {
        var journal = journal()
        for (number, id) in [(1, "had"), (2, "lost")] as [(UInt64, String)] {
            journal.ended(try run(&journal, number, from: ann), result(), naming: task(id), at: now)
        }
        journal.ended(try run(&journal, 3, from: ann), result(), at: now)
        journal.acknowledged(CallJournal.Key(of: ann, number: 1))
        var later = ann
        later.incarnation = 2
        later.life = 12
        let remains = journal.greeted(later)
        #expect(remains.tasks == [task("lost")] && remains.running.isEmpty)
    }

    @Test func `an incarnation raised while the node runs is the same life`() throws {
        var journal = journal()
        _ = try run(&journal, 1, from: ann)
        var raised = ann
        raised.incarnation = 9
        #expect(journal.greeted(raised).isEmpty)
        #expect(ask(&journal, 1, by: raised) == .running)
    }

    @Test func `nodes beyond the bound are refused, not forgotten`() throws {
        var journal = journal { $0.sources = 2 }
        let eve = CallJournal.Caller(node: NodeID(high: 3, low: 3), incarnation: 1, life: 33)
        #expect(journal.greeted(eve).isEmpty)
        #expect(throws: CallJournal.Refusal.full) { try run(&journal, 1, from: eve) }
        #expect(ask(&journal, 1, by: eve) == .forgotten)
    }

    @Test(arguments: UInt64(1)...200)
    func `whatever is done to it, its counts are right and its bounds hold`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var limits = CallJournal.Limits()
        limits.ids = 40
        limits.idsPerSource = 15
        limits.resultBytes = 400
        limits.keep = .seconds(50)
        var journal = CallJournal(limits)
        let callers = (0..<5).map {
            CallJournal.Caller(node: NodeID(high: 0, low: UInt64($0)), incarnation: 1, life: 1)
        }
        for caller in callers { _ = journal.greeted(caller) }
        var ran: Set<CallJournal.Key> = []
        var fenced: Set<CallJournal.Key> = []
        for step in 0..<400 {
            let caller = callers[Int.random(in: 0..<5, using: &random)]
            let number = UInt64.random(in: 1...60, using: &random)
            let key = CallJournal.Key(of: caller, number: number)
            let time = Instant.zero + .seconds(step)
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1:
                if let key = try? journal.arrived(id(number), number: number, from: caller, at: time) {
                    #expect(!fenced.contains(key), "a fenced call ran")
                    ran.insert(key)
                }
            case 2:
                let answer = journal.asked(id(number), number: number, by: caller, at: time)
                if answer.standing == .notSeen {
                    // Acknowledged calls are never asked for by an honest node.
                    fenced.insert(key)
                }
            case 3: journal.ended(key, result(bytes: Int.random(in: 2...200, using: &random)), at: time)
            case 4: journal.lost(key, at: time)
            default: _ = journal.sweep(at: time)
            }
            #expect(journal.count == callers.reduce(0) { $0 + journal.count(of: $1.node) })
            #expect(journal.count <= 40 && journal.resultBytes <= 400)
            for caller in callers { #expect(journal.count(of: caller.node) <= 15) }
        }
        #expect(ran.isDisjoint(with: fenced), "a call that ran was called unseen")
    }
}

extension CallJournal.Answer {
    var standing: CallStanding? { if case .standing(let standing) = self { standing } else { nil } }
}
