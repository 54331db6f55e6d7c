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

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        let hold = ErrandHold()
        let second = nextNumber()
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
                guard case .result(let result) = event, let id = result["task"]?["taskId"]?.string else {
                    return sink(event)
                }
                box.set(id)
                hold.hold(
                    link.send(
                        LinkRequest(
                            number: second, method: Method.tasksResult, params: ["taskId": .string(id)],
                            declared: request.declared, isEndless: true,
                            whenDone: request.whenDone, caller: request.caller, taskID: id)
                    ) { event in
                        switch event {
                        case .result(let result): sink(.result(EraBridge.unrelated(result)))
                        case .fault(let fault): sink(.fault(Self.fault(fault, afterMaking: id)))
                        case .notification, .question, .error: sink(event)
                        }
                    })
            })
        return CallHandle {
            hold.cancel()
            if let id = box.take() { cancelTask(id) }
        }
    }

    private func cancelTask(_ id: String) {
        link.send(
            LinkRequest(number: nextNumber(), method: Method.tasksCancel, params: ["taskId": .string(id)]),
            within: cancelTime, on: loop)
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

/// The id of the task that a call has become.
private final class TaskIDBox: Sendable {
    private let id = Mutex<String?>(nil)
    private let made = Mutex(false)

    var isMade: Bool { made.withLock { $0 } }

    func set(_ id: String) {
        made.withLock { $0 = true }
        self.id.withLock { $0 = id }
    }

    /// It is cancelled once.
    func take() -> String? {
        id.withLock { id in
            defer { id = nil }
            return id
        }
    }
}
