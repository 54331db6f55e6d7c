import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// One request of the gateway's own, awaited: what the supervisor asks a backend.
final class LinkQuestion: Sendable {
    enum Answer: Sendable {
        case result(JSON)
        case error(JSON)
    }

    private struct State: Sendable {
        var outcome: Result<Answer, BackendFault>?
        var waiter: CheckedContinuation<Void, Never>?
        var handle: CallHandle?
    }

    private let state = Mutex(State())

    /// Asks and waits for the answer, for at most so long.
    static func ask(
        _ link: any BackendLink, _ request: LinkRequest, within time: Duration, on loop: any EventLoop,
        onNotification: @escaping @Sendable (_ method: String, _ params: JSON) -> Void = { _, _ in }
    ) async throws(BackendFault) -> Answer {
        let question = LinkQuestion()
        let handle = link.send(request) { event in
            switch event {
            case .notification(let method, let params): onNotification(method, params)
            case .question: break  // a question of the gateway's own has no caller to ask
            case .result(let result): question.finish(.success(.result(result)))
            case .error(let error): question.finish(.success(.error(error)))
            case .fault(let fault): question.finish(.failure(fault))
            }
        }
        question.state.withLock { $0.handle = handle }
        let timer =
            request.isEndless
            ? nil
            : loop.scheduleTask(in: TimeAmount(time)) {
                question.giveUp(
                    BackendFault(.timedOut, "no answer to \(request.method) within \(time)"))
            }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = question.state.withLock { state in
                    guard state.outcome == nil else { return true }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            question.giveUp(BackendFault(.cancelled, "the gateway stopped waiting"))
        }
        timer?.cancel()
        guard let outcome = question.state.withLock({ $0.outcome }) else {
            throw BackendFault(.cancelled, "nobody answered \(request.method)")
        }
        return try outcome.get()
    }

    private func giveUp(_ fault: BackendFault) {
        if finish(.failure(fault)) { state.withLock { $0.handle }?.cancel() }
    }

    @discardableResult
    private func finish(_ outcome: Result<Answer, BackendFault>) -> Bool {
        let (isFirst, waiter) = state.withLock { state in
            guard state.outcome == nil else {
                return (false, CheckedContinuation<Void, Never>?.none)
            }
            state.outcome = outcome
            defer { state.waiter = nil }
            return (true, state.waiter)
        }
        waiter?.resume()
        return isFirst
    }
}
