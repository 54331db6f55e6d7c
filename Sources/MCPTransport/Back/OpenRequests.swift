import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// The requests that run on a link where all messages share one channel: stdio, and HTTP+SSE of 2024-11-05.
///
/// Takes each message of the backend to the request it belongs to, answers what the backend asks, and fails
/// everything when the channel ends.
final class OpenRequests: Sendable {
    typealias Sink = @Sendable (LinkEvent) -> Void

    private struct Open: Sendable {
        let request: LinkRequest
        /// `nil`: nobody waits for the answer any more, and the backend was told.
        var sink: Sink?
    }

    private struct State: Sendable {
        var open: [Int: Open] = [:]
        var short = LineCalls()
        /// Why nothing can be sent any more.
        var ended: BackendFault?

        /// What runs, whichever way it went.
        var requests: [LinkRequest] {
            open.values.map(\.request)
                + short.calls.map { LinkRequest(short: $0.key, caller: $0.value.user.caller) }
        }

        /// Whose a log message is that names no request; `nil`: nobody's. A call of the short way wants none, and beside one it may be
        /// either's.
        var only: Sink? {
            guard short.isEmpty else { return nil }
            let calls = open.values.filter { $0.request.method != Method.subscriptionsListen }
            return calls.count == 1 ? calls.first?.sink : nil
        }
    }

    /// Bytes of what is no message that are shown to a person.
    private static let shownBytesMax = 1_024
    /// Bytes around a result that are kept as its frame; servers write some fifty.
    private static let frameBytesMax = 1_024

    private let loop: any EventLoop
    private let limits: MessageLimits
    private let news: @Sendable (LinkNews) -> Void
    private let write: @Sendable (RPCMessage) -> Void
    private let questions: SharedQuestions
    private let state = Mutex(State())

    /// - Parameter write: sends a message to the backend.
    init(
        on loop: any EventLoop, _ limits: BackendLimits, news: @escaping @Sendable (LinkNews) -> Void,
        write: @escaping @Sendable (RPCMessage) -> Void
    ) {
        self.loop = loop
        self.limits = limits.message
        self.news = news
        self.write = write
        questions = SharedQuestions(on: loop, limits)
    }

    /// Takes a request in, to be sent next.
    ///
    /// - Returns: `false` when the channel has ended; the sink was told.
    func admit(_ request: LinkRequest, _ sink: @escaping Sink) -> Bool {
        let ended = state.withLock { state in
            if state.ended == nil { state.open[request.number] = Open(request: request, sink: sink) }
            return state.ended
        }
        if let ended {
            sink(.fault(BackendFault(.notReached, ended.detail)))
            request.whenDone?()
            return false
        }
        questions.began(request)
        return true
    }

    /// Ends one request with what it did not get from the backend.
    func fail(_ number: Int, _ fault: BackendFault) { finish(number, .fault(fault)) }

    /// Tells the backend that nobody waits for an answer any more.
    func cancel(_ number: Int) {
        let (isFirst, short): (Bool, LineCalls.Call?) = state.withLock { state in
            if let call = state.short.leave(number) {
                state.open[number] = Open(
                    request: LinkRequest(short: number, caller: call.user.caller), sink: nil)
                // Before a question finds it in neither place.
                if !call.isSuspect { questions.began(LinkRequest(short: number)) }
                return (true, call)
            }
            defer { state.open[number]?.sink = nil }
            return (state.open[number]?.sink != nil, nil)
        }
        guard isFirst else { return }
        if let short {
            // It waits for a last event, and nothing else will come.
            short.user.hear(.fault(BackendFault(.cancelled, "the caller cancelled")))
        }
        write(.notification(method: Method.cancelled, params: ["requestId": .number(number)]))
        questions.cancelled(number) { [weak self] in self?.finish(number, nil) }
    }

    /// Ends all requests: what had been sent may have been done.
    func end(_ fault: BackendFault, isNews: Bool) {
        let all: ([Open], [LineCalls.Call])? = state.withLock { state in
            guard state.ended == nil else { return nil }
            state.ended = fault
            defer { state.open = [:] }
            return (Array(state.open.values), state.short.leaveAll())
        }
        guard let (open, short) = all else { return }
        for over in open { over.sink?(.fault(BackendFault(.lost, fault.detail))) }
        for over in short { over.user.hear(.fault(BackendFault(.lost, fault.detail))) }
        if isNews { news(.lost(fault)) }
        for over in open { over.request.whenDone?() }
    }

    // MARK: The short way

    /// Takes a call in, to be sent next; its user hears what is said of it.
    ///
    /// - Parameter due: when the user is told that it has waited for as long as it may.
    /// - Returns: `false` when the channel has ended.
    func admit(_ number: Int, due: NIODeadline, for user: any LaneUser) -> Bool {
        let (isOpen, look) = state.withLock { state in
            state.ended == nil ? (true, state.short.enter(number, user, due: due)) : (false, nil)
        }
        if let look { self.look(at: look) }
        return isOpen
    }

    /// Why nothing can be sent any more.
    var ended: BackendFault {
        BackendFault(.notReached, state.withLock { $0.ended }?.detail ?? "the connection was closed")
    }

    private func look(at due: NIODeadline) {
        // Nobody has to stop this: what has ended by then is not found.
        loop.scheduleTask(deadline: due) { [weak self] () -> Void in
            guard let self else { return }
            let (users, again) = state.withLock { $0.short.overdue(at: .now()) }
            for user in users { user.impatient() }
            if let again { look(at: again) }
        }
    }

    /// Takes an answer whose frame is known.
    ///
    /// - Returns: `false` for anything else.
    private func takesKnown(_ bytes: [UInt8]) -> Bool {
        guard let frame = state.withLock({ $0.short.isEmpty ? nil : $0.short.frame }),
            let (number, result) = frame.answer(in: bytes, limits: limits.json)
        else { return false }
        finish(number, .result(result))
        return true
    }

