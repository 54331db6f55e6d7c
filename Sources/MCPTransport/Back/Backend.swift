package import Logging
package import JSONSlice
package import MCPModel
package import NIOCore
import Synchronization

/// The gateway's end of one MCP server: finds its era, lists what it offers, carries calls to it, and brings
/// it back when it goes.
///
/// ``run()`` supervises and is ordinary structured concurrency; calls are callbacks on event loops. Modern
/// backends see each caller's own capabilities, and their `input_required` results pass through. A legacy backend
/// is told once for each connection: the first declares all that can be bridged, and what a caller cannot be asked for is
/// refused when it is asked. Calls are suspended while their callers answer, and where they run depends on whether a
/// question tells which call it belongs to: see ``AskingInstances`` and ``AskingSessions``.
///
/// A backend of both eras shows its legacy face to callers of that era (``LegacyFace``).
package final class Backend: Sendable {
    struct Connection: Sendable {
        var link: any BackendLink
        /// Another for each that there is.
        var number: Int
        /// Which first link it is (``State/generation``).
        var generation: Int
        var greeting: Greeting
        /// The `Mcp-Param-*` headers of each tool that has any.
        var parameters: [String: ParameterHeaders]
        /// Tools that must not be called (``BackendListing/refusedTools``).
        var refusedTools: [String: String]
        /// Tools of a legacy backend that may or must run as tasks.
        var taskSupport: [String: TaskSupport] = [:]
    }

    struct State: Sendable {
        var connection: Connection?
        /// Why there is no connection.
        var reason = "it was not started yet"
        var isAuthNeeded = false
        /// Whether that is because the vault is sealed.
        var isSealed = false
        /// The era the backend spoke when last it spoke; asked for first next time.
        var rememberedEra: Era?
        /// Whether its URL is one of 2024-11-05, as far as is known or was said.
        var speaksEvents = false
        /// Of a backend that was greeted as a modern one.
        var legacyFace = LegacyFace()
        /// Calls that wait for a new session or fresh definitions to be sent again.
        var parked: [BackendCall] = []
        var callsOpen = 0
        /// Tasks of a legacy backend that run on streams of their own, and calls that are about to become some.
        var tasksAwaited = 0
        var lastNumber = 0
        var lastConnection = 0
        /// Calls that began by the short way.
        var shortCalls = 0
        /// Which link may still tell news.
        var generation = 0
        /// How long its lists may be reused, as it last said.
        var ttl: Duration?
        /// Whether the backend tells of all changes of its lists.
        var isTold = false
        var recentLines: [String] = []
        /// Whether this link has said what is no message, and a person was told so.
        var isNoisy = false
        var health: BackendHealth
        /// Notifications that were nobody's, and the method of the last one.
        var strays: (count: Int, last: String)?
        /// What was last said of the link that stands.
        var told: (BackendState, reason: String)?
    }

    package let name: String
    let target: BackendTarget
    let limits: BackendLimits
    let group: any EventLoopGroup
    let client: BackendClient
    let secrets: @Sendable (String) throws -> [UInt8]
    let formers: FormerSecrets
    let log: Logger
    let events: @Sendable (BackendEvent) -> Void
    let clientInfo: JSON
    let chance: @Sendable () -> Double
    let inbox = SupervisorInbox()
    /// `nil`: legacy backends may ask callers for nothing.
    let asking: AskingDesk?
    let tasks: Mutex<TaskBook>
    private let memory: TaskMemory
    let subscriptions: SubscriptionDesk
    let taskListeners: TaskListeners
    let state: Mutex<State>

    /// - Parameters:
    ///   - tokens: where the tokens come from that its requests carry; `nil`: they carry none.
    ///   - ownsHTTP: whether the client is this backend's alone, and is shut down with it.
    ///   - secrets: opens a secret for one use; throws when it is not there or the vault is sealed.
    ///   - formers: versions of secrets that a backend may still want, while it changes over.
    ///   - events: called in order, from the supervising task and from event loops.
    ///   - seal: for the states of suspended calls; without one, legacy backends may ask callers for nothing.
    ///   - memory: whose tasks were whose in an earlier life, and where that is noted now.
    ///   - clientInfo: what the gateway calls itself.
    ///   - chance: 0 to 1, for jitter.
    package init(
        name: String, target: BackendTarget, limits: BackendLimits = .standard, group: any EventLoopGroup,
        http: HTTPClient, tokens: TokenSource? = nil, ownsHTTP: Bool = false,
        secrets: @escaping @Sendable (String) throws -> [UInt8], formers: FormerSecrets = .none,
        seal: StateSeal? = nil, memory: TaskMemory = .none, log: Logger,
        clientInfo: JSON = ["name": "martlet", "version": "0"],
        chance: @escaping @Sendable () -> Double = { Double.random(in: 0...1) },
        events: @escaping @Sendable (BackendEvent) -> Void
    ) {
        self.name = name
        self.target = target
        self.limits = limits
        self.group = group
        client = BackendClient(http, tokens: tokens, isOwn: ownsHTTP)
        self.secrets = secrets
        self.formers = formers
        self.log = log
        self.clientInfo = clientInfo
        self.chance = chance
        self.events = events
        state = Mutex(State(health: BackendHealth(pauses: limits.probePauses, patience: limits.silenceMax)))
        // A child ended with the gateway, or with what it was defined as before, and its tasks with it.
        let isChild = if case .stdio = target { true } else { false }
        tasks = Mutex(
            TaskBook(TaskBook.Limits(limits), remembering: memory.entries, areLost: isChild))
        self.memory = memory
        taskListeners = TaskListeners(countMax: limits.taskListenersMax)
        subscriptions = SubscriptionDesk(server: name, limits: limits, group: group, chance: chance)
        asking = seal.map { seal in
            AskingDesk(server: name, target: target, seal: seal, limits: limits, group: group)
        }
        if case .http(_, _, _, true) = target { state.withLock { $0.speaksEvents = true } }
    }

    /// The last lines that the backend's process wrote to its standard error, or to its output though they were no
    /// message; oldest first, also those of the process before this one.
    ///
    /// For the eyes of whoever runs this node only: they may hold a credential, so no reason and no failure quotes
    /// them.
    package var recentLines: [String] { state.withLock { $0.recentLines } }

    /// What it told that could not be told on, as a sentence for a person; `nil`: nothing.
    package var strayRemark: String? {
        state.withLock { $0.strays }.map { strays in
            "\(strays.count) of its notifications went to nobody, since they do not say to which call they belong and no "
                + "single caller's calls ran; the last: \(strays.last)"
        }
    }

    /// When it last answered anything, in this life of the gateway.
    package var lastAnswer: ContinuousClock.Instant? { state.withLock { $0.health.lastAnswer } }

    /// Another number for each connection that it has had; `nil` while it has none.
    package var connectionNumber: Int? { state.withLock { $0.connection?.number } }

    /// Changes whose task is whose, and has that noted.
    func withTasks<Value>(_ body: (inout TaskBook) -> Value) -> Value {
        tasks.withLock { tasks in
            defer {
                let changes = tasks.takeChanges()
                if !changes.isEmpty { memory.note(changes) }
            }
            return body(&tasks)
        }
    }

    // MARK: Calls

    /// Carries a call. Its names are the backend's own; the answer comes in modern shape.
    ///
    /// A subscription (``ResourceSubscription``) is a call too, and takes no place among the others.
    package func call(_ request: CallRequest, _ sink: @escaping CallSink) -> CallHandle {
        if request.method == Method.subscriptionsListen {
            guard let id = TaskSubscription.taskID(in: request.params) else {
                return subscriptions.open(request, sink)
            }
            return listen(to: id, request, sink)
        }
        if let objection = objection(to: request) {
            sink(.failure(objection))
            return .finished
        }
        let isFull = state.withLock { state in
            guard state.callsOpen < limits.callsMax else { return true }
            state.callsOpen += 1
            return false
        }
        guard !isFull else {
            sink(
                .failure(
                    CallFailure(
                        .limited, "server \(name): \(limits.callsMax) calls are running already",
                        hint: "try again when some have ended", callID: request.id, isUnsent: true)))
            return .finished
        }
        let call = BackendCall(request, sink) { [weak self] in self?.ended($0) }
        limit(call, from: .now())
        if !answersForTask(call), !resume(call) { attempt(call) }
        return handle(of: call)
    }

    /// Goes on with a call that went out by the short way, where it has its place.
    package func carry(
        _ request: CallRequest, _ carried: CarriedCall, _ sink: @escaping CallSink
    ) -> CallHandle {
        let call = BackendCall(request, carried: carried, sink) { [weak self] in self?.ended($0) }
        // Its time may be over: then what was sent is to be stopped, which takes a hold on it.
        attempt(call)
        carried.giveUp()
        limit(call, from: carried.startDue)
        return handle(of: call)
    }

    private func limit(_ call: BackendCall, from start: NIODeadline) {
        let request = call.request
        call.limit(
            CallPatience(
                silence: limits.silenceMax, overall: min(request.timeLeft, limits.callMax), from: start),
            on: group.any()
        ) { [limits, name] isOverall in
            BackendFault(.timedOut, isOverall ? limits.overallText(of: request) : limits.silenceText)
                .failure(of: request, backend: name)
        }
    }

    private func handle(of call: BackendCall) -> CallHandle {
        CallHandle { [name] in
            call.abort(
                .failure(
                    BackendFault(.cancelled, "the caller cancelled").failure(of: call.request, backend: name))
            )
        }
    }

    func attempt(_ call: BackendCall) {
        guard let attempt = call.beginAttempt() else { return }
        let request = call.request
        let carried = attempt == 1 ? call.carried : nil
        let ready: Result<(Connection, Int), CallFailure> = state.withLock { state in
            if let carried { return .success((carried.connection, carried.number)) }
            guard let connection = state.connection else {
                let fault =
                    state.isSealed
                    ? BackendFault(.sealed, state.reason)
                    : state.isAuthNeeded
                        ? BackendFault(.authNeeded, state.reason) : BackendFault(.notReached, state.reason)
                return .failure(fault.beforeSending.failure(of: request, backend: name))
            }
            state.lastNumber += 1
            return .success((connection, state.lastNumber))
        }
        switch ready {
        case .failure(let failure): call.finish(.failure(failure))
        case .success(let (connection, number)):
            if let refusal = connection.refusal(of: request) {
                call.finish(.failure(refusal.beforeSending.failure(of: request, backend: name)))
                return
            }
            let era = connection.greeting.revision.era
            let tasking = tasking(of: request, at: connection)
            if tasking == .handed {
                return makeTask(
                    call, attempt, wire(request, number, connection, in: .legacy), connection)
            }
            if let declared = declaration(for: request, at: connection.greeting) {
                var asked = wire(request, number, connection, in: .legacy)
                asked.declared = declared
                asked.isHiddenTask = tasking == .hidden
                ask(call, attempt, asked, besides: era)
                return
            }
            let link = tasking == .hidden ? hiding(connection.link) : connection.link
            var sent = wire(request, number, connection, in: era)
            if era == .modern { sent.naming = naming(of: request, at: connection) }
            sent.carried = carried
            let handle = link.send(sent) { [weak self, naming = sent.naming] event in
                guard call.isCurrent(attempt) else {
                    // Its caller went while the answer was on its way from the link, which waits for it no longer.
                    if case .result(let result) = event { naming?.late(result) }
                    return
                }
                self?.take(event, of: call, attempt, era)
            }
            call.running(handle, attempt: attempt)
        }
    }

    /// The request as an era of this backend wants it.
    private func wire(
        _ request: CallRequest, _ number: Int, _ connection: Connection, in era: Era
    ) -> LinkRequest {
        let token: JSON? = request.client.wantsProgress ? .number(number) : nil
        let revision = connection.greeting.revision
        guard era == .modern else {
            let meta = RequestMeta(legacyProgressToken: token, traceparent: request.client.traceparent)
            var legacy = LinkRequest(
                number: number, method: request.method,
                params: meta.written(into: EraBridge.legacyParams(fromModern: request.params)),
                caller: request.caller)
            if connection.greeting.capabilities["logging"] != nil, let level = request.client.logLevel,
                LogLevel.names.contains(level)
            {
                legacy.logLevel = level
            }
            return legacy
        }
        let params = RequestMeta(version: revision, client: request.client, progressToken: token)
            .written(into: request.params)
        let tool = request.method == Method.toolsCall ? params["name"]?.string : nil
        return LinkRequest(
            number: number, method: request.method, params: params,
            mirrored: MirroredHeaders(
                version: revision.rawValue, method: request.method, params: params,
                parameters: tool.flatMap { connection.parameters[$0] }), caller: request.caller)
    }

    func take(_ event: LinkEvent, of call: BackendCall, _ attempt: Int, _ era: Era) {
        switch event {
        case .notification(let method, let params):
            call.notify(method, params)
        case .error(let error) where era == .modern:
            // The backend looked at the headers only: nothing was done, and fresh definitions may mend it.
            if error["code"]?.int == RPCError.Code.headerMismatch, attempt == 1 {
                return park(call) { $0.isChanged = true }
            }
            let code = error["code"]?.int
            if code == RPCError.Code.unsupportedVersion { inbox.post { $0.isSuspect = true } }
            // Both speak of headers and versions that are between us and the backend; the client's own were right.
            if code == RPCError.Code.headerMismatch || code == RPCError.Code.unsupportedVersion {
                let fault = BackendFault(
                    .broken, "it refuses the gateway's own headers or revision (\(code ?? 0))")
                call.finish(.failure(fault.failure(of: call.request, backend: name)))
                return
            }
            finish(call, era, event)
        case .fault(let fault):
            // The backend says that it did not know the session, so it did not do what was asked.
            if fault.kind == .sessionGone, attempt == 1 {
                return park(call) { $0.isGone(fault.session ?? 0) }
            }
            finish(call, era, event)
        case .question, .result, .error:
            finish(call, era, event)
        }
    }

    /// Ends a call, or a leg of one, with what the backend said or did not say.
    func finish(_ call: BackendCall, _ era: Era, _ event: LinkEvent) {
        switch event {
        case .notification, .question: break
        case .result(let result):
            era == .modern ? finishModern(call, result) : finishLegacy(call, .result(result))
        case .error(let error):
            if era == .modern { call.finish(.error(error)) } else { finishLegacy(call, .error(error)) }
        case .fault(let fault):
            if fault.kind == .notReached || fault.kind == .lost { inbox.post { $0.isSuspect = true } }
            tell(state.withLock { $0.health.callFailed(fault, at: .now) })
            call.finish(.failure(fault.failure(of: call.request, backend: name)))
        }
    }

    private func finishModern(_ call: BackendCall, _ result: JSON) {
        switch result["resultType"]?.string {
        case "complete", "input_required":
            note(result, of: call.request)
            call.finish(.result(result))
        case nil where result["resultType"] == nil:
            note(result, of: call.request)
            call.finish(.result(result.setting("resultType", to: "complete")))
        case TasksExtension.resultType: hand(over: result, to: call)
        case _? where isAgreedElsewhere(call.request): call.finish(.result(result))
        default:
            let fault = BackendFault(.broken, "its result is of a type that nobody agreed on")
            call.finish(.failure(fault.failure(of: call.request, backend: name)))
        }
    }

    private func finishLegacy(_ call: BackendCall, _ answer: EraBridge.Answer) {
        let request = call.request
        let modern = EraBridge.modernAnswer(
            fromLegacy: answer, method: request.method, params: request.params,
            capabilities: request.client.capabilities)
        switch modern {
        case .result(let result): call.finish(.result(result))
        case .error(let error): call.finish(.error(error))
        }
    }
}
