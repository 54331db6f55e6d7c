import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import MeshTransport
import Policy

/// Plain calls of other nodes' tools (docs/decisions/0040-the-short-way-over-a-hop.md).
extension CallRouter {
    /// The way of a principal's calls of a tool of another node, where nothing is decided, counted or recorded for each before it goes
    /// out; `nil`: something is.
    func farTool(_ settled: SettledCalls, _ route: Route, _ principal: Principal) -> FarTool? {
        let (binding, server, caller) = (settled.binding, route.server, principal.caller)
        let sample = CallRequest(
            id: CallID(high: 0, low: 0), method: Method.toolsCall, params: route.params,
            client: ClientFacts(), caller: caller, timeLeft: callMax)
        // For whom somebody acts is a matter of what the owner can read.
        guard principal.assumedBy == nil, binding.fixed.isEmpty, binding.defaults.isEmpty,
            board.replicas(of: server) == nil, access.isUncounted(binding, settled.passage),
            objection(sample, server) == nil
        else { return nil }
        let (space, standing, moulds) = (settled.space, settled.standing, HeaderMoulds())
        var outward: (@Sendable (JSON) -> JSON)?
        if !space.keepsURIs { outward = { space.outward(result: $0) } }
        return FarTool(
            name: .string(binding.entry), outward: outward,
            begun: { [recorder] in recorder?.metrics.begun(.entry) },
            ended: { [recorder] end in recorder?.ended(standing, end) },
            send: { [forward, callMax] order, sink in
                let request = CallRequest(
                    id: order.id, method: Method.toolsCall, params: order.params,
                    client: ClientFacts(capabilities: order.capabilities, info: order.clientInfo),
                    caller: caller, timeLeft: callMax)
                return forward(
                    ForwardedCall(
                        owner: server.owner, server: server.name, hash: binding.hash, kind: binding.kind,
                        caller: caller, virtualServer: settled.passage.virtualServer, request: request,
                        moulds: moulds), sink)
            },
            carryOn: { [recorder, callMax] call, carried, sink in
                let (request, trail) = settled.begin(
                    call, carried.id, recorder, callMax, from: carried.start, isBegun: true)
                let handle = carried.adopt(settled.outward(request, trail?.sink(sink) ?? sink))
                return trail?.handle(handle) ?? handle
            },
            start: { [self] in start($0, settled, $1) })
    }
}
