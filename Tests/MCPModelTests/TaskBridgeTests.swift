import JSONSlice
import MCPModel
import Testing

/// Tasks between 2025-11-25 and 2026-07-28, as pure functions, held against the golden exchanges.
struct TaskBridgeTests {
    private static func results(_ name: String, _ revision: ProtocolRevision) throws -> [JSON] {
        try Golden(name, revision).messages.compactMap { message in
            if case .response(_, let result) = message { result } else { nil }
        }
    }

    @Test(arguments: ProtocolRevision.allCases.filter { $0 >= .v2025_11_25 })
    func `messages are written as they were read`(revision: ProtocolRevision) throws {
        let golden = try Golden("tasks", revision)
        #expect(golden.messages.count >= 6)
        #expect(golden.messages.map(\.json.text) == golden.lines)
    }

    @Test func `a modern task reaches 2025-11-25 in its own words`() throws {
        let modern = try Self.results("tasks", .v2026_07_28)
        let legacy = try Self.results("tasks", .v2025_11_25)
        #expect(EraBridge.legacyTaskCreation(fromModern: modern[0]).text == legacy[0].text)
        for place in 1...2 {
            let shown = EraBridge.legacyResult(
                fromModern: modern[place], method: Method.tasksGet, revision: .v2025_11_25)
            #expect(shown.text == legacy[place].text)
        }
        let result = EraBridge.legacyResult(
            fromModern: try #require(modern[2]["result"]), method: Method.tasksResult, revision: .v2025_11_25)
        let id = try #require(modern[2]["taskId"]?.string)
        #expect(EraBridge.related(result, toTask: id).text == legacy[3].text)
    }

    @Test func `a legacy task comes up as the modern one that it would have come from`() throws {
        let modern = try Self.results("tasks", .v2026_07_28)
        let legacy = try Self.results("tasks", .v2025_11_25)
        let made = EraBridge.modernTask(fromLegacy: try #require(legacy[0]["task"]))
        #expect(made.setting("resultType", to: "task").inOrder == modern[0].removing("_meta").inOrder)
        #expect(EraBridge.unrelated(legacy[3]) == modern[2]["result"])
    }

    @Test func `capabilities say in each era who has tasks`() {
        let legacy: JSON = ["tools": [:], "tasks": ["list": [:], "requests": ["tools": ["call": [:]]]]]
        let modern = EraBridge.modernServerCapabilities(fromLegacy: legacy)
        #expect(modern == ["tools": [:], "extensions": ["io.modelcontextprotocol/tasks": [:]]])
        for revision in ProtocolRevision.legacy {
            let shown = EraBridge.legacyServerCapabilities(fromModern: modern, revision: revision)
            #expect((shown["tasks"] != nil) == (revision == .v2025_11_25))
            #expect(shown["extensions"] == nil)
        }
        // Tasks for other requests than tool calls are none of the extension's.
        let sampling: JSON = ["tasks": ["requests": ["sampling": [:]]]]
        #expect(EraBridge.modernServerCapabilities(fromLegacy: sampling) == [:])
    }

    @Test(arguments: [
        (#"{"name":"t"}"#, TaskSupport.optional, #"{"name":"t","execution":{"taskSupport":"optional"}}"#),
        (#"{"name":"t"}"#, .forbidden, #"{"name":"t"}"#),
        (
            #"{"name":"t","execution":{"taskSupport":"required"}}"#, .optional,
            #"{"name":"t","execution":{"taskSupport":"required"}}"#
        ),
        (
            #"{"name":"t","execution":{"x":1}}"#, .optional,
            #"{"name":"t","execution":{"x":1,"taskSupport":"optional"}}"#
        ),
    ])
    func `a tool says whether it may run as a task`(tool: String, support: TaskSupport, shown: String) throws
    {
        #expect(EraBridge.legacyTool(try JSON(validating: tool), taskSupport: support).text == shown)
    }

    @Test func `a wish for a task does not reach a legacy server by accident`() {
        let params: JSON = ["name": "t", "task": ["ttl": 5], "requestState": "s"]
        #expect(EraBridge.legacyParams(fromModern: params) == ["name": "t"])
    }

    @Test func `of extensions only tasks stand where several servers do`() {
        let both: JSON = [
            "roots": [:], "extensions": ["org.example/x": [:], "io.modelcontextprotocol/tasks": [:]],
        ]
        #expect(
            TasksExtension.only(in: both)
                == ["roots": [:], "extensions": ["io.modelcontextprotocol/tasks": [:]]])
        #expect(TasksExtension.only(in: ["extensions": ["org.example/x": [:]]]) == [:])
        #expect(TasksExtension.declared(in: ["extensions": 5]) == TasksExtension.required)
        #expect(!TasksExtension.isDeclared(in: ["extensions": ["io.modelcontextprotocol/tasks": 5]]))
    }
}

extension JSON {
    /// With sorted members: what matters is what a task says, not in which order.
    fileprivate var inOrder: JSON {
        kind == .object
            ? .object(members.map { ($0.key, $0.value.inOrder) }.sorted { $0.0 < $1.0 }) : self
    }
}
