import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// The experimental tasks of 2025-11-25 over the extension of 2026-07-28.
///
/// What a request about tasks does is an *errand*: it begins and ends like a call of the service, so that cancelling,
/// asking the client and answering are those of every other request.
extension LegacyDialogue {
    /// What a request wants of tasks.
    enum TaskWish: Sendable {
        /// Nothing: the result goes to the client.
        case none
        /// A task instead of the result, kept for so many milliseconds.
        case make(ttl: Int?)
        /// Nothing, but its tool runs only as a task: the call waits for its end.
        case wait
        /// The request is about tasks itself.
        case errand(Errand)
    }

    /// Runs with the params of the request, or with those of its next round.
    typealias Errand = @Sendable (_ params: JSON, @escaping CallSink) -> CallHandle

    /// Whether clients of this session may speak of tasks.
    var hasTasks: Bool {
        revision == .v2025_11_25
            && TasksExtension.isDeclared(in: service.describe(endpoint, principal)?.capabilities)
    }

    /// What a `tools/call` wants.
    func wish(of params: JSON) -> Result<TaskWish, RPCError> {
        // Where nobody offers tasks, the wish for one means nothing.
        guard let task = params["task"], task.kind == .object, hasTasks else { return .success(.none) }
        let name = params["name"]?.string ?? ""
        guard service.taskSupport(endpoint, principal, name) != .forbidden else {
            return .failure(
                RPCError(
                    code: RPCError.Code.methodNotFound, message: "tool \(name) cannot be called as a task"))
        }
        return .success(.make(ttl: task["ttl"]?.int))
    }

    /// A page as clients of this session get it: they are told which tools may be called as tasks.
    func shown(_ page: ListPage, _ kind: EntryListKind) -> ListPage {
        guard kind == .tools, hasTasks else { return page }
        var page = page
        page.items = page.items.map { tool in
            let name = tool["name"]?.string ?? ""
            return EraBridge.legacyTool(tool, taskSupport: service.taskSupport(endpoint, principal, name))
        }
        return page
    }

    /// The errand of a request about tasks; `nil`: no such method is known here.
    func errand(_ method: String, _ params: JSON, _ client: ClientFacts) -> Errand? {
        guard hasTasks else { return nil }
        let id = params["taskId"]?.string ?? ""
        let ask = asking(client)
        switch method {
        case Method.tasksGet: return { [weak self] _, sink in self?.get(id, ask, sink) ?? .finished }
        case Method.tasksCancel: return { [weak self] _, sink in self?.cancel(id, ask, sink) ?? .finished }
        case Method.tasksList: return { [weak self] _, sink in self?.list(ask, sink) ?? .finished }
        case Method.tasksResult: return pursuit(of: id, isOwned: false, client)
        default: return nil
        }
    }

    /// Waits for the end of a task.
    func pursuit(of id: String, isOwned: Bool, _ client: ClientFacts) -> Errand {
        if let kept = tasks.withLock({ $0.kept(id, at: .now) }) {
            return { _, sink in
                sink(.result((kept["result"] ?? .emptyObject).setting("resultType", to: "complete")))
                return .finished
            }
        }
        let pursuit = TaskPursuit(
            id, isOwned: isOwned, on: EventLoops.shared.any(), limits: limits, ask: asking(client)
        ) { [weak self] task in _ = self?.tasks.withLock { $0.saw(task) } }
        return { params, sink in pursuit.go(params["inputResponses"], sink) }
    }

    /// The task of a call that wanted one.
    ///
    /// - Returns: what the client is answered.
    func made(_ result: JSON, ttl: Int?) -> JSON {
        if result["resultType"]?.string == TasksExtension.resultType {
            tasks.withLock { $0.made(result, at: .now) }
            return EraBridge.legacyTaskCreation(fromModern: result)
        }
        let stamp = UTC.text(LibC.secondsSince1970)
        let task = tasks.withLock {
            $0.keep(result, as: SessionName.fresh(), ttl: ttl, stamp: stamp, at: .now)
        }
        return EraBridge.legacyTaskCreation(fromModern: task)
    }

    /// Tells the client what the server says of a task that it was just handed.
    func listen(toTask made: JSON) {
        guard made["resultType"]?.string == TasksExtension.resultType, let id = made["taskId"]?.string,
            TaskStatus(of: made)?.isTerminal == false
        else { return }
        taskEars.listen(to: id, ask: asking(ClientFacts(era: .legacy))) { [weak self] told in
            guard let self else { return }
            let task = EraBridge.legacyTask(fromModern: tasks.withLock { $0.saw(told) })
            voice.told(
                ofTask: id, RPCMessage.notification(method: Method.tasksStatus, params: task).json)
        }
    }

