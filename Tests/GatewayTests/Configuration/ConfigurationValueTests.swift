import Catalog
import Composition
@testable import Gateway
import JSONSlice
import MCPModel
import MCPTransport
import Testing

@Suite struct ConfigurationValueTests {
    @Test(arguments: [
        ("30s", Duration.seconds(30)), ("5m", .seconds(300)), ("2h", .seconds(7_200)),
        ("1d", .seconds(86_400)),
        ("500ms", .milliseconds(500)), ("0s", .zero),
    ])
    func `a duration is a number and a unit, and spells itself`(text: String, duration: Duration) {
        #expect(DurationText.parse(text) == duration)
        #expect(DurationText.spell(duration) == text)
    }

    @Test(arguments: [
        "", "s", "30", "-1s", "1.5s", "1 s", "1w", "99999999999999999999s", "9223372036854775807d", "٣s",
    ])
    func `anything else is no duration`(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(arguments: [
        ("64MiB", 67_108_864), ("64KiB", 65_536), ("1GiB", 1_073_741_824), ("1000B", 1000), ("0B", 0),
    ])
    func `a size is a number and a unit, and spells itself`(text: String, bytes: Int) {
        #expect(ByteCount.parse(text) == bytes)
        #expect(ByteCount.spell(bytes) == text)
    }

    @Test(arguments: ["", "64", "64MB", "64 MiB", "-1B", "1.5GiB", "9223372036854775807KiB", "MiB", "٣MiB"])
    func `anything else is no size`(text: String) {
        #expect(ByteCount.parse(text) == nil)
    }

    @Test func `the limits are the issue's, and reach where they act`() throws {
        let standard = LimitSettings.standard
        #expect(standard.messageBytes == 64 << 20 && standard.nesting == 128)
        #expect(standard.listPages == 1_000 && standard.entries == 10_000)
        #expect(standard.headerBytes == 64 << 10)
        #expect(standard.idleSession == .seconds(1_800) && standard.suspendedCall == .seconds(600))
        #expect(standard.response == .seconds(60) && standard.call == .seconds(600))

        let file = """
            limits: {message: 1MiB, nesting: 20, listPages: 3, entries: 7, header: 8KiB, idleSession: 1m,
                     suspendedCall: 2m, response: 3s, call: 4m}
            servers: {a: {command: x}, b: {command: x, timeout: 9s}}
            """
        let configuration = try ConfigurationFile.node(file, file: "x")
        let limits = configuration.limits
        #expect(limits.front.message.bytesMax == 1 << 20 && limits.front.message.depthMax == 20)
        #expect(limits.front.sessionIdle == .seconds(60) && limits.front.inputWait == .seconds(120))
        #expect(limits.listener.message.bodyBytesMax == 1 << 20)
        #expect(limits.listener.message.headBytesMax == 8 << 10)
        #expect(limits.client.message.headBytesMax == 8 << 10)
        let backs = configuration.servers.map { limits.back(of: $0) }
        for back in backs {
            #expect(back.message == limits.front.message && back.pagesMax == 3 && back.entriesMax == 7)
            #expect(back.suspendedTimeMax == .seconds(120) && back.callMax == .seconds(240))
        }
        #expect(backs.map(\.silenceMax) == [.seconds(3), .seconds(9)])
        #expect(backs.map(\.silenceName) == ["limits.response", "servers.b.timeout"])
    }

    @Test(arguments: [
        ("127.0.0.1:7330", "127.0.0.1", 7330), ("[::1]:7330", "::1", 7330), ("localhost:0", "localhost", 0),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1), ("hq-gw1.example.net:65535", "hq-gw1.example.net", 65_535),
    ])
    func `an address is host and port, and spells itself`(text: String, host: String, port: Int) throws {
        let address = try #require(HostPort(text))
        #expect(address == HostPort(host: host, port: port))
        #expect(address.description == text)
    }

    @Test(arguments: [
        "", ":", ":80", "host", "host:", "host:x", "host:65536", "::1:80", "[::1]", "[]:80", "[host]:80",
        "a b:1",
        "host:+80", "http://host:80", "host:123456",
    ])
    func `anything else is no address`(text: String) {
        #expect(HostPort(text) == nil)
    }

    @Test(arguments: [
        ("plain", [String]()), ("${secret:github-token}", ["github-token"]),
        ("Bearer ${secret:a} and ${secret:b}", ["a", "b"]), ("$HOME {x}", []),
    ])
    func `a value says which secrets it needs`(value: String, names: [String]) {
        #expect(SecretReference.names(in: value) == .success(names.compactMap { Label($0) }))
    }

    @Test(
        arguments: [
            ("https://api.example.com/mcp?x=1", nil), ("http://127.0.0.1:9000", nil),
            ("HTTPS://[::1]/x", nil),
            ("https://[::1]:8443/x", nil),
            ("https:///x", "\"\" is no host"),
            ("https://a b/", "contains a character that must be percent-encoded in a URL"),
            ("file:///x", "expected a URL that starts with https:// or http://"),
            ("https://host:99999/", "\"host:99999\" is no host"),
        ] as [(String, String?)])
    func `a server's URL is checked`(url: String, problem: String?) {
        #expect(BackendURL.problem(url) == problem)
    }

    // MARK: YAML

