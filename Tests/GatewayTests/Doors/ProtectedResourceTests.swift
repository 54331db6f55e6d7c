import JSONSlice
import Testing

@testable import Gateway

struct ProtectedResourceTests {
    private static let places: [(host: String?, isSecure: Bool, port: Int, origin: String?)] = [
        ("gw.example.net", true, 443, "https://gw.example.net"),
        ("gw.example.net:443", true, 443, "https://gw.example.net"),
        ("GW.Example.Net:8443", true, 8443, "https://gw.example.net:8443"),
        ("gw.example.net", false, 80, "http://gw.example.net"),
        ("127.0.0.1:7330", false, 7330, "http://127.0.0.1:7330"),
        ("[::1]:7330", false, 7330, "http://[::1]:7330"), ("[::1]", false, 80, "http://[::1]"),
        // Another service of the same host: a token for it is none for us.
        ("gw.example.net:8443", true, 443, nil), ("gw.example.net", true, 7330, nil),
        ("127.0.0.1:80", false, 7330, nil), ("localhost:9999", false, 7330, nil),
        ("gw.example.net:", true, 443, nil), ("gw.example.net:x", true, 443, nil), (nil, true, 443, nil),
        ("", true, 443, nil), ("gw\"example", true, 443, nil), ("a b", true, 443, nil),
        ("gw.example.net/x", true, 443, nil),
    ]

    @Test(arguments: places)
    func `an endpoint is named after the Host that came in where it says, in one spelling`(
        host: String?, isSecure: Bool, port: Int, origin: String?
    ) {
        let resource = ProtectedResource(
            configured: nil, isSecure: isSecure, host: host, localPort: port, path: "/servers/ops/mcp")
        #expect(resource?.identifier == origin.map { $0 + "/servers/ops/mcp" })
        #expect(
            resource?.metadataURL
                == origin.map { $0 + "/.well-known/oauth-protected-resource/servers/ops/mcp" })
    }

    @Test func `a configured address counts whatever a request says`() {
        for host in ["evil.example", "", nil] as [String?] {
            let resource = ProtectedResource(
                configured: "https://gw.example.net", isSecure: false, host: host, localPort: 7330,
                path: "/mcp")
            #expect(resource?.identifier == "https://gw.example.net/mcp")
        }
    }

    @Test func `a challenge holds nothing that would end its quotes`() {
        let challenge = BearerChallenge(
            metadataURL: "https://gw.example.net/x", scopes: ["a", "b"], fault: .invalidToken,
            description: "it's \"quoted\\\r\nX-Other: header")
        #expect(!challenge.text.contains("\r") && !challenge.text.contains("\n"))
        #expect(challenge.text.count { $0 == "\"" } == 10)
        #expect(challenge.text.contains(#"scope="a b""#))
    }

    @Test func `the metadata is what RFC 9728 says`() {
        let resource = ProtectedResource(
            configured: "https://gw.example.net", isSecure: true, host: nil, localPort: nil, path: "/mcp")
        let metadata = resource?.metadata(issuers: ["https://idp.example.com"], scopes: [])
        #expect(metadata?["resource"]?.string == "https://gw.example.net/mcp")
        #expect(
            metadata?["authorization_servers"]?.elements.compactMap(\.string) == ["https://idp.example.com"])
        #expect(metadata?["scopes_supported"] == nil)
    }
}