    private func asking(_ client: ClientFacts) -> TaskPursuit.Ask {
        var client = client
        client.capabilities = TasksExtension.declared(in: client.capabilities)
        client.wantsProgress = false
        return { [service, endpoint, principal, client] method, params, sink in
            service.call(
                EndpointCall(
                    endpoint: endpoint, principal: principal, method: method, params: params, client: client),
                sink)
        }
    }

    // MARK: Calls that become tasks

    /// A call has become a task: what was wanted, or what the call goes on waiting for.
    func take(task: JSON, of id: RPCID, issue number: Int) {
        let taskID = task["taskId"]?.string ?? ""
        guard let call = state.withLock({ $0.open[id] }), call.issue == number else {
            // The client took it back just then. Nobody will ever ask after the task.
            return service.abandon(task, at: endpoint, of: principal)
        }
        guard case .wait = call.wish else { return follow(.finish(task), id) }
        let pursuit = pursuit(of: taskID, isOwned: true, call.facts)
        state.withLock { state in
            state.open[id]?.wish = .errand(pursuit)
            state.open[id]?.taskID = taskID
        }
        issue(id, .emptyObject)
    }

    /// Whether a call that was refused because its tool runs only as a task is made once more, as one.
    func waitsInstead(_ id: RPCID, issue number: Int) -> Bool {
        let params: JSON? = state.withLock { state in
            guard var call = state.open[id], call.issue == number, case .none = call.wish else { return nil }
            call.wish = .wait
            call.facts.capabilities = TasksExtension.declared(in: call.facts.capabilities)
            state.open[id] = call
            return call.rounds.currentParams
        }
        if let params { issue(id, params) }
        return params != nil
    }

    func shown(_ result: JSON, to call: OpenCall) -> JSON {
        if case .make(let ttl) = call.wish { return made(result, ttl: ttl) }
        let legacy = EraBridge.legacyResult(fromModern: result, method: call.method, revision: revision)
        guard call.method == Method.tasksResult, let task = call.taskID else { return legacy }
        return EraBridge.related(legacy, toTask: task)
    }

    // MARK: Errands

    private func get(_ id: String, _ ask: TaskPursuit.Ask, _ sink: @escaping CallSink) -> CallHandle {
        if let kept = tasks.withLock({ $0.kept(id, at: .now) }) {
            sink(.result(kept))
            return .finished
        }
        return ask(Method.tasksGet, ["taskId": .string(id)]) { [weak self] event in
            guard case .result(let task) = event, let self else { return sink(event) }
            sink(.result(tasks.withLock { $0.saw(task) }))
        }
    }

    /// What is over cannot be cancelled, so the task is asked after first; then it counts as cancelled
    /// for this session, whatever its server makes of it.
    private func cancel(_ id: String, _ ask: @escaping TaskPursuit.Ask, _ sink: @escaping CallSink)
        -> CallHandle
    {
        let holder = ErrandHold()
        holder.hold(
            get(id, ask) { [weak self] event in
                guard case .result(let task) = event, let self else { return sink(event) }
                if let status = TaskStatus(of: task), status.isTerminal {
                    return sink(
                        .error(RPCError.invalidParams("the task is \(status.rawValue) already").json))
                }
                holder.hold(
                    ask(Method.tasksCancel, ["taskId": .string(id)]) { event in
                        guard case .result = event else { return sink(event) }
                        self.tasks.withLock { $0.cancelled(id) }
                        sink(.result(SessionTasks.cancelled(task)))
                    })
            })
        return CallHandle { holder.cancel() }
    }

    private func list(_ ask: TaskPursuit.Ask, _ sink: @escaping CallSink) -> CallHandle {
        let stale = tasks.withLock { $0.unsettled(atMost: limits.sessionTasksFreshMax) }
        let counter = ErrandCount(stale.count) { [weak self] in
            let all = self?.tasks.withLock { $0.list(at: .now) } ?? []
            sink(.result(["resultType": "complete", "tasks": .array(all)]))
        }
        let handles = stale.map { id in
            ask(Method.tasksGet, ["taskId": .string(id)]) { [weak self] event in
                if case .result(let task) = event { _ = self?.tasks.withLock { $0.saw(task) } }
                if event.isFinal { counter.countDown() }
            }
        }
        if stale.isEmpty { counter.finish() }
        return CallHandle { for handle in handles { handle.cancel() } }
    }
}
