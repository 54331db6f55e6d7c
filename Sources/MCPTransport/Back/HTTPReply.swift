import HTTPWire
import JSONSlice
import MCPModel
import Synchronization

/// Reads the HTTP answer to one request: a JSON body, a stream of events, or a refusal. Or what comes of an attempt to
/// resume such a stream, which can only be a stream.
///
/// Fed from one connection's loop, in order; what comes of it is told there, but for large answers (``LargeAnswers``).
final class HTTPReply: Sendable {
    enum Output: Sendable {
        /// The head came; the session's id, if it names one, and whether the request is taken.
        case head(sessionID: String?, isSuccess: Bool)
        /// A message on the stream that is not the response.
        case message(RPCMessage)
        /// The end: a result, an error or a fault.
        case event(LinkEvent)
        /// The end of this connection, before the response: the stream can be resumed at that place.
        case broken(StreamPlace, BackendFault)
    }

    private enum Body: Sendable {
        case none
        case whole(GatheredBody)
        case events(SSEParser)
        case over
    }

    private struct State: Sendable {
        var status = 0
        var body = Body.none
        var place: StreamPlace
    }

    private let number: Int
    private let session: Int?
    private let limits: MessageLimits
    private let output: @Sendable (Output) -> Void
    private let isResumption: Bool
    private let state: Mutex<State>

    /// - Parameters:
    ///   - session: in which the request was sent (``BackendLink/sessionNumber``); `nil`: in none.
    ///   - place: where the stream is resumed; `nil`: this answers the request itself.
    init(
        number: Int, session: Int?, limits: MessageLimits, resuming place: StreamPlace? = nil,
        output: @escaping @Sendable (Output) -> Void
    ) {
        isResumption = place != nil
        state = Mutex(State(place: place ?? StreamPlace()))
        self.number = number
        self.session = session
        self.limits = limits
        self.output = output
    }

    func take(_ event: HTTPClientEvent) {
        switch event {
        case .head(let head):
            let isStream =
                head.headers.first("content-type")?.lowercased().hasPrefix("text/event-stream") == true
            let length = head.headers.first("content-length").flatMap { Int($0) } ?? 0
            let isEvents = isStream && head.status == 200
            state.withLock { state in
                state.status = head.status
                state.body =
                    isEvents
                    ? .events(SSEParser(limit: limits.bytesMax))
                    : .whole(GatheredBody(expecting: length <= limits.bytesMax ? length : 0))
            }
            output(
                .head(
                    sessionID: head.headers.first(MCPFront.sessionHeader),
                    isSuccess: (200..<300).contains(head.status)))
            // It says itself that it is too large: not a byte of it needs to be read.
            if !isEvents, length > limits.bytesMax { finish(.event(.fault(.overMessage(limits)))) }
        case .body(let bytes): take(bytes)
        case .end:
            // What is made of it, down to the answer of its client, is made where it is read.
            if isLarge { LargeAnswers.run { self.end() } } else { end() }
        case .failed(let error):
            // A request that is resumed was sent, whatever became of the attempt.
            let kind: BackendFault.Kind = error.notSent && !isResumption ? .notReached : .lost
            finish(
                (BackendFault(credential: error) ?? BackendFault(overLimit: error)).map { .event(.fault($0)) }
                    ?? ending(BackendFault(kind, "\(error)")))
        }
    }

    private func end() { finish(isResumption ? atEndOfResumption() : atEnd()) }

    private var isLarge: Bool {
        state.withLock { state in
            if case .whole(let body) = state.body { body.count > LargeAnswers.onLoopMax } else { false }
        }
    }

    /// What a broken connection means: the end, unless there is a place to go on at.
    private func ending(_ fault: BackendFault) -> Output {
        let (body, place) = state.withLock { ($0.body, $0.place) }
        let isStream = if case .events = body { true } else { isResumption }
        return isStream && place.lastEventID != nil ? .broken(place, fault) : .event(.fault(fault))
    }

    private func atEndOfResumption() -> Output {
        let (status, body) = state.withLock { ($0.status, $0.body) }
        if case .events = body { return atEnd() }
        let fault = BackendFault(.lost, "its stream broke and cannot be resumed (HTTP \(status))")
        return status >= 500 ? ending(fault) : .event(.fault(fault))
    }

    private func take(_ bytes: [UInt8]) {
        let (events, isTooLarge): ([SSEEvent], Bool) = state.withLock { state in
            switch state.body {
            case .whole(var whole):
                guard whole.count + bytes.count <= limits.bytesMax else { return ([], true) }
                state.body = .none
                whole.append(bytes)
                state.body = .whole(whole)
                return ([], false)
            case .events(var parser):
                state.body = .none
                guard let events = try? parser.push(bytes) else { return ([], true) }
                state.place.advance(to: parser.lastEventID, retry: parser.retry)
                state.body = .events(parser)
                return (events, false)
            case .none, .over:
                return ([], false)
            }
        }
        if isTooLarge {
            return finish(.event(.fault(.overMessage(limits))))
        }
        // A priming event of 2025-11-25 has no data.
        for event in events where !event.data.isEmpty { take(event) }
    }

    private func take(_ event: SSEEvent) {
        let document: JSON
        do throws(JSONError) {
            document = try JSON(validating: event.data[...], limits: limits.json)
        } catch {
            return finish(.event(.fault(BackendFault(unreadable: error))))
        }
        do throws(RPCError) {
            let message = try RPCMessage(document)
            if let last = response(message) { finish(.event(last)) } else { output(.message(message)) }
        } catch {
            let fault = BackendFault(.broken, "an event of its answer is no message: \(error.message)")
            finish(.event(.fault(fault)))
        }
    }

    /// - Returns: `nil` when the message is not the response awaited.
    private func response(_ message: RPCMessage) -> LinkEvent? {
        switch message {
        case .response(let id, let result): id.json.int == number ? .result(result) : nil
        case .errorResponse(let id, let error): id == nil || id?.json.int == number ? .error(error) : nil
        case .request, .notification: nil
        }
    }

    private func atEnd() -> Output {
        let (status, whole) = state.withLock { state -> (Int, GatheredBody?) in
            guard case .whole(let whole) = state.body else { return (state.status, nil) }
            state.body = .none
            return (state.status, whole)
        }
        guard var whole else {
            return ending(BackendFault(.lost, "its answer ended before the response came"))
        }
        return .event(outcome(status, whole.take()))
    }

    private func outcome(_ status: Int, _ bytes: [UInt8]) -> LinkEvent {
        let document = Result { () throws(JSONError) -> JSON in
            try JSON(validating: bytes[...], limits: limits.json)
        }
        let message = (try? document.get()).flatMap { try? RPCMessage($0) }
        let answer = message.flatMap { response($0) }
        switch status {
        case 401:
            return .fault(BackendFault(.authNeeded, "it wants a credential (HTTP 401)"))
        case 403:
            return .fault(BackendFault(.authNeeded, "it refuses the credential it was given (HTTP 403)"))
        case 404 where session != nil:
            return .fault(BackendFault(.sessionGone, "it has forgotten the session", session: session))
        case 200..<300:
            if let answer { return answer }
            if case .failure(let error) = document, !bytes.isEmpty {
                return .fault(BackendFault(unreadable: error))
            }
            return .fault(BackendFault(.broken, "its answer is no JSON-RPC response"))
        default:
            if case .error(let error)? = answer { return .error(error) }
            return .fault(.status(status))
        }
    }

    private func finish(_ last: Output) {
        let isFirst = state.withLock { state in
            if case .over = state.body { return false }
            state.body = .over
            return true
        }
        if isFirst { output(last) }
    }
}
