import JSONSlice
import MCPModel
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
}
