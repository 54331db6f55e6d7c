import Catalog
import JSONSlice
import Testing

@testable import Composition

/// Composites as they are written, refused, applied and listed.
struct CompositeDefinitionTests {
    private static func use(_ steps: String, _ more: String = "") -> JSON {
        #"{"use":[{"composite":"c","inputSchema":{"type":"object","properties":{"id":{"type":"string"}}},"steps":\#(steps)\#(more)}]}"#
            .json
    }

    private static let whole = """
        {"use":[{"composite":"close_ticket","title":"Close","description":"Closes a ticket.",
        "inputSchema":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]},
        "outputSchema":{"type":"object"},
        "steps":[
          {"id":"find","call":"tickets/get","arguments":{"id":"${/input/id}"},"timeout":"5s"},
          {"id":"notes","call":"plant--parts/annotate","forEach":"/steps/find/structuredContent/parts","concurrency":4,
           "when":[{"value":"/input/id","exists":true},{"value":"/item/kind","in":["a","b"]}],
           "arguments":{"part":"${/item/id}"},"onFailure":"skip"},
          {"parallel":[
            {"id":"close","call":"tickets/close"},
            {"id":"tell","call":"plant--parts/send","when":{"value":"/steps/notes","isNot":"x"},
             "onFailure":{"continueWith":{"structuredContent":{}}}}]}],
        "result":{"closed":"${/input/id}","notes":"${/steps/notes}"}}]}
        """.json

    @Test func `the normal form reads back as the same composite`() throws {
        let definition = try VirtualServerDefinition(json: Self.whole)
        guard case .composite(let tool) = definition.use.first else {
            Issue.record("the first item is a composite")
            return
        }
        #expect(tool.steps.map(\.id) == ["find", "notes", "close", "tell"])
        #expect(tool.stages.map(\.count) == [1, 1, 2])
        #expect(tool.steps[0].timeout == .seconds(5))
        #expect(tool.steps[3].onFailure == .continueWith(["structuredContent": [:]]))
        #expect(try VirtualServerDefinition(json: definition.json) == definition)
        #expect(try VirtualServerDefinition(json: definition.json).json == definition.json)
    }

