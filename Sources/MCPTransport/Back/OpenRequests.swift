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
        /// Why nothing can be sent any more.
        var ended: BackendFault?
    }

    /// Bytes of what is no message that are shown to a person.
    private static let shownBytesMax = 1_024

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
        let isFirst = state.withLock { state in
            defer { state.open[number]?.sink = nil }
            return state.open[number]?.sink != nil
        }
        guard isFirst else { return }
        write(.notification(method: Method.cancelled, params: ["requestId": .number(number)]))
        questions.cancelled(number) { [weak self] in self?.finish(number, nil) }
    }

    /// Ends all requests: what had been sent may have been done.
    func end(_ fault: BackendFault, isNews: Bool) {
        let open: [Open]? = state.withLock { state in
            guard state.ended == nil else { return nil }
            state.ended = fault
            defer { state.open = [:] }
            return Array(state.open.values)
        }
        guard let open else { return }
        for over in open { over.sink?(.fault(BackendFault(.lost, fault.detail))) }
        if isNews { news(.lost(fault)) }
        for over in open { over.request.whenDone?() }
    }

    // MARK: What the backend says

    func take(_ bytes: [UInt8]) {
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
            take(try RPCMessage(document))
        } catch {
            let fault = BackendFault(.broken, "its answer is no valid message: \(error.message)")
            guard let number = RPCMessage.readableID(in: document)?.json.int, document["method"] == nil,
                finish(number, .fault(fault))
            else { return news(.noise(error.message)) }
        }
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
            let open = state.withLock { $0.open }
            guard let number = ForeignNotification.addressee(params, among: open.values.map(\.request)) else {
                return news(.stray(method: method))
            }
            sink = open[number]?.sink
        } else if method == Method.message {
            // It names no request; only if one alone is running can it be meant. What waits for a task runs, too.
            sink = state.withLock { state in
                let calls = state.open.values.filter { $0.request.method != Method.subscriptionsListen }
                return calls.count == 1 ? calls.first?.sink : nil
            }
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
        guard let number, let over = state.withLock({ $0.open.removeValue(forKey: number) }) else {
            return false
        }
        if let event, let sink = over.sink {
            sink(event)
        } else if case .result(let result) = event {
            // The backend had made a task of it before it heard that nobody waits.
            over.request.naming?.late(result)
        }
        over.request.whenDone?()
        if case .fault = event { questions.failed(number, outlet) } else { questions.ended(number, outlet) }
        return true
    }
}
