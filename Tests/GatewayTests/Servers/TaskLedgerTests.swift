import Catalog
import MCPModel
import MCPTransport
import Storage
import Testing

@testable import Gateway

/// Whose task is whose, over the lives of a node.
struct TaskLedgerTests {
    private static let me = Caller(issuer: "key", subject: "me")
    private let scratch = Scratch()

    private func definition(
        _ name: Label = "studio", url: String = "https://studio.example/mcp"
    ) -> ServerDefinition {
        ServerDefinition(name: name, transport: .http(url: url, headers: [], kind: .streamable))
    }

    /// One life of a node, which writes at its end.
    private func life(countMax: Int = TaskLedger.countMax, _ body: (TaskLedger) throws -> Void) async throws {
        let (_, database) = try scratch.start()
        let ledger = try await TaskLedger(database, countMax: countMax, log: .silent)
        try body(ledger)
        ledger.close()
        try database.close()
    }

    private func entry(
        _ id: String, of caller: Caller = me, left: Duration = .seconds(600)
    ) -> TaskMemory.Entry {
        TaskMemory.Entry(id: id, caller: caller, age: .zero, left: left)
    }

    @Test(arguments: [Caller(issuer: "key", subject: "a\0b"), Caller(issuer: "k\0", subject: "me")])
    func `a caller whose name cannot be stored keeps no other's task off the disk`(odd: Caller) async throws {
        try await life { ledger in
            let memory = ledger.memory(of: definition())
            memory.note([.keep(entry("odd", of: odd)), .keep(entry("a"))])
            memory.note([.forget(id: "odd", caller: odd), .keep(entry("b"))])
        }
        try await life { ledger in
            #expect(ledger.memory(of: definition()).entries.map(\.id).sorted() == ["a", "b"])
        }
    }

    @Test func `what was noted in one life is known in the next, for the rest of its time`() async throws {
        try await life { ledger in
            let memory = ledger.memory(of: definition())
            memory.note([.keep(entry("a")), .keep(entry("b")), .keep(entry("c", left: .zero))])
            memory.note([.forget(id: "b", caller: Self.me)])
        }
        try await life { ledger in
            let kept = ledger.memory(of: definition()).entries
            #expect(kept.map(\.id) == ["a"] && kept.first?.caller == Self.me)
            let left = try #require(kept.first?.left)
            #expect(left <= .seconds(600) && left > .seconds(300))
            #expect(ledger.memory(of: definition("other")).entries.isEmpty)
        }
    }

    @Test func `that a caller knows nothing of a task is kept with it`() async throws {
        var hidden = entry("h")
        hidden.isHidden = true
        try await life { [hidden] ledger in
            ledger.memory(of: definition()).note([.keep(hidden), .keep(entry("a", left: .seconds(60)))])
        }
        try await life { ledger in
            let kept = ledger.memory(of: definition()).entries
            #expect(kept.map(\.id) == ["h", "a"] && kept.map(\.isHidden) == [true, false])
        }
    }

    @Test func `what is noted while the node runs is written without waiting for its end`() async throws {
        let (_, database) = try scratch.start()
        let ledger = try await TaskLedger(database, log: .silent)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await ledger.run() }
            ledger.memory(of: definition()).note([.keep(entry("a"))])
            let deadline = ContinuousClock.now + .seconds(20)
            while try await TaskShelf(database).load(at: .now(), atMost: 1).isEmpty {
                try #require(ContinuousClock.now < deadline)
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            group.cancelAll()
        }
        ledger.close()
        try database.close()
    }

    @Test func `a server that is elsewhere now, or none of this node's any more, leaves no tasks`()
        async throws
    {
        try await life { ledger in
            for name: Label in ["moved", "removed", "gone", "kept"] {
                ledger.memory(of: definition(name)).note([.keep(entry("a"))])
            }
        }
        try await life { ledger in
            ledger.keepOnly(["moved", "removed", "kept"])
            ledger.forget("removed")
            #expect(ledger.memory(of: definition("moved", url: "https://new.example/mcp")).entries.isEmpty)
            #expect(ledger.memory(of: definition("kept")).entries.map(\.id) == ["a"])
        }
        try await life { ledger in
            for name: Label in ["moved", "removed", "gone"] {
                #expect(ledger.memory(of: definition(name)).entries.isEmpty)
            }
            #expect(!ledger.memory(of: definition("kept")).entries.isEmpty)
        }
    }

    @Test func `where there is no room those go whose time is over first`() async throws {
        try await life(countMax: 4) { ledger in
            let memory = ledger.memory(of: definition())
            memory.note((1...6).map { .keep(entry("t\($0)", left: .seconds(100 * $0))) })
            let long = String(repeating: "x", count: TaskLedger.idBytesMax + 1)
            memory.note([.keep(entry(long)), .keep(entry("a\0b"))])
        }
        try await life { ledger in
            #expect(ledger.memory(of: definition()).entries.map(\.id) == ["t6", "t5", "t4", "t3"])
        }
    }
}
