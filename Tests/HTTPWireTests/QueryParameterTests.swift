import HTTPWire
import Testing

/// Parameters that are put into a URL only as it is sent.
struct QueryParameterTests {
    @Test(arguments: [
        ("https://a.example/mcp", "/mcp?key=a%2Fb%20c"), ("https://a.example/mcp?", "/mcp?key=a%2Fb%20c"),
        ("https://a.example", "/?key=a%2Fb%20c"), ("https://a.example/mcp?x=1&y", "/mcp?x=1&y&key=a%2Fb%20c"),
        // What another side has put there under the same name is no longer there.
        ("https://a.example/mcp?key=evil&x=1&key", "/mcp?x=1&key=a%2Fb%20c"),
        ("https://a.example/mcp?keys=1", "/mcp?keys=1&key=a%2Fb%20c"),
    ])
    func `a parameter stands in the query once, encoded`(url: String, target: String) throws {
        let place = try HTTPURL(url)
        let sent = place.setting([("key", Array("a/b c".utf8))])
        #expect(sent.target == target && sent.origin == place.origin)
        #expect(!place.description.contains("a%2Fb"))
    }

    @Test func `no value can end the request line or begin another parameter`() throws {
        let sent = try HTTPURL("https://a.example/").setting([
            ("k", Array("1&admin=1#x HTTP/1.1\r\nX: y".utf8))
        ])
        #expect(sent.target == "/?k=1%26admin%3D1%23x%20HTTP%2F1.1%0D%0AX%3A%20y")
    }
}
