import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import Policy

/// Calls of one tool by one caller, of which has been decided what can be.
struct SettledCalls: Sendable {
    let binding: Binding
    let passage: AccessDesk.Passage
    let space: ResourceSpace
    let node: String
    let standing: StandingFacts

    /// A call in its server's own terms, and its trail.
    func begin(
        _ call: EndpointCall, _ id: CallID, _ recorder: CallRecorder?, _ callMax: Duration,
        from start: ContinuousClock.Instant, isBegun: Bool = false
    ) -> (CallRequest, CallTrail?) {
        let params = binding.arguments(applyingTo: call.params)
        var client = call.client
        client.traceparent = TraceContext(begunBy: id).traceparent
        let trail = recorder.map { recorder in
            var facts = standing.facts(of: id)
            facts.note((.tool, binding.entry), params, isListed: true)
            return CallTrail(recorder, facts, from: start, isBegun: isBegun)
        }
        let request = CallRequest(
            id: id, method: call.method, params: params, client: client, caller: call.caller,
            timeLeft: callMax)
        return (request, trail)
    }

    /// The sink of a call, for what its server says in its own terms.
    func outward(_ request: CallRequest, _ sink: @escaping CallSink) -> CallSink {
        { [space, node] event in
            switch event {
            case .result(let result): sink(.result(space.outward(result: result, of: request.method)))
            case .failure(var failure):
                failure.node = failure.node ?? node
                failure.callID = request.id
                sink(.failure(failure))
            default: sink(event)
            }
        }
    }
}
