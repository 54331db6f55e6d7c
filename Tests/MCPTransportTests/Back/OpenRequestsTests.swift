import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import Synchronization
import Testing

@testable import MCPTransport

/// Whose a message is on a channel that all requests share.
struct OpenRequestsTests {
    private static let log = Array(
        #"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#.utf8)

    /// - Returns: the numbers of the requests that hear a log message which names none.
    private static func hearers(_ open: [LinkRequest]) -> [Int] {
        let heard = Mutex<[Int]>([])
        let requests = OpenRequests(on: FrontRig.loops.next(), BackendRig.limits, news: { _ in }) { _ in }
        for request in open {
            _ = requests.admit(request) { event in
                if case .notification = event { heard.withLock { $0.append(request.number) } }
            }
        }
        requests.take(log)
        return heard.withLock { $0 }
    }

    private static let call = LinkRequest(number: 1, method: Method.toolsCall)
    private static let task = LinkRequest(
        number: 2, method: Method.tasksResult, isEndless: true, taskID: "t")
    private static let listen = LinkRequest(number: 3, method: Method.subscriptionsListen, isEndless: true)

    @Test func `a log message that names no request is the one's that runs alone, a task's wait among them`()
    {
        #expect(Self.hearers([Self.call]) == [1])
        #expect(Self.hearers([Self.call, Self.listen]) == [1])
        #expect(Self.hearers([Self.task, Self.listen]) == [2])
        #expect(Self.hearers([Self.call, Self.task]).isEmpty)
    }

    // MARK: Calls of the short way among them

    /// A call of the short way that notes what it hears.
    private final class User: LaneUser {
        let caller: Caller
        private let lines = Mutex<[String]>([])
        var heard: [String] { lines.withLock { $0 } }

        init(_ caller: Caller = .anonymous) { self.caller = caller }

        func take(_ event: HTTPClientEvent) {}
        func take(_ head: HTTPResponseHead, _ body: [UInt8]) {}
        func impatient() { lines.withLock { $0.append("impatient") } }
        func linkClosed() { lines.withLock { $0.append("closed") } }

        func hear(_ event: LinkEvent) {
            let line =
                switch event {
                case .notification(let method, _): method
                case .question: "question"
                case .result(let result): "result \(result.text)"
                case .error: "error"
                case .fault(let fault): "fault \(fault.kind)"
                }
            lines.withLock { $0.append(line) }
        }
    }

    private final class Written: Sendable {
        private let messages = Mutex<[String]>([])
        var all: [String] { messages.withLock { $0 } }
        func add(_ message: RPCMessage) { messages.withLock { $0.append(message.json.text) } }
    }

    private static func requests(_ written: Written = Written()) -> OpenRequests {
        OpenRequests(on: FrontRig.loops.next(), BackendRig.limits, news: { _ in }) { written.add($0) }
    }

    private static func line(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func `each answer is its own call's, whether its frame is known or not`() {
        let requests = Self.requests()
        let short = User()
        let long = Mutex<[String]>([])
        for number in 1...3 { #expect(requests.admit(number, due: .distantFuture, for: short)) }
        _ = requests.admit(LinkRequest(number: 4, method: Method.toolsCall)) { event in
            if case .result(let result) = event { long.withLock { $0.append(result.text) } }
        }
        for number in [2, 1, 4, 3, 3, 9] {
            requests.take(Self.line(#"{"jsonrpc":"2.0","id":\#(number),"result":{"n":\#(number)}}"#))
        }
        #expect(short.heard == [2, 1, 3].map { #"result {"n":\#($0)}"# })
        #expect(long.withLock { $0 } == [#"{"n":4}"#])
    }

    @Test func `a log message is nobody's while a call of the short way runs beside another`() {
        let requests = Self.requests()
        let short = User()
        let heard = Mutex(0)
        _ = requests.admit(Self.call) { _ in heard.withLock { $0 += 1 } }
        _ = requests.admit(7, due: .distantFuture, for: short)
        requests.take(Self.log)
        #expect(heard.withLock { $0 } == 0)
        requests.take(Self.line(#"{"jsonrpc":"2.0","id":7,"result":{}}"#))
        requests.take(Self.log)
        #expect(heard.withLock { $0 } == 1 && short.heard == ["result {}"])
    }

    @Test
    func `what no revision knows is the call's that runs alone, and nobody's among callers that differ`() {
        let vendor = Self.line(#"{"jsonrpc":"2.0","method":"notifications/vendor","params":{}}"#)
        let requests = Self.requests()
        let (one, other) = (User(Caller(issuer: "i", subject: "a")), User(Caller(issuer: "i", subject: "b")))
        _ = requests.admit(1, due: .distantFuture, for: one)
        requests.take(vendor)
        _ = requests.admit(2, due: .distantFuture, for: other)
        requests.take(vendor)
        #expect(one.heard == ["notifications/vendor"] && other.heard.isEmpty)
    }

    @Test func `a question waits for the end of a call of the short way that may have asked it`() {
        let written = Written()
        let requests = Self.requests(written)
        let asked = Mutex(0)
        var request = Self.call
        request.declared = DeclaredCapabilities(of: ["elicitation": ["form": [:]]], at: .newestLegacy)
        _ = requests.admit(request) { if case .question = $0 { asked.withLock { $0 += 1 } } }
        _ = requests.admit(7, due: .distantFuture, for: User())
        requests.take(
            Self.line(
                #"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{}}}}"#
            ))
        #expect(asked.withLock { $0 } == 0 && written.all.isEmpty, "either may have asked")
        requests.take(Self.line(#"{"jsonrpc":"2.0","id":7,"result":{}}"#))
        #expect(asked.withLock { $0 } == 1 && written.all.isEmpty)
    }

    @Test func `one that is cancelled is told to the server once, and hears of that alone`() {
        let written = Written()
        let requests = Self.requests(written)
        let user = User()
        _ = requests.admit(7, due: .distantFuture, for: user)
        for _ in 0..<2 { requests.cancel(7) }
        requests.take(Self.line(#"{"jsonrpc":"2.0","id":7,"result":{}}"#))
        #expect(written.all.count == 1 && written.all.first?.contains(#""requestId":7"#) == true)
        #expect(user.heard == ["fault cancelled"])
    }

    @Test func `the end of the channel is the end of all, and nothing is taken in after it`() {
        let requests = Self.requests()
        let user = User()
        _ = requests.admit(7, due: .distantFuture, for: user)
        requests.end(BackendFault(.lost, "gone"), isNews: false)
        #expect(user.heard == ["fault lost"])
        #expect(!requests.admit(8, due: .distantFuture, for: user) && requests.ended.kind == .notReached)
    }
}
