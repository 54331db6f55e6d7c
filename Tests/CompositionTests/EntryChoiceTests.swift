import Catalog
import Composition
import JSONSlice
import MartletTestKit
import Testing

@Suite struct EntryChoiceTests {
    private static func tool(_ name: String, reads: Bool = true) throws -> Entry {
        try #require(
            Entry(
                kind: .tool,
                definition: ["name": .string(name), "annotations": ["readOnlyHint": .bool(reads)]]))
    }

    private static let choice: JSON = [
        "use": [["where": "'readonly' IN tags", "owners": ["node:plant"]]]
    ]

    private func mesh() throws -> SampleMesh {
        var mesh = SampleMesh()
        for node in ["plant", "office"] { mesh.addNode(node) }
        mesh.addServer("erp", on: "plant", [try Self.tool("get"), try Self.tool("set", reads: false)])
        mesh.addServer("erp", on: "office", [try Self.tool("get")])
        return mesh
    }

    @Test func `entries of the listed owners that fit are there, and only those`() throws {
        let view = try mesh().view(Self.choice)
        #expect(view.names(.tool) == ["plant--erp__get"])
        #expect(view.binding(.tool, named: "plant--erp__get")?.server == SampleMesh.key("erp", on: "plant"))
        #expect(view.notes.isEmpty)
    }

    @Test func `new ones appear by themselves, of nobody else`() throws {
        var mesh = try mesh()
        let definition = try VirtualServerDefinition(json: Self.choice).resolve(against: mesh.catalog)
        let before = mesh.view(.virtual(definition))
        mesh.addNode("newcomer")
        mesh.addServer("erp", on: "newcomer", [try Self.tool("get")])
        #expect(before.stands(in: mesh.catalog))
        mesh.addServer("mes", on: "plant", [try Self.tool("list")])
        #expect(!before.stands(in: mesh.catalog))
        let after = mesh.view(.virtual(definition))
        #expect(after.names(.tool).sorted() == ["plant--erp__get", "plant--mes__list"])
        #expect(after.listsChanged(since: before) == [.tool])
    }

    @Test func `a change of tags or segment is a change of what is chosen`() throws {
        var mesh = try mesh()
        let definition = try VirtualServerDefinition(
            json: ["use": [["where": "'a' IN tags AND segment = 'plant'", "owners": ["node:plant"]]]]
        ).resolve(against: mesh.catalog)
        let before = mesh.view(.virtual(definition))
        #expect(before.names(.tool).isEmpty)
        mesh.catalog.servers[SampleMesh.key("erp", on: "plant")]?.record.tags = ["a"]
        #expect(!before.stands(in: mesh.catalog))
        let tagged = mesh.view(.virtual(definition))
        #expect(tagged.names(.tool) == ["plant--erp__get", "plant--erp__set"])
        mesh.catalog.nodes[SampleMesh.id("plant")]?.segment = "elsewhere"
        #expect(!tagged.stands(in: mesh.catalog))
        #expect(mesh.view(.virtual(definition)).names(.tool).isEmpty)
    }

    @Test func `of servers that a choice only looked at, clients hear and reach nothing`() throws {
        var mesh = try mesh()
        let loud: JSON = ["resources": ["subscribe": true], "logging": [:]]
        mesh.addServer(
            "vault", on: "plant", [try Self.tool("open", reads: false), .resource("file:///key")],
            instructions: "Secret.", capabilities: loud)
        mesh.addServer("off", on: "plant", [try Self.tool("get")], state: .disabled)
        mesh.addServer("new", on: "plant", nil)
        let view = try mesh.view(Self.choice)
        #expect(view.names(.tool) == ["plant--erp__get"] && view.notes.isEmpty)
        #expect(view.instructions == nil && view.capabilities["logging"] == nil)
        #expect(view.resource(at: "martlet://plant--vault/file:///key") == nil)
        #expect(view.resource(at: "martlet://plant--vault/file:///other") == nil)
        #expect(view.resource(at: "martlet://plant--erp/file:///other") != nil)
    }

    @Test func `who cannot be reached stays chosen`() throws {
        var mesh = try mesh()
        mesh.catalog.nodes[SampleMesh.id("plant")]?.reachability = .unreachable(since: .zero)
        #expect(try mesh.view(Self.choice).names(.tool) == ["plant--erp__get"])
    }

    @Test(
        arguments: [
            [["where": "readonly", "owners": ["node:plant"]], ["from": "plant--erp"]],
            [["from": "plant--erp"], ["where": "readonly", "owners": ["node:plant"]]],
            [
                ["where": "readonly", "owners": ["node:plant"]], ["tool": "plant--erp/get"],
                ["from": "plant--erp"],
            ],
        ] as [JSON])
    func `what a definition names is not chosen as well, wherever it stands`(use: JSON) throws {
        #expect(Set(try mesh().view(["use": use]).names(.tool)) == ["get", "set"])
    }

    @Test(
        arguments: [
            [["from": "plant--erp", "hide": ["get"]], ["where": "readonly", "owners": ["node:plant"]]],
            [["where": "readonly", "owners": ["node:plant"]], ["from": "plant--erp", "only": ["s*"]]],
        ] as [JSON])
    func `what a definition hides of a server that it names is not chosen either, wherever it stands`(
        use: JSON
    ) throws {
        #expect(try mesh().view(["use": use]).names(.tool) == ["set"])
    }

    @Test func `it is signed with ids, and written with names`() throws {
        let mesh = try mesh()
        let resolved = try VirtualServerDefinition(json: Self.choice).resolve(against: mesh.catalog)
        let id = SampleMesh.id("plant")
        #expect(
            resolved.json.text
                == #"{"use":[{"where":"'readonly' IN tags","owners":["node:\#(id)"]}]}"#)
        #expect(try ResolvedDefinition(json: resolved.json) == resolved)
        #expect(resolved.written(in: mesh.catalog).json == Self.choice)
        let byID = Self.choice.text.replacing("node:plant", with: "node:\(id)").json
        #expect(try VirtualServerDefinition(json: byID).resolve(against: mesh.catalog) == resolved)
    }

    @Test(arguments: [
        (#"{"where":"readonly"}"#, "use[0].where: needs owners: beside it"),
        (#"{"where":"readonly","owners":[]}"#, "needs owners"),
        (#"{"where":"readonli","owners":["node:plant"]}"#, "use[0].where: column 1: there is no readonli"),
        (
            #"{"where":"callable AND readonly","owners":["node:plant"]}"#,
            "use[0].where: callable depends on the moment"
        ),
        (#"{"where":"hops < 2","owners":["node:plant"]}"#, "hops depends on the moment"),
        (#"{"where":"readonly","owners":["plant"]}"#, "use[0].owners[0]: expected node:NAME"),
        (#"{"where":"readonly","owners":["node:"]}"#, "expected node:NAME"),
        (
            #"{"where":"readonly","owners":["node:plant"],"as":"x"}"#,
            "use[0].as: goes with from or with one entry"
        ),
        (#"{"from":"plant--erp","owners":["node:plant"]}"#, "use[0].owners: goes with where"),
        (#"{"where":"readonly","owners":["node:plant"],"from":"plant--erp"}"#, "gives from and where"),
    ])
    func `what is wrong with a choice is told`(item: String, message: String) throws {
        let error = try #require(throws: ConfigProblems.self) {
            try VirtualServerDefinition(json: #"{"use":[\#(item)]}"#.json)
        }
        #expect("\(error)".contains(message), "\(error)")
    }

    @Test func `an owner that nobody knows, and a name that begins as chosen ones do, are refused`() throws {
        let mesh = try mesh()
        let unknown = try VirtualServerDefinition(
            json: ["use": [["where": "readonly", "owners": ["node:plnt"]]]])
        let error = try #require(throws: DefinitionError.self) { try unknown.resolve(against: mesh.catalog) }
        #expect("\(error)".contains("use[0].owners[0]: no node plnt is known here; did you mean plant?"))
        let taking = try VirtualServerDefinition(
            json: [
                "use": [
                    ["where": "readonly", "owners": ["node:plant"]],
                    ["tool": "office--erp/get", "as": "plant--erp__get"],
                ]
            ])
        let other = try #require(throws: DefinitionError.self) { try taking.resolve(against: mesh.catalog) }
        #expect("\(other)".contains("use[1].as: plant--erp__get begins with plant--"))
    }

    // MARK: Names

    /// What servers may call their tools, meaning harm or not.
    private static let toolNames = [
        "get", "set", "a--s0__get", "a--s1__x_y", "b--s0__get", "c--s1__get", "x.y", "x_y", "a--",
        "A--S0__get",
        String(repeating: "l", count: 60), String(repeating: "l", count: 61), "w_aaaaaaaaaaaaaaaa", "_",
        "s0__get",
        "a--s0__\(String(repeating: "l", count: 60))", "a--s0__llllllllllllllllllllllllllll_abcdefghijklmnop",
    ]

    /// Names never move because somebody joined or left: a hundred states of a mesh, each as a whole other set of servers and
    /// entries at the listed owners, and every entry has one name in all states in which it is there.
    @Test(arguments: UInt64(1)...20, [50, 24, 64])
    func `a name is one entry's, whoever else comes and goes`(seed: UInt64, lengthMax: Int) throws {
        var random = SplitMix64(seed: seed)
        var base = SampleMesh(me: "me")
        for node in ["a", "b", "c"] { base.addNode(node) }
        base.addServer("s1", on: "c", try Self.toolNames.map { try Self.tool($0) })
        base.addServer("s2", on: "c", [try Self.tool("single"), try Self.tool("a--s9__z")])
        let definition = try VirtualServerDefinition(
            json: [
                "use": [
                    ["where": "NOT name LIKE 'none%'", "owners": ["node:a", "node:b"]], ["from": "c--s1"],
                    ["tool": "c--s2/single", "as": "mine"], ["tool": "c--s2/a--s9__z"],
                ]
            ]
        ).resolve(against: base.catalog, nameLengthMax: lengthMax)
        struct Address: Hashable {
            var server: ServerKey
            var entry: String
        }
        var names: [Address: String] = [:]
        var owners: [String: Address] = [:]
        for _ in 0..<40 {
            var mesh = base
            for node in ["a", "b"] {
                for number in 0..<3 where random.chance(0.6) {
                    let tools = Self.toolNames.filter { _ in random.chance(0.5) }.shuffled(using: &random)
                    mesh.addServer("s\(number)", on: node, try tools.map { try Self.tool($0) })
                }
            }
            let view = mesh.view(.virtual(definition), nameLengthMax: lengthMax)
            let expected = mesh.catalog.servers.values.reduce(0) { $0 + ($1.manifest?.entries.count ?? 0) }
            #expect(view.list(.tool).count == expected)
            for entry in view.list(.tool) {
                let address = Address(server: entry.binding.server, entry: entry.binding.entry)
                #expect(names[address] ?? entry.name == entry.name, "\(address.entry) moved")
                #expect(owners[entry.name] ?? address == address, "\(entry.name) changed hands")
                #expect(EntryNaming.isLegal(entry.name) && entry.name.utf8.count <= lengthMax)
                names[address] = entry.name
                owners[entry.name] = address
            }
        }
    }

    @Test func `approved chooses what an operator approved as it is, whoever owns it`() throws {
        var mesh = try mesh()
        let definition = try VirtualServerDefinition(
            json: ["use": [["where": "'readonly' IN tags", "owners": ["approved"]]]]
        ).resolve(against: mesh.catalog)
        let before = mesh.view(.virtual(definition))
        #expect(before.names(.tool).isEmpty)
        // What reads and what writes, as they are; and another definition of one.
        let office = SampleMesh.key("erp", on: "office")
        let plant = SampleMesh.key("erp", on: "plant")
        func approval(_ entry: Entry, of server: ServerKey) -> Approval {
            Approval(
                address: EntryAddress(server: server, kind: .tool, name: entry.name), pin: Pin(of: entry),
                signer: plant.owner, reason: "", at: 0)
        }
        mesh.catalog.approvals = Approvals([
            approval(try Self.tool("get"), of: office),
            approval(try Self.tool("set", reads: false), of: plant),
            approval(try Self.tool("get", reads: false), of: plant),
        ])
        #expect(!before.stands(in: mesh.catalog))
        let view = mesh.view(.virtual(definition))
        #expect(view.names(.tool) == ["office--erp__get"])
        #expect(view.binding(.tool, named: "office--erp__get")?.server == office)
        #expect(
            definition.written(in: mesh.catalog).json.text.contains(#""owners":["approved"]"#))
        // A change of it is another definition.
        mesh.addServer("erp", on: "office", [try Self.tool("get", reads: true), try Self.tool("list")])
        #expect(mesh.view(.virtual(definition)).names(.tool) == ["office--erp__get"])
    }
}