    // MARK: What the backend says

    func take(_ bytes: [UInt8]) {
        if takesKnown(bytes) { return }
        let document: JSON
        do throws(JSONError) {
            document = try JSON(validating: bytes[...], limits: limits.json)
        } catch {
            // What cannot be read may still say whose answer it wanted to be: then it is that call's error alone.
            let number = EnvelopeSkim(bytes).answers?.json.int
            if !finish(number, .fault(BackendFault(unreadable: error))) { noise(bytes) }
            return
        }
        guard document.kind == .object else { return noise(bytes) }
        do throws(RPCError) {
            let message = try RPCMessage(document)
            learnFrame(of: message, document)
            take(message)
        } catch {
            let fault = BackendFault(.broken, "its answer is no valid message: \(error.message)")
            guard let number = RPCMessage.readableID(in: document)?.json.int, document["method"] == nil,
                finish(number, .fault(fault))
            else { return news(.noise(error.message)) }
        }
    }

    private func learnFrame(of message: RPCMessage, _ document: JSON) {
        guard case .response(let id, let result) = message, let number = id.json.int,
            document.bytes.count - result.bytes.count <= Self.frameBytesMax,
            state.withLock({ $0.short.calls[number] != nil })
        else { return }
        let frame = AnswerFrame(document)
        state.withLock { $0.short.frame = frame }
    }

    /// A message that is too large to be taken in.
    func takeTooLong(_ skim: EnvelopeSkim) {
        if !finish(skim.answers?.json.int, .fault(.overMessage(limits))) {
            news(.noise("a message of more than \(limits.bytesText)"))
        }
    }

    private func noise(_ bytes: [UInt8]) {
        news(.noise(String(decoding: bytes.prefix(Self.shownBytesMax), as: UTF8.self)))
    }

    private func take(_ message: RPCMessage) {
        switch message {
        // An answer to what was cancelled or timed out meanwhile finds nobody.
        case .response(let id, let result): finish(id.json.int, .result(result))
        case .errorResponse(let id?, let error): finish(id.json.int, .error(error))
        case .errorResponse(nil, let error):
            news(.line("(error without an id) \(RPCError(reading: error))"))
        case .request(let id, let method, let params):
            asked(BackendQuestion(id: id, method: method, params: params))
        case .notification(let method, let params): notification(method, params ?? .emptyObject)
        }
    }

    private func asked(_ question: BackendQuestion) {
        if question.method != Method.ping {
            state.withLock { state in
                for number in state.short.suspect() { questions.began(LinkRequest(short: number)) }
            }
        }
        questions.asked(question, outlet)
    }

    private var outlet: SharedQuestions.Outlet {
        SharedQuestions.Outlet(
            give: { [weak self] in self?.give($0, to: $1) }, answer: write,
            onQuestion: { [news] in news(.asked) })
    }

    private func give(_ question: BackendQuestion, to number: Int) {
        let open = state.withLock { $0.open[number] }
        guard let open, let sink = open.sink else { return write(question.abandoned) }
        if let objection = open.request.declared.objection(to: question.method, question.params) {
            write(.failure(question.id, objection))
        } else {
            sink(.question(question))
        }
    }

    private func notification(_ method: String, _ params: JSON) {
        let sink: Sink?
        if let number = params["_meta"]?[MetaKey.subscriptionId]?.int {
            sink = state.withLock { $0.open[number]?.sink }
        } else if let change = ListChange(method: method) {
            return news(.changed(change))
        } else if method == Method.resourcesUpdated {
            return news(.updated(params))
        } else if method == Method.progress, let number = params["progressToken"]?.int {
            sink = state.withLock { $0.open[number]?.sink }
        } else if method == Method.tasksStatus {
            // One channel is one session (``BackendLink/sessionNumber``).
            return news(.taskStatus(params, session: 0))
        } else if Method.isForeignNotification(method) {
            let requests = state.withLock { $0.requests }
            guard let number = ForeignNotification.addressee(params, among: requests) else {
                return news(.stray(method: method))
            }
            let (open, user) = state.withLock { ($0.open[number]?.sink, $0.short.calls[number]?.user) }
            sink = open ?? user.map { user in { @Sendable in user.hear($0) } }
        } else if method == Method.message {
            // It names no request; only if one alone is running can it be meant. What waits for a task runs, too.
            sink = state.withLock { $0.only }
        } else {
            sink = nil
        }
        sink?(.notification(method: method, params: params))
    }

    /// The backend is done with a request.
    ///
    /// - Returns: whether it was open.
    @discardableResult
    private func finish(_ number: Int?, _ event: LinkEvent?) -> Bool {
        guard let number else { return false }
        let (found, short) = state.withLock { state in
            (state.open.removeValue(forKey: number), state.short.leave(number))
        }
        if let short {
            if let event { short.user.hear(event) }
            if short.isSuspect { settle(number, event) }
            return true
        }
        guard let over = found else { return false }
        if let event, let sink = over.sink {
            sink(event)
        } else if case .result(let result) = event {
            // The backend had made a task of it before it heard that nobody waits.
            over.request.naming?.late(result)
        }
        over.request.whenDone?()
        settle(number, event)
        return true
    }

    /// Has questions that waited for the end of a request go where they belong.
    private func settle(_ number: Int, _ event: LinkEvent?) {
        if case .fault = event { questions.failed(number, outlet) } else { questions.ended(number, outlet) }
    }
}

extension LinkRequest {
    /// What a call of the short way is among other requests.
    fileprivate init(short number: Int, caller: Caller? = nil) {
        self.init(number: number, method: Method.toolsCall, caller: caller)
    }
}
