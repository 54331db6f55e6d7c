import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// A server with tasks on one node, and on another callers who go before they hear of their task.
extension EndToEnd.TwoNodes {
    @Test(.enabled(if: PythonClient.isInstalled), .timeLimit(.minutes(3)))
    func `a task that its server names after its caller went is stopped there, of either era`() async throws {
        let scratch = try Scratch()
        var commands = [
            ("legacy", PythonClient.script(on: .one, "task_server.py")),
            ("modern", PythonClient.script(on: .two, "modern_task_server.py")),
        ]
        if let fastMCP = PythonClient.fastMCPTasks("fastmcp_task_server.py") {
            commands.append(("fastmcp", fastMCP))
        }
        let servers = commands.map { name, command in
            let quoted = (command + [scratch.path]).map { "\"\($0)\"" }
            return "\(name): {command: \(quoted[0]), args: [\(quoted.dropFirst().joined(separator: ", "))]}"
        }
        let owner = try await TestNode(
            "owner", in: scratch,
            yaml: quiet("owner", mesh: "127.0.0.1:0") + "\nservers: {\(servers.joined(separator: ", "))}")
        let entry = try await TestNode(
            "entry", in: scratch, yaml: quiet("entry", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await owner.joinToken()])
        for (name, _) in commands {
            let tool = "owner--\(name)__render"
            try await eventually("the entry node lists \(tool)", within: .seconds(30)) {
                try await entry.entryState(tool) != nil
            }
            try await leave(tool, trace: "\(name)-late", late: 0.6, at: entry, in: scratch)
            try await keep(tool, trace: "\(name)-kept", at: entry, in: scratch)
        }
        try await entry.stop()
        try await owner.stop()
    }

    private func has(_ file: String, _ scratch: Scratch) -> Bool {
        FileManager.default.fileExists(atPath: "\(scratch.path)/\(file)")
    }

    private func arguments(_ trace: String, late: Double) -> JSON {
        ["forever": true, "trace": .string(trace), "late": .number(late)]
    }

    /// Calls a tool, and goes before its server has named the task.
    private func leave(
        _ tool: String, trace: String, late: Double, at node: TestNode, in scratch: Scratch
    ) async throws {
        let caller = try await ModernCall.start(
            "tools/call", ["name": .string(tool), "arguments": arguments(trace, late: late)], name: tool,
            to: node)
        try await eventually("the server is called by \(trace)") { has("\(trace).called", scratch) }
        caller.signal(SIGKILL)
        try await eventually("the work of \(trace) is stopped") { has("\(trace).stopped", scratch) }
    }

    /// Calls a tool, and has its task for as long as it likes.
    private func keep(_ tool: String, trace: String, at node: TestNode, in scratch: Scratch) async throws {
        let made = try await ModernCall.send(
            "tools/call", ["name": .string(tool), "arguments": arguments(trace, late: 0)], name: tool,
            to: node)
        let id = try #require(made.pointer("/result/taskId")?.string, "\(made.text)")
        let got = try await ModernCall.send("tasks/get", ["taskId": .string(id)], name: id, to: node)
        #expect(got.pointer("/result/status") == "working", "\(got.text)")
        #expect(!has("\(trace).stopped", scratch))
        _ = try await ModernCall.send("tasks/cancel", ["taskId": .string(id)], name: id, to: node)
        try await eventually("the work of \(trace) is stopped") { has("\(trace).stopped", scratch) }
    }
}
