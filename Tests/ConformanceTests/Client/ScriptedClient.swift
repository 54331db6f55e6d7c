import JSONSlice
import MCPModel
import Synchronization

/// A client that speaks exactly one revision: what its revision does not know is a ``Breach``.
///
/// For one task: it asks, and reads on until its answer has come. All that it hears is held to the revision's rules.
final class ScriptedClient {
    enum Outcome {
        case result(JSON)
        case error(JSON)
    }

    /// One request and all that came with it, in order.
    struct Exchange {
        var outcome: Outcome
        var notes: [JSON] = []
        /// What the client was asked meanwhile: method, params.
        var questions: [(method: String, params: JSON)] = []

        func result() throws -> JSON {
            guard case .result(let result) = outcome else { throw Breach("\(outcome)") }
            return result
        }

        func error() throws -> JSON {
            guard case .error(let error) = outcome else { throw Breach("\(outcome)") }
            return error
        }
    }

    let wire: Wire
    let revision: ProtocolRevision
    private let rules: RevisionRules
    private let way: any ClientWire
    private var heard: AsyncStream<Heard>.Iterator
    private let capabilities: JSON
    private var lastNumber = 0
    /// Messages that came while something else was waited for: what belongs to the session.
    private(set) var unrelated: [JSON] = []
    private var cancelled: Set<JSON> = []
    /// What the user and the model behind this client say.
    var answering: (_ method: String, _ params: JSON) -> JSON = { _, _ in .emptyObject }

    /// - Parameter declares: whether the client says that it can be asked for something.
    init(
        _ wire: Wire, over way: any ClientWire, hearing heard: AsyncStream<Heard>, declares: Bool
    ) {
        self.wire = wire
        revision = wire.revision
        rules = RevisionRules(revision: wire.revision)
        self.way = way
        self.heard = heard.makeAsyncIterator()
        capabilities = declares ? Self.capabilities(of: wire.revision) : .emptyObject
    }

    static func capabilities(of revision: ProtocolRevision) -> JSON {
        let sampling: JSON = ["sampling": [:]]
        switch revision {
        case .v2024_11_05, .v2025_03_26: return sampling
        case .v2025_06_18: return sampling.setting("elicitation", to: [:])
        case .v2025_11_25, .v2026_07_28: return sampling.setting("elicitation", to: ["form": [:]])
        }
    }

    // MARK: Opening

    /// - Returns: the capabilities of the server.
    func open() async throws -> JSON {
        if revision.era == .modern {
            let result = try await request("server/discover").result()
            guard
                result["supportedVersions"]?.elements.compactMap(\.string).contains(revision.rawValue) == true
            else { throw Breach("\(result) does not support \(revision.rawValue)") }
            return result["capabilities"] ?? .null
        }
        let result = try await request(
            "initialize",
            [
                "protocolVersion": .string(revision.rawValue), "capabilities": capabilities,
                "clientInfo": ["name": "scripted", "version": "1.0"],
            ]
        ).result()
        guard result["protocolVersion"]?.string == revision.rawValue else {
            throw Breach("initialize was answered with \(result["protocolVersion"]?.text ?? "no version")")
        }
        try await way.say(Self.note("notifications/initialized"))
        return result["capabilities"] ?? .null
    }

    func close() async { await way.close() }

    // MARK: Asking

    func nextID() -> JSON {
        lastNumber += 1
        // Both kinds of ids, so that neither comes back as the other.
        return lastNumber.isMultiple(of: 2) ? .number(lastNumber) : .string("c-\(lastNumber)")
    }

    func request(
        _ method: String, _ params: JSON = .emptyObject, token: JSON? = nil
    ) async throws -> Exchange {
        var params = params
        var gathered = Exchange(outcome: .result(.null))
        for _ in 1...8 {
            let id = try await start(method, params, token: token)
            try await finish(id, method, &gathered)
            guard case .result(let result) = gathered.outcome,
                result["resultType"]?.string == "input_required"
            else { return gathered }
            params = params.removing { $0 == "inputResponses" || $0 == "requestState" }
            let requests = result["inputRequests"]?.members ?? []
            params = params.setting(
                "inputResponses",
                to: .object(
                    requests.map { key, request in
                        let (method, asked) = (
                            request["method"]?.string ?? "", request["params"] ?? .emptyObject
                        )
                        gathered.questions.append((method, asked))
                        return (key, answering(method, asked))
                    }))
            if let state = result["requestState"] { params = params.setting("requestState", to: state) }
        }
        throw Breach("\(method) is not done after 8 rounds")
    }

    /// Sends a request and does not wait.
    func start(_ method: String, _ params: JSON = .emptyObject, token: JSON? = nil) async throws -> JSON {
        let id = nextID()
        var meta: [(String, JSON)] = []
        if revision.era == .modern {
            meta = [
                ("\(RevisionRules.modernPrefix)protocolVersion", .string(revision.rawValue)),
                ("\(RevisionRules.modernPrefix)clientCapabilities", capabilities),
                ("\(RevisionRules.modernPrefix)clientInfo", ["name": "scripted", "version": "1.0"]),
            ]
        }
        if let token { meta.append(("progressToken", token)) }
        let whole = meta.isEmpty ? params : params.setting("_meta", to: .object(meta))
        try await way.say(["jsonrpc": "2.0", "id": id, "method": .string(method), "params": whole])
        return id
    }

