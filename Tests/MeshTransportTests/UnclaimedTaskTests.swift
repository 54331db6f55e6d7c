import Catalog
import JSONSlice
import MCPModel
import Mesh
import Testing

@testable import MeshTransport

/// Tasks that answers name which reach no caller: their owner is told to cancel them, over real sockets.
@Suite(.timeLimit(.minutes(2)))
struct UnclaimedTaskTests {
    private static let able = ClientFacts(capabilities: TasksExtension.required)
    private static let task: JSON = ["resultType": "task", "taskId": "t1", "status": "working"]

    /// An owner `a` with a desk that answers when told, and an entry node `b` linked to it.
    private func pair(
        _ body: @Sendable (TestNode, TestNode, CallDesk) async throws -> Void
    ) async throws {
        let mesh = try TestMesh()
        let desk = CallDesk()
        let a = try mesh.first(serve: desk.serve)
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            try await body(a, b, desk)
        }
    }

    /// The owner cancels the task, in the name of the caller whose it is.
    private func expectCancelled(_ desk: CallDesk, of entry: TestNode) async throws {
        let order = try await desk.next().call
        #expect(order.isForNobody && order.server.text == "tools")
        #expect(order.request.method == Method.tasksCancel && order.request.params == ["taskId": "t1"])
        #expect(order.request.caller == Caller(issuer: "key", subject: "ann"))
        #expect(order.principal == WirePrincipal(issuer: "key", subject: "ann", entryNode: entry.id))
        #expect(TasksExtension.isDeclared(in: order.request.client.capabilities))
    }

    @Test func `a caller that goes while the answer is on its way leaves no task`() async throws {
        try await pair { a, b, desk in
            let call = try b.outgoing(a, params: ["n": 1], client: Self.able)
            let there = try await desk.next()
            // What the owner says from now on is on its way for as long as it takes.
            try await b.deafen()
            there.sink(.result(Self.task))
            try await a.untilAnswered()
            call.handle.cancel()
            #expect(await call.events().failure?.reason == .cancelled)
            try await expectCancelled(desk, of: b)
            try await a.untilForgotten()
            #expect(desk.cancelled == 0, "the call was over")
        }
    }

    @Test func `so does one that goes while the answer crosses from the backend to the mesh`() async throws {
        try await pair { a, b, desk in
            let call = try b.outgoing(a, params: ["n": 1], client: Self.able)
            let there = try await desk.next()
            call.handle.cancel()
            try await desk.until("it is cancelled") { desk.cancelled == 1 }
            there.sink(.result(Self.task))
            try await expectCancelled(desk, of: b)
        }
    }

    @Test func `so does one that goes while the link is broken on which the answer was sent`() async throws {
        try await pair { a, b, desk in
            let call = try b.outgoing(a, params: ["n": 1], client: Self.able)
            let there = try await desk.next()
            try await a.breakLinks { there.sink(.result(Self.task)) }
            try await b.untilPursuing { call.handle.cancel() }
            #expect(await call.events().failure?.reason == .cancelled)
            try await expectCancelled(desk, of: b)
            try await a.untilForgotten()
        }
    }

    @Test func `a call that nobody waits for any more keeps nothing of what was called`() async throws {
        try await pair { a, b, desk in
            let call = try b.outgoing(
                a, params: ["blob": .string(String(repeating: "x", count: 1024 * 1024))], client: Self.able)
            let there = try await desk.next()
            try await a.breakLinks {}
            try await b.untilPursuing { call.handle.cancel() }
            #expect(await call.events().failure?.reason == .cancelled)
            let bytes = try await b.service.loop.submit { [hub = b.service.hub] in
                hub.pursued.values.flatMap(\.calls).reduce(0) { $0 + $1.call.paramsBytes }
            }.get()
            #expect(bytes < 16)
            // And its owner is told all the same.
            there.sink(.result(Self.task))
            try await expectCancelled(desk, of: b)
        }
    }

    @Test func `so does an entry node that went with its callers, when it is back`() async throws {
        let mesh = try TestMesh()
        let desk = CallDesk()
        let a = try mesh.first(serve: desk.serve)
        try await running([a]) { runner in
            let address = try await a.address()
            let b = try mesh.node("b", seeds: [address])
            let life = Task { try await b.service.run() }
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            _ = try b.outgoing(a, params: ["n": 1], client: Self.able)
            let there = try await desk.next()
            // As in a crash, nothing is said: the link is gone, and with it the answer.
            try await a.breakLinks { there.sink(.result(Self.task)) }
            life.cancel()
            try await life.value
            let back = try TestNode(
                b.service.credentials, b.enrolment, listen: true, seeds: [address], incarnation: 2)
            try await runner.start(back)
            try await expectCancelled(desk, of: back)
        }
    }

    @Test func `a task whose caller has the answer is left alone, also over a broken link`() async throws {
        try await pair { a, b, desk in
            for breaks in [false, true] {
                let call = try b.outgoing(a, params: ["n": 1], client: Self.able)
                let there = try await desk.next()
                if breaks {
                    try await a.breakLinks { there.sink(.result(Self.task)) }
                } else {
                    there.sink(.result(Self.task))
                }
                #expect(await call.events().result?["taskId"] == "t1")
                call.handle.cancel()
                try await a.untilForgotten()
                try await b.untilReaches(a)
            }
            // Had a task been cancelled, that would have come before this.
            let last = try b.outgoing(a, params: ["n": 2])
            #expect(try await desk.next().call.request.params == ["n": 2])
            #expect(desk.count == 3)
            last.handle.cancel()
        }
    }
}

extension TestNode {
    /// All calls that came here are answered, and of one the caller's node has not said that it has the answer.
    fileprivate func untilAnswered() async throws {
        try await untilSo("an answer is on its way") { $0.incoming.isEmpty && $0.journal.count == 1 }
    }
}
