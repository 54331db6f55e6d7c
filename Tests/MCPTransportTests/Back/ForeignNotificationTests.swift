import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// Whose a notification is that no revision knows, where several calls run on one channel.
struct ForeignNotificationTests {
    private static let me = Caller(issuer: "key", subject: "me")
    private static let other = Caller(issuer: "key", subject: "other")

    private static func call(_ number: Int, _ caller: Caller? = me, hasToken: Bool = false) -> LinkRequest {
        LinkRequest(
            number: number, method: Method.toolsCall,
            params: hasToken ? ["_meta": ["progressToken": .number(number)]] : [:], caller: caller)
    }

    private static let listen = LinkRequest(
        number: 9, method: Method.subscriptionsListen, isEndless: true, caller: other)
    private static let task = LinkRequest(number: 5, method: Method.tasksResult, caller: other, taskID: "t")

    struct Case: Sendable {
        var claim: String
        var open: [LinkRequest]
        var params: JSON = [:]
        var to: Int?
    }

    private static let related: JSON = ["_meta": ["io.modelcontextprotocol/related-task": ["taskId": "t"]]]

    @Test(arguments: [
        Case(claim: "the one that runs alone", open: [call(1), listen], to: 1),
        Case(claim: "nobody's where nothing runs", open: [listen], to: nil),
        Case(claim: "one of several of one caller", open: [call(1), call(2)], to: 2),
        Case(claim: "nobody's among two callers", open: [call(1), call(2, other)], to: nil),
        Case(
            claim: "nobody's among those without a credential",
            open: [call(1, .anonymous), call(2, .anonymous)], to: nil),
        Case(
            claim: "a caller's beside what the gateway asks", open: [call(1), call(2), call(3, nil)], to: 2),
        Case(
            claim: "of the call whose token it bears", open: [call(1, hasToken: true), call(2, other)],
            params: ["progressToken": 1], to: 1),
        Case(
            claim: "of the call whose token is in its _meta",
            open: [call(1, hasToken: true), call(2, other)],
            params: ["_meta": ["progressToken": 1]], to: 1),
        Case(
            claim: "nobody's if the token is of none that runs", open: [call(2, hasToken: true), call(3)],
            params: ["progressToken": 1], to: nil),
        Case(
            claim: "not of a call that has no token", open: [call(1), call(2)],
            params: ["progressToken": 1], to: nil),
        Case(claim: "of the task that it names", open: [call(1), task], params: related, to: 5),
        Case(
            claim: "nobody's if it names a task for which nobody waits", open: [call(1)], params: related,
            to: nil),
    ])
    func `it goes to whom it is sure to be meant for`(row: Case) {
        #expect(ForeignNotification.addressee(row.params, among: row.open) == row.to, "\(row.claim)")
    }

    @Test func `a call that nobody waits for any more may still be meant`() {
        let heard = Mutex<[Int]>([])
        let strays = Mutex<[String]>([])
        let requests = OpenRequests(
            on: FrontRig.loops.next(), BackendRig.limits,
            news: { if case .stray(let method) = $0 { strays.withLock { $0.append(method) } } }
        ) { _ in }
        for request in [Self.call(1), Self.call(2, Self.other)] {
            _ = requests.admit(request) { event in
                if case .notification = event { heard.withLock { $0.append(request.number) } }
            }
        }
        requests.cancel(1)
        requests.take(Array(#"{"jsonrpc":"2.0","method":"org.example/word","params":{}}"#.utf8))
        #expect(heard.withLock { $0 }.isEmpty && strays.withLock { $0 } == ["org.example/word"])
        requests.take(Array(#"{"jsonrpc":"2.0","id":1,"result":{}}"#.utf8))
        requests.take(Array(#"{"jsonrpc":"2.0","method":"org.example/word","params":{}}"#.utf8))
        #expect(heard.withLock { $0 } == [2])
    }

    @Test(.timeLimit(.minutes(1))) func `what went to nobody is counted for a person`() async throws {
        try await BackendRig.with(LegacyTaskServer.target) { rig in
            _ = try await rig.listing()
            #expect(rig.backend.strayRemark == nil)
            // Nothing runs when the second comes: the call has its answer by then.
            _ = await rig.tool("plain", ["stray": 2])
            while rig.backend.strayRemark == nil {
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            #expect(rig.backend.strayRemark?.hasSuffix("the last: org.example/word") == true)
        }
    }
}