    @Test func `plain scalars are read by YAML 1_2 and keep their digits`() throws {
        let document = try YAMLDocument(
            parsing:
                "a: off\nb: yes\nc: 0644\nd: 1.10\ne: ~\nf: 'true'\ng: true\nh: 0x1F\ni: 1e3\nj: !!str 5\nk:\n"
        )
        #expect(
            document.value.text
                == #"{"a":"off","b":"yes","c":"0644","d":1.10,"e":null,"f":"true","g":true,"h":"0x1F","i":1e3,"j":"5","k":null}"#
        )
    }

    @Test func `a tag anywhere in a document changes nothing of what has none`() throws {
        let plain =
            "a: off\nb: 0644\nc: 1.10\nd: ~\ne: 'true'\nf: true\ng: -3e2\nh:\ni: 2026-11-30\nj: text\nk: 0b1\n"
        let bare = try YAMLDocument(parsing: plain).value
        let tagged = try YAMLDocument(parsing: plain + "z: !!str 5\n").value
        #expect(tagged.removing("z") == bare && tagged["z"] == "5")
        #expect(try YAMLDocument(parsing: plain + "# !\n").value == bare)
    }

    @Test func `a setting's line is its key's, or what is nearest around it`() throws {
        let document = try YAMLDocument(parsing: "# c\na:\n  b:\n    - x\n    - y\n")
        #expect(document.line(of: .root.key("a").key("b").index(1)) == 5)
        #expect(document.line(of: .root.key("a").key("b")) == 3)
        #expect(document.line(of: .root.key("a").key("zz").key("deeper")) == 2)
    }

    @Test(arguments: [
        // Ten aliases of ten aliases …
        "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
            + "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
        String(repeating: "[", count: 200) + String(repeating: "]", count: 200),
        "a: 1\n---\nb: 2\n", "? [1, 2]\n: x\n", "a: *nothing\n", "a: 1\n'a': 2\n", "\u{0}", "a: \"\\q\"",
        "a: b: c", "\t- x", "a: 1\n\"1\": x\n1: y\n",
    ])
    func `what cannot be a configuration is refused with a reason`(text: String) {
        #expect(throws: YAMLProblem.self) { try YAMLDocument(parsing: text) }
    }

    @Test func `a file that is far too large is refused`() {
        let text = "a: " + String(repeating: "x", count: YAMLDocument.bytesMax)
        #expect(throws: YAMLProblem.self) { try YAMLDocument(parsing: text) }
    }

    // MARK: Lookup

    private static let home = ["HOME": "/home/me"]

    @Test(arguments: [
        ("./martlet.yaml", ["./martlet.yaml", "/etc/martlet/martlet.yaml"]),
        (
            "/home/me/.config/martlet/martlet.yaml",
            ["/home/me/.config/martlet/martlet.yaml", "/etc/martlet/martlet.yaml"]
        ),
        ("/etc/martlet/martlet.yaml", ["/etc/martlet/martlet.yaml"]),
    ])
    func `the nearest usual place wins`(expected: String, existing: [String]) {
        let found = ConfigurationLookup.file(option: nil, environment: Self.home) { existing.contains($0) }
        #expect(found == .file(expected, .usualPlace))
    }

    @Test func `a file that somebody named is that or nothing`() {
        let environment = ["HOME": "/h", "MARTLET_CONFIG": "/env.yaml", "XDG_CONFIG_HOME": "/xdg"]
        let file = { (option: String?, existing: Set<String>) in
            ConfigurationLookup.file(option: option, environment: environment, exists: existing.contains)
        }
        #expect(file("/o.yaml", ["/o.yaml", "/env.yaml"]) == .file("/o.yaml", .option))
        #expect(file("/o.yaml", ["/env.yaml"]) == .missing("/o.yaml", .option))
        #expect(file(nil, ["/env.yaml"]) == .file("/env.yaml", .environment))
        #expect(file(nil, ["./martlet.yaml"]) == .missing("/env.yaml", .environment))
    }

    @Test func `where nothing is found the places are told`() {
        let found = ConfigurationLookup.file(option: nil, environment: ["XDG_CONFIG_HOME": "/xdg"]) { _ in
            false
        }
        #expect(
            found
                == .none(lookedFor: [
                    "./martlet.yaml", "/xdg/martlet/martlet.yaml", "/etc/martlet/martlet.yaml",
                ]))
    }

    @Test func `data is in the state folder`() {
        #expect(ConfigurationLookup.dataFolder(environment: Self.home) == "/home/me/.local/state/martlet")
        #expect(
            ConfigurationLookup.dataFolder(environment: ["XDG_STATE_HOME": "/s", "HOME": "/h"])
                == "/s/martlet")
        #expect(ConfigurationLookup.dataFolder(environment: ["XDG_STATE_HOME": "relative"]) == nil)
    }

    // MARK: Definitions that commands store

    @Test func `a stored definition reads back as the same`() throws {
        let configuration = try ConfigurationFile.node(Fixture.text("full.yaml"), file: "full.yaml")
        #expect(configuration.servers.count == 6)
        for server in configuration.servers {
            #expect(try ServerDefinition(name: server.name, json: server.json) == server)
        }
        let secrets = configuration.servers.flatMap(\.secrets).map(\.text)
        #expect(secrets == ["github-token", "files-token", "old-key", "old-password", "shop-key"])
    }

    @Test func `virtual servers are applied from a file of their own`() throws {
        let text = "virtualServers:\n  ops:\n    use: [{from: time}]\n"
        let applied = try ConfigurationFile.virtualServers(text, file: "ops.yaml")
        #expect(applied.map(\.name.text) == ["ops"])
        let error = try #require(throws: ConfigurationError.self) {
            try ConfigurationFile.virtualServers("servers: {}", file: "ops.yaml")
        }
        #expect(
            error.description == """
                ops.yaml: defines nothing; write virtualServers: {NAME: {use: [{from: SERVER}]}}
                ops.yaml:1: servers: not a setting; known here: virtualServers
                """)
    }
}
