import JSONSlice
import MCPModel
import Synchronization

/// One `subscriptions/listen` of 2026-07-28: what is honoured is known first, is acknowledged next, and
/// only then is told of.
///
/// May be used from any thread.
final class ModernListen: Sendable {
    private struct State: Sendable {
        /// Resources whose word is awaited, one more while they are being asked for; what comes meanwhile waits.
        var awaited: Int
        var honoured: Set<String> = []
        var honouredTasks: Set<String> = []
        var early: [(method: String, params: JSON)] = []
        var tokens: [WatchToken] = []
        var isAcknowledged = false
        var isOver = false
    }

    /// What may wait for the acknowledgement; more of the same is one.
    private static let earlyMax = 1_024

    private let id: RPCID
    private let lists: [ListChange]
    private let uris: [String]
    private let tasks: [String]
    private let reply: ModernDialogue.Reply
    private let state: Mutex<State>
    /// Messages of one listen leave one after the other, the acknowledgement first.
    private let speaking = Mutex(())

    private init(
        _ id: RPCID, lists: [ListChange], uris: [String], tasks: [String],
        reply: @escaping ModernDialogue.Reply
    ) {
        self.id = id
        self.lists = lists
        self.uris = uris
        self.tasks = tasks
        self.reply = reply
        state = Mutex(State(awaited: uris.count + tasks.count + 1))
    }

    /// Honours what the endpoint can tell of: its lists, the resources of servers that tell of updates, and the caller's
    /// tasks.
    static func start(
        _ dialogue: ModernDialogue, _ request: ModernRequest, _ description: EndpointDescription,
        _ reply: @escaping ModernDialogue.Reply
    ) -> CallHandle {
        let filter = request.params["notifications"]
        let lists = ListChange.allCases.filter { change in
            filter?[change.filterMember]?.bool == true
                && description.capabilities[change.capability]?["listChanged"]?.bool == true
        }
        let uris =
            description.tellsOfUpdates
            ? ResourceSubscription.uris(in: request.params).prefix(dialogue.limits.subscriptionsMax) : []
        let wanted = filter?["taskIds"]?.elements.compactMap(\.string) ?? []
        let tasks = wanted.enumerated().filter { wanted[..<$0.offset].contains($0.element) == false }
            .prefix(dialogue.limits.tasksWatchedMax).map(\.element)
        let listen = ModernListen(
            request.id, lists: lists, uris: Array(uris),
            tasks: TasksExtension.isDeclared(in: description.capabilities) ? tasks : [], reply: reply)
        listen.begin(dialogue, request.meta.client)
        return CallHandle { listen.end() }
    }

    private func begin(_ dialogue: ModernDialogue, _ client: ClientFacts) {
        let (endpoint, principal) = (dialogue.endpoint, dialogue.principal)
        // Watches begin before the acknowledgement goes out, so that no change falls between them.
        if !lists.isEmpty {
            hold(
                dialogue.service.watch(endpoint, principal) { [weak self] change in
                    guard let self, lists.contains(change) else { return }
                    tell(change.method, .emptyObject)
                })
        }
        for uri in uris {
            hold(
                dialogue.service.subscribe(
                    ResourceInterest(
                        endpoint: endpoint, principal: principal, uri: uri,
                        settled: { [weak self] in self?.settled(uri, $0) },
                        updated: { [weak self] in self?.tell(Method.resourcesUpdated, $0) })))
        }
        let ask: TaskPursuit.Ask = { method, params, sink in
            let call = EndpointCall(
                endpoint: endpoint, principal: principal, method: method, params: params, client: client)
            return dialogue.service.call(call, sink)
        }
        for task in tasks {
            hold(
                TaskWatch(
                    task, pace: TaskWalk.Pace(dialogue.limits), on: EventLoops.shared.any(), ask: ask,
                    settled: { [weak self] in self?.settled(task: task, isKnown: $0) },
                    changed: { [weak self] in self?.tell(Method.tasks, $0) }
                ).begin())
        }
        settled(nil, nil)
    }

    private func hold(_ token: WatchToken) {
        let isOver = state.withLock { state in
            if !state.isOver { state.tokens.append(token) }
            return state.isOver
        }
        if isOver { token.cancel() }
    }

    private func end() {
        let tokens = state.withLock { state in
            state.isOver = true
            defer { state.tokens = [] }
            return state.tokens
        }
        for token in tokens { token.cancel() }
    }

    /// The word on one resource, or on the end of asking for them.
    private func settled(_ uri: String?, _ refusal: RPCError?) {
        oneLess { if let uri, refusal == nil { $0.honoured.insert(uri) } }
    }

    private func settled(task: String, isKnown: Bool) {
        oneLess { if isKnown { $0.honouredTasks.insert(task) } }
    }

    private func oneLess(_ note: (inout State) -> Void) {
        let isLast = state.withLock { state in
            note(&state)
            state.awaited -= 1
            return state.awaited == 0
        }
        if isLast { acknowledge() }
    }

    private func acknowledge() {
        speaking.withLock { _ in
            let (honoured, known) = state.withLock { state in
                (uris.filter(state.honoured.contains), tasks.filter(state.honouredTasks.contains))
            }
            var filter = lists.map { ($0.filterMember, JSON.bool(true)) }
            if !honoured.isEmpty {
                filter += ResourceSubscription.notifications(honoured).members.map { ($0.key, $0.value) }
            }
            if !known.isEmpty { filter.append(("taskIds", .array(known.map(JSON.string)))) }
            say(Method.subscriptionsAcknowledged, ["notifications": .object(filter)])
            let early = state.withLock { state in
                state.isAcknowledged = true
                defer { state.early = [] }
                return state.early
            }
            for (method, params) in early { say(method, params) }
        }
    }

    private func tell(_ method: String, _ params: JSON) {
        speaking.withLock { _ in
            let isTime = state.withLock { state in
                guard !state.isAcknowledged else { return true }
                let isKnown = state.early.contains { $0.method == method && $0.params == params }
                if !isKnown, state.early.count < Self.earlyMax { state.early.append((method, params)) }
                return false
            }
            if isTime { say(method, params) }
        }
    }

    private func say(_ method: String, _ params: JSON) {
        let meta = params["_meta"].flatMap { $0.kind == .object ? $0 : nil } ?? .emptyObject
        let tagged = params.setting("_meta", to: meta.setting(MetaKey.subscriptionId, to: id.json))
        reply(.notification(RPCMessage.notification(method: method, params: tagged).json))
    }
}
