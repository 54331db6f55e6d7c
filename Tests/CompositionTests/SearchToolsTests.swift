import Catalog
import Composition
import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@Suite struct SearchToolsTests {
    private func view(_ definition: JSON, tools: Int = 3) throws -> EndpointView {
        var mesh = SampleMesh()
        mesh.addServer(
            "erp",
            (0..<tools).map { number in
                .tool(
                    "get_\(number)",
                    #"{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}"#.json)
            } + [.tool("delete")] + [.prompt("ask")])
        return try mesh.view(definition)
    }

    @Test(
        arguments: [
            (nil, nil, false), ("full", nil, false), ("search", nil, true), ("auto", nil, false),
            (nil, "search", true),
            ("search", "full", false), ("search", "auto", false), ("auto", "search", true),
        ] as [(String?, String?, Bool)])
    func `the client's word goes before the definition's`(
        defined: String?, asked: String?, isSearched: Bool
    ) throws {
        var definition: JSON = ["use": [["from": "erp"]]]
        if let defined { definition = definition.setting("mode", to: .string(defined)) }
        let view = try view(definition).shown(as: asked.flatMap(ListingMode.init), listedTools: 10)
        #expect(view.isSearched == isSearched)
        #expect(view.shown(.tool).isEmpty == isSearched)
        #expect(view.shown(.prompt).count == 1 && view.list(.tool).count == 4)
    }

    @Test(arguments: [(nil, 4, false), (nil, 3, true), (4, 3, false), (3, 4, true)] as [(Int?, Int, Bool)])
    func `auto searches from one tool more than are listed, the definition's number first`(
        defined: Int?, node: Int, isSearched: Bool
    ) throws {
        var definition: JSON = ["use": [["from": "erp"]], "mode": "auto"]
        if let defined { definition = definition.setting("listedTools", to: .number(defined)) }
        #expect(try view(definition).shown(as: nil, listedTools: node).isSearched == isSearched)
    }

    @Test func `what is always listed stays listed, and changes of the rest tell nobody`() throws {
        let definition: JSON = ["use": [["from": "erp"]], "mode": "search", "always": ["del*"]]
        let view = try view(definition).shown(as: nil, listedTools: 0)
        #expect(view.shown(.tool).map(\.name) == ["delete"])
        let more = try self.view(definition, tools: 5).shown(as: nil, listedTools: 0)
        #expect(more.listsChanged(since: view).isEmpty)
        #expect(more.shown(as: .full, listedTools: 0).listsChanged(since: view) == [.tool])
    }

    @Test(arguments: [
        #"{"use":[{"from":"erp"}],"always":["a"]}"#,
        #"{"use":[{"from":"erp"}],"mode":"search","listedTools":3}"#,
        #"{"use":[{"from":"erp"}],"mode":"some"}"#,
    ])
    func `settings that would do nothing are refused`(definition: String) {
        #expect(throws: ConfigProblems.self) { try VirtualServerDefinition(json: definition.json) }
    }

    @Test func `a definition keeps its mode over the normal form`() throws {
        let json: JSON = ["use": [["from": "erp"]], "mode": "auto", "always": ["a*"], "listedTools": 7]
        #expect(try VirtualServerDefinition(json: json).json == json)
    }

    @Test func `a call through call_tool becomes the tool's own`() throws {
        let view = try view(["use": [["from": "erp"]], "mode": "search"])
        let params: JSON = [
            "_meta": ["x": 1.50], "name": "call_tool",
            "arguments": ["name": "get_1", "arguments": ["id": 7]], "requestState": "s",
        ]
        let called = try view.called(through: params)
        #expect(
            called == [
                "_meta": ["x": 1.50], "name": "get_1", "arguments": ["id": 7], "requestState": "s",
            ])
    }

    @Test(arguments: [
        (#"{"name":"get_9"}"#, "Did you mean get_"), (#"{"name":"get_1"}"#, "lacks id (integer)"),
        (#"{"name":"get_1","arguments":{"id":"7"}}"#, #"id: must be integer, is "7""#),
        (#"{"nam":"get_1"}"#, "lacks name (string)"), (#"{"name":"get_1","arguments":[]}"#, "must be object"),
        (#"{"name":"call_tool","arguments":{}}"#, "no tool call_tool"),
    ])
    func `what is wrong with it is told to the model, and nothing is called`(arguments: String, words: String)
        throws
    {
        let view = try view(["use": [["from": "erp"]], "mode": "search"])
        let complaint = #expect(throws: SearchTools.Complaint.self) {
            try view.called(through: ["name": "call_tool", "arguments": arguments.json])
        }
        #expect(complaint?.result["isError"]?.bool == true)
        #expect(complaint?.result["content"]?[0]?["text"]?.string?.contains(words) == true)
    }

    @Test(arguments: [
        (#"{"query":"x"}"#, 5, 0), (#"{"query":"","limit":20}"#, 20, 0),
        (#"{"query":"x","limit":1.0,"cursor":"after-7"}"#, 1, 7),
    ])
    func `a query is read as it is meant`(arguments: String, limit: Int, offset: Int) throws {
        let query = try ToolQuery(arguments: arguments.json)
        #expect(query.limit == limit && query.offset == offset)
    }

    @Test(arguments: [
        #"{}"#, #"{"query":"x","limit":0}"#, #"{"query":"x","limit":21}"#, #"{"query":"x","limit":1e99}"#,
        #"{"query":"x","cursor":"after--1"}"#, #"{"query":"x","cursor":"after-99999999999999999999"}"#,
        #"{"query":"x","cursor":"after-1000"}"#, #"{"query":"x","where":"kind ="}"#, "[]", "7",
    ])
    func `one that makes no sense is answered with what is wrong`(arguments: String) {
        #expect(throws: SearchTools.Complaint.self) { try ToolQuery(arguments: arguments.json) }
    }

    @Test(arguments: ["1e99", "-1e99", "9223372036854775808", "1.5", "\"x\""])
    func `arguments too large to be checked are refused, or read without harm`(limit: String) throws {
        let long = String(repeating: "x", count: SchemaCheck.valueBytesMax)
        let large = #"{"query":"\#(long)","limit":\#(limit)}"#.json
        let complaint = #expect(throws: SearchTools.Complaint.self) { try ToolQuery(arguments: large) }
        #expect(complaint?.result["content"]?[0]?["text"]?.string?.contains("Ask in fewer words") == true)
        let view = try view(["use": [["from": "erp"]], "mode": "search"])
        let nameless: JSON = ["name": "call_tool", "arguments": ["arguments": ["x": .string(long)]]]
        let lack = #expect(throws: SearchTools.Complaint.self) { try view.called(through: nameless) }
        #expect(lack?.result["content"]?[0]?["text"]?.string?.contains("lacks name") == true)
    }

    @Test func `the two definitions are tools as MCP wants them`() throws {
        for definition in SearchTools.definitions {
            #expect(definition["inputSchema"]?["type"]?.string == "object")
            #expect(definition["name"]?.string.flatMap(SearchTools.Name.init) != nil)
        }
        // They go into every conversation.
        #expect(SearchTools.definitions.reduce(0) { $0 + $1.bytes.count } < 2_000)
    }
}
