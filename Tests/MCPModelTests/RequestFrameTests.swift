import JSONSlice
import Testing

@testable import MCPModel

/// Requests that differ in their ids alone, known again by what stands around the id.
@Suite struct RequestFrameTests {
    private static func frame(_ text: String) throws -> RequestFrame? {
        let body = Array(text.utf8)
        return RequestFrame(body, try JSON(validating: body[...]))
    }

    private static func request(_ id: String) -> String {
        #" {"jsonrpc":"2.0", "id": \#(id) ,"method":"tools/list","params":{"id":7,"_meta":{}}}"#
    }

    @Test(arguments: ["0", "7", "123456789012345678", #""""#, #""a b""#, #""~!{}[],:""#])
    func `an id is found in a request with the same frame`(id: String) throws {
        for first in ["1", #""x""#] {
            let frame = try #require(try Self.frame(Self.request(first)))
            let body = Array(Self.request(id).utf8)
            let place = try #require(frame.id(in: body))
            #expect(String(decoding: body[place], as: UTF8.self) == id)
            // What it is taken for is what is read of it.
            #expect(RPCID(try JSON(validating: body[...])["id"] ?? .null)?.json.text == id)
        }
    }

    @Test(arguments: [
        "", " ", "-1", "01", "1.5", "1e3", "null", "true", "{}", "[]", "1,\"id\":2", "1234567890123456789",
        #"""#, #""a"#, #""a\n""#, #""a\"b""#, #""a","b":"c""#, "\"\u{7F}\"", "\"é\"", "\"\t\"", " 1", "1 ",
        "\"\(String(repeating: "a", count: 64))\"",
    ])
    func `what may be no id, or no plain one, is read as ever`(id: String) throws {
        let frame = try #require(try Self.frame(Self.request("1")))
        #expect(frame.id(in: Array(Self.request(id).utf8)) == nil)
    }

    @Test func `another byte anywhere else makes another request`() throws {
        let text = Array(Self.request("12345").utf8)
        let frame = try #require(RequestFrame(text, try JSON(validating: text[...])))
        let place = try #require(frame.id(in: text))
        for index in text.indices where !place.contains(index) {
            var other = text
            other[index] ^= 1
            #expect(frame.id(in: other) == nil, "\(index)")
        }
        #expect(frame.id(in: Array(text.dropLast())) == nil)
        #expect(frame.id(in: text + [0x20]) == nil)
        #expect(frame.id(in: []) == nil)
    }

    @Test func `a notification has no frame, nor has a long request`() throws {
        #expect(try Self.frame(#"{"jsonrpc":"2.0","method":"tools/list"}"#) == nil)
        let long = String(repeating: " ", count: 1024)
        #expect(try Self.frame(Self.request("1") + long) == nil)
    }
}
