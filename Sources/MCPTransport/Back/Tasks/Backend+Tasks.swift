import JSONSlice
package import MCPModel

/// Tasks that a backend made of calls.
extension Backend {
    /// Why a request about a task goes no further; `nil`: it does.
    ///
    /// A task of another caller and one that never was are answered alike.
    func objection(to request: CallRequest) -> CallFailure? {
        guard Method.ofTasks.contains(request.method) else { return nil }
        let id = request.params["taskId"]?.string ?? ""
        let key = TaskBook.Key(id: id, caller: request.caller)
        switch tasks.withLock({ $0.asked(after: key, at: .now) }) {
        case .known: return nil
        case .unknown: return unknownTask(id, request)
        case .lost:
            return CallFailure(
                .unknownEntry, "server \(name) has lost task \(id): the process that ran it has ended",
                hint: "call again", callID: request.id)
        }
    }

    func unknownTask(_ id: String, _ request: CallRequest) -> CallFailure {
        CallFailure(
            .unknownEntry, "server \(name) has no task \(id)",
            hint: "it may be over for too long; call again", callID: request.id)
    }

    /// Hands a task that the backend has made to the caller, who alone may ask after it.
    func hand(over result: JSON, to call: BackendCall) {
        let request = call.request
        guard request.method == Method.toolsCall, TasksExtension.isDeclared(in: request.client.capabilities)
        else {
            return call.finishBroken(
                "it made a task of a call whose caller has not said that it knows tasks", name)
        }
        guard let id = result["taskId"]?.string, TaskStatus(of: result) != nil else {
            return call.finishBroken("it made a task without an id or a status", name)
        }
        let key = TaskBook.Key(id: id, caller: request.caller)
        guard withTasks({ $0.admit(result, as: key, at: .now) }) else {
            call.finish(.failure(tooManyTasks(request)))
            return cancelTask(id, of: request)
        }
        // Whoever has gone meanwhile will never ask after it.
        if !call.finish(.result(result)) {
            withTasks { $0.forget(key) }
            cancelTask(id, of: request)
        }
    }

    /// What becomes of a call at a modern backend that nobody wants any more; `nil` where it can be no task.
    func naming(of request: CallRequest, at connection: Connection) -> TaskNaming? {
        guard request.method == Method.toolsCall, TasksExtension.isDeclared(in: request.client.capabilities),
            TasksExtension.isDeclared(in: connection.greeting.capabilities)
        else { return nil }
        return TaskNaming(patience: limits.modernTaskNamingMax) { [weak self] result in
            guard result["resultType"]?.string == TasksExtension.resultType, let id = result["taskId"]?.string
            else { return }
            self?.cancelTask(id, of: request)
        }
    }

    func tooManyTasks(_ request: CallRequest) -> CallFailure {
        CallFailure(
            .limited,
            "server \(name): \(limits.tasksMax) tasks run already, or \(limits.tasksPerCallerMax) of this caller",
            hint: "wait for one to end, or cancel one", callID: request.id)
    }

    /// Takes note of what the backend answers to a question about a task.
    func note(_ result: JSON, of request: CallRequest) {
        guard request.method == Method.tasksGet, let id = request.params["taskId"]?.string else { return }
        withTasks { $0.saw(result, as: TaskBook.Key(id: id, caller: request.caller), at: .now) }
    }

    /// Whether a result's type may come from an extension that passes through here.
    func isAgreedElsewhere(_ request: CallRequest) -> Bool {
        guard let offered = state.withLock({ $0.connection?.greeting.capabilities["extensions"] }) else {
            return false
        }
        return request.client.capabilities["extensions"]?.members.contains {
            $0.key != TasksExtension.id && offered[$0.key] != nil
        } ?? false
    }

    /// Cancels a task whose caller went before the answer that names it was there; nothing is done about one that this caller
    /// has asked after all the same, and so knows.
    ///
    /// - Parameter order: the `tasks/cancel`, in the caller's name.
    package func abandonTask(_ order: CallRequest) {
        guard let id = order.params["taskId"]?.string else { return }
        let key = TaskBook.Key(id: id, caller: order.caller)
        let run: LegacyTask?? = withTasks { tasks in
            guard tasks.isUnasked(key, at: .now) else { return nil }
            defer { tasks.forget(key) }
            return .some(tasks.run(key))
        }
        guard let run else { return }
        if let run { run.cancel() } else { cancelTask(id, of: order) }
    }

    /// Tells the backend that nobody wants a task any more. Its word on that is of no use to anybody.
    private func cancelTask(_ id: String, of request: CallRequest) {
        var order = request
        order.method = Method.tasksCancel
        order.params = ["taskId": .string(id)]
        let call = BackendCall(order, { _ in }, onEnd: { _ in })
        let time = limits.listTimeout
        let late = BackendFault(.timedOut, "no answer within \(time)").failure(of: order, backend: name)
        call.limit(CallPatience(silence: time, overall: time, from: .now()), on: group.any()) { _ in late }
        attempt(call)
    }
}

extension BackendCall {
    func finishBroken(_ detail: String, _ name: String) {
        finish(.failure(BackendFault(.broken, detail).failure(of: request, backend: name)))
    }
}
