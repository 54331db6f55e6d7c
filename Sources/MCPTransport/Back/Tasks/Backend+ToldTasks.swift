import JSONSlice
import MCPModel
import NIOCore

/// What servers say of tasks unasked: `notifications/tasks/status` of 2025-11-25, `notifications/tasks` of 2026-07-28.
extension Backend {
    /// Tells a caller what the backend says of its task, for as long as the request says; cancelling ends it.
    func listen(to id: String, _ request: CallRequest, _ sink: @escaping CallSink) -> CallHandle {
        let key = TaskBook.Key(id: id, caller: request.caller)
        guard tasks.withLock({ $0.asked(after: key, at: .now) }) == .known else {
            sink(.failure(unknownTask(id, request)))
            return .finished
        }
        guard let number = taskListeners.add(key, sink) else {
            sink(
                .failure(
                    CallFailure(
                        .limited,
                        "server \(name): \(limits.taskListenersMax) callers are told of tasks already",
                        hint: "ask after the task instead", callID: request.id)))
            return .finished
        }
        // First of all: what listens at the backend may end at once.
        sink(TaskSubscription.acknowledged(taskID: id))
        let upstream = listenUpstream(to: key) { [taskListeners] in taskListeners.end(number) }
        let timer = group.any().scheduleTask(in: TimeAmount(request.timeLeft)) { [taskListeners] in
            upstream.cancel()
            taskListeners.end(number)
        }
        taskListeners.hold(timer, for: number)
        return CallHandle { [taskListeners] in
            taskListeners.remove(number)
            upstream.cancel()
        }
    }

    /// A modern backend says nothing unless it is listened to. That takes a stream, of which there are so many for tasks.
    ///
    /// - Parameter onEnd: called when the backend has ended it, or the way there has broken: it tells no more.
    private func listenUpstream(
        to key: TaskBook.Key, onEnd: @escaping @Sendable () -> Void
    ) -> CallHandle {
        guard let connection = state.withLock({ $0.connection }), connection.greeting.revision.era == .modern,
            TasksExtension.isDeclared(in: connection.greeting.capabilities), let free = awaitedPlace()
        else { return .finished }
        let revision = connection.greeting.revision
        let client = ClientFacts(capabilities: TasksExtension.required, info: clientInfo)
        let params = RequestMeta(version: revision, client: client)
            .written(into: TaskSubscription.params(taskID: key.id))
        return connection.link.send(
            LinkRequest(
                number: nextNumber(), method: Method.subscriptionsListen, params: params,
                mirrored: MirroredHeaders(
                    version: revision.rawValue, method: Method.subscriptionsListen, params: params),
                isEndless: true, whenDone: free.release)
        ) { [weak self] event in
            switch event {
            case .notification(Method.tasks, let params):
                guard let self, params["taskId"]?.string == key.id, TaskStatus(of: params) != nil else {
                    return
                }
                let task = params.removing("_meta")
                withTasks { $0.saw(task, as: key, at: .now) }
                taskListeners.tell(task, to: key)
            case .notification, .question: break
            case .result, .error, .fault: onEnd()
            }
        }
    }

    /// A legacy backend says how a task is; whose it is, it does not say.
    ///
    /// - Parameter origin: the session in which it says so. Where several callers have a task of that id there, nobody is told:
    ///   each asks after it anyhow, and one must not hear what is said of another's.
    func heard(ofTask status: JSON, at origin: TaskOrigin) {
        guard let id = status["taskId"]?.string else { return }
        let meant = tasks.withLock { $0.runs(of: id) }.filter { $0.run.origin == origin }
        guard meant.count == 1, let (key, run) = meant.first, let task = run.heard(status) else { return }
        taskListeners.tell(task, to: key)
    }
}