    @Test(arguments: [
        (use("[]"), ["use[0].steps: expected a list of steps; one is the least"]),
        (
            use(#"[{"id":"a","call":"s/t"},{"id":"a","call":"s/t"}]"#),
            ["use[0].steps: more than one step is called a"]
        ),
        (
            use(
                #"[{"id":"a","call":"s/t","arguments":{"x":"${/steps/b/content}"}},{"id":"b","call":"s/t"}]"#),
            ["use[0].steps[0].arguments: step a: /steps/b/content: b comes after it"]
        ),
        (
            use(#"[{"id":"a","call":"s/t","when":{"value":"/steps/a","exists":true}}]"#),
            ["use[0].steps[0].when: step a: /steps/a: it is this step itself"]
        ),
        (
            use(
                #"[{"parallel":[{"id":"a","call":"s/t"},{"id":"b","call":"s/t","arguments":{"x":"${/steps/a}"}}]}]"#,
                #","result":"ok""#),
            ["use[0].steps[0].parallel[1].arguments: step b: /steps/a: a runs beside it, not before it"]
        ),
        (
            use(#"[{"id":"find","call":"s/t"},{"id":"b","call":"s/t","arguments":{"x":"${/steps/fnd/a}"}}]"#),
            [
                "use[0].steps[1].arguments: step b: /steps/fnd/a: there is no step fnd; did you mean find?"
            ]
        ),
        (
            use(#"[{"id":"a","call":"s/t","arguments":{"x":"${/input/ib}"}}]"#),
            [
                "use[0].steps[0].arguments: step a: /input/ib: inputSchema has no property ib; did you mean id?"
            ]
        ),
        (
            use(#"[{"id":"a","call":"s/t","arguments":{"x":"${/item}"}}]"#),
            ["use[0].steps[0].arguments: step a: /item: there is an item only under forEach"]
        ),
        (
            use(#"[{"id":"a","call":"s/t","arguments":{"x":"${input/id}"}}]"#),
            [
                "use[0].steps[0].arguments: step a: ${input/id}: expected a JSON Pointer that begins with /input, /steps/ID, /item or /index, as in ${/input/name}; for a plain ${ write $${"
            ]
        ),
        (
            use(#"[{"id":"a","call":"s/t","concurrency":2,"timeout":"1ms","onFailure":"retry"}]"#),
            [
                "use[0].steps[0].timeout: expected a duration from 100ms to 1d, as in 30s or 5m, found \"1ms\"",
                "use[0].steps[0].onFailure: expected fail, skip or {continueWith: VALUE}, found \"retry\"",
                "use[0].steps[0].concurrency: step a: goes with forEach",
            ]
        ),
        (
            use(#"[{"id":"a","call":"s/t","forEach":"/input/id"}]"#),
            ["use[0]: its last step has more than one result; add result:, which says what the answer is"]
        ),
        (
            use(#"[{"id":"a","call":"s/t","when":{"value":"/input/id","is":1,"above":2}}]"#),
            ["use[0].steps[0].when: gives is and above; a list of conditions holds if all do"]
        ),
        (
            use(#"[{"id":"a","call":"s/t","retries":3}]"#),
            [
                "use[0].steps[0].retries: not a setting; known here: parallel, id, call, arguments, when, forEach, concurrency, onFailure, timeout"
            ]
        ),
        (
            use(#"[{"call":"s/t"},{"id":"b"}]"#),
            [
                "use[0].steps[0]: a step has no id; add id:, by which others point to it",
                "use[0].steps[1]: step b: calls nothing; add call: SERVER/TOOL",
            ]
        ),
        (
            use(#"[{"id":"a","call":"s/t"}]"#, #","set":{"x":1}"#),
            ["use[0].set: goes with from or with one entry, not with composite"]
        ),
        (
            #"{"use":[{"from":"s","steps":[]}]}"#.json,
            ["use[0].steps: goes with composite, not with from"]
        ),
        (
            #"{"use":[{"composite":"c","inputSchema":{},"steps":[{"id":"a","call":"s/t"}]}]}"#.json,
            ["use[0].inputSchema: expected a JSON Schema with type: object, as MCP wants of a tool"]
        ),
    ])
    func `what is wrong is told with its path and its step`(json: JSON, problems: [String]) {
        let error = #expect(throws: ConfigProblems.self) { try VirtualServerDefinition(json: json) }
        #expect(error?.problems.map(\.description) == problems)
    }

    @Test func `no composite has more steps or pointers than may be`() {
        let many = (0...CompositeLimits.stepsMax).map { #"{"id":"s\#($0)","call":"s/t"}"# }
        #expect(throws: ConfigProblems.self) {
            try VirtualServerDefinition(json: Self.use("[\(many.joined(separator: ","))]"))
        }
        // Also where several small blocks come to too many together.
        let blocks = (0..<3).map { block in
            let steps = (0..<12).map { #"{"id":"s\#(block)x\#($0)","call":"s/t"}"# }
            return #"{"parallel":[\#(steps.joined(separator: ","))]}"#
        }
        #expect(throws: ConfigProblems.self) {
            try VirtualServerDefinition(
                json: Self.use("[\(blocks.joined(separator: ","))]", #","result":"x""#))
        }
        let pointers = (0...CompositeLimits.pointersMax).map { _ in #""${/input/id}""# }
        #expect(throws: ConfigProblems.self) {
            try VirtualServerDefinition(
                json: Self.use(
                    #"[{"id":"a","call":"s/t","arguments":{"x":[\#(pointers.joined(separator: ","))]}}]"#))
        }
    }

    // MARK: Applied

    private static func tool(_ name: String, _ annotations: JSON? = nil) -> Entry {
        let definition: JSON = ["name": .string(name), "inputSchema": ["type": "object"]]
        return Entry(
            kind: .tool,
            definition: annotations.map { definition.setting("annotations", to: $0) } ?? definition)!
    }

    private static func mesh() -> SampleMesh {
        var mesh = SampleMesh()
        mesh.addNode("plant")
        mesh.addServer("tickets", [tool("get", ["readOnlyHint": true]), tool("close")])
        mesh.addServer("parts", on: "plant", [tool("annotate"), tool("send")])
        mesh.addServer("new", on: "plant", nil)
        return mesh
    }

    @Test func `applied, it names its servers for good, and is listed with what clients see`() throws {
        let mesh = Self.mesh()
        let written = try VirtualServerDefinition(json: Self.whole)
        let resolved = try written.resolve(against: mesh.catalog)
        #expect(try ResolvedDefinition(json: resolved.json) == resolved)
        #expect(resolved.written(in: mesh.catalog) == written)
        #expect(resolved.json.text.contains("\(SampleMesh.id("plant"))/parts/annotate"))

        let view = mesh.view(.virtual(resolved))
        let listed = try #require(view.entry(.tool, named: "close_ticket"))
        #expect(view.names(.tool) == ["close_ticket"])
        #expect(listed.definition["title"]?.string == "Close")
        #expect(listed.definition["annotations"]?["title"]?.string == "Close")
        #expect(listed.definition["inputSchema"]?["required"] == ["id"])
        #expect(listed.definition["outputSchema"] == ["type": "object"])
        #expect(listed.composite?.bindings.map(\.entry) == ["get", "annotate", "close", "send"])
        #expect(view.notes.isEmpty)
        // Whatever only steps use is not shown and not reached otherwise.
        #expect(view.resource(at: "martlet://here--tickets/file:///a") == nil)
        #expect(view.taskSupport(ofTool: "close_ticket") == .forbidden)
        let route = try view.route("tools/call", ["name": "close_ticket", "arguments": ["id": "1"]])
        #expect(route.composite == listed.composite && route.binding == nil)
    }

    @Test(arguments: [
        (
            #"[{"id":"a","call":"tickts/get"}]"#,
            "use[0].steps.a.call: no server tickts is known here; did you mean tickets?"
        ),
        (
            #"[{"id":"a","call":"tickets/gte"}]"#,
            "use[0].steps.a.call: tickets offers no tool gte; did you mean get?"
        ),
        (
            #"[{"id":"a","call":"hq--tickets/get"}]"#,
            "use[0].steps.a.call: no node hq is known here; `martlet peers` shows the nodes"
        ),
    ])
    func `a step that calls what is not there is refused by its id`(steps: String, problem: String) throws {
        let written = try VirtualServerDefinition(json: Self.use(steps))
        let error = #expect(throws: DefinitionError.self) {
            try written.resolve(against: Self.mesh().catalog)
        }
        #expect(error?.problems.map(\.description) == [problem])
    }

    @Test func `a step cannot call a virtual server, and so no composite calls itself`() throws {
        var mesh = Self.mesh()
        let name: Label = "desk"
        mesh.catalog.virtualServers[name] = VirtualServerRecord(
            name: name, author: mesh.catalog.me, counter: 1, definition: .emptyObject)
        let written = try VirtualServerDefinition(json: Self.use(#"[{"id":"a","call":"desk/c"}]"#))
        let error = #expect(throws: DefinitionError.self) { try written.resolve(against: mesh.catalog) }
        #expect(
            error?.problems.map(\.description) == [
                "use[0].steps.a.call: desk is a virtual server; a step calls a tool of a real one, so that no composite comes to call itself"
            ])
    }

    @Test func `what is not listed yet is taken on trust, and the composite is shown once it is`() throws {
        var mesh = Self.mesh()
        let resolved = try VirtualServerDefinition(
            json: Self.use(#"[{"id":"a","call":"plant--new/later"}]"#)
        ).resolve(against: mesh.catalog)
        let early = mesh.view(.virtual(resolved))
        #expect(early.list(.tool).isEmpty)
        #expect(early.notes.first?.description.contains("step a calls later") == true)
        #expect(early.stands(in: mesh.catalog))
        mesh.addServer("new", on: "plant", [.tool("later")])
        #expect(!early.stands(in: mesh.catalog))
        #expect(mesh.view(.virtual(resolved)).names(.tool) == ["c"])
    }

    @Test func `a server that only steps call is not reached through a choice that chose nothing of it`()
        throws
    {
        var mesh = Self.mesh()
        mesh.addServer("files", [.tool("read"), .resource("file:///a")])
        let view = try mesh.view(
            #"{"use":[{"where":"name = 'close'","owners":["node:here"]},{"composite":"c","steps":[{"id":"a","call":"files/read"}]}]}"#
                .json)
        #expect(view.names(.tool) == ["here--tickets__close", "c"])
        #expect(view.resource(at: "martlet://here--files/file:///a") == nil)
    }

    @Test func `a composite and another entry cannot bear one name`() throws {
        let json = """
            {"use":[{"tool":"tickets/get"},{"composite":"get","steps":[{"id":"a","call":"tickets/close"}]}]}
            """.json
        let error = #expect(throws: DefinitionError.self) {
            try VirtualServerDefinition(json: json).resolve(against: Self.mesh().catalog)
        }
        #expect(
            error?.problems.map(\.description) == [
                "2 tools would be called get: here--tickets/get and the composite get; give all but one another name with as:, or hide them"
            ])
    }

    @Test(
        arguments: [
            // hints of the steps; what is derived: read-only, destructive, idempotent, open world
            ([["readOnlyHint": true, "openWorldHint": false]], "", [true, false, true, false]),
            ([["readOnlyHint": true], [:]], "", [false, true, false, true]),
            (
                [
                    ["readOnlyHint": true],
                    ["destructiveHint": false, "idempotentHint": true, "openWorldHint": false],
                ],
                "", [false, false, true, true]
            ),
            // Of two that change something, nobody knows what they do to each other the second time.
            (
                [["idempotentHint": true], ["idempotentHint": true, "destructiveHint": false]], "",
                [false, true, false, true]
            ),
            // Nor of one that takes what may be another the second time.
            (
                [["readOnlyHint": true], ["idempotentHint": true, "destructiveHint": false]],
                "${/steps/s0/structuredContent}", [false, false, false, true]
            ),
        ] as [([JSON], String, [Bool])])
    func `annotations are derived from the steps, where the worst counts`(
        hints: [JSON], argument: String, derived: [Bool]
    ) throws {
        var mesh = SampleMesh()
        mesh.addServer("s", hints.enumerated().map { Self.tool("t\($0.offset)", $0.element) })
        let steps = hints.indices.map { place -> JSON in
            let step: JSON = ["id": .string("s\(place)"), "call": .string("s/t\(place)")]
            return place > 0 && !argument.isEmpty
                ? step.setting("arguments", to: ["x": .string(argument)]) : step
        }
        let view = try mesh.view(["use": [["composite": "c", "steps": .array(steps)]]])
        let annotations = try #require(view.entry(.tool, named: "c")?.definition["annotations"])
        let names = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]
        #expect(names.map { annotations[$0]?.bool } == derived)
    }
}
