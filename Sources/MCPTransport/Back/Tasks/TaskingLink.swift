import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// A link at which a tool runs only as a task, for callers who know nothing of tasks: a call is made as one and waited
/// for, and what the task asks and ends with is what the call asks and ends with.
struct TaskingLink: BackendLink {
    let link: any BackendLink
    /// The number of one more request.
    let nextNumber: @Sendable () -> Int
    let loop: any EventLoop
    /// How long the answer to `tasks/cancel` is waited for.
    let cancelTime: Duration
    /// How long a task's id is waited for that nobody wants any more.
    let namingTime: Duration
    /// Takes note of the tasks, so that none runs on for nobody when this life of the gateway ends before they do.
    var told: @Sendable (Word) -> Void = { _ in }

    /// What is to be noted of a task that only the gateway knows.
    enum Word: Sendable {
        /// As its server described it, in the terms of 2025-11-25.
        case made(JSON, TaskBook.Key)
        case over(TaskBook.Key)
        /// The way to it broke: it may run on.
        case adrift(TaskBook.Key)
    }

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        let hold = ErrandHold()
        let second = nextNumber()
        let caller = request.caller ?? .anonymous
        let cancelTask = { @Sendable (id: String) in
            cancel(TaskBook.Key(id: id, caller: caller))
        }
        var first = request
        first.params = Self.params(request.params ?? .emptyObject, progressTo: second)
        first.makesTask = true
        first.naming = TaskNaming(patience: namingTime) { result in
            if let id = result["task"]?["taskId"]?.string { cancelTask(id) }
        }
        let box = TaskIDBox()
        // Whoever wants to know when the backend is done with the call means the task, where it makes one.
        first.whenDone = { if !box.isMade { request.whenDone?() } }
        hold.hold(
            link.send(first) { event in
                guard case .result(let result) = event, let task = result["task"],
                    let id = task["taskId"]?.string
                else { return sink(event) }
                let key = TaskBook.Key(id: id, caller: caller)
                told(.made(task, key))
                // Who went while the answer was on its way from the link has cancelled nothing yet.
                guard box.set(id) else { return cancelTask(id) }
                hold.hold(
                    link.send(
                        LinkRequest(
                            number: second, method: Method.tasksResult, params: ["taskId": .string(id)],
                            declared: request.declared, isEndless: true,
                            whenDone: request.whenDone, caller: request.caller, taskID: id)
                    ) { event in
                        switch event {
                        case .result(let result):
                            _ = box.end()
                            told(.over(key))
                            sink(.result(EraBridge.unrelated(result)))
                        case .fault(let fault):
                            if box.end() != nil {
                                told(.adrift(key))
                                // Its caller hears that its result is lost, and nobody else knows it.
                                cancelTask(id)
                            }
                            sink(.fault(Self.fault(fault, afterMaking: id)))
                        case .error:
                            _ = box.end()
                            told(.over(key))
                            sink(event)
                        case .notification, .question: sink(event)
                        }
                    })
            })
        return CallHandle {
            hold.cancel()
            if let id = box.end() { cancelTask(id) }
        }
    }

    private func cancel(_ task: TaskBook.Key) {
        link.send(
            LinkRequest(
                number: nextNumber(), method: Method.tasksCancel, params: ["taskId": .string(task.id)]),
            within: cancelTime, on: loop
        ) { told(.over(task)) }
    }

    /// What a fault of the wait for the result means for the call: its tool runs already, so none of them may say that
    /// nothing was done.
    static func fault(_ fault: BackendFault, afterMaking id: String) -> BackendFault {
        guard fault.isUnsent else { return fault }
        return BackendFault(
            .lost, "it made the task \(id) of the call, and its result is lost: \(fault.detail)")
    }

    /// The params of a call that is to become a task; its progress belongs to the request that waits for the result.
    static func params(_ params: JSON, progressTo number: Int) -> JSON {
        var params = params.setting("task", to: .emptyObject)
        if let meta = params["_meta"], meta[MetaKey.progressToken] != nil {
            params = params.setting("_meta", to: meta.setting(MetaKey.progressToken, to: .number(number)))
        }
        return params
    }

    func notify(_ method: String, _ params: JSON?) { link.notify(method, params) }
    func announce(_ method: String) async { await link.announce(method) }
    func respond(_ message: RPCMessage) { link.respond(message) }
    func settle(_ revision: ProtocolRevision) { link.settle(revision) }
    func attend() async { await link.attend() }
    func whenAttentive() async { await link.whenAttentive() }
    var sessionNumber: Int { link.sessionNumber }
    func close() async -> String? { await link.close() }
}

/// The id of the task that a call has become, if it has, and whether anybody still wants that.
private final class TaskIDBox: Sendable {
    private enum State: Sendable {
        case unnamed
        case made(String)
        /// Over, or cancelled.
        case ended(wasMade: Bool)
    }

    private let state = Mutex(State.unnamed)

    /// Whether a task was made that somebody wanted.
    var isMade: Bool {
        state.withLock { state in
            switch state {
            case .unnamed, .ended(wasMade: false): false
            case .made, .ended(wasMade: true): true
            }
        }
    }

    /// - Returns: `false`: nobody wants it any more, and whoever said so knew no id.
    func set(_ id: String) -> Bool {
        state.withLock { state in
            guard case .unnamed = state else { return false }
            state = .made(id)
            return true
        }
    }

    /// - Returns: the id of the task, to the first who ends it: what then becomes of it is for nobody else to say.
    func end() -> String? {
        state.withLock { state in
            switch state {
            case .unnamed:
                state = .ended(wasMade: false)
                return nil
            case .made(let id):
                state = .ended(wasMade: true)
                return id
            case .ended: return nil
            }
        }
    }
}
