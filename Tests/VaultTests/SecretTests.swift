import Testing

@testable import Vault

struct SecretTests {
    @Test func `a secret lends the bytes it was given`() {
        let secret = Secret(copying: [1, 2, 3])
        #expect(secret.count == 3)
        #expect(secret.withBytes { span in span.unsafeLoad(fromByteOffset: 2, as: UInt8.self) } == 3)
    }

    @Test func `moving bytes into a secret empties the array`() {
        var bytes: [UInt8] = [4, 5, 6]
        let secret = Secret(moving: &bytes)
        #expect(bytes.isEmpty)
        #expect(secret.revealed() == [4, 5, 6])
    }

    @Test func `wiping leaves zeros`() {
        var bytes = [UInt8](repeating: 9, count: 100)
        bytes.withUnsafeMutableBytes { wipe($0) }
        #expect(bytes == [UInt8](repeating: 0, count: 100))
    }

    @Test(arguments: [0, 1, 7, 8, 9, 32])
    func `random secrets have their size and differ`(count: Int) {
        var dice = Dice(seed: 3)
        let first = Secret(random: count, using: &dice)
        let second = Secret(random: count, using: &dice)
        #expect(first.count == count)
        #expect(first.revealed() != second.revealed() || count == 0)
    }
}

struct SecretNameTests {
    @Test(arguments: ["a", "github-token", "0.x_y", String(repeating: "a", count: 64)])
    func `people's names are names`(text: String) throws {
        let name = try #require(SecretName(text))
        #expect(!name.isOwn)
        #expect(SecretName(stored: name.text) == name)
    }

    @Test(arguments: [
        "", "-a", ".a", "A", "a/b", "martlet/mesh-root", "a b", "ä", "a\0", String(repeating: "a", count: 65),
    ])
    func `other texts are none`(text: String) { #expect(SecretName(text) == nil) }

    @Test func `the node's own records cannot be named from outside`() throws {
        let own = try #require(SecretName(own: "mesh-root"))
        #expect(own.isOwn)
        #expect(SecretName(own.text) == nil)
        #expect(SecretName(stored: own.text) == own)
    }
}

struct AudienceTests {
    @Test(arguments: [
        ("https://API.example.com/mcp", "https://api.example.com", "/mcp"),
        ("HTTPS://api.example.com:443", "https://api.example.com", "/"),
        ("https://api.example.com:8443/a/b?tenant=1#part", "https://api.example.com:8443", "/a/b?tenant=1"),
        ("http://127.0.0.1:80/", "http://127.0.0.1", "/"),
        ("http://[::1]:9000/mcp", "http://[::1]:9000", "/mcp"),
        ("http://[FE80::1]/", "http://[fe80::1]", "/"),
        ("https://host?x=1", "https://host", "/?x=1"),
        ("https://host/Case%2Fkept", "https://host", "/Case%2Fkept"),
    ])
    func `an address has one canonical origin`(url: String, origin: String, resource: String) throws {
        let parts = try BackendURL(url)
        #expect(parts.origin == origin)
        #expect(parts.resource == resource)
    }

    @Test(arguments: [
        ("ftp://host/", BackendURLError.notHTTP), ("host/mcp", .notHTTP), ("https:/host", .notHTTP),
        ("https://user:pw@host/", .userInfo), ("https:///mcp", .host), ("https://[::1/", .host),
        ("https://[]/", .host), ("https://[fe80::1%25eth0]/", .host), ("https://a$b/", .host),
        ("https://host:0/", .port), ("https://host:/", .port), ("https://host:70000/", .port),
        ("https://host:+1/", .port), ("https://[::1]x/", .port), ("https://hö.example/", .characters),
        ("https://host/a b", .characters), ("https://host\\@evil/", .characters),
        ("https://host/\n", .characters),
    ])
    func `what is not plainly one address is refused`(url: String, error: BackendURLError) {
        #expect(throws: error) { try BackendURL(url) }
    }

    @Test func `commands differ as their words do`() {
        let lines = [
            ["npx", "a b"], ["npx", "a", "b"], ["npx", "a%20b"], ["npx a", "b"], ["npx", "", "a"],
            ["npx", "a"],
        ]
        let audiences = lines.map {
            SecretAudience(server: "s", command: $0[0], arguments: Array($0.dropFirst()))
        }
        #expect(Set(audiences).count == lines.count)
    }
}
