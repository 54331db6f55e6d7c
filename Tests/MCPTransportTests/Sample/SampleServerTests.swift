import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

struct SampleServerTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"),
            (951_868_799, "2000-02-29T23:59:59Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"), (1_785_283_200, "2026-07-29T00:00:00Z"),
        ] as [(Int64, String)])
    func `the time is told in UTC`(seconds: Int64, text: String) { #expect(UTC.text(seconds) == text) }

    @Test(arguments: [
        #"{"name":"countdown","arguments":{"steps":0}}"#, #"{"name":"countdown","arguments":{"steps":61}}"#,
        #"{"name":"countdown","arguments":{"delayMs":-1}}"#,
        #"{"name":"countdown","arguments":{"steps":"3"}}"#,
        #"{"name":"echo"}"#, #"{"name":"add","arguments":{"a":1e308,"b":1e308}}"#,
    ])
    func `arguments out of bounds are the tool's error`(params: String) async throws {
        let result = await answer("tools/call", try JSON(validating: params))
        #expect(result?["isError"]?.bool == true)
    }

    @Test func `every tool listed can be called`() async throws {
        for tool in SampleEntries.list(.tools) {
            let name = try #require(tool["name"])
            let arguments: JSON = [
                "text": "x", "a": 1, "b": 2, "steps": 1, "delayMs": 0, "question": "?",
            ]
            let result = await answer("tools/call", ["name": name, "arguments": arguments])
            #expect(result?["isError"] == nil && result?["resultType"] != nil, "\(name.text)")
        }
    }

    private func answer(_ method: String, _ params: JSON) async -> JSON? {
        await withCheckedContinuation { continuation in
            let call = EndpointCall(
                endpoint: .all, principal: .anonymous, method: method, params: params, client: ClientFacts())
            _ = FrontRig.sample.call(call) { event in
                switch event {
                case .notification: break
                case .result(let result): continuation.resume(returning: result)
                case .error, .failure: continuation.resume(returning: nil)
                }
            }
        }
    }
}
