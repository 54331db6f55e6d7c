import NIOCore
import Testing

@testable import MCPTransport

struct HostPolicyTests {
    @Test(arguments: [
        ("::ffff:10.1.2.3", "10.1.2.3", false), ("::ffff:127.0.0.1", "127.0.0.1", true), ("::1", "::1", true),
        ("fe80::1", "fe80::1", false), ("10.0.0.1", "10.0.0.1", false),
    ])
    func `an address is the same whichever listener a client came by`(
        text: String, plain: String, isLoopback: Bool
    ) throws {
        let address = try SocketAddress(ipAddress: text, port: 1)
        #expect(address.plainIPAddress == plain && address.isLoopback == isLoopback)
    }

    @Test(arguments: [
        ("0.0.0.0:7330", "127.0.0.1:7330"), ("[::]:7330", "[::1]:7330"), ("10.0.0.1:80", "10.0.0.1:80"),
    ])
    func `a listener on every address is reached here by loopback`(bound: String, local: String) throws {
        #expect(try #require(ListenAddress(bound)).local.description == local)
    }

    private let policy = HostPolicy(names: [
        "gw.example.net", "other.example.net:8443", "vscode-webview://abc", "not a host",
    ])
    .including(ListenAddress(host: "10.1.2.3", port: 7330))

    @Test(arguments: [
        ("localhost", true), ("LOCALHOST:7330", true), ("127.0.0.1:1", true), ("[::1]:7330", true),
        ("10.1.2.3:7330", true), ("10.1.2.3", true), ("gw.example.net", true), ("GW.example.net:99", true),
        ("other.example.net:8443", true), ("other.example.net", false), ("other.example.net:8444", false),
        ("evil.example", false), ("localhost.evil.example", false), ("localhost@evil.example", false),
        ("127.0.0.2", false), ("10.1.2.4", false), ("", false), ("not a host", false), ("localhost:0", false),
        ("::1", false),
    ])
    func `only our own names are our host`(host: String, expected: Bool) {
        #expect(policy.admits(host: host) == expected)
    }

    @Test(arguments: [
        ("http://localhost:3000", true), ("https://gw.example.net", true), ("http://[::1]", true),
        ("https://other.example.net:8443", true), ("vscode-webview://abc", true),
        ("VSCODE-WEBVIEW://ABC", true),
        ("vscode-webview://abcd", false), ("null", false), ("https://evil.example", false),
        ("localhost", false),
        ("https://other.example.net", false), ("ftp://localhost", false), ("http://localhost/path", false),
        ("http://evil.example/http://localhost", false), ("", false),
    ])
    func `only our own pages are an origin`(origin: String, expected: Bool) {
        #expect(policy.admits(origin: origin) == expected)
    }

    @Test(arguments: ["0.0.0.0", "::"])
    func `listening everywhere does not make everywhere our name`(host: String) {
        let policy = HostPolicy().including(ListenAddress(host: host, port: 7330))
        #expect(!policy.admits(host: "0.0.0.0:7330"))
        #expect(!policy.admits(host: "[::]:7330"))
        #expect(policy.admits(host: "localhost:7330"))
    }

    @Test
    func `the address a client reached us at is ours`() {
        #expect(policy.admits(host: "192.168.7.7:7330", localAddress: "192.168.7.7"))
        #expect(!policy.admits(host: "192.168.7.8:7330", localAddress: "192.168.7.7"))
        #expect(policy.admits(host: "[fe80::1]:7330", localAddress: "fe80::1"))
    }
}

struct ListenAddressTests {
    @Test(arguments: [
        ("127.0.0.1:7330", "127.0.0.1", 7330, true), ("[::1]:7330", "::1", 7330, true),
        ("localhost:0", "localhost", 0, true), ("0.0.0.0:7332", "0.0.0.0", 7332, false),
        ("[::]:1", "::", 1, false), ("gw.example.net:80", "gw.example.net", 80, false),
        ("127.9.9.9:10", "127.9.9.9", 10, true), ("[::ffff:127.0.0.1]:5", "::ffff:127.0.0.1", 5, true),
        ("127.evil.example:80", "127.evil.example", 80, false),
    ])
    func `an address is read and written`(text: String, host: String, port: Int, isLoopback: Bool) throws {
        let address = try #require(ListenAddress(text))
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.isLoopback == isLoopback)
        #expect(address.description == text)
    }

    @Test(arguments: [
        "", "127.0.0.1", ":7330", "::1:7330", "a:b", "a:70000", "a:1:0", "[::1]", "7330", "a:00",
    ])
    func `what is no address is none`(text: String) {
        #expect(ListenAddress(text) == nil)
    }
}
