package import HTTPWire
import Synchronization

extension HTTPClient {
    /// Sends a request and waits for the whole answer: for the control plane and the command line. Cancelling
    /// the task cancels the request.
    ///
    /// - Parameter bodyBytesMax: of the answer; more is ``HTTPClientError/Cause/answerTooLarge(max:)``.
    package func collect(
        _ request: HTTPClientRequest, bodyBytesMax: Int = HTTPClient.collectedBytesMax
    ) async throws(HTTPClientError) -> (head: HTTPResponseHead, body: [UInt8]) {
        let collector = AnswerCollector(bodyBytesMax: bodyBytesMax, origin: request.url.origin)
        let answer = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                collector.begin { continuation.resume(returning: $0) }
                collector.hold(send(request) { collector.take($0) })
            }
        } onCancel: {
            collector.cancel()
        }
        let (head, body) = try answer.get()
        return (head, body)
    }

    /// The same for those who have no task to wait in.
    ///
    /// - Parameter answered: called once, on the connection's loop; must not block.
    package func collect(
        _ request: HTTPClientRequest, bodyBytesMax: Int,
        _ answered: @escaping @Sendable (Result<(HTTPResponseHead, [UInt8]), HTTPClientError>) -> Void
    ) -> HTTPClientHandle {
        let collector = AnswerCollector(bodyBytesMax: bodyBytesMax, origin: request.url.origin)
        collector.begin(answered)
        collector.hold(send(request) { collector.take($0) })
        return HTTPClientHandle { collector.cancel() }
    }
}

/// Gathers one answer, up to a bound.
private final class AnswerCollector: Sendable {
    typealias Answer = Result<(HTTPResponseHead, [UInt8]), HTTPClientError>

    private struct State {
        var head: HTTPResponseHead?
        var body: [UInt8] = []
        var answered: (@Sendable (Answer) -> Void)?
    }

    private let bodyBytesMax: Int
    private let origin: HTTPURL.Origin
    private let state = Mutex(State())
    private let request = LateHandle()

    init(bodyBytesMax: Int, origin: HTTPURL.Origin) {
        self.bodyBytesMax = bodyBytesMax
        self.origin = origin
    }

    func begin(_ answered: @escaping @Sendable (Answer) -> Void) {
        state.withLock { $0.answered = answered }
    }

    func hold(_ handle: HTTPClientHandle) { request.hold(handle) }

    func cancel() { request.cancel() }

    func take(_ event: HTTPClientEvent) {
        switch event {
        case .head(let head): state.withLock { $0.head = head }
        case .body(let bytes):
            let fits = state.withLock { state in
                guard bytes.count <= bodyBytesMax - state.body.count else { return false }
                state.body += bytes
                return true
            }
            if !fits {
                finish(
                    .failure(
                        HTTPClientError(.answerTooLarge(max: bodyBytesMax), origin: origin, notSent: false)))
                cancel()
            }
        case .end:
            let (head, body) = state.withLock { ($0.head, $0.body) }
            if let head { finish(.success((head, body))) }
        case .failed(let error): finish(.failure(error))
        }
    }

    private func finish(_ answer: Answer) {
        let answered = state.withLock { state in
            defer { state.answered = nil }
            return state.answered
        }
        answered?(answer)
    }
}
