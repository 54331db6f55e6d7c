import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import Policy

/// What is decided about plain calls once for all of them (docs/decisions/0039-the-short-way.md).
extension CallRouter {
    /// What is decided about a principal's calls of a tool at an endpoint; `nil`: each is decided on its own.
    ///
    /// Everything is asked that ``call(_:id:sent:_:)`` asks, in the state of the node as it is now; ``ToolPass/isGood`` is whether that
    /// state is still the same.
    func toolPass(_ endpoint: EndpointName, _ principal: Principal, _ tool: String) -> ToolPass? {
        passes.pass(endpoint, principal, tool) { madePass(endpoint, principal, tool) }
    }

    private func madePass(_ endpoint: EndpointName, _ principal: Principal, _ tool: String) -> ToolPass? {
        let isUnchanged = standing.isUnchanged
        guard let view = access.view(endpoint, for: principal), !view.isSearched,
            let route = try? view.route(Method.toolsCall, ["name": .string(tool)]), route.composite == nil,
            let binding = route.binding
        else { return nil }
        let passage = AccessDesk.Passage(
            subject: access.subject(principal), virtualServer: AccessDesk.virtualServer(at: endpoint, view))
        guard let decision = access.standingDecision(on: binding, passage) else { return nil }
        var facts = CallFacts(
            end: .entry, call: CallID(high: 0, low: 0), trace: "", caller: principal.caller,
            entryNode: board.me,
            method: Method.toolsCall)
        facts.assumedBy = principal.assumedBy
        facts.found(route, through: passage.virtualServer)
        if case .open = decision {} else { facts.decided(decision) }
        let settled = SettledCalls(
            binding: binding, passage: passage, space: view.space(of: route.server), node: label(),
            standing: StandingFacts(facts))
        let place = route.server.owner == board.me ? local.place(of: route.server.name) : nil
        if let place, let short = shortTool(settled, route, principal, place.backend, place.places) {
            return ToolPass(isGood: isUnchanged, way: .short(short))
        }
        if place == nil, let far = farTool(settled, route, principal) {
            return ToolPass(isGood: isUnchanged, way: .far(far))
        }
        // What has no connection now may be one for the short way when it has.
        let connection = place.map { ($0.backend, $0.backend.connectionNumber) }
        if let connection, connection.1 == nil { return nil }
        return ToolPass(
            isGood: { isUnchanged() && connection.map { $0.0.connectionNumber == $0.1 } ?? true },
            way: .settled { [self] in start($0, settled, $1) })
    }

    /// Whether what is shown to principals at endpoints is the same as now.
    func unchanged() -> @Sendable () -> Bool {
        let (isUnchanged, node) = (standing.isUnchanged, label())
        return { [label] in isUnchanged() && label() == node }
    }

    private var standing: StandingState { StandingState(board, local, paneVersion) }

    private func shortTool(
        _ settled: SettledCalls, _ route: Route, _ principal: Principal, _ backend: Backend,
        _ places: CallPlaces
    ) -> ShortTool? {
        let (binding, server) = (settled.binding, route.server.name)
        let sample = CallRequest(
            id: CallID(high: 0, low: 0), method: Method.toolsCall, params: route.params,
            client: ClientFacts(),
            caller: principal.caller, timeLeft: callMax)
        guard binding.fixed.isEmpty, binding.defaults.isEmpty, board.replicas(of: route.server) == nil,
            access.isUncounted(binding, settled.passage), objection(sample, route.server) == nil,
            local.objection(sample, server) == nil, !local.requiresRecord(of: sample, at: server),
            let lane = backend.lane(toTool: binding.entry)
        else { return nil }
        let (space, standing) = (settled.space, settled.standing)
        var outward: (@Sendable (JSON) -> JSON)?
        if !space.keepsURIs { outward = { space.outward(result: $0) } }
        return ShortTool(
            lane: lane, places: places, callMax: callMax, outward: outward, node: settled.node,
            begun: { [recorder] in recorder?.metrics.begun(.entry) },
            ended: { [recorder] end in recorder?.ended(standing, end) },
            carryOn: { [recorder, callMax] call, carried, sink in
                let (request, trail) = settled.begin(
                    call, carried.id, recorder, callMax, from: carried.start, isBegun: true)
                let told = settled.outward(request, trail?.sink(sink) ?? sink)
                let handle = backend.carry(request, carried, places.counting(told, from: carried.start))
                return trail?.handle(handle) ?? handle
            }, start: { [self] in start($0, settled, $1) })
    }

    /// Starts a call of which is decided what can be; the rest is asked as ever.
    func start(_ call: EndpointCall, _ settled: SettledCalls, _ sink: @escaping CallSink)
        -> CallHandle
    {
        let (request, trail) = settled.begin(call, .random(), recorder, callMax, from: .now)
        let handle = dispatch(
            request, to: settled.binding.server, as: settled.binding, settled.passage, on: settled.node,
            trail,
            sent: { trail?.went(to: $0) }, settled.outward(request, trail?.sink(sink) ?? sink))
        return trail?.handle(handle) ?? handle
    }
}
