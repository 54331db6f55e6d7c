import Catalog
import Composition
import MCPModel
import MCPTransport
import MeshTransport
import Policy
import Synchronization

/// A call that belongs to a server of another node, on its way into the mesh.
struct ForwardedCall: Sendable {
    var owner: NodeID
    var server: Label
    /// The definition that the client was shown; `nil` for a URI that stands in no list.
    var hash: ContentHash?
    var kind: EntryKind?
    var caller: Caller
    /// Through which the client came, if through one: the owner's rules may ask.
    var virtualServer: Label?
    var request: CallRequest
    /// Whether it may have run elsewhere: only what the owner's configuration calls repeatable runs there now.
    var isRepeat = false
    /// Who really asked, where an administrator calls as somebody else.
    var assumedBy: Caller?
    /// Of a plain call: the headers of those like it.
    var moulds: HeaderMoulds?
}

/// The way of a call through this node: name → binding → owner → back (docs/architecture.md).
///
/// Synchronous and without I/O of its own: it takes one view and hands the call on, to a backend of this node or to
/// the mesh. What comes back passes through the same function, rewritten into the endpoint's names.
final class CallRouter: Sendable {
    let board: CatalogBoard
    let local: LocalServers
    private let search: ToolSearchDesk
    let access: AccessDesk
    /// Writes down what becomes of calls; `nil`: nobody does.
    let recorder: CallRecorder?
    let label: @Sendable () -> String
    /// What a call is given from here, through the mesh too; its owner may give it less.
    let callMax: Duration
    private let replicas: ReplicaDesk
    /// Composites that run here.
    let composites: CompositeDesk
    let passes = ToolPassShelf()
    private let listens = Mutex(ListenCount())
    /// Calls of `subscriptions/listen` to one task that are open at once: a quarter of the streams that one link carries, since
    /// nobody needs these, and ordinary calls must find one.
    static let listensMax = 512
    /// The same of one caller, so that no few of them take all: two legacy sessions that hear of as many as they may.
    static let listensPerCallerMax = 64
    /// Why a call may not go to a server now (``Glass``).
    let objection: @Sendable (CallRequest, ServerKey) -> CallFailure?
    /// Grows with every change of what objections by this node's own panes rest on.
    let paneVersion: @Sendable () -> UInt64
    let forward: @Sendable (ForwardedCall, @escaping CallSink) -> CallHandle

    /// - Parameters:
    ///   - access: who may do what; `nil`: everybody everything.
    ///   - waitMax: how long a composite waits for its caller's answers.
    ///   - now: the clock on which replicas are judged, and composites' time runs.
    init(
        board: CatalogBoard, local: LocalServers, access: AccessDesk? = nil, search: ToolSearchDesk? = nil,
        recorder: CallRecorder? = nil,
        callMax: Duration = LimitSettings.standard.call,
        waitMax: Duration = LimitSettings.standard.suspendedCall,
        now: @escaping @Sendable () -> Instant = { .zero },
        label: @escaping @Sendable () -> String,
        objection: @escaping @Sendable (CallRequest, ServerKey) -> CallFailure? = { _, _ in nil },
        paneVersion: @escaping @Sendable () -> UInt64 = { 0 },
        forward: @escaping @Sendable (ForwardedCall, @escaping CallSink) -> CallHandle
    ) {
        self.objection = objection
        self.paneVersion = paneVersion
        self.board = board
        self.local = local
        let access = access ?? AccessDesk(board: board, now: now)
        self.access = access
        self.search = search ?? ToolSearchDesk(board: board, access: access, now: now)
        self.recorder = recorder
        self.label = label
        self.callMax = callMax
        self.forward = forward
        replicas = ReplicaDesk(now: now)
        composites = CompositeDesk(
            seal: .ofThisLife(of: board.me), waitMax: waitMax, callMax: callMax, now: now)
    }

