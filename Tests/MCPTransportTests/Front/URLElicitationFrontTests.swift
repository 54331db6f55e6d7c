import JSONSlice
import MCPModel
import Synchronization
import Testing

@testable import MCPTransport

/// A legacy client whose user is sent to a URL in the middle of a call.
struct URLElicitationFrontTests {
    @Test(arguments: [("accept", true), ("decline", false)])
    func `the client hears that its visit is complete once the server has gone on`(
        action: String, isTold: Bool
    ) throws {
        let probe = ServiceProbe()
        let told = Mutex<[JSON]>([])
        let client = StdioConversation(probe.service, .all, .anonymous, .standard)
        client.attach { message in told.withLock { $0.append(message) } }
        let say = { (message: JSON) in client.take(.line(Array(message.bytes))) }
        say([
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": ["protocolVersion": "2025-11-25", "capabilities": ["elicitation": ["url": [:]]]],
        ])
        say(["jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": ["name": "x"]])
        let request: JSON = [
            "method": "elicitation/create",
            "params": ["mode": "url", "message": "Visit", "url": "https://example.org/"],
        ]
        probe.answer(
            .result(["resultType": "input_required", "inputRequests": ["u": request], "requestState": "s"]))
        let asked = try #require(told.withLock { $0.last })
        let id = try #require(asked.pointer("/params/elicitationId")?.string)
        say(["jsonrpc": "2.0", "id": asked["id"] ?? .null, "result": ["action": .string(action)]])
        probe.answer(.result(["resultType": "complete", "content": []]))
        let last = told.withLock { Array($0.suffix(2)) }
        #expect(last[1]["id"]?.int == 2 && last[1]["result"] != nil)
        #expect((last[0]["method"]?.string == Method.elicitationComplete) == isTold)
        #expect((last[0].pointer("/params/elicitationId")?.string == id))
    }
}
