import JSONSlice
import MCPModel
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

struct TaskingLinkTests {
    enum Ending: CaseIterable, Sendable {
        case result
        case error
        case fault

        var event: LinkEvent {
            switch self {
            case .result: .result(["content": .array([])])
            case .error: .error(["code": -32000, "message": "it broke"])
            case .fault: .fault(BackendFault(.lost, "the stream ended"))
            }
        }
    }

    /// A caller that goes in the moment in which its answer comes.
    @Test(arguments: Ending.allCases)
    func `a task that is over is not cancelled, and one whose result is lost is cancelled once`(
        ending: Ending
    ) {
        let backend = HeldLink()
        let words = Mutex<[String]>([])
        let link = TaskingLink(
            link: backend, nextNumber: { 1 }, loop: MultiThreadedEventLoopGroup.singleton.next(),
            cancelTime: .seconds(40), namingTime: .seconds(40),
            told: { word in
                words.withLock { words in
                    switch word {
                    case .made(_, let key): words.append("made \(key.id)")
                    case .over(let key): words.append("over \(key.id)")
                    case .adrift(let key): words.append("adrift \(key.id)")
                    }
                }
            })
        let call = link.send(LinkRequest(number: 0, method: Method.toolsCall)) { _ in }
        backend.tell(Method.toolsCall, .result(["task": ["taskId": "t1", "status": "working"]]))
        backend.tell(Method.tasksResult, ending.event)
        call.cancel()
        let cancelled = backend.methods.filter { $0 == Method.tasksCancel }
        #expect(cancelled.count == (ending == .fault ? 1 : 0))
        if ending == .fault { backend.tell(Method.tasksCancel, .result(.emptyObject)) }
        #expect(words.withLock { $0 }.last == "over t1")
    }

    @Test func `a call that nobody wants any more cancels the task that it became, once`() {
        let backend = HeldLink()
        let link = TaskingLink(
            link: backend, nextNumber: { 1 }, loop: MultiThreadedEventLoopGroup.singleton.next(),
            cancelTime: .seconds(40), namingTime: .seconds(40))
        let call = link.send(LinkRequest(number: 0, method: Method.toolsCall)) { _ in }
        backend.tell(Method.toolsCall, .result(["task": ["taskId": "t1", "status": "working"]]))
        call.cancel()
        call.cancel()
        // What was on its way when it was cancelled.
        backend.tell(Method.tasksResult, .fault(BackendFault(.lost, "the stream ended")))
        #expect(backend.methods == [Method.toolsCall, Method.tasksResult, Method.tasksCancel])
    }
}