    /// - Parameter sent: told of each server that the call is sent to; where there are replicas it may be another than the one
    ///   that was named, and it may be several.
    func call(
        _ call: EndpointCall, id: CallID = .random(),
        sent: @escaping @Sendable (ServerKey) -> Void = { _ in },
        _ sink: @escaping CallSink
    ) -> CallHandle {
        guard let (traced, trail) = recorder?.begin(call, id) else {
            return carry(call, id: id, nil, sent: sent, sink)
        }
        return trail.handle(
            carry(
                traced, id: id, trail,
                sent: {
                    trail.went(to: $0)
                    sent($0)
                }, trail.sink(sink)))
    }

    private func carry(
        _ call: EndpointCall, id: CallID, _ trail: CallTrail?,
        sent: @escaping @Sendable (ServerKey) -> Void, _ sink: @escaping CallSink
    ) -> CallHandle {
        let node = label()
        let refuse = { @Sendable (failure: CallFailure) -> CallHandle in
            var failure = failure
            failure.node = node
            failure.callID = id
            sink(.failure(failure))
            return .finished
        }
        guard let view = access.view(call.endpoint, for: call.principal) else {
            return refuse(
                CallFailure(
                    .unknownEntry, "no server stands at \(call.endpoint)", hint: "see `martlet servers list`")
            )
        }
        var params = call.params
        if view.isSearched, call.method == Method.toolsCall,
            let own = params["name"]?.string.flatMap(SearchTools.Name.init)
        {
            switch own {
            case .search:
                return search.answer(call) { event in
                    if case .failure(let failure) = event { _ = refuse(failure) } else { sink(event) }
                }
            case .call:
                do throws(SearchTools.Complaint) {
                    params = try view.called(through: params)
                } catch {
                    sink(.result(error.result))
                    return .finished
                }
            }
        }
        let route: Route
        do {
            route = try view.route(call.method, params)
        } catch {
            return refuse(error.failure)
        }
        let passage = AccessDesk.Passage(
            subject: access.subject(call.principal),
            virtualServer: AccessDesk.virtualServer(at: call.endpoint, view))
        trail?.found(route, through: passage.virtualServer)
        let objection = access.objection(to: call.method, params, along: route, at: view, passage) {
            trail?.decided($0)
        }
        if let failure = objection {
            if route.composite != nil { trail?.hidden() }
            return refuse(failure)
        }
        var client = call.client
        if case .oneServer = view.endpoint {
        } else {
            client.capabilities = TasksExtension.only(in: client.capabilities)
        }
        let request = CallRequest(
            id: id, method: call.method, params: route.params, client: client, caller: call.caller,
            timeLeft: callMax)
        if let composite = route.composite {
            return run(composite, request, of: view, at: call.endpoint, passage, trail, sent: sent, sink)
        }
        let space = view.space(of: route.server)
        let rewritten: CallSink = { event in
            switch event {
            case .result(let result): sink(.result(space.outward(result: result, of: call.method)))
            case .notification(Method.tasks, let task):
                sink(.notification(method: Method.tasks, params: space.outward(task: task)))
            case .failure(var failure):
                failure.node = failure.node ?? node
                failure.callID = id
                sink(.failure(failure))
            default: sink(event)
            }
        }
        if call.method == Method.subscriptionsListen {
            return listen(route, request, rewritten, else: refuse)
        }
        return dispatch(
            request, to: route.server, as: route.binding, passage, on: node, trail, sent: sent, rewritten)
    }

