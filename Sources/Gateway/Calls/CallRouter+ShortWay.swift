import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import Policy

/// The short way of plain calls to tools of this node's own servers (docs/decisions/0039-the-short-way.md).
extension CallRouter {
    /// What is decided, once for all of them, about a principal's calls of a tool at an endpoint; `nil`: they go the long way.
    ///
    /// Everything is asked that ``call(_:id:sent:_:)`` asks, in the state of the node as it is now; ``ToolPass/isGood`` is whether that
    /// state is still the same.
    func toolPass(_ endpoint: EndpointName, _ principal: Principal, _ tool: String) -> ToolPass? {
        let (catalog, servers, panes) = (board.version, local.version, paneVersion())
        let isGood: @Sendable () -> Bool = { [board, local, paneVersion] in
            board.version == catalog && local.version == servers && paneVersion() == panes
        }
        guard let view = access.view(endpoint, for: principal), !view.isSearched,
            let route = try? view.route(Method.toolsCall, ["name": .string(tool)]), route.composite == nil,
            let binding = route.binding, binding.fixed.isEmpty, binding.defaults.isEmpty,
            route.server.owner == board.me, board.replicas(of: route.server) == nil
        else { return nil }
        let passage = AccessDesk.Passage(
            subject: access.subject(principal), virtualServer: AccessDesk.virtualServer(at: endpoint, view))
        let server = route.server.name
        let sample = CallRequest(
            id: CallID(high: 0, low: 0), method: Method.toolsCall, params: route.params,
            client: ClientFacts(),
            caller: principal.caller, timeLeft: callMax)
        guard let decision = access.standingDecision(on: binding, passage),
            objection(sample, route.server) == nil, local.objection(sample, server) == nil,
            !local.requiresRecord(of: sample, at: server), let place = local.place(of: server),
            let lane = place.backend.lane(toTool: binding.entry)
        else { return nil }

        var facts = CallFacts(
            end: .entry, call: sample.id, trace: "", caller: principal.caller, entryNode: board.me,
            method: Method.toolsCall)
        facts.assumedBy = principal.assumedBy
        facts.found(route, through: passage.virtualServer)
        if case .open = decision {} else { facts.decided(decision) }
        let standing = StandingFacts(facts)
        let space = view.space(of: route.server)
        let carrier = ShortWayCarrier(
            backend: place.backend, places: place.places, space: space, callMax: callMax, node: label(),
            binding: binding, standing: standing, recorder: recorder)
        var outward: (@Sendable (JSON) -> JSON)?
        if !space.keepsURIs { outward = { space.outward(result: $0) } }
        return ToolPass(
            isGood: isGood, lane: lane, places: place.places, callMax: callMax, outward: outward,
            ended: { [recorder] end in recorder?.ended(standing, end) },
            carryOn: { carrier.carryOn($0, $1, $2) })
    }
}

/// Goes on with calls that left the short way: as ``CallRouter`` would, with all that was decided before they went out.
private struct ShortWayCarrier: Sendable {
    let backend: Backend
    let places: CallPlaces
    let space: ResourceSpace
    let callMax: Duration
    let node: String
    let binding: Binding
    let standing: StandingFacts
    let recorder: CallRecorder?

    func carryOn(_ call: EndpointCall, _ carried: CarriedCall, _ sink: @escaping CallSink) -> CallHandle {
        let params = binding.arguments(applyingTo: call.params)
        var client = call.client
        client.traceparent = TraceContext(begunBy: carried.id).traceparent
        let trail = recorder.map { recorder in
            var facts = standing.facts(of: carried.id)
            facts.note((.tool, binding.entry), params, isListed: true)
            return CallTrail(recorder, facts, from: carried.start)
        }
        let request = CallRequest(
            id: carried.id, method: call.method, params: params, client: client, caller: call.caller,
            timeLeft: callMax)
        let told = trail?.sink(sink) ?? sink
        let handle = backend.carry(
            request, carried,
            places.counting(
                { [space, node] event in
                    switch event {
                    case .result(let result): told(.result(space.outward(result: result, of: request.method)))
                    case .failure(var failure):
                        failure.node = failure.node ?? node
                        failure.callID = request.id
                        told(.failure(failure))
                    default: told(event)
                    }
                }, from: carried.start))
        return trail?.handle(handle) ?? handle
    }
}
