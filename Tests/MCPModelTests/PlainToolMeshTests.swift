import JSONSlice
import Testing

@testable import MCPModel

/// A plain call over a hop, its bytes held against those of the general way.
@Suite struct PlainToolMeshTests {
    private static let id = CallID(high: 0x0123_4567_89AB_CDEF, low: 0x0F1E_2D3C_4B5A_6978)
    private static let meta =
        #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}"#

    /// Params in every order of their members, with white space and without.
    private static let params: [String] = [
        #"{"name":"far--greet","arguments":{"a":[1, 2]},\#(meta)}"#,
        #"{"name":"far--greet",\#(meta),"arguments":{"a":"\u00e9"}}"#,
        #"{\#(meta),"name":"far--greet","arguments":{}}"#,
        #"{"arguments":{"name":"x","_meta":{}},"name":"far--greet",\#(meta)}"#,
        #"{"arguments":{},\#(meta),"name":"far--greet"}"#,
        #"{\#(meta),"arguments":{"é":null},"name":"far--greet"}"#,
        #"{ \#(meta) , "name" : "far--greet" }"#,
        "{\n\"name\" : \"far--greet\" ,\n\(meta)\n}",
    ]

    @Test(arguments: params)
    func `the owner gets the same params, and its server the same message`(params: String) throws {
        let text = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":\#(params)}"#
        let document = try JSON(validating: text)
        let plain = try #require(PlainToolCall(document))
        let sent = try #require(document["params"])
        for name in ["greet", "far--greet", "gré\"et"] {
            var general = RequestMeta.stripped(sent)
            if general["name"]?.string != name { general = general.setting("name", to: .string(name)) }
            let carried = plain.carriedParams(name: .string(name))
            #expect(carried == general)
            #expect(try JSON(validating: Array(carried.bytes)) == carried)
            guard !name.contains("\"") else { continue }

            let there = try #require(
                PlainToolCall(
                    carried: carried, capabilities: plain.capabilities, clientInfo: plain.clientInfo))
            var client = RequestMeta(params: sent).client
            client.traceparent = TraceContext(begunBy: Self.id).traceparent
            let whole = RPCMessage.request(
                id: RPCID(7), method: Method.toolsCall,
                params: RequestMeta(version: .newestModern, client: client).written(into: general)
            ).json
            #expect(
                try JSON(validating: there.message(number: 7, name: .string(name), begunBy: Self.id)) == whole
            )
            #expect(there.arguments == general["arguments"])
        }
    }

    @Test(arguments: [
        #"{"name":"a","_meta":{}}"#, #"{"name":"a","task":{}}"#, #"{"arguments":{}}"#, #"{"name":1}"#, "{}",
        "[]",
        #"{"name":"gr\u0065et"}"#,
    ])
    func `what is out of the ordinary is none`(params: String) throws {
        #expect(
            PlainToolCall(carried: try JSON(validating: params), capabilities: [:], clientInfo: nil) == nil)
    }
}