    /// Sends a call to a server, or to one of its replicas: the one way of every call, a composite's steps among them.
    ///
    /// - Parameters:
    ///   - binding: of the entry that its caller was shown; `nil` for a URI that stands in no list.
    ///   - node: this node's label.
    ///   - trail: of this call, or of this step.
    func dispatch(
        _ request: CallRequest, to server: ServerKey, as binding: Binding?, _ passage: AccessDesk.Passage,
        on node: String, _ trail: CallTrail?, sent: @escaping @Sendable (ServerKey) -> Void,
        _ sink: @escaping CallSink
    ) -> CallHandle {
        // Of the server that is named: that its backend has a replica elsewhere is no way around.
        if let failure = objection(request, server) {
            sink(.failure(failure))
            return .finished
        }
        let entry =
            binding.map { ($0.kind, $0.entry) } ?? AccessDesk.entry(of: request.method, request.params)
        let send: ReplicaDesk.Send = { [self] server, request, isRepeat, sink in
            counted(request, about: entry, at: server, passage, sink) { [board, local, forward] sink in
                sent(server)
                let send: IntendedCall.Send
                if server.owner == board.me {
                    guard !isRepeat || local.isRepeatable(request, at: server.name) else {
                        sink(.failure(Self.unrepeatable(request, at: server.name, on: node)))
                        return .finished
                    }
                    send = { local.call(server.name, $0, sink) }
                } else {
                    send = { request in
                        forward(
                            ForwardedCall(
                                owner: server.owner, server: server.name, hash: binding?.hash,
                                kind: binding?.kind, caller: request.caller,
                                virtualServer: passage.virtualServer, request: request, isRepeat: isRepeat,
                                assumedBy: passage.subject.principal.assumedBy),
                            sink)
                    }
                }
                guard requiresRecord(of: request, about: entry, at: server, passage) else {
                    return send(request)
                }
                return IntendedCall.begin(request, trail, sink, send: send)
            }
        }
        guard let (others, snapshot) = board.replicas(of: server), !ReplicaDesk.isBound(request) else {
            return send(server, request, false, sink)
        }
        return replicas.call(
            server, replicas: others, in: snapshot, request, sink,
            objection: { [self] in objection(request, about: entry, atReplica: $0, passage) }, send: send)
    }

    /// Whether a call needs a record on stable storage first, by this node's rules or by its own server's settings; the owner of another
    /// sees to its own.
    private func requiresRecord(
        of request: CallRequest, about entry: (EntryKind, String)?, at server: ServerKey,
        _ passage: AccessDesk.Passage
    ) -> Bool {
        if server.owner == board.me, local.requiresRecord(of: request, at: server.name) { return true }
        guard let (kind, name) = entry else { return false }
        return access.requiresRecord(
            of: request.method, EntryAddress(server: server, kind: kind, name: name),
            through: passage.virtualServer, by: passage.subject,
            arguments: request.params["arguments"] ?? .emptyObject)
    }

    /// Why a call may not go to a replica of the server that it names: quarantines and rules may be about that one alone.
    private func objection(
        _ request: CallRequest, about entry: (EntryKind, String)?, atReplica server: ServerKey,
        _ passage: AccessDesk.Passage
    ) -> CallFailure? {
        if let failure = objection(request, server) { return failure }
        guard let (kind, name) = entry else { return nil }
        let target = access.target(of: server, kind, name, through: passage.virtualServer)
        let decision = access.decide(
            .use(of: kind), target, by: passage.subject,
            arguments: request.params["arguments"] ?? .emptyObject)
        guard !decision.isAllowed else { return nil }
        return CallFailure(
            .denied, "\(passage.subject.principal.caller.written) may not use \(name) here",
            hint: "ask whoever runs this node; `martlet auth can-call` says why", isUnsent: true,
            rule: decision.rule)
    }

    /// Sends a call to one server, within the limits of that one.
    private func counted(
        _ request: CallRequest, about entry: (EntryKind, String)?, at server: ServerKey,
        _ passage: AccessDesk.Passage, _ sink: @escaping CallSink, send: (@escaping CallSink) -> CallHandle
    ) -> CallHandle {
        guard access.hasLimits, let (kind, name) = entry else { return send(sink) }
        let address = EntryAddress(server: server, kind: kind, name: name)
        switch access.enter(
            request.method, address, through: passage.virtualServer, by: passage.subject)
        {
        case .failure(let failure):
            sink(.failure(failure))
            return .finished
        case .success(.none):
            return send(sink)
        case .success(let place):
            let isOver = Flag()
            let leave = { @Sendable [access] in if isOver.raise() { access.leave(place) } }
            let handle = send { event in
                if event.isFinal { leave() }
                sink(event)
            }
            // What runs at a server of this node runs until its answer is here, whatever the client wants.
            let isElsewhere = server.owner != board.me
            return CallHandle {
                if isElsewhere { leave() }
                handle.cancel()
            }
        }
    }

