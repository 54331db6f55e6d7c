import Catalog
import Composition
import JSONSlice
import MartletTestKit
import Testing

@Suite struct VirtualServerTests {
    private static let full = """
        {"title":"Plant operations","description":"d","instructions":"Prefer read tools.","use":[
        {"from":"historian"},
        {"from":"hq--erp","only":["get_*","create_order"],"hide":["get_salary"]},
        {"tool":"github/create_issue","as":"file_ticket","title":"t","description":"Files a ticket.",
         "annotations":{"readOnlyHint":false},"set":{"repo":"acme/plant"},"default":{"labels":["ops"]}},
        {"resource":"files/file:///a/b","title":"A"},{"template":"files/file:///{path}"},{"prompt":"hq--erp/sum"}]}
        """.json

    @Test func `the normal form reads back as the same definition`() throws {
        let definition = try VirtualServerDefinition(json: Self.full)
        #expect(definition.use.count == 6)
        #expect(try VirtualServerDefinition(json: definition.json) == definition)
        #expect(try VirtualServerDefinition(json: definition.json).json == definition.json)
    }

    @Test func `an entry's name may contain slashes`() throws {
        let definition = try VirtualServerDefinition(json: Self.full)
        guard case .entry(let single) = definition.use[3] else {
            Issue.record("the fourth item is one entry")
            return
        }
        #expect(single.entry == "file:///a/b")
        #expect(single.server == ServerName(server: "files"))
    }

