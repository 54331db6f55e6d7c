import Catalog
import MCPModel
import Mesh
import Synchronization
import Testing

@testable import MeshTransport

@Suite struct OutgoingCallTests {
    @Test func `a call that was cancelled before it was placed leaves nothing behind`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first(serve: TestNode.echo)
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            let key = try a.toolsKey()
            let hub = b.service.hub
            let (heard, waiting) = try await b.service.loop.submit {
                let heard = Mutex<[CallEvent]>([])
                let request = CallRequest(
                    id: CallID(high: 1, low: 1), method: Method.toolsCall, params: .emptyObject,
                    client: ClientFacts(), caller: .anonymous, timeLeft: .seconds(600))
                let call = OutgoingCall(
                    OutgoingMeshCall(server: key, request: request, issuer: "key", subject: "ann"),
                    ownerName: "a", hub: hub
                ) { event in heard.withLock { $0.append(event) } }
                call.cancel()
                hub.place(call)
                return (heard.withLock { $0 }, hub.deadlines.count)
            }.get()
            #expect(heard.count == 1 && heard.failure?.reason == .cancelled)
            #expect(waiting == 0)
        }
    }
}