    /// Runs a composite: its steps are calls of this caller like any other.
    private func run(
        _ composite: BoundComposite, _ request: CallRequest, of view: EndpointView,
        at endpoint: EndpointName, _ passage: AccessDesk.Passage, _ trail: CallTrail?,
        sent: @escaping @Sendable (ServerKey) -> Void, _ sink: @escaping CallSink
    ) -> CallHandle {
        let node = label()
        let id = request.id
        var request = request
        // A step cannot wait for a task.
        request.client.capabilities = request.client.capabilities.removing("extensions")
        return composites.call(composite, request, at: endpoint) { event in
            switch event {
            case .notification(let method, let params): sink(.notification(method: method, params: params))
            case .result(let result, let server?):
                sink(.result(view.space(of: server).outward(result: result)))
            case .result(let result, nil): sink(.result(result))
            case .error(let error): sink(.error(error))
            case .failure(var failure):
                failure.node = failure.node ?? node
                failure.callID = id
                sink(.failure(failure))
            }
        } send: { [self] call, request, sink in
            let arguments = request.params["arguments"] ?? .emptyObject
            let step = trail?.step(request, call.binding)
            let sink = step?.sink(sink) ?? sink
            let objection = access.objection(toStep: call.binding, arguments, passage) { step?.decided($0) }
            if let failure = objection {
                sink(.failure(failure))
                return .finished
            }
            let handle = dispatch(
                request, to: call.binding.server, as: call.binding, passage, on: node, step,
                sent: {
                    step?.went(to: $0)
                    sent($0)
                }, sink)
            return step?.handle(handle) ?? handle
        }
    }

    /// Of servers that are the same backend, those of which the next call gets one.
    func replicasInLine(among servers: [ServerKey], in snapshot: CatalogSnapshot) -> [ServerKey] {
        replicas.inLine(among: servers, in: snapshot)
    }

    /// What ``OwnerPolicy`` says to another node's repeat, said to one of our own.
    private static func unrepeatable(_ request: CallRequest, at server: Label, on node: String) -> CallFailure
    {
        CallFailure(
            .outcomeUnknown, "it may have run at another replica, and \(node) may not run it again",
            hint: "look whether it ran before you call again", callID: request.id)
    }
}

extension CallRouter {
    /// Listens to one task, where there is room for that.
    private func listen(
        _ route: Route, _ request: CallRequest, _ sink: @escaping CallSink,
        else refuse: (CallFailure) -> CallHandle
    ) -> CallHandle {
        if let failure = objection(request, route.server) { return refuse(failure) }
        let caller = request.caller
        if let bound = listens.withLock({ $0.enter(caller) }) {
            return refuse(
                CallFailure(
                    .limited, "\(bound) are listened to here already", hint: "ask after the task instead"))
        }
        let isOver = Flag()
        let leave = { @Sendable [weak self] in
            if isOver.raise() { self?.listens.withLock { $0.leave(caller) } }
        }
        let counted: CallSink = { event in
            if event.isFinal { leave() }
            sink(event)
        }
        let handle =
            route.server.owner == board.me
            ? local.call(route.server.name, request, counted)
            : forward(
                ForwardedCall(
                    owner: route.server.owner, server: route.server.name, hash: nil, kind: nil,
                    caller: request.caller, request: request), counted)
        return CallHandle {
            leave()
            handle.cancel()
        }
    }
}
