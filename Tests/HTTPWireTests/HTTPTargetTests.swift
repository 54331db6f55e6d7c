import HTTPWire
import Testing

struct HTTPTargetTests {
    @Test(
        arguments: [
            ("/", "/", nil),
            ("/a%20b/c", "/a b/c", nil),
            ("/a?b=c?d", "/a", "b=c?d"),
            ("/%C3%A9", "/é", nil),
            ("http://H:80/x?y", "/x", "y"),
            ("http://h", "/", nil),
            ("HTTPS://h?q", "/", "q"),
            ("//x/y", "//x/y", nil),
        ] as [(String, String, String?)])
    func `a target is taken apart`(text: String, path: String, query: String?) throws {
        let target = try HTTPTarget(text, method: "GET")
        #expect(target.path == path)
        #expect(target.rawQuery == query)
    }

    @Test
    func `an absolute target names its host`() throws {
        #expect(
            try HTTPTarget("http://H:80/x", method: "GET").authority == HTTPAuthority(host: "h", port: 80))
        #expect(try HTTPTarget("/x", method: "GET").authority == nil)
    }

    @Test(arguments: [
        ("a", "GET"), ("*", "GET"), ("/%", "GET"), ("/%zz", "GET"), ("/%ff", "GET"), ("/%00", "GET"),
        ("h:80", "GET"),
        ("ftp://h/", "GET"), ("http:///x", "GET"), ("http://u@h/", "GET"), ("h:80", "CONNECT"),
    ])
    func `a target that is none is refused`(text: String, method: String) {
        #expect(throws: HTTPWireError.self) { try HTTPTarget(text, method: method) }
    }

    @Test
    func `an encoded slash stays within its segment`() throws {
        let target = try HTTPTarget("/servers/a%2Fb/mcp", method: "GET")
        #expect(target.segments == ["servers", "a/b", "mcp"])
        #expect(target.path == "/servers/a/b/mcp")
        #expect(try HTTPTarget("/", method: "GET").segments == [""])
    }

    @Test
    func `a query is decoded as forms are`() throws {
        let query = try HTTPTarget("/?a=1+2&b=%26&c&=d&e=%zz&&a=3", method: "GET").query
        #expect(query.map(\.0) == ["a", "b", "c", "", "e", "a"])
        #expect(query.map(\.1) == ["1 2", "&", "", "d", "%zz", "3"])
    }

    @Test(arguments: ["", "a b", "é/?&=%", "~-._"])
    func `what is percent-encoded comes back`(text: String) {
        let encoded = PercentCoding.encode(text)
        #expect(PercentCoding.decode(encoded) == text)
        #expect(encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") })
    }
}

struct HTTPAuthorityTests {
    @Test(
        arguments: [
            ("localhost", "localhost", nil, "localhost"),
            ("Example.COM:8080", "example.com", 8080, "example.com:8080"),
            ("127.0.0.1:1", "127.0.0.1", 1, "127.0.0.1:1"),
            ("[::1]", "::1", nil, "[::1]"),
            ("[2001:DB8::1]:65535", "2001:db8::1", 65535, "[2001:db8::1]:65535"),
            ("my_host", "my_host", nil, "my_host"),
        ] as [(String, String, Int?, String)])
    func `host and port are read`(text: String, host: String, port: Int?, written: String) throws {
        let authority = try #require(HTTPAuthority(text))
        #expect(authority.host == host)
        #expect(authority.port == port)
        #expect(authority.description == written)
    }

    @Test(arguments: [
        "", ":80", "a:", "a:0", "a:65536", "a:8o", "a:-1", "a:123456", "::1", "[::1", "[::1]x", "[127.0.0.1]",
        "[]",
        "a b", "u@h", "a/b", "é", "a:80:80", "[::1]:", "a\0",
    ])
    func `what is no host and port is none`(text: String) {
        #expect(HTTPAuthority(text) == nil)
    }
}

struct HTTPURLTests {
    @Test(arguments: [
        ("http://a", "http://a", "/", 80),
        ("HTTPS://A.b:8443/x/y?z=1#f", "https://a.b:8443", "/x/y?z=1", 8443),
        ("https://a:443/", "https://a", "/", 443),
        ("http://[::1]:7330/mcp", "http://[::1]:7330", "/mcp", 7330),
        ("http://a?q", "http://a", "/?q", 80),
    ])
    func `a URL is read`(text: String, origin: String, target: String, port: Int) throws {
        let url = try HTTPURL(text)
        #expect(url.origin.description == origin)
        #expect(url.target == target)
        #expect(url.origin.port == port)
    }

    @Test(
        arguments: [
            ("", .noScheme("")),
            ("a/b", .noScheme("a/b")),
            ("localhost:80", .unsupportedScheme("localhost")),
            ("ftp://a/", .unsupportedScheme("ftp")),
            ("http:/a", .noScheme("http:/a")),
            ("http://", .badAuthority("")),
            ("http://a:x/", .badAuthority("a:x")),
            ("http://u:p@a/", .userInformation),
            ("http://a/b c", .illegalCharacter(at: 10)),
            ("http://a/\r\nX: y", .illegalCharacter(at: 9)),
            ("http://é/", .illegalCharacter(at: 7)),
        ] as [(String, HTTPURLError)])
    func `what cannot be called says why`(text: String, error: HTTPURLError) {
        #expect(throws: error) { try HTTPURL(text) }
        #expect(!error.description.isEmpty)
    }

    @Test(arguments: [
        ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"), ("g/", "http://a/b/c/g/"), ("/g", "http://a/g"),
        ("//g", "http://g/"), ("?y", "http://a/b/c/d?y"), ("g?y", "http://a/b/c/g?y"),
        ("", "http://a/b/c/d?q"),
        ("..", "http://a/b/"), ("../g", "http://a/b/g"), ("../..", "http://a/"), ("../../../g", "http://a/g"),
        ("/./g", "http://a/g"), ("g;x=1/../y", "http://a/b/c/y"), ("https://h/x", "https://h/x"),
        ("#s", "http://a/b/c/d?q"),
        ("/m?session=a:b", "http://a/m?session=a:b"),
    ])
    func `a reference is resolved as RFC 3986 says`(reference: String, expected: String) throws {
        #expect(try HTTPURL("http://a/b/c/d?q").resolving(reference).description == expected)
    }
}
