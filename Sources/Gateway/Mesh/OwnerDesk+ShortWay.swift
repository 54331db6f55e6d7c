import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import MeshTransport
import Policy

/// What is decided about other nodes' plain calls once for all of them (docs/decisions/0040-the-short-way-over-a-hop.md).
extension OwnerDesk {
    /// What is decided about calls like this one, whatever their arguments; `nil`: each is decided on its own.
    ///
    /// Everything is asked that ``serve(_:_:)`` asks, in the state of the node as it is now; ``MeshPass/isGood`` is whether that state
    /// is still the same.
    func pass(_ call: IncomingMeshCall) -> MeshPass? {
        let isUnchanged = StandingState(access.board, local, paneVersion).isUnchanged
        let isShared = isShared
        let isGood = { @Sendable [server = call.server, entryNode = call.principal.entryNode] in
            // For whom a server is has no number.
            isUnchanged() && isShared(server, entryNode)
        }
        let (request, client) = (call.request, call.request.client)
        guard request.method == Method.toolsCall, !call.isRepeat, !call.isForNobody,
            let seen = call.entry, seen.kind == .tool,
            client.era == .modern, client.logLevel == nil, !client.wantsProgress,
            client.capabilities["extensions"] == nil,
            let name = request.params["name"]?.string, let place = local.place(of: call.server),
            let lane = place.backend.lane(toTool: name), lane.takes(client.capabilities)
        else { return nil }
        guard let view = access.standingView(of: call, .tool, name), isSettled(call, view, seen.hash, name)
        else { return nil }
        let standing = StandingFacts(facts(of: call, view, name, seen.hash))
        let general = GeneralWay(call, standing, place)
        let tool = LaneTool(
            lane: lane, caller: request.caller, places: place.places,
            begun: { [recorder] in recorder?.metrics.begun(.owner) },
            ended: { [recorder] in recorder?.ended(standing, $0) })
        return MeshPass(isGood: isGood) { plain, sink in
            guard
                let told = PlainToolCall(
                    carried: plain.params, capabilities: client.capabilities, clientInfo: client.info),
                told.name == lane.toolName
            else { return nil }
            return LaneCall.begin(
                told, plain.id, over: tool, within: plain.timeLeft, on: plain.loop,
                LaneCall.Outcomes(
                    answered: { sink(.plain($0)) },
                    carryOn: { carryOn(plain, $0, general) { sink(.event($0)) } }))
        }
    }

    /// Whether calls like this one may run, and nothing of each has to be counted or recorded before it does.
    private func isSettled(
        _ call: IncomingMeshCall, _ view: AccessDesk.OwnerView, _ seen: ContentHash, _ name: String
    ) -> Bool {
        let facts = OwnerPolicy.Facts(
            isShared: isShared(call.server, call.principal.entryNode),
            definition: local.definition(of: .tool, name, at: call.server),
            isBelieved: !view.namesOthers
                || local.takesWord(of: access.board.snapshot.nodes[call.principal.entryNode], at: call.server),
            access: view.decision, isSeen: view.isSeen)
        let asked = PeerCall(
            server: call.server, method: call.request.method, entry: name, seen: seen, isRepeat: false)
        let binding = Binding(
            server: ServerKey(owner: access.board.me, name: call.server), kind: .tool, entry: name, hash: seen
        )
        let passage = AccessDesk.Passage(subject: view.subject, virtualServer: view.virtualServer)
        return OwnerPolicy(node: label()).objection(to: asked, knowing: facts) == nil
            && access.isUncounted(binding, passage)
            && local.objection(call.request, call.server) == nil
            && !local.requiresRecord(of: call.request, at: call.server)
    }

    private func facts(
        of call: IncomingMeshCall, _ view: AccessDesk.OwnerView, _ name: String, _ seen: ContentHash
    ) -> CallFacts {
        var facts = CallFacts(
            end: .owner, call: CallID(high: 0, low: 0), trace: "", caller: call.request.caller,
            entryNode: call.principal.entryNode, method: call.request.method)
        facts.assumedBy = call.assumedBy
        facts.virtualServer = call.virtualServer
        facts.server = ServerKey(owner: access.board.me, name: call.server)
        facts.definition = seen
        facts.note((.tool, name), call.request.params, isListed: true)
        facts.arguments = nil
        facts.decided(view.decision)
        return facts
    }

    /// Goes on with a call by the general way, from where it is.
    private func carryOn(
        _ plain: MeshPass.Call, _ carried: CarriedCall, _ way: GeneralWay, _ sink: @escaping CallSink
    ) -> CallHandle {
        var call = way.sample
        call.request.id = plain.id
        call.request.params = plain.params
        call.request.timeLeft = plain.timeLeft
        call.request.client.traceparent = TraceContext(begunBy: plain.id).traceparent
        let trail = recorder.map { recorder in
            var facts = way.standing.facts(of: plain.id)
            facts.arguments = plain.params["arguments"]?.bytes
            return CallTrail(recorder, facts, from: carried.start, isBegun: true)
        }
        let told = named(trail?.sink(sink) ?? sink)
        let handle = way.backend.carry(
            Self.qualified(call), carried, way.places.counting(told, from: carried.start))
        return trail?.handle(handle) ?? handle
    }
}

/// What those calls of a ``MeshPass`` need that go on by the general way; one for all of them, since it is held by each.
private final class GeneralWay: Sendable {
    let sample: IncomingMeshCall
    let standing: StandingFacts
    let backend: Backend
    let places: CallPlaces

    init(_ call: IncomingMeshCall, _ standing: StandingFacts, _ place: (backend: Backend, places: CallPlaces))
    {
        var sample = call
        // What is kept does not hold what the first of them brought.
        sample.request.params = .emptyObject
        self.sample = sample
        self.standing = standing
        (backend, places) = place
    }
}
