import Catalog
import Gateway
import JSONSlice
import MartletTestKit
import Testing

@Suite struct DesktopImportTests {
    private static func read(_ name: String) throws -> DesktopImport {
        try DesktopImport(Array(Fixture.text(name).utf8))
    }

    @Test func `a client's file gives servers without credentials`() throws {
        let taken = try Self.read("claude-desktop.json")
        #expect(taken.servers.map(\.name.text) == ["github", "my-notes", "my-notes-2", "linear", "db"])
        let all = taken.servers.map(\.json.text).joined()
        for secret in ["ghp_0123456789abcdefghijABCDEFGHIJ012345", "lin_api_abcdef0123456789", "hunter2"] {
            #expect(!all.contains(secret))
            #expect(taken.secrets.contains { $0.value?.contains(secret) ?? false })
        }
        #expect(
            taken.servers[3].json.text == """
                {"url":"https://mcp.linear.app/mcp","headers":{"Authorization":"Bearer ${secret:linear-authorization}",\
                "X-Workspace":"acme"}}
                """)
        #expect(!taken.servers[1].isEnabled)
    }

    @Test func `it says what became a secret and why`() throws {
        let secrets = try Self.read("claude-desktop.json").secrets
        #expect(
            secrets.map { "\($0.name) | \($0.server) \($0.place) | \($0.reason)" } == [
                "github-personal-access-token | github env GITHUB_PERSONAL_ACCESS_TOKEN | its value starts with ghp_",
                "linear-authorization | linear header Authorization | it is an authorization header",
                "db-database-url | db env DATABASE_URL | its value is a URL with a password",
            ])
    }

    @Test func `it says what was renamed, left out, refused and stays readable`() throws {
        let notes = try Self.read("claude-desktop.json").notes.map(\.description)
        #expect(
            notes == [
                #""My Notes" is called my-notes here"#,
                "My Notes: left out what Martlet does not know: autoApprove",
                "my-notes: argument 2 looks like a credential (its value starts with sk-); other users of the machine can read it, so give it as env if the server can take it so",
                #""my-notes" is called my-notes-2 here"#,
                "broken was not taken: needs command (a program) or url (a server over HTTP)",
            ])
    }

    @Test func `a file with comments, inputs and other spellings is read as it is`() throws {
        let taken = try Self.read("vscode-mcp.json")
        #expect(
            taken.servers.map(\.json.text) == [
                #"{"command":"npx","args":["-y","server-perplexity-ask"],"env":{"PERPLEXITY_API_KEY":"${secret:perplexity-api-key}","URL":"http://x//y"}}"#,
                #"{"url":"https://docs.example.com/mcp","headers":{"Authorization":"Bearer ${secret:docs-authorization}"}}"#,
            ])
        #expect(taken.secrets.map(\.value) == [nil, nil], "their values are not in the file")
    }

    @Test func `what stands after as many servers as a node may have is counted, not silently lost`() throws {
        let count = NodeConfiguration.serversMax + 2
        let servers = (0..<count).map { "\"s\($0)\":{\"command\":\"true\"}" }.joined(separator: ",")
        let taken = try DesktopImport(Array("{\"mcpServers\":{\(servers)}}".utf8))
        #expect(taken.servers.count == NodeConfiguration.serversMax)
        #expect(taken.notes == [.beyondLimit(count: 2)])
        #expect(taken.notes.map(\.description).joined().hasPrefix("2 more of the file were not taken"))
    }

    @Test func `nothing that exists is overwritten`() throws {
        let github: Label = "github"
        let secret: Label = "github-token"
        let file = #"{"mcpServers":{"github":{"command":"x","env":{"TOKEN":"t"}}}}"#
        let taken = try DesktopImport(Array(file.utf8), takenServers: [github], takenSecrets: [secret])
        #expect(taken.servers.map(\.name.text) == ["github-2"])
        #expect(taken.secrets.map(\.name.text) == ["github-2-token"])
    }

    @Test(arguments: [
        (
            "{",
            "not the JSON of a client's configuration: invalid JSON at byte 1: the document ends in the middle of a value"
        ),
        (#"{"theme":"dark"}"#, "holds no map mcpServers or servers; found theme"),
        ("[]", "holds no map mcpServers or servers; found nothing"),
    ])
    func `a file that is something else says so`(text: String, message: String) throws {
        let error = try #require(throws: DesktopImportError.self) { try DesktopImport(Array(text.utf8)) }
        #expect(error.description == message)
    }

    @Test(arguments: [
        ("GITHUB_TOKEN", "x", true), ("x-api-key", "x", true), ("PGPASSWORD", "x", true),
        ("OPENAI_KEY", "x", true),
        ("ANYTHING", "sk-0123456789", true), ("COOKIE", "x", true),
        ("Proxy-Authorization", "Basic eA==", true),
        ("KEYBOARD", "de", false), ("PATH", "/bin", false), ("TOKEN_FILE", "/run/t", false),
        ("TOKEN", "", false),
        ("AWS_ACCESS_KEY_ID", "AKIA0123456789ABCDEF", true), ("PATTERN", "x", false), ("AUTHOR", "me", false),
        ("MONKEY", "x", false), ("MAX_TOKENS", "4096", false),
        ("USE_TOKEN", "true", false),
    ])
    func `names and values that look like credentials are recognised`(
        name: String, value: String, isOne: Bool
    ) {
        #expect((CredentialGuess.of(name: name, value: value) != nil) == isOne)
    }

    @Test(arguments: [
        (#"{"a":1,} // end"#, #"{"a":1 }       "#), (#"{"a":"x,} // /* "}"#, #"{"a":"x,} // /* "}"#),
        ("[1,/* c\n */]", "[1     \n   ]"), (#"{"a":"\",}"}"#, #"{"a":"\",}"}"#), ("1 /", "1 /"),
        ("/* open", "       "),
        (#"{"a":"open"#, #"{"a":"open"#), (",]", " ]"),
    ])
    func `comments and last commas become spaces, strings stay`(text: String, strict: String) {
        #expect(String(decoding: RelaxedJSON.strict(Array(text.utf8)), as: UTF8.self) == strict)
    }
}
