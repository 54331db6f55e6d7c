import Catalog
import Composition
import JSONSlice
import MartletTestKit
import Testing

@Suite struct EndpointViewTests {
    private static func mesh() -> SampleMesh {
        var mesh = SampleMesh()
        mesh.addNode("lab")
        mesh.addServer(
            "files",
            [.tool("read"), .resource("file:///a"), .resource("ui://panel"), .template("file:///{p}")],
            instructions: "Read first.", capabilities: #"{"tools":{},"resources":{"subscribe":true}}"#.json)
        mesh.addServer(
            "time", on: "lab", [.tool("now"), .tool("zone.list"), .prompt("ask")], instructions: "UTC.")
        mesh.addServer("new", on: "lab", nil)
        mesh.addServer("old", [.tool("gone")], state: .disabled)
        return mesh
    }

    @Test func `the whole mesh shows own servers by name and others with their node`() {
        let view = Self.mesh().view(.all)
        let fitted = EntryNaming.fitted("lab--time__zone.list", lengthMax: 50)
        #expect(view.names(.tool) == ["files__read", "lab--time__now", fitted])
        #expect(view.names(.prompt) == ["lab--time__ask"])
        #expect(view.names(.resource) == ["martlet://files/file:///a", "ui://files/panel"])
        #expect(view.names(.resourceTemplate) == ["martlet://files/file:///{p}"])
        #expect(view.binding(.tool, named: fitted)?.entry == "zone.list")
        #expect(view.notes.contains(.notListedYet(SampleMesh.key("new", on: "lab"))))
        #expect(view.notes.contains(.disabled(SampleMesh.key("old"))))
    }

    @Test func `what is completed is what the reference's type says, and nothing else of it goes on`() throws
    {
        var mesh = SampleMesh()
        mesh.addServer("erp", [.prompt("open"), .template("erp://{who}"), .template("erp://open/{x}")])
        let whole = mesh.view(.oneServer(SampleMesh.key("erp")))
        let both: JSON = ["type": "ref/resource", "name": "open", "uri": "erp://{who}"]
        let route = try whole.route("completion/complete", ["ref": both])
        #expect(route.binding?.kind == .resourceTemplate)
        #expect(route.params == #"{"ref":{"type":"ref/resource","uri":"erp://{who}"}}"#.json)
        #expect(throws: RouteError.self) {
            try whole.route("completion/complete", ["ref": ["name": "open", "uri": "erp://{who}"]])
        }
        #expect(throws: RouteError.self) {
            try whole.route("completion/complete", ["ref": ["type": "ref/resource", "name": "open"]])
        }
        // A template that a definition leaves out is not completed either.
        let narrow = try mesh.view(#"{"use":[{"from":"erp","hide":["erp://{who}"]}]}"#.json)
        let shown = narrow.names(.resourceTemplate)
        #expect(shown.count == 1)
        let ref = { (uri: String) -> JSON in ["ref": ["type": "ref/resource", "uri": .string(uri)]] }
        _ = try narrow.route("completion/complete", ref(try #require(shown.first)))
        let hidden = try #require(shown.first).replacing("open/{x}", with: "{who}")
        #expect(throws: RouteError.self) { try narrow.route("completion/complete", ref(hidden)) }
    }

    @Test func `a URI without end that is in no list is looked at by nobody`() {
        let uri = "martlet://files/" + String(repeating: "x", count: 1 << 20)
        let error = #expect(throws: RouteError.self) {
            try Self.mesh().view(.all).route("resources/read", ["uri": .string(uri)])
        }
        #expect((error?.failure.detail.utf8.count ?? 0) < 200)
    }

    @Test func `a definition changes only in its name`() throws {
        let text =
            #"{ "description":"d\u00e9", "name": "read","x":{"deep":[1.0,2e1]}, "inputSchema":{"$defs":{}}}"#
        var mesh = SampleMesh()
        mesh.addServer("files", [try #require(Entry(kind: .tool, definition: text.json))])
        let shown = try #require(mesh.view(.all).list(.tool).first)
        #expect(shown.definition.text == text.replacing(#""read""#, with: #""files__read""#))
        #expect(shown.binding.hash == Entry(kind: .tool, definition: text.json)?.hash)
    }

    @Test func `one server's endpoint shows everything as it is, in its order`() throws {
        let key = SampleMesh.key("files")
        let mesh = Self.mesh()
        let view = mesh.view(.oneServer(key))
        let manifest = try #require(mesh.catalog.servers[key]?.manifest)
        let shown = EntryKind.allCases.flatMap { view.list($0).map(\.definition) }
        #expect(shown == manifest.entries.sorted { $0.kind < $1.kind }.map(\.definition))
        #expect(view.instructions == "Read first.")
        #expect(
            view.capabilities.text
                == #"{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true}}"#)
        #expect(try view.route("resources/read", ["uri": "file:///any"]).params == ["uri": "file:///any"])
        let unlisted = try view.route("tools/call", ["name": "newer", "arguments": [:]])
        #expect(unlisted == Route(server: key, binding: nil, params: ["name": "newer", "arguments": [:]]))
        let completion: JSON = ["ref": ["type": "ref/prompt", "name": "newer"]]
        #expect(try view.route("completion/complete", completion).params == completion)
        let result = #"{"content":[{"type":"resource_link","uri":"file:///a"}]}"#.json
        #expect(view.space(of: key).outward(result: result) == result)
    }

    @Test func `a server's canonically equivalent names stay two names`() throws {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        var mesh = SampleMesh()
        let key = mesh.addServer("x", [.tool(composed), .tool(decomposed)])
        let view = mesh.view(.oneServer(key))
        let first = try #require(view.binding(.tool, named: composed))
        let second = try #require(view.binding(.tool, named: decomposed))
        #expect(first.hash != second.hash)
    }

    @Test func `merged instructions name their servers and stay within bounds`() throws {
        var mesh = Self.mesh()
        #expect(mesh.view(.all).instructions == "## files\n\nRead first.\n\n## lab--time\n\nUTC.")
        for number in 0..<40 {
            mesh.addServer("s\(number)", instructions: String(repeating: "é", count: 5_000))
        }
        let text = try #require(mesh.view(.all).instructions)
        #expect(text.utf8.count <= 16 * 1024 + 100)
        #expect(text.hasSuffix("(More servers have instructions than fit here.)"))
    }

    @Test func `updates of single resources are promised if a server behind the endpoint tells of them`()
        throws
    {
        let all = Self.mesh().view(.all)
        #expect(all.tellsOfUpdates(SampleMesh.key("files")))
        #expect(!all.tellsOfUpdates(SampleMesh.key("time", on: "lab")))
        let promise = { (view: EndpointView) in view.capabilities["resources"]?["subscribe"]?.bool }
        let with = try Self.mesh().view(#"{"use":[{"from":"files"},{"from":"lab--time"}]}"#.json)
        #expect(promise(with) == true && with.tellsOfUpdates(SampleMesh.key("files")))
        var mesh = SampleMesh()
        mesh.addServer("quiet", [.resource("a:1")], capabilities: #"{"resources":{"subscribe":false}}"#.json)
        mesh.addServer(
            "off", [.resource("a:1")], capabilities: #"{"resources":{"subscribe":true}}"#.json,
            state: .disabled)
        #expect(promise(mesh.view(.all)) == nil)
        #expect(!mesh.view(.all).tellsOfUpdates(SampleMesh.key("off")))
    }

    @Test func `capabilities are those of all servers together`() {
        #expect(
            Self.mesh().view(.all).capabilities.text
                == #"{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"prompts":{"listChanged":true}}"#
        )
        #expect(SampleMesh().view(.all).capabilities.text == #"{"tools":{"listChanged":true}}"#)
    }

    @Test func `a server that was never listed may come to have anything, and its clients are to hear of it`()
    {
        var mesh = SampleMesh()
        let key = mesh.addServer("new", nil)
        #expect(
            mesh.view(.oneServer(key)).capabilities.text
                == #"{"tools":{"listChanged":true},"resources":{"listChanged":true},"prompts":{"listChanged":true}}"#
        )
        mesh.addServer("new", [], capabilities: #"{"prompts":{}}"#.json)
        #expect(mesh.view(.oneServer(key)).capabilities.text == #"{"prompts":{"listChanged":true}}"#)
    }

    // MARK: Composition

    @Test func `a virtual server shows plain names, renamed and narrowed as it says`() throws {
        var mesh = Self.mesh()
        mesh.addServer(
            "github", on: "lab",
            [
                .tool(
                    "create_issue", #"{"properties":{"repo":{},"title":{}},"required":["repo","title"]}"#.json
                ),
                .tool("get_me"), .tool("get_salary"), .tool("delete_repo"),
            ])
        let view = try mesh.view(
            """
            {"title":"Ops","use":[{"from":"lab--time"},{"from":"lab--github","only":["get_*"],"hide":["*salary"]},
            {"tool":"lab--github/create_issue","as":"file_ticket","title":"T","description":"D",
             "annotations":{"readOnlyHint":false},"set":{"repo":"acme"}}]}
            """.json)
        let zone = EntryNaming.fitted("zone.list", lengthMax: 50)
        #expect(view.names(.tool) == ["now", zone, "get_me", "file_ticket"])
        #expect(view.title == "Ops")
        let ticket = try #require(view.entry(.tool, named: "file_ticket"))
        #expect(
            ticket.definition.text == """
                {"name":"file_ticket","inputSchema":{"properties":{"title":{}},"required":["title"]},\
                "title":"T","description":"D","annotations":{"readOnlyHint":false}}
                """)
        let route = try view.route("tools/call", #"{"name":"file_ticket","arguments":{"title":"x"}}"#.json)
        #expect(route.server == SampleMesh.key("github", on: "lab"))
        #expect(route.params.text == #"{"name":"create_issue","arguments":{"title":"x","repo":"acme"}}"#)
        #expect(route.binding?.hash == ticket.binding.hash)
        #expect(throws: RouteError.unknown(.tool, "create_issue", nearest: nil)) {
            try view.route("tools/call", ["name": "create_issue"])
        }
    }

    @Test func `an entry named for itself is not shown again with its whole server`() throws {
        let view = try Self.mesh().view(
            #"{"use":[{"from":"lab--time"},{"tool":"lab--time/now","as":"clock"},{"from":"lab--time"}]}"#.json
        )
        #expect(view.names(.tool) == [EntryNaming.fitted("zone.list", lengthMax: 50), "clock"])
    }

    @Test func `a server that later copies a tool's name takes no calls from it`() throws {
        var mesh = Self.mesh()
        mesh.addServer("evil", on: "lab", [])
        let definition = try VirtualServerDefinition(
            json: #"{"use":[{"from":"lab--evil"},{"from":"files"},{"tool":"lab--time/now"}]}"#.json)
        let resolved = try definition.resolve(against: mesh.catalog)
        mesh.addServer("evil", on: "lab", [.tool("read"), .tool("now")])
        let view = mesh.view(.virtual(resolved))
        #expect(view.binding(.tool, named: "now")?.server == SampleMesh.key("time", on: "lab"))
        #expect(view.binding(.tool, named: "read") == nil)
        #expect(view.names(.tool) == ["lab--evil__read", "lab--evil__now", "here--files__read", "now"])
        #expect(
            view.notes.contains { if case .clash(.tool, name: "read", _, _) = $0 { true } else { false } })
    }

    @Test func `an entry that can no longer be fixed as defined is held back`() throws {
        var mesh = SampleMesh()
        mesh.addServer("s", [.tool("t", #"{"properties":{"repo":{}}}"#.json)])
        let definition = try VirtualServerDefinition(
            json: #"{"use":[{"tool":"s/t","set":{"repo":"a"}}]}"#.json)
        let resolved = try definition.resolve(against: mesh.catalog)
        let key = mesh.addServer("s", [.tool("t", #"{"properties":{"repository":{}}}"#.json)])
        let view = mesh.view(.virtual(resolved))
        #expect(view.list(.tool).isEmpty)
        #expect(view.notes == [.withheld(key, .tool, "t", .unknownArgument("repo", nearest: nil))])
        mesh.addServer("s", [])
        #expect(mesh.view(.virtual(resolved)).notes == [.missingEntry(key, .tool, "t")])
    }

    @Test func `a virtual server looks the same on every node`() throws {
        var mesh = Self.mesh()
        let definition = try VirtualServerDefinition(
            json: #"{"use":[{"from":"files"},{"from":"lab--time"}]}"#.json
        ).resolve(against: mesh.catalog)
        let here = mesh.view(.virtual(definition))
        mesh.catalog.me = SampleMesh.id("lab")
        let there = mesh.view(.virtual(definition))
        #expect(here.listsChanged(since: there).isEmpty)
        #expect(here.instructions == there.instructions)
        #expect(here.names(.resource) == ["martlet://here--files/file:///a", "ui://here--files/panel"])
    }

    // MARK: Requests and results

    @Test(arguments: [
        ("resources/read", #"{"uri":"martlet://files/file:///a"}"#, #"{"uri":"file:///a"}"#),
        // From a template or a link: in no list.
        ("resources/read", #"{"uri":"martlet://files/file:///x?y#z"}"#, #"{"uri":"file:///x?y#z"}"#),
        ("resources/subscribe", #"{"uri":"martlet://here--files/file:///a"}"#, #"{"uri":"file:///a"}"#),
        ("resources/read", #"{"uri":"ui://files/panel","_meta":{}}"#, #"{"uri":"ui://panel","_meta":{}}"#),
        (
            "completion/complete",
            #"{"ref":{"type":"ref/resource","uri":"martlet://files/file:///{p}"},"argument":{}}"#,
            #"{"ref":{"type":"ref/resource","uri":"file:///{p}"},"argument":{}}"#
        ),
        (
            "completion/complete", #"{"ref":{"type":"ref/prompt","name":"lab--time__ask"}}"#,
            #"{"ref":{"type":"ref/prompt","name":"ask"}}"#
        ),
        (
            "prompts/get", #"{"name":"lab--time__ask","arguments":{"a":"b"}}"#,
            #"{"name":"ask","arguments":{"a":"b"}}"#
        ),
    ])
    func `a request reaches its server in the server's own words`(method: String, params: String, own: String)
        throws
    {
        #expect(try Self.mesh().view(.all).route(method, params.json).params.text == own)
    }

    @Test(arguments: [
        (
            "tools/call", #"{"name":"files__raed"}"#,
            RouteError.unknown(.tool, "files__raed", nearest: "files__read")
        ),
        ("tools/call", #"{"arguments":{}}"#, .missing(member: "name", method: "tools/call")),
        ("resources/read", #"{"uri":"file:///a"}"#, .unknown(.resource, "file:///a", nearest: nil)),
        (
            "resources/read", #"{"uri":"martlet://nobody/file:///a"}"#,
            .unknown(.resource, "martlet://nobody/file:///a", nearest: nil)
        ),
        (
            "resources/read", #"{"uri":"martlet://files"}"#,
            .unknown(.resource, "martlet://files", nearest: nil)
        ),
        (
            "completion/complete", #"{"ref":{"type":"ref/prompt"}}"#,
            .missing(member: "ref.type, and ref.name or ref.uri with it,", method: "completion/complete")
        ),
        ("logging/setLevel", "{}", .notRouted(method: "logging/setLevel")),
    ])
    func `a request that leads nowhere says why`(method: String, params: String, error: RouteError) {
        #expect(throws: error) { try Self.mesh().view(.all).route(method, params.json) }
    }

    @Test func `a resource that a definition leaves out cannot be read through it`() throws {
        let view = try Self.mesh().view(#"{"use":[{"from":"files","hide":["file:///a"]}]}"#.json)
        #expect(view.resource(at: "martlet://here--files/file:///a") == nil)
        #expect(view.resource(at: "martlet://files/file:///a") == nil)
        #expect(view.resource(at: "martlet://here--files/file:///b")?.uri == "file:///b")
        #expect(view.resource(at: "martlet://lab--time/file:///b") == nil)
    }

    @Test(arguments: [
        (
            #"{"content":[{"type":"text","text":"file:///a"},{"type":"resource_link","uri":"file:///a","name":"a"}]}"#,
            #"{"content":[{"type":"text","text":"file:///a"},{"type":"resource_link","uri":"martlet://files/file:///a","name":"a"}]}"#
        ),
        (
            #"{"content":[{"type":"resource","resource":{"uri":"ui://panel","text":"x"}}],"isError":false}"#,
            #"{"content":[{"type":"resource","resource":{"uri":"ui://files/panel","text":"x"}}],"isError":false}"#
        ),
        (
            #"{"contents":[ {"uri":"file:///a", "text":"t"} ]}"#,
            #"{"contents":[{"uri":"martlet://files/file:///a", "text":"t"}]}"#
        ),
        (
            #"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"file:///a"}}}]}"#,
            #"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"martlet://files/file:///a"}}}]}"#
        ),
        (
            #"{"_meta":{"ui":{"resourceUri":"ui://panel"},"k":1},"content":[]}"#,
            #"{"_meta":{"ui":{"resourceUri":"ui://files/panel"},"k":1},"content":[]}"#
        ),
        // Nothing to rewrite: not a byte changes.
        (
            #"{ "content" : [ {"type":"text","text":"x"} ], "structuredContent": {"uri":"file:///a"} }"#,
            #"{ "content" : [ {"type":"text","text":"x"} ], "structuredContent": {"uri":"file:///a"} }"#
        ),
    ])
    func `results lead back through this endpoint`(result: String, outward: String) {
        let space = Self.mesh().view(.all).space(of: SampleMesh.key("files"))
        #expect(space.outward(result: result.json).text == outward)
    }

    @Test func `a tool's interface is where its resource is`() throws {
        let tool = #"{"name":"t","_meta":{"ui":{"resourceUri":"ui://panel"},"ui/resourceUri":"ui://panel"}}"#
        var mesh = SampleMesh()
        mesh.addServer(
            "files", [try #require(Entry(kind: .tool, definition: tool.json)), .resource("ui://panel")])
        let view = mesh.view(.all)
        let meta = view.list(.tool).first?.definition["_meta"]
        #expect(
            meta?.text == #"{"ui":{"resourceUri":"ui://files/panel"},"ui/resourceUri":"ui://files/panel"}"#)
        #expect(view.names(.resource) == ["ui://files/panel"])
    }

    // MARK: Change

    @Test func `a view stands until what it is made of changes, and tells which lists did`() {
        var mesh = Self.mesh()
        let before = mesh.view(.all)
        mesh.addNode("lab", reachability: .unreachable(since: .zero))
        mesh.catalog.servers[SampleMesh.key("files")]?.record.state = .down
        #expect(before.stands(in: mesh.catalog))
        mesh.addServer(
            "time", on: "lab", [.tool("now"), .tool("zone.list"), .prompt("ask"), .prompt("tell")])
        #expect(!before.stands(in: mesh.catalog))
        #expect(mesh.view(.all).listsChanged(since: before) == [.prompt])
    }

    @Test(arguments: UInt64(1)...60)
    func `names depend on definitions and labels, never on who is there`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var mesh = SampleMesh()
        let pool = [
            "read", "write", "get.thing", "größe", "get_thing", String(repeating: "long-name", count: 8),
        ]
        let addNode = { (mesh: inout SampleMesh, label: String, random: inout SplitMix64) in
            if label != "here" { mesh.addNode(label) }
            for _ in 0...Int.random(in: 0...2, using: &random) {
                let server =
                    ["files", "time", "a-rather-long-server-name-of-32c", "x"].randomElement(using: &random)
                    ?? "x"
                let tools = pool.shuffled(using: &random).prefix(Int.random(in: 0...6, using: &random))
                mesh.addServer(server, on: label, tools.map { .tool($0) } + [.resource("file:///r")])
            }
        }
        for label in ["here", "lab", "plant-a-gateway-number-one", "hq"] { addNode(&mesh, label, &random) }

        var known = Self.addresses(mesh.view(.all))
        #expect(Set(known.values).count == known.count, "no two entries share a name")
        for step in 0..<12 {
            if Bool.random(using: &random) {
                addNode(&mesh, "joined-\(step)", &random)
            } else if let id = mesh.catalog.nodes.keys.sorted().randomElement(using: &random) {
                let isUp = mesh.catalog.nodes[id]?.isReachable ?? false
                mesh.catalog.nodes[id]?.reachability =
                    isUp ? .unreachable(since: .zero) : .reachable(path: [])
            }
            let now = Self.addresses(mesh.view(.all))
            for (address, name) in known { #expect(now[address] == name, "seed \(seed), step \(step)") }
            known = now
        }
    }

    /// What each entry of an endpoint is called.
    private static func addresses(_ view: EndpointView) -> [String: String] {
        var result: [String: String] = [:]
        for kind in EntryKind.allCases {
            for entry in view.list(kind) {
                result["\(kind) \(entry.binding.server) \(entry.binding.entry)"] = "\(kind) \(entry.name)"
            }
        }
        return result
    }

    @Test func `a name forged to meet another's hash takes nothing from it`() throws {
        // `get.x` becomes `get_x_HASH`; the same server offers that very name too.
        let forged = String(EntryNaming.fitted("s__get.x", lengthMax: 50).dropFirst("s__".count))
        var mesh = SampleMesh()
        mesh.addServer("s", [.tool("get.x"), .tool(forged)])
        let view = mesh.view(.all)
        #expect(view.binding(.tool, named: "s__\(forged)")?.entry == forged)
        let other = try #require(view.list(.tool).first { $0.binding.entry == "get.x" })
        #expect(other.name != "s__\(forged)")
        #expect(EntryNaming.isLegal(other.name))
    }
}
