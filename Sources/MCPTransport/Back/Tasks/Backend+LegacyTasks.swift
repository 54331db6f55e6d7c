import JSONSlice
import MCPModel
import NIOCore

/// Tools of 2025-11-25 that run as tasks.
extension Backend {
    /// How a call runs at a legacy backend.
    enum Tasking: Hashable, Sendable {
        /// As any other.
        case none
        /// As a task that the caller is handed.
        case handed
        /// As a task that the caller need not know of.
        case hidden
    }

    func tasking(of request: CallRequest, at connection: Connection) -> Tasking {
        guard request.method == Method.toolsCall, let name = request.params["name"]?.string,
            let support = connection.taskSupport[name]
        else { return .none }
        if TasksExtension.isDeclared(in: request.client.capabilities) { return .handed }
        return support == .required ? .hidden : .none
    }

    /// The tools of a listing that may or must run as tasks.
    static func taskSupport(of listing: BackendListing) -> [String: TaskSupport] {
        guard listing.era == .legacy, TasksExtension.isDeclared(in: listing.capabilities) else { return [:] }
        var found: [String: TaskSupport] = [:]
        for entry in listing.entries where entry.list == .tools {
            guard let support = TaskSupport(of: entry.definition), support != .forbidden,
                let name = entry.definition["name"]?.string
            else { continue }
            found[name] = support
        }
        return found
    }

    /// Lets a question about a task go where the task is.
    ///
    /// - Returns: `false` for any other request: a modern backend answers for its tasks itself.
    func answersForTask(_ call: BackendCall) -> Bool {
        guard Method.ofTasks.contains(call.request.method), let id = call.request.params["taskId"]?.string,
            let run = tasks.withLock({ $0.run(TaskBook.Key(id: id, caller: call.request.caller)) })
        else { return false }
        run.answer(call) { [weak self] call, event in self?.finish(call, .legacy, event) }
        return true
    }

    /// Makes a task of a call, and hands it to the caller.
    func makeTask(_ call: BackendCall, _ attempt: Int, _ request: LinkRequest, _ connection: Connection) {
        let declared = declaration(for: call.request, at: connection.greeting) ?? .none
        guard let asking, declared != .none, hasStreamPerRequest else {
            return makeTask(call, attempt, request, on: connection.link, declared) {}
        }
        let sessions = asking.sessions
        guard let session = sessions.acquire(declared) else {
            call.finish(.failure(allSuspended(call)))
            return
        }
        session.whenOpen { outcome in
            guard call.isCurrent(attempt) else { return sessions.release(session) }
            switch outcome {
            // Some servers have one session only. The first declares what any caller can be asked for.
            case .failure(let fault) where fault.isRefusal:
                sessions.release(session)
                self.makeTask(call, attempt, request, on: connection.link, declared) {}
            case .failure(let fault):
                sessions.release(session)
                self.finish(call, .legacy, .fault(fault))
            case .success(let link):
                self.makeTask(call, attempt, request, on: link, declared) { sessions.release(session) }
            }
        }
    }

    /// The link, at which each call is made as a task and waited for.
    func hiding(_ link: any BackendLink) -> any BackendLink {
        TaskingLink(link: link) { [weak self] in self?.nextNumber() ?? 0 }
    }

    /// - Parameter release: called once: the link is free of this call and its task.
    private func makeTask(
        _ call: BackendCall, _ attempt: Int, _ request: LinkRequest, on link: any BackendLink,
        _ declared: DeclaredCapabilities, release: @escaping @Sendable () -> Void
    ) {
        var request = request
        request.params = (request.params ?? .emptyObject).setting("task", to: .emptyObject)
        let free = ReleaseOnce(release)
        let handle = link.send(request) { event in
            switch event {
            case .notification(let method, let params): call.notify(method, params)
            case .question: break
            case .result(let result):
                guard let made = result["task"], let id = made["taskId"]?.string, TaskStatus(of: made) != nil
                else {
                    free.release()
                    return self.finish(call, .legacy, event)
                }
                self.handOver(made, id, to: call, on: link, declared, free)
            case .error, .fault:
                free.release()
                if call.isCurrent(attempt) { self.finish(call, .legacy, event) }
            }
        }
        call.running(
            CallHandle {
                handle.cancel()
                free.release()
            }, attempt: attempt)
    }

    private func handOver(
        _ made: JSON, _ id: String, to call: BackendCall, on link: any BackendLink,
        _ declared: DeclaredCapabilities, _ free: ReleaseOnce
    ) {
        let request = call.request
        let key = TaskBook.Key(id: id, caller: request.caller)
        let name = name
        let task = LegacyTask(
            id, made, on: link, declared: declared,
            actions: LegacyTask.Actions(
                nextNumber: { [weak self] in self?.nextNumber() ?? 0 },
                over: { [weak self] bytes in
                    free.release()
                    self?.tasks.withLock { $0.keeps(bytes, as: key) }
                },
                error: { CallFailureCode.error(of: $0.failure(of: request, backend: name)).json }))
        guard tasks.withLock({ $0.admit(task.creation, as: key, run: task, at: .now) }) else {
            call.finish(.failure(tooManyTasks(request)))
            return task.cancel()
        }
        // Its questions and its end may come at once, so the wait for them begins when the caller knows of it.
        if call.finish(.result(task.creation)) {
            task.start()
        } else {
            tasks.withLock { $0.forget(key) }
            task.cancel()
        }
    }

    func nextNumber() -> Int {
        state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
    }
}

/// Gives a place back once, whoever comes first.
final class ReleaseOnce: Sendable {
    private let count: ErrandCount

    init(_ release: @escaping @Sendable () -> Void) { count = ErrandCount(1, done: release) }

    func release() { count.countDown() }
}
