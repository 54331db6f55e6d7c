import Catalog
import MCPModel
import MCPTransport
import MeshTransport
import Policy

/// Where calls of other nodes arrive: this node owns the server, so here is the last word on each, ``OwnerPolicy``'s.
struct OwnerDesk: Sendable {
    let local: LocalServers
    let label: @Sendable () -> String
    /// Whether a node may know of a server (`mesh.export`, `servers.NAME.export`, `servers.NAME.to`).
    let isShared: @Sendable (Label, NodeID) -> Bool
    let access: AccessDesk
    /// Writes down what becomes of calls; `nil`: nobody does.
    var recorder: CallRecorder?
    /// Answers other nodes' questions after records.
    var traces: TraceDesk?
    /// Another for each change of what is held back.
    var paneVersion: @Sendable () -> UInt64 = { 0 }

    func serve(_ call: IncomingMeshCall, _ sink: @escaping CallSink) -> CallHandle {
        guard !call.isForNobody else {
            local.abandonTask(call.server, Self.qualified(call))
            return .finished
        }
        if call.request.method == TraceQuestion.method, let traces {
            traces.answer(call, sink)
            return .finished
        }
        guard let trail = recorder?.begin(call) else { return decide(call, nil, sink) }
        return trail.handle(decide(call, trail, trail.sink(sink)))
    }

    private func decide(_ call: IncomingMeshCall, _ trail: CallTrail?, _ sink: @escaping CallSink)
        -> CallHandle
    {
        let node = label()
        let named = named(sink)
        let entry = Self.entry(of: call.request)
        let asked = PeerCall(
            server: call.server, method: call.request.method, entry: entry, seen: call.entry?.hash,
            isRepeat: call.isRepeat)
        let view = access.ownersView(of: call)
        let entryNode = access.board.snapshot.nodes[call.principal.entryNode]
        let facts = OwnerPolicy.Facts(
            isShared: isShared(call.server, call.principal.entryNode),
            isRepeatable: call.isRepeat && local.isRepeatable(call.request, at: call.server),
            definition: entry.flatMap { name in
                call.entry.flatMap { local.definition(of: $0.kind, name, at: call.server) }
            },
            isBelieved: !view.namesOthers || local.takesWord(of: entryNode, at: call.server),
            access: view.decision, isSeen: view.isSeen)
        trail?.decided(view.decision)
        if let denial = OwnerPolicy(node: node).objection(to: asked, knowing: facts) {
            // Of a server that waits for the vault nobody knows yet what it offers.
            if denial.rule == .definitionChanged, let failure = local.sealed(call.request, at: call.server) {
                named(.failure(failure))
                return .finished
            }
            trail?.refused(denial)
            named(
                .failure(
                    CallFailure(
                        denial.reason, denial.detail, hint: denial.hint, callID: call.request.id,
                        // Its first time, elsewhere, is what nobody knows of.
                        isUnsent: !call.isRepeat)))
            return .finished
        }
        return counted(call, view, trail, named)
    }

    /// The sink of a call whose failures say where they were said.
    func named(_ sink: @escaping CallSink) -> CallSink {
        let node = label()
        return { event in
            guard case .failure(var failure) = event else { return sink(event) }
            failure.node = failure.node ?? node
            sink(.failure(failure))
        }
    }

    /// Here a call is counted in every case, so here limits are exact.
    private func counted(
        _ call: IncomingMeshCall, _ view: AccessDesk.OwnerView, _ trail: CallTrail?,
        _ sink: @escaping CallSink
    ) -> CallHandle {
        guard let (kind, name) = AccessDesk.entry(of: call.request.method, call.request.params) else {
            // What cannot be read is held to no limit and to no record, and a server may read it in its own way.
            guard !RecordDemands.methods.contains(call.request.method) else {
                let member = call.request.method == Method.resourcesRead ? "uri" : "name"
                sink(
                    .failure(
                        CallFailure(
                            .invalidArguments, "\(call.request.method) without a `\(member)` that is a text",
                            callID: call.request.id, isUnsent: true)))
                return .finished
            }
            return local.call(call.server, Self.qualified(call), sink)
        }
        let address = EntryAddress(
            server: ServerKey(owner: access.board.me, name: call.server), kind: kind, name: name)
        guard access.hasLimits else { return recorded(call, address, view, trail, sink) }
        switch access.enter(
            call.request.method, address, through: view.virtualServer, by: view.subject)
        {
        case .failure(var failure):
            failure.callID = call.request.id
            sink(.failure(failure))
            return .finished
        case .success(let place):
            return recorded(call, address, view, trail) { [access] event in
                if event.isFinal { access.leave(place) }
                sink(event)
            }
        }
    }

    /// Where the server or a rule wants that, a call waits for a record of it on stable storage.
    private func recorded(
        _ call: IncomingMeshCall, _ address: EntryAddress, _ view: AccessDesk.OwnerView, _ trail: CallTrail?,
        _ sink: @escaping CallSink
    ) -> CallHandle {
        let request = call.request
        let isRequired =
            local.requiresRecord(of: request, at: call.server)
            || access.requiresRecord(
                of: request.method, address, through: view.virtualServer, by: view.subject,
                arguments: request.params["arguments"] ?? .emptyObject)
        let told = Self.qualified(call)
        guard isRequired else { return local.call(call.server, told, sink) }
        return IntendedCall.begin(told, trail, sink) { [local] in local.call(call.server, $0, sink) }
    }

    /// The request as the backend's own books know its caller.
    static func qualified(_ call: IncomingMeshCall) -> CallRequest {
        var request = call.request
        request.caller = request.caller.qualified(by: call.principal.entryNode.description)
        return request
    }

    /// The server's own name for what a request is about.
    private static func entry(of request: CallRequest) -> String? {
        switch request.method {
        case Method.toolsCall, Method.promptsGet: request.params["name"]?.string
        case Method.resourcesRead: request.params["uri"]?.string
        default: nil
        }
    }
}
