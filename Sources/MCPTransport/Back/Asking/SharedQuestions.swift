import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// What a backend asks on a channel that names no request: what ``AskerSearch`` decides, done.
final class SharedQuestions: Sendable {
    /// Where questions go, and what is said of them.
    struct Outlet: Sendable {
        /// Hands a question to the request of that number.
        var give: @Sendable (BackendQuestion, _ number: Int) -> Void
        /// Answers the backend.
        var answer: @Sendable (RPCMessage) -> Void
        /// The backend asks while calls are open whose callers can be asked for something.
        var onQuestion: @Sendable () -> Void = {}
    }

    private let loop: any EventLoop
    private let cancelGrace: Duration
    private let search: Mutex<AskerSearch>

    init(on loop: any EventLoop, _ limits: BackendLimits) {
        self.loop = loop
        cancelGrace = limits.cancelGrace
        search = Mutex(AskerSearch(timeMax: limits.questionHoldMax))
    }

    func began(_ request: LinkRequest) {
        search.withLock {
            $0.began(
                request.number, request.declared, task: request.taskID, makesTask: request.makesTask)
        }
    }

    /// The backend is done with that request.
    func ended(_ number: Int, _ outlet: Outlet) { follow(search.withLock { $0.ended(number) }, outlet) }

    /// Nobody waits for that request any more. The backend may still ask for something in it, and that must not be taken
    /// for another's question.
    ///
    /// - Parameter body: called when the backend may be taken to be done with it; then ``ended(_:_:)``.
    func cancelled(_ number: Int, then body: @escaping @Sendable () -> Void) {
        search.withLock { $0.cancelled(number) }
        loop.scheduleTask(in: TimeAmount(cancelGrace), body)
    }

    /// The backend's answer to a request did not get through, or no valid one came.
    func failed(_ number: Int, _ outlet: Outlet) {
        follow(
            search.withLock { search in
                search.cancelled(number)
                return search.ended(number)
            }, outlet)
    }

    func asked(_ question: BackendQuestion, _ outlet: Outlet) {
        if question.method == Method.ping {
            return outlet.answer(.response(id: question.id, result: .emptyObject))
        }
        let (effects, isNews) = search.withLock { ($0.asked(question, at: .now), $0.canAsk) }
        if isNews { outlet.onQuestion() }
        follow(effects, outlet)
    }

    private func follow(_ effects: [AskerSearch.Effect], _ outlet: Outlet) {
        for effect in effects {
            switch effect {
            case .give(let question, let number): outlet.give(question, number)
            case .refuse(let question, let error): outlet.answer(.failure(question.id, error))
            case .look(let time):
                loop.scheduleTask(in: TimeAmount(time)) { [weak self] () -> Void in
                    guard let self else { return }
                    // The timer's clock may be a hair ahead of this one: what it is about must not be left lying.
                    follow(search.withLock { $0.expire(at: .now + .milliseconds(1)) }, outlet)
                }
            }
        }
    }
}