    private func finish(_ id: JSON, _ method: String, _ gathered: inout Exchange) async throws {
        while true {
            let (message, from) = try await next(awaiting: id)
            if message["method"] == nil {
                guard message["id"] == id else {
                    throw Breach(
                        "an answer to \(message["id"]?.text ?? "nothing") instead of \(id): \(message)")
                }
                try check(isOnItsWay(from, id), "the answer to \(id) came another way")
                if let result = message["result"] {
                    if let objection = rules.objection(toResult: result, of: method) {
                        throw Breach("\(method): \(objection): \(result)")
                    }
                    if method == "tools/list", let http = way as? ClientOverHTTP {
                        http.learn(result["tools"]?.elements ?? [])
                    }
                    gathered.outcome = .result(result)
                } else {
                    gathered.outcome = .error(message["error"] ?? .null)
                }
                return
            }
            if message["id"] != nil {
                try check(isOnItsWay(from, id), "a question came another way than the answer to \(id)")
                gathered.questions.append(try await answerQuestion(message))
            } else if ["notifications/progress", "notifications/message"].contains(message["method"]?.string)
            {
                try check(isOnItsWay(from, id), "\(message) came another way than the answer to \(id)")
                gathered.notes.append(message)
            } else {
                unrelated.append(message)
            }
        }
    }

    /// Over HTTP what belongs to a request comes on its own stream, elsewhere all comes one way.
    private func isOnItsWay(_ from: Heard.Way, _ id: JSON) -> Bool {
        wire.transport == .http ? from == .answer(to: id) : from == .session
    }

    private func answerQuestion(_ message: JSON) async throws -> (String, JSON) {
        let (method, params) = (message["method"]?.string ?? "", message["params"] ?? .emptyObject)
        guard rules.serverRequests.contains(method) else {
            throw Breach("\(method) is no request of a server of \(revision.rawValue)")
        }
        if let objection = rules.objection(toQuestion: method, params) {
            throw Breach("\(objection): \(message)")
        }
        try await way.say(
            ["jsonrpc": "2.0", "id": message["id"] ?? .null, "result": answering(method, params)])
        return (method, params)
    }

    // MARK: Cancelling

    /// Says that nobody wants the answer any more, as the revision says it.
    func cancel(_ id: JSON) async throws {
        cancelled.insert(id)
        if revision.era == .modern, wire.transport == .http { return way.hangUp(id) }
        try await way.say(Self.note("notifications/cancelled", ["requestId": id, "reason": "enough"]))
    }

    // MARK: Listening

    /// Begins to hear of changed tools.
    func listen() async throws {
        guard revision.era == .modern else { return try await way.openSessionStream() }
        let id = try await start("subscriptions/listen", ["notifications": ["toolsListChanged": true]])
        listening = id
        let (first, from) = try await next()
        let tag: JSON = .object([("\(RevisionRules.modernPrefix)subscriptionId", id)])
        try check(isOnItsWay(from, id), "the acknowledgement came another way")
        try check(
            first["method"]?.string == "notifications/subscriptions/acknowledged"
                && first["params"]?["notifications"] == ["toolsListChanged": true]
                && first["params"]?["_meta"] == tag,
            "the first message of a listen was \(first)")
    }

    private var listening: JSON?

    /// Waits for the next word that the list of tools has changed.
    func nextToolsChange() async throws {
        while true {
            let message: JSON
            if unrelated.isEmpty {
                let (next, from) = try await next()
                try check(
                    isOnItsWay(from, listening ?? .null) || from == .session, "\(next) came another way")
                message = next
            } else {
                message = unrelated.removeFirst()
            }
            guard message["method"]?.string == "notifications/tools/list_changed" else {
                throw Breach("instead of a change of tools: \(message)")
            }
            if let listening {
                let tag: JSON = .object([("\(RevisionRules.modernPrefix)subscriptionId", listening)])
                try check(message["params"]?["_meta"] == tag, "\(message) without the subscription's id")
            } else {
                try check(message["params"]?.members.isEmpty ?? true, "\(message) says more than it can")
            }
            return
        }
    }

    // MARK: -

    private func next(awaiting awaited: JSON? = nil) async throws -> (JSON, Heard.Way) {
        while let something = await heard.next() {
            switch something {
            case .breach(let text): throw Breach(text)
            case .ended(.answer(let id)) where id == awaited: throw Breach("no answer to \(id) came")
            case .ended(.answer): continue
            case .ended(.session): throw Breach("the session's stream ended")
            case .message(let message, let way):
                try check(message["jsonrpc"]?.string == "2.0", "\(message) is no message")
                if message["method"] == nil, let id = message["id"], cancelled.contains(id) {
                    throw Breach("an answer to what was cancelled: \(message)")
                }
                if let method = message["method"]?.string, message["id"] == nil,
                    !rules.serverNotifications.contains(method)
                {
                    throw Breach("\(method) is no notification of \(revision.rawValue)")
                }
                return (message, way)
            }
        }
        throw CancellationError()
    }

    private func check(_ isSo: Bool, _ text: @autoclosure () -> String) throws {
        if !isSo { throw Breach(text()) }
    }

    static func note(_ method: String, _ params: JSON? = nil) -> JSON {
        ScriptedServer.note(method, params)
    }
}
