import JSONSlice
import MCPModel
import NIOCore
import Synchronization

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
        guard Method.ofTasks.contains(call.request.method), let id = call.request.params["taskId"]?.string
        else { return false }
        let key = TaskBook.Key(id: id, caller: call.request.caller)
        guard let run = tasks.withLock({ $0.run(key) }) else { return takeUp(key, for: call) }
        run.answer(call) { [weak self] call, event in self?.finish(call, .legacy, event) }
        return true
    }

    /// Makes a task of a call, and hands it to the caller.
    func makeTask(_ call: BackendCall, _ attempt: Int, _ request: LinkRequest, _ connection: Connection) {
        let declared = declaration(for: call.request, at: connection.greeting) ?? .none
        guard hasStreamPerRequest else {
            return makeTask(call, attempt, request, at: Place(connection.link, connection.origin, declared))
        }
        guard let free = awaitedPlace() else { return refuseAwaiting(call) }
        guard let asking, declared != .none else {
            return makeTask(
                call, attempt, request,
                at: Place(connection.link, connection.origin, declared, free.release))
        }
        let sessions = asking.sessions
        guard let session = sessions.acquire(declared) else {
            free.release()
            call.finish(.failure(allSuspended(call)))
            return
        }
        session.whenOpen { outcome in
            let leave = { @Sendable in
                sessions.release(session)
                free.release()
            }
            guard call.isCurrent(attempt) else { return leave() }
            switch outcome {
            // Some servers have one session only. The first declares what any caller can be asked for.
            case .failure(let fault) where fault.isRefusal:
                sessions.release(session)
                self.makeTask(
                    call, attempt, request,
                    at: Place(connection.link, connection.origin, declared, free.release))
            case .failure(let fault):
                leave()
                self.finish(call, .legacy, .fault(fault))
            case .success(let link):
                self.makeTask(
                    call, attempt, request,
                    at: Place(link, .beside(session.number), declared, leave) { fault in
                        switch fault.kind {
                        case .lost, .notReached: sessions.retire(session)
                        case .sessionGone:
                            sessions.close(session, fault)
                            // The backend says that it did not know the session, so it made no task.
                            guard attempt == 1 else { return false }
                            self.attempt(call)
                            return true
                        default: break
                        }
                        return false
                    })
            }
        }
    }

    /// A place among the tasks that are awaited on streams of their own; `nil`: there is none left.
    func awaitedPlace() -> ReleaseOnce? {
        let isFull = state.withLock { state in
            guard state.tasksAwaited < limits.awaitedTasksMax else { return true }
            state.tasksAwaited += 1
            return false
        }
        return isFull ? nil : ReleaseOnce { [weak self] in self?.state.withLock { $0.tasksAwaited -= 1 } }
    }

    func refuseAwaiting(_ call: BackendCall) {
        let why = "\(limits.awaitedTasksMax) tasks run already, each of which keeps a connection open"
        call.finish(
            .failure(
                CallFailure(
                    .limited, "server \(name): \(why)", hint: "wait for one to end, or cancel one",
                    callID: call.request.id)))
    }

    /// Where a task is made.
    private struct Place: Sendable {
        var link: any BackendLink
        var origin: TaskOrigin
        /// What its caller can be asked for.
        var declared: DeclaredCapabilities
        /// The link is free of the call and its task.
        var free: ReleaseOnce
        /// Sees why the call has no answer; `true`: it was seen to. `nil`: it is the first link, about which others know.
        var takes: (@Sendable (BackendFault) -> Bool)?

        init(
            _ link: any BackendLink, _ origin: TaskOrigin, _ declared: DeclaredCapabilities,
            _ release: @escaping @Sendable () -> Void = {}, takes: (@Sendable (BackendFault) -> Bool)? = nil
        ) {
            (self.link, self.origin, self.declared, self.takes) = (link, origin, declared, takes)
            free = ReleaseOnce(release)
        }
    }

    private func makeTask(
        _ call: BackendCall, _ attempt: Int, _ request: LinkRequest, at place: Place
    ) {
        var request = request
        request.makesTask = true
        request.params = (request.params ?? .emptyObject).setting("task", to: .emptyObject)
        let free = place.free
        let isMade = Mutex(false)
        // The link may be let go of when the backend is done with the call, unless a task of it holds the link.
        request.whenDone = { if !isMade.withLock({ $0 }) { free.release() } }
        request.naming = naming(at: place.link)
        let handle = place.link.send(request) { event in
            switch event {
            case .notification(let method, let params): call.notify(method, params)
            case .question: break
            case .result(let result):
                guard let made = result["task"], let id = made["taskId"]?.string, TaskStatus(of: made) != nil
                else {
                    free.release()
                    return self.finish(call, .legacy, event)
                }
                isMade.withLock { $0 = true }
                self.handOver(made, id, to: call, at: place)
            case .error:
                free.release()
                if call.isCurrent(attempt) { self.finish(call, .legacy, event) }
            case .fault(let fault):
                free.release()
                guard call.isCurrent(attempt) else { return }
                guard let takes = place.takes else { return self.take(event, of: call, attempt, .legacy) }
                if !takes(fault) { self.finish(call, .legacy, event) }
            }
        }
        call.running(handle, attempt: attempt)
    }

    /// What becomes of a call that nobody wants any more before its task has a name.
    private func naming(at link: any BackendLink) -> TaskNaming {
        TaskNaming(patience: limits.taskNamingMax) { [weak self] result in
            guard let self, let id = result["task"]?["taskId"]?.string else { return }
            link.send(
                LinkRequest(
                    number: nextNumber(), method: Method.tasksCancel, params: ["taskId": .string(id)]),
                within: limits.listTimeout, on: group.any())
        }
    }

    private func handOver(
        _ made: JSON, _ id: String, to call: BackendCall, at place: Place
    ) {
        let request = call.request
        let key = TaskBook.Key(id: id, caller: request.caller)
        let task = LegacyTask(
            id, made, on: place.link, in: place.origin, declared: place.declared,
            actions: actions(ofTask: key, request, place.free))
        guard withTasks({ $0.admit(task.creation, as: key, run: task, at: .now) }) else {
            call.finish(.failure(tooManyTasks(request)))
            return task.cancel()
        }
        // Its questions and its end may come at once, so the wait for them begins when the caller knows of it.
        if call.finish(.result(task.creation)) {
            task.start(for: tasks.withLock { $0.life(of: task.creation) })
        } else {
            withTasks { $0.forget(key) }
            task.cancel()
        }
    }

    /// - Parameter free: its link is free of it.
    func actions(ofTask key: TaskBook.Key, _ request: CallRequest, _ free: ReleaseOnce) -> LegacyTask.Actions
    {
        LegacyTask.Actions(
            loop: group.any(), errandTime: limits.listTimeout, mayResend: hasStreamPerRequest,
            caller: key.caller, nextNumber: { [weak self] in self?.nextNumber() ?? 0 },
            over: { [weak self] bytes in
                free.release()
                self?.withTasks { $0.keeps(bytes, as: key) }
            },
            moved: { [weak self] in
                guard let self, let task = tasks.withLock({ $0.run(key) })?.detailed else { return }
                taskListeners.tell(task, to: key)
            },
            error: { [name] in CallFailureCode.error(of: $0.failure(of: request, backend: name)).json })
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
