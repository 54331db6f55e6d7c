import JSONSlice
import MCPModel
import Synchronization

/// Tasks that callers were handed in an earlier life of the gateway. A modern server is simply asked again; at a legacy one
/// the gateway has a part of its own in each task (``LegacyTask``), and takes it up with the first question about it.
extension Backend {
    /// Goes on with a task of a legacy server, in the session that the gateway has there now.
    ///
    /// - Returns: `false` where that is not this backend's way: the question goes to the server as it is.
    func takeUp(_ key: TaskBook.Key, for call: BackendCall) -> Bool {
        guard let connection = state.withLock({ $0.connection }),
            connection.greeting.revision.era == .legacy
        else { return false }
        guard let attempt = call.beginAttempt() else { return true }
        guard let free = awaitedPlace() else {
            refuseAwaiting(call)
            return true
        }
        let isTaken = Mutex(false)
        let handle = connection.link.send(
            LinkRequest(
                number: nextNumber(), method: Method.tasksGet, params: ["taskId": .string(key.id)],
                whenDone: { if !isTaken.withLock({ $0 }) { free.release() } })
        ) { [weak self] event in
            guard let self, call.isCurrent(attempt) else { return }
            switch event {
            case .notification, .question: break
            case .result(let task) where TaskStatus(of: task) != nil:
                isTaken.withLock { $0 = true }
                takeUp(key, task, connection, free, for: call)
            case .error(let error) where error["code"]?.int == RPCError.Code.invalidParams:
                withTasks { $0.forget(key) }
                call.finish(.failure(unknownTask(key.id, call.request)))
            case .result:
                call.finishBroken("it says of a task what is no status", name)
            case .error, .fault: finish(call, .legacy, event)
            }
        }
        call.running(handle, attempt: attempt)
        return true
    }

    private func takeUp(
        _ key: TaskBook.Key, _ told: JSON, _ connection: Connection, _ free: ReleaseOnce,
        for call: BackendCall
    ) {
        let request = call.request
        let declared =
            asking == nil
            ? .none
            : DeclaredCapabilities(of: request.client.capabilities, at: connection.greeting.revision)
        let task = LegacyTask(
            key.id, told, on: connection.link, in: connection.origin, declared: declared,
            actions: actions(ofTask: key, request, free))
        guard let (run, left) = withTasks({ $0.takeUp(key, task, at: .now) }) else {
            free.release()
            call.finish(.failure(unknownTask(key.id, request)))
            return
        }
        if run === task { run.start(for: left) } else { free.release() }
        run.answer(call) { [weak self] call, event in self?.finish(call, .legacy, event) }
    }
}
