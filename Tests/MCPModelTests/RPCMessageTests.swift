import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@Suite struct RPCMessageTests {
    @Test(arguments: [
        #"{"jsonrpc":"2.0","id":1,"method":"a/b","params":{"x":1.0}}"#,
        #"{"jsonrpc":"2.0","id":"1\u0061","method":"ping"}"#,
        #"{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"ping"}"#,
        #"{"jsonrpc":"2.0","method":"notifications/x","params":{ }}"#,
        #"{"jsonrpc":"2.0","id":-7,"result":{"a": [1 ]}}"#,
        #"{"jsonrpc":"2.0","id":"x","error":{"code":-1,"message":"m","own":0}}"#,
        #"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}"#,
    ])
    func `a message is written as it was read`(text: String) throws {
        #expect(try RPCMessage(JSON(validating: text)).json.text == text)
    }

    @Test(arguments: [
        "[]", "1", "{}", #"{"jsonrpc":"1.0","id":1,"method":"a"}"#, #"{"id":1,"method":"a"}"#,
        #"{"jsonrpc":"2.0","id":null,"method":"a"}"#, #"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#,
        #"{"jsonrpc":"2.0","id":{},"method":"a"}"#, #"{"jsonrpc":"2.0","id":true,"method":"a"}"#,
        #"{"jsonrpc":"2.0","id":1,"method":""}"#, #"{"jsonrpc":"2.0","id":1,"method":7}"#,
        #"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#, #"{"jsonrpc":"2.0","id":1}"#,
        #"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#, #"{"jsonrpc":"2.0","result":{}}"#,
        #"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, #"{"jsonrpc":"2.0","id":1,"result":[]}"#,
        #"{"jsonrpc":"2.0","id":1,"error":"no"}"#, #"{"jsonrpc":"2.0","id":[],"error":{}}"#,
    ])
    func `what is no message is an invalid request`(text: String) throws {
        let json = try JSON(validating: text)
        #expect { try RPCMessage(json) } throws: { ($0 as? RPCError)?.code == RPCError.Code.invalidRequest }
    }

    @Test func `the id is found even in a message that is refused`() throws {
        let json = try JSON(validating: #"{"id":"x","method":7}"#)
        #expect(RPCMessage.readableID(in: json)?.description == #""x""#)
        #expect(RPCMessage.readableID(in: ["id": 1.5]) == nil)
        #expect(RPCID(.string(String(repeating: "x", count: RPCID.bytesMax))) == nil)
    }

    @Test func `null params are absent ones`() throws {
        let message = try RPCMessage(JSON(validating: #"{"jsonrpc":"2.0","method":"a","params":null}"#))
        #expect(message == .notification(method: "a", params: nil))
    }

    @Test(arguments: UInt64(1)...200)
    func `any message survives being written and read`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let value = JSON.object([("seed", .number(Int(seed))), ("text", .string("\u{0}\"é\(random.next())"))])
        let id =
            random.next() % 2 == 0 ? RPCID(Int(truncatingIfNeeded: random.next())) : RPCID(.string("é\n"))
        let message: RPCMessage
        switch random.next() % 4 {
        case 0: message = .request(id: try #require(id), method: "a\"b", params: value)
        case 1: message = .notification(method: "x/y", params: nil)
        case 2: message = .response(id: try #require(id), result: value)
        default: message = .errorResponse(id: nil, error: RPCError.internalError("x").json)
        }
        #expect(try RPCMessage(JSON(validating: message.json.bytes)) == message)
    }
}

@Suite struct RPCErrorTests {
    @Test func `errors have the shapes that MCP gives them`() {
        #expect(
            RPCError.unsupportedVersion(requested: "x").json.text
                == #"{"code":-32022,"message":"Unsupported protocol version: x","#
                + #""data":{"supported":["2026-07-28"],"requested":"x"}}"#)
        #expect(
            RPCError.missingCapability(required: ["sampling": [:]]).data
                == ["requiredCapabilities": ["sampling": [:]]])
        #expect(RPCError(reading: RPCError.invalidParams("x").json) == RPCError.invalidParams("x"))
        #expect(RPCError(reading: ["code": "no"]).code == RPCError.Code.internalError)
    }

    @Test(arguments: [
        (RPCError.parseError, 400), (.invalidRequest(""), 400), (.headerMismatch(""), 400),
        (.missingCapability(required: [:]), 400), (.unsupportedVersion(requested: ""), 400),
        (.methodNotFound(""), 404), (.invalidParams(""), 200), (.internalError(""), 200),
    ])
    func `each error has its status`(error: RPCError, status: Int) {
        #expect(error.modernStatus == status)
    }

    @Test func `reasons are numbered in the documented order`() {
        let numbered = Reason.allCases.filter { $0 != .unknownEntry }.map(CallFailureCode.code)
        #expect(numbered == Array(7001...(7000 + numbered.count)))
        #expect(CallFailureCode.code(of: .unknownEntry) == RPCError.Code.invalidParams)
    }

    @Test func `a failure says what, where and what to do`() {
        let failure = CallFailure(
            .noPath, "no circuit to lab", hint: "martlet path lab", node: "hq",
            callID: CallID(high: 1, low: 2))
        #expect(
            CallFailureCode.error(of: failure).json.text
                == #"{"code":7002,"message":"no circuit to lab","data":{"reason":"no_path","#
                + #""detail":"no circuit to lab","callId":"00000000000000010000000000000002","#
                + #""node":"hq","hint":"martlet path lab"}}"#)
        let unknown = CallFailureCode.error(of: CallFailure(.unknownEntry, "no x"), uri: "x://y")
        #expect(unknown.data?["uri"] == "x://y")
    }
}
