import Catalog
import Composition
import JSONSlice
import MartletTestKit
import Testing

@Suite struct EntryTraceTests {
    private let mesh: SampleMesh
    private let erp: ServerKey

    init() {
        var mesh = SampleMesh()
        mesh.addNode("hq")
        erp = mesh.addServer(
            "erp", on: "hq", [.tool("get_a"), .tool("get_salary"), .tool("set"), .resource("x:/1")])
        mesh.addServer("mes", [.tool("get_a"), .tool(String(repeating: "long", count: 20))])
        self.mesh = mesh
    }

    private func trace(_ definition: JSON, _ entry: String, of server: ServerKey? = nil) throws -> EntryTrace?
    {
        let resolved = try VirtualServerDefinition(json: definition).resolve(against: mesh.catalog)
        return EntryTrace.at(
            resolved, EntryAddress(server: server ?? erp, kind: .tool, name: entry),
            in: mesh.view(.virtual(resolved)),
            mesh.catalog)
    }

    @Test(arguments: [
        (#"{"use":[{"from":"hq--erp"}]}"#, "get_a", ["use[0] takes its whole server, and it with it"]),
        (#"{"use":[{"from":"hq--erp","only":["get_*"]}]}"#, "get_a", ["use[0] takes it, by only: get_*"]),
        (
            #"{"use":[{"from":"hq--erp"},{"tool":"hq--erp/get_a","as":"read","set":{}}]}"#, "get_a",
            [
                "use[0] takes its whole server, without it: use[1] takes it by itself",
                "use[1] takes it by itself, calls it read",
            ]
        ),
        (
            #"{"use":[{"where":"name LIKE 'get%'","owners":["node:hq"]}]}"#, "get_a",
            ["use[0] chooses it, by where: name LIKE 'get%'"]
        ),
    ])
    func `what chose it and renamed it is told`(definition: String, entry: String, reasons: [String]) throws {
        let trace = try #require(try trace(definition.json, entry))
        #expect(trace.reasons == reasons)
        #expect(trace.name != nil)
    }

    @Test(arguments: [
        (
            #"{"use":[{"from":"hq--erp","hide":["get_s*"]}]}"#, "get_salary",
            ["use[0] hides it, by hide: get_s*"]
        ),
        (
            #"{"use":[{"from":"hq--erp","only":["get_*"]}]}"#, "set",
            ["use[0] leaves it out: none of only fits it"]
        ),
        (
            #"{"use":[{"where":"name LIKE 'get%'","owners":["node:hq"]}]}"#, "set",
            ["use[0] does not choose it, by where: name LIKE 'get%'"]
        ),
        (
            #"{"use":[{"from":"hq--erp","only":["set"]},{"where":"name LIKE 'get%'","owners":["node:hq"]}]}"#,
            "get_a",
            [
                "use[0] leaves it out: none of only fits it",
                "use[1] does not look at its server: use[0] is about it",
            ]
        ),
        (
            #"{"use":[{"from":"hq--erp"}]}"#, "gone",
            ["use[0] takes its whole server, and it with it", "its server offers it no more"]
        ),
    ])
    func `what keeps it away is told`(definition: String, entry: String, reasons: [String]) throws {
        let trace = try #require(try trace(definition.json, entry))
        #expect(trace.reasons == reasons)
        #expect(trace.name == nil)
    }

    @Test func `what a definition says nothing about has no trace`() throws {
        #expect(try trace(["use": [["from": "mes"]]], "get_a") == nil)
    }

    @Test func `a clash is told to those that it concerns`() throws {
        var resolved = try VirtualServerDefinition(json: ["use": [["tool": "mes/get_a"]]]).resolve(
            against: mesh.catalog)
        resolved.use.append(.server(WholeServer(from: erp)))
        let view = mesh.view(.virtual(resolved))
        let trace = try #require(
            EntryTrace.at(
                resolved, EntryAddress(server: erp, kind: .tool, name: "get_a"), in: view, mesh.catalog))
        #expect(trace.name != "get_a" && trace.name != nil)
        #expect(trace.reasons.last?.contains("more than one tool would be called get_a") == true)
    }

    @Test(arguments: [
        ("hq", "get_a", "hq--erp__get_a", "NODE--SERVER__ENTRY"),
        ("here", "get_a", "mes__get_a", "SERVER__ENTRY"),
    ])
    func `the name on the endpoint of the whole mesh is explained`(
        node: String, entry: String, name: String, words: String
    ) {
        let server = node == "hq" ? erp : SampleMesh.key("mes")
        let trace = EntryTrace.atWholeMesh(
            EntryAddress(server: server, kind: .tool, name: entry), in: mesh.view(.all), mesh.catalog,
            nameLengthMax: 50)
        #expect(trace.name == name)
        #expect(trace.reasons.contains { $0.contains(words) })
    }

    @Test func `a name that was cut is told to be`() {
        let long = String(repeating: "long", count: 20)
        let trace = EntryTrace.atWholeMesh(
            EntryAddress(server: SampleMesh.key("mes"), kind: .tool, name: long),
            in: mesh.view(.all, nameLengthMax: 50),
            mesh.catalog, nameLengthMax: 50)
        #expect((trace.name?.utf8.count ?? 99) <= 50)
        #expect(trace.reasons.last?.contains("longer than the 50 bytes") == true)
    }
}
