import Catalog
import Composition
import JSONSlice
import MCPModel
import Testing

/// Tasks on endpoints: whose they are, and where they lead.
struct TaskRouteTests {
    private static let tasks =
        #"{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{},"org.example/x":{"a":1}}}"#
        .json

    private static func mesh() -> SampleMesh {
        var mesh = SampleMesh()
        mesh.addNode("there")
        mesh.addServer("jobs", [.tool("run")], capabilities: tasks)
        mesh.addServer("jobs", on: "there", [.tool("run")], capabilities: tasks)
        mesh.addServer("plain", [.tool("say")])
        return mesh
    }

    @Test(arguments: [
        ("jobs/a", "here", "a"), ("there--jobs/a/b", "there", "a/b"), ("there--jobs/", "there", ""),
    ])
    func `on an endpoint of several servers a task's id says whose it is`(
        id: String, node: String, original: String
    ) throws {
        let view = Self.mesh().view(.all)
        let route = try view.route(Method.tasksGet, ["taskId": .string(id), "x": 1.0])
        #expect(route.server == SampleMesh.key("jobs", on: node))
        #expect(route.params == ["taskId": .string(original), "x": 1.0])
        #expect(view.space(of: route.server).outward(taskID: original) == id)
    }

    @Test func `a listen to one task goes where the task is, and one to anything else nowhere`() throws {
        let view = Self.mesh().view(.all)
        let route = try view.route(
            Method.subscriptionsListen, TaskSubscription.params(taskID: "there--jobs/a"))
        #expect(route.server == SampleMesh.key("jobs", on: "there"))
        #expect(TaskSubscription.taskID(in: route.params) == "a")
        for filter: JSON in [
            ["taskIds": ["jobs/a", "jobs/b"]], ["taskIds": ["jobs/a"], "toolsListChanged": true], [:],
        ] {
            #expect(
                throws: RouteError.missing(
                    member: "notifications.taskIds", method: Method.subscriptionsListen)
            ) { try view.route(Method.subscriptionsListen, ["notifications": filter]) }
        }
    }

    @Test(arguments: ["a", "nobody/a", "", "/a", "martlet://jobs/a"])
    func `an id that nobody here gave leads nowhere`(id: String) {
        #expect(throws: RouteError.unknownTask(id)) {
            try Self.mesh().view(.all).route(Method.tasksCancel, ["taskId": .string(id)])
        }
    }

    @Test func `on an endpoint of one server a task's id is the server's own`() throws {
        let key = SampleMesh.key("jobs", on: "there")
        let view = Self.mesh().view(.oneServer(key))
        let params: JSON = ["taskId": "jobs/a"]
        #expect(
            try view.route(Method.tasksUpdate, params) == Route(server: key, binding: nil, params: params))
        let task: JSON = ["resultType": "task", "taskId": "jobs/a"]
        #expect(view.space(of: key).outward(result: task, of: Method.toolsCall) == task)
    }

    @Test func `what a task says is made outward: its id, and the links of its result`() {
        let view = Self.mesh().view(.all)
        let space = view.space(of: SampleMesh.key("jobs", on: "there"))
        let link = #"{"type":"resource_link","uri":"file:///a","name":"a"}"#
        let got = #"{"taskId":"a","status":"completed","result":{"content":[\#(link)]}}"#.json
        let shown = space.outward(result: got, of: Method.tasksGet)
        #expect(shown["taskId"]?.string == "there--jobs/a")
        #expect(
            shown.pointer("/result/content/0/uri")?.string == "martlet://there--jobs/file:///a")
        // A tool may call anything of its own a taskId.
        let result = #"{"resultType":"complete","taskId":"a"}"#.json
        #expect(space.outward(result: result, of: Method.toolsCall) == result)
    }

    @Test func `extensions pass where one server stands, and only tasks where several do`() {
        let mesh = Self.mesh()
        let own = mesh.view(.oneServer(SampleMesh.key("jobs"))).capabilities["extensions"]
        #expect(own?.text == Self.tasks["extensions"]?.text)
        #expect(mesh.view(.all).capabilities["extensions"]?.text == #"{"io.modelcontextprotocol/tasks":{}}"#)
        var plain = SampleMesh()
        plain.addServer("plain", [.tool("say")])
        #expect(plain.view(.all).capabilities["extensions"] == nil)
        plain.addServer("jobs", [.tool("run")], capabilities: Self.tasks, state: .disabled)
        #expect(plain.view(.all).capabilities["extensions"] == nil)
    }

    @Test(arguments: [
        ("2026-07-28", nil, TaskSupport.optional), ("2025-11-25", nil, .forbidden),
        ("2025-11-25", "optional", .optional), ("2025-11-25", "required", .required),
        ("2025-11-25", "often", .forbidden),
    ])
    func `a modern server's tools may run as tasks, a legacy one says it of each`(
        revision: String, said: String?, support: TaskSupport
    ) {
        var mesh = SampleMesh()
        let definition: JSON = ["name": "run", "inputSchema": ["type": "object"]]
        let execution: JSON = ["taskSupport": .string(said ?? "")]
        let entry = Entry(
            kind: .tool, definition: said == nil ? definition : definition.setting("execution", to: execution)
        )
        let key = mesh.addServer("jobs", [entry].compactMap { $0 }, capabilities: Self.tasks)
        mesh.catalog.servers[key]?.record.revision = revision
        #expect(mesh.view(.all).taskSupport(ofTool: "jobs__run") == support)
        #expect(mesh.view(.all).taskSupport(ofTool: "nobody") == .forbidden)
    }
}
