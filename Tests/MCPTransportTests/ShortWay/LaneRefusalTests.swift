import JSONSlice
import MCPModel
import Testing

@testable import MCPTransport

struct LaneRefusalTests {
    private static func refusal(_ text: String, status: Int) -> LaneRefusal? {
        LaneRefusal(.body(Array(text.utf8), status: status), to: 7, limits: .standard) { $0 }
    }

    private static func text(_ refusal: LaneRefusal?) -> String {
        switch refusal {
        case nil: "none"
        case .error(let error): "error \(error["code"]?.int ?? 0)"
        case .status(let status): "status \(status)"
        }
    }

    @Test(arguments: [
        (#"{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"m"}}"#, 200, "error -32000"),
        (#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"m"}}"#, 400, "error -32602"),
        (#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"m"}}"#, 400, "error -32000"),
        (#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"m"}}"#, 400, "none"),
        // Another's, between gateway and server, and none at all.
        (#"{"jsonrpc":"2.0","id":8,"error":{"code":-32000,"message":"m"}}"#, 200, "none"),
        (#"{"jsonrpc":"2.0","id":8,"error":{"code":-32000,"message":"m"}}"#, 500, "status 500"),
        (#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"m"}}"#, 200, "error -32000"),
        (#"{"jsonrpc":"2.0","id":7,"error":{"code":-32020,"message":"m"}}"#, 400, "none"),
        (#"{"jsonrpc":"2.0","id":7,"result":{}}"#, 200, "none"),
        ("", 503, "status 503"), ("<html>", 500, "status 500"), ("", 404, "none"), ("", 401, "none"),
        ("", 202, "none"), ("{", 200, "none"),
    ])
    func `an error of this call, or a status alone, is a refusal`(body: String, status: Int, what: String) {
        #expect(Self.text(Self.refusal(body, status: status)) == what)
    }

    @Test func `what callers may not see of an error does not end here`() {
        let error: JSON = ["code": -32042, "message": "m"]
        #expect(LaneRefusal(.error(error), to: 7, limits: .standard) { _ in nil } == nil)
        #expect(LaneRefusal(.result([:]), to: 7, limits: .standard) { $0 } == nil)
    }
}
