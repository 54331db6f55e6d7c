import JSONSlice
import MCPModel
import Synchronization

/// The requests that run on a link where all messages share one channel: stdio, and HTTP+SSE of 2024-11-05.
///
/// Takes each message of the backend to the request it belongs to, answers what the backend asks, and fails
/// everything when the channel ends.
final class OpenRequests: Sendable {
    typealias Sink = @Sendable (LinkEvent) -> Void

    private struct State: Sendable {
        var open: [Int: (sink: Sink, request: LinkRequest)] = [:]
        /// Why nothing can be sent any more.
        var ended: BackendFault?
    }

    /// Bytes of what is no message that are shown to a person.
    private static let shownBytesMax = 1_024

    private let declared: DeclaredCapabilities
    private let limits: MessageLimits
    private let news: @Sendable (LinkNews) -> Void
    private let write: @Sendable (RPCMessage) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - declared: what the backend may ask for.
    ///   - write: sends a message to the backend.
    init(
        declared: DeclaredCapabilities, limits: MessageLimits,
        news: @escaping @Sendable (LinkNews) -> Void,
        write: @escaping @Sendable (RPCMessage) -> Void
    ) {
        self.declared = declared
        self.limits = limits
        self.news = news
        self.write = write
    }

    /// Takes a request in, to be sent next.
    ///
    /// - Returns: `false` when the channel has ended; the sink was told.
    func admit(_ request: LinkRequest, _ sink: @escaping Sink) -> Bool {
        let ended = state.withLock { state in
            if state.ended == nil { state.open[request.number] = (sink, request) }
            return state.ended
        }
        if let ended { sink(.fault(BackendFault(.notReached, ended.detail))) }
        return ended == nil
    }

    /// Ends one request with what it did not get from the backend.
    func fail(_ number: Int, _ fault: BackendFault) { remove(number)?(.fault(fault)) }

    /// Forgets a request, and tells the backend that nobody waits for its answer.
    func cancel(_ number: Int) {
        guard remove(number) != nil else { return }
        write(.notification(method: Method.cancelled, params: ["requestId": .number(number)]))
    }

    /// Ends all requests: what had been sent may have been done.
    func end(_ fault: BackendFault, isNews: Bool) {
        let open: [Sink]? = state.withLock { state in
            guard state.ended == nil else { return nil }
            state.ended = fault
            defer { state.open = [:] }
            return state.open.values.map(\.sink)
        }
        guard let open else { return }
        for sink in open { sink(.fault(BackendFault(.lost, fault.detail))) }
        if isNews { news(.lost(fault)) }
    }

    // MARK: What the backend says

    func take(_ bytes: [UInt8]) {
        let document: JSON
        do throws(JSONError) {
            document = try JSON(validating: bytes[...], limits: limits.json)
        } catch {
            // What cannot be read may still say whose answer it wanted to be: then it is that call's error alone.
            if let sink = EnvelopeSkim(bytes).answers?.json.int.flatMap(remove) {
                return sink(.fault(BackendFault(unreadable: error)))
            }
            return noise(bytes)
        }
        guard document.kind == .object else { return noise(bytes) }
        do throws(RPCError) {
            take(try RPCMessage(document))
        } catch {
            guard let number = RPCMessage.readableID(in: document)?.json.int, document["method"] == nil,
                let sink = remove(number)
            else { return news(.noise(error.message)) }
            sink(.fault(BackendFault(.broken, "its answer is no valid message: \(error.message)")))
        }
    }

    /// A message that is too large to be taken in.
    func takeTooLong(_ skim: EnvelopeSkim) {
        if let sink = skim.answers?.json.int.flatMap(remove) {
            return sink(.fault(.overMessage(limits)))
        }
        news(.noise("a message of more than \(limits.bytesText)"))
    }

    private func noise(_ bytes: [UInt8]) {
        news(.noise(String(decoding: bytes.prefix(Self.shownBytesMax), as: UTF8.self)))
    }

    private func take(_ message: RPCMessage) {
        switch message {
        // An answer to what was cancelled or timed out meanwhile finds nobody.
        case .response(let id, let result): id.json.int.flatMap(remove)?(.result(result))
        case .errorResponse(let id?, let error): id.json.int.flatMap(remove)?(.error(error))
        case .errorResponse(nil, let error):
            news(.line("(error without an id) \(RPCError(reading: error))"))
        case .request(let id, let method, let params):
            asked(BackendQuestion(id: id, method: method, params: params))
        case .notification(let method, let params): notification(method, params ?? .emptyObject)
        }
    }

    /// On one channel a question names no request: it can be meant only if one alone may be asked.
    private func asked(_ question: BackendQuestion) {
        let asking = state.withLock { state in state.open.values.filter(\.request.mayAsk).map(\.sink) }
        if let answer = LinkAnswer.to(question, declared, callsOpen: asking.count) {
            write(answer)
        } else {
            asking.first?(.question(question))
        }
    }

    private func notification(_ method: String, _ params: JSON) {
        let sink: Sink?
        if let number = params["_meta"]?[MetaKey.subscriptionId]?.int {
            sink = state.withLock { $0.open[number]?.sink }
        } else if let change = ListChange(method: method) {
            return news(.changed(change))
        } else if method == Method.progress, let number = params["progressToken"]?.int {
            sink = state.withLock { $0.open[number]?.sink }
        } else if method == Method.message {
            // It names no request; only if one alone is running can it be meant.
            sink = state.withLock { state in
                let calls = state.open.values.filter { !$0.request.isEndless }
                return calls.count == 1 ? calls.first?.sink : nil
            }
        } else {
            sink = nil
        }
        sink?(.notification(method: method, params: params))
    }

    private func remove(_ number: Int) -> Sink? {
        state.withLock { $0.open.removeValue(forKey: number)?.sink }
    }
}
