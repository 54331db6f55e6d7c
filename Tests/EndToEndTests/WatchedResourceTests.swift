import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Official clients and servers of both eras, and a resource that one watches across two nodes.
extension EndToEnd.TwoNodes {
    @Test(
        .timeLimit(.minutes(4)), .enabled(if: PythonClient.isInstalled),
        arguments: PythonClient.Release.allCases, PythonClient.Release.allCases)
    func `a resource is watched across two nodes, also after its server was restarted`(
        server: PythonClient.Release, client: PythonClient.Release
    ) async throws {
        let scratch = try Scratch()
        let port = try freePort()
        var notes = try await Self.notes(server, port)
        let owner = try await TestNode(
            "owner", in: scratch,
            yaml: quiet("owner", mesh: "127.0.0.1:0")
                + "\nservers: {notes: {url: \"http://127.0.0.1:\(port)/mcp\"}}")
        let entry = try await TestNode(
            "entry", in: scratch, yaml: quiet("entry", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await owner.joinToken()])
        try await eventually("the entry node lists the tool") {
            try await entry.entryState("owner--notes__edit") == "available"
        }

        let uri = "martlet://owner--notes/note://todo"
        let watcher = try Program(
            PythonClient.script(
                "watching_client.py", on: client, "http://\(try await entry.mcpAddress())/mcp", uri, "1000"))
        try await Self.printed(watcher, "watching", 1)
        #expect(try await owner.martlet("call", "notes__edit", "name=todo", "text=one").status == 0)
        try await Self.printed(watcher, "updated", 1)
        #expect(try await owner.martlet("call", "notes__edit", "name=journal", "text=one").status == 0)

        notes.signal(SIGKILL)
        try await eventually("the server is gone") { !notes.isRunning }
        notes = try await Self.notes(server, port)
        // What may have been missed meanwhile is told, though nobody edits.
        try await Self.printed(watcher, "updated", 2)
        let before = watcher.outputText.components(separatedBy: "updated").count
        try await eventually("an edit after the restart is told", within: .seconds(30)) {
            _ = try await owner.martlet("call", "notes__edit", "name=todo", "text=two")
            return watcher.outputText.components(separatedBy: "updated").count > before
        }
        let updates = watcher.outputText.split(separator: "\n").dropFirst()
        #expect(updates.allSatisfy { $0.contains("\"\(uri)\"") }, "\(watcher.outputText)")
        watcher.signal(SIGTERM)
        notes.signal(SIGKILL)
        try await entry.stop()
        try await owner.stop()
    }

    private static func notes(_ release: PythonClient.Release, _ port: Int) async throws -> Program {
        let program = try Program(PythonClient.script("notes_server.py", on: release, "--port", "\(port)"))
        try await eventually("the notes are served", within: .seconds(30), every: .milliseconds(100)) {
            guard program.isRunning else { throw TestFailure("the server ended: \(program.errorText)") }
            let asked = try await Program.run(
                ["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:\(port)/mcp"])
            return asked.status == 0
        }
        return program
    }

    private static func printed(_ program: Program, _ word: String, _ count: Int) async throws {
        do {
            try await eventually("the client has printed \(word), \(count) times", within: .seconds(45)) {
                guard program.isRunning else { throw TestFailure("the client ended") }
                return program.outputText.components(separatedBy: "\"\(word)\"").count > count
            }
        } catch {
            throw TestFailure("\(error)\n\(program.outputText)\n\(program.errorText)")
        }
    }
}

/// A port of this machine that nobody listens on now; a server that is to be started twice needs one it can name.
func freePort() throws -> Int {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
            bind(socket, pointer, length) == 0 && getsockname(socket, pointer, &length) == 0
        }
    }
    guard bound else { throw TestFailure("no free port: \(String(cString: strerror(errno)))") }
    return Int(UInt16(bigEndian: address.sin_port))
}