    @Test(arguments: [
        (
            #"{"use":[{"form":"x"}]}"#,
            [
                "use[0]: chooses nothing; give one of from, where, tool, resource, template, prompt, composite",
                "use[0].form: not a setting; did you mean use[0].from?",
            ]
        ),
        (
            #"{"use":[{"from":"a","tool":"a/b"}]}"#,
            ["use[0]: gives from and tool; one item chooses one thing"]
        ),
        (#"{"use":[{"from":"A b"}]}"#, [#"use[0].from: expected SERVER or NODE--SERVER, found "A b""#]),
        (
            #"{"use":[{"tool":"justserver"}]}"#,
            [#"use[0].tool: expected SERVER or NODE--SERVER and then /NAME, found "justserver""#]
        ),
        (
            #"{"use":[{"from":"a","as":"x"}]}"#,
            ["use[0].as: goes with one entry (tool, resource, template, prompt), not with from"]
        ),
        (#"{"use":[{"tool":"a/b","only":["x"]}]}"#, ["use[0].only: goes with from, not with one tool"]),
        (
            #"{"use":[{"tool":"a/b","as":"sp ace"}]}"#,
            [#"use[0].as: expected a name of A-Z, a-z, 0-9, _ and -, found "sp ace""#]
        ),
        (
            #"{"use":[{"resource":"a/b","set":{"x":1}}]}"#,
            ["use[0].set: is for tools and prompts; a resource is read by its URI"]
        ),
        (
            #"{"use":[{"prompt":"a/b","set":{"x":1}}]}"#,
            ["use[0].set: x: an argument of a prompt is text (MCP, prompts/get)"]
        ),
        (
            #"{"use":[{"tool":"a/b","set":{"x":1},"default":{"x":2}}]}"#,
            ["use[0].default: x is set already, so it can have no default"]
        ),
        (
            #"{"use":[{"where":"true"}]}"#,
            [
                "use[0].where: needs owners: beside it, the nodes whose entries it may choose: [node:NAME, …], or [approved] for what operators approved",
                "use[0].where: column 1: expected a column, or 'text' IN tags, found true",
            ]
        ),
        (
            #"{"use":[{"from":"a"}],"mode":"search","access":[]}"#,
            [
                "access: is for nobody; leave it out if it is for everybody"
            ]
        ),
        (
            #"{"titel":"x"}"#,
            [
                "chooses nothing; add use: with an item such as {from: SERVER}",
                "titel: not a setting; did you mean title?",
            ]
        ),
        ("5", ["expected a map of settings, found 5"]),
    ])
    func `what is wrong is told with its path, all at once`(text: String, problems: [String]) {
        var found: [String] = []
        do throws(ConfigProblems) {
            _ = try VirtualServerDefinition(json: text.json)
        } catch {
            found = error.problems.map(\.description)
        }
        #expect(found == problems)
    }

    @Test func `settings that ask for what happens anyway are taken`() throws {
        let json = #"{"use":[{"from":"a"}],"mode":"full","advertise":false}"#.json
        #expect(try VirtualServerDefinition(json: json).use.count == 1)
    }

    private static func mesh() -> SampleMesh {
        var mesh = SampleMesh()
        mesh.addNode("hq")
        mesh.addNode("lab", reachability: .unreachable(since: .zero))
        mesh.addServer("historian", [.tool("query"), .tool("get_tag")])
        mesh.addServer(
            "erp", on: "hq", [.tool("create_order", #"{"type":"object","properties":{"site":{}}}"#.json)])
        mesh.addServer("erp", on: "lab", [.tool("query")])
        mesh.addServer("new", on: "lab", nil)
        return mesh
    }

    @Test func `resolving names servers for good, and the stored form reads back`() throws {
        let mesh = Self.mesh()
        let written = try VirtualServerDefinition(
            json: #"{"use":[{"from":"historian"},{"tool":"hq--erp/create_order","set":{"site":"a"}}]}"#.json)
        let resolved = try written.resolve(against: mesh.catalog)
        #expect(
            resolved.servers(in: mesh.catalog) == [
                SampleMesh.key("historian"), SampleMesh.key("erp", on: "hq"),
            ])
        #expect(try ResolvedDefinition(json: resolved.json) == resolved)
        #expect(resolved.written(in: mesh.catalog) == written)
        #expect(resolved.json.text.contains("\(SampleMesh.id("hq"))/erp/create_order"))
    }

    @Test func `a server whose entries are not known yet is taken on trust`() throws {
        let mesh = Self.mesh()
        let written = try VirtualServerDefinition(json: #"{"use":[{"tool":"lab--new/anything"}]}"#.json)
        #expect(try written.resolve(against: mesh.catalog).use.count == 1)
    }

    @Test(arguments: [
        (#"{"from":"historain"}"#, "use[0].from: no server historain is known here; did you mean historian?"),
        // A plain name never means another node's server, but that is what people forget.
        (#"{"from":"erp"}"#, "use[0].from: no server erp is known here; did you mean hq--erp?"),
        (#"{"from":"hg--erp"}"#, "use[0].from: no node hg is known here; did you mean hq?"),
        (#"{"tool":"historian/qery"}"#, "use[0].tool: historian offers no tool qery; did you mean query?"),
        (
            #"{"prompt":"historian/query"}"#,
            "use[0].prompt: historian offers no prompt query; `martlet catalog search` shows what it offers"
        ),
        (
            #"{"tool":"hq--erp/create_order","set":{"sites":"a"}}"#,
            "use[0]: tool create_order: it has no argument sites; did you mean site?"
        ),
        (
            #"{"tool":"historian/query","as":"a23456789012345678901234567890123456789012345678901"}"#,
            "use[0].as: a23456789012345678901234567890123456789012345678901 is longer than the 50 characters that names.max allows"
        ),
    ])
    func `what the mesh does not offer is told with what was probably meant`(use: String, problem: String)
        throws
    {
        let definition = try VirtualServerDefinition(json: ["use": [use.json]])
        let error = try #require(throws: DefinitionError.self) {
            try definition.resolve(against: Self.mesh().catalog)
        }
        #expect(error.problems.map(\.description) == [problem])
    }

    @Test func `a clash of names is told with both sides, beside everything else`() throws {
        let definition = try VirtualServerDefinition(
            json: #"{"use":[{"from":"historian"},{"from":"lab--erp"},{"from":"nowhere"}]}"#.json)
        let error = try #require(throws: DefinitionError.self) {
            try definition.resolve(against: Self.mesh().catalog)
        }
        #expect(
            error.problems.map(\.description) == [
                "use[2].from: no server nowhere is known here; `martlet servers list` shows the servers",
                "2 tools would be called query: here--historian/query and lab--erp/query; "
                    + "give all but one another name with as:, or hide them",
            ])
    }
}
