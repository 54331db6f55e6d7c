import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// What a node does when the system does not give it what it wants: descriptors, room on the disk, time of the server behind it. What honest
/// callers notice of that in time is measured by `Benchmarks/faults/run`.
extension EndToEnd.Faults {
    private static func server(_ name: String, _ more: String = "") throws -> String {
        "  \(name): {command: \"\(try #require(Binary.path))\", args: [sample-server]\(more)}"
    }

    /// Why a call of a server's tool failed; `nil`: it did not.
    private func refusal(by server: String, at node: TestNode) async throws -> String? {
        let outcome = try await node.martlet("call", "\(server)__echo", "text=still here", "--json")
        return refusal(in: try JSON(validating: outcome.output))
    }

    private func refusal(in answer: JSON) -> String? {
        answer["ok"]?.bool == true ? nil : answer["error"]?["data"]?["reason"]?.string ?? answer.text
    }

    private func isUp(_ server: String, at node: TestNode) async throws {
        try await eventually("\(server) is up") {
            try await node.entryState("\(server)__echo") == "available"
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `a node with few descriptors answers whoever asks, however many connect and ask for nothing`()
        async throws
    {
        let scratch = try Scratch()
        let yaml = quiet("few") + "\nservers:\n" + (try Self.server("sample"))
        let node = try await TestNode(
            "few", in: scratch, yaml: yaml, prefix: ["prlimit", "--nofile=256:256"])
        try await isUp("sample", at: node)
        let status = try await node.ask("/v1/status")
        var crowds: [Program] = []
        for surface in ["mcp", "admin"] {
            let address = try #require(status["listen"]?[surface]?.string)
            let script = "\(Project.root)/Tests/EndToEndTests/Python/silent_crowd.py"
            crowds.append(try Program(["python3", script, address, "400"], keepsInputOpen: true))
        }
        for crowd in crowds {
            try await eventually("they have connected", within: .seconds(40)) {
                crowd.outputText.contains("open")
            }
        }
        let mcp = try #require(status["listen"]?["mcp"]?.string)
        for _ in 0..<3 {
            let health = try await Program.run(["curl", "-sS", "--max-time", "5", "http://\(mcp)/healthz"])
            #expect(health.status == 0, "\(health.errors)")
            #expect(try await node.ask("/v1/status")["listen"] != nil)
            #expect(try await refusal(by: "sample", at: node) == nil)
        }
        // Things that want descriptors besides connections.
        let added = try await node.martlet(
            "servers", "add", "other", "--", try #require(Binary.path), "sample-server")
        #expect(added.status == 0, "\(added.errors)")
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(node.pid)/fd").count
        #expect(open < 256)
        for crowd in crowds {
            crowd.endInput()
            _ = try await crowd.outcome(within: .seconds(10))
        }
        #expect(try await refusal(by: "sample", at: node) == nil)
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)), .enabled(if: geteuid() == 0, "a disk of its own wants root"))
    func
        `a full disk costs records, no call but those that must be recorded, and nothing once there is room`()
        async throws
    {
        let scratch = try Scratch()
        let disk = "\(scratch.path)/disk"
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
        let mount = try await Program.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", disk])
        // Root in a container may not mount; then there is no disk to fill.
        guard mount.status == 0 else { try Test.cancel("no disk of its own: \(mount.errors)") }
        let folder = "\(scratch.path)/full"
        try FileManager.default.createSymbolicLink(atPath: folder, withDestinationPath: disk)
        let result: Result<Void, any Error>
        do {
            try await fullDisk(scratch, at: disk)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        let unmounted = try await Program.run(["umount", "-l", disk])
        #expect(unmounted.status == 0, "\(unmounted.errors)")
        try result.get()
    }

    private func fullDisk(_ scratch: Scratch, at disk: String) async throws {
        let yaml =
            quiet("full") + "\nservers:\n" + (try Self.server("free")) + "\n"
            + (try Self.server("strict", ", audit: required"))
        let node = try await TestNode("full", in: scratch, yaml: yaml)
        for server in ["free", "strict"] {
            try await isUp(server, at: node)
            #expect(try await refusal(by: server, at: node) == nil)
        }
        let filler = "\(disk)/filler"
        let filled = try await Program.run(["sh", "-c", "cat /dev/zero > '\(filler)'"])
        #expect(filled.status != 0, "the disk is not full")

        for _ in 0..<3 { #expect(try await refusal(by: "free", at: node) == nil) }
        #expect(try await refusal(by: "strict", at: node) == "denied")
        try await eventually("status says what is wrong") {
            let records = try await node.ask("/v1/status")["records"]
            return records?["trouble"]?.string?.contains("No space left") == true
                && records?["lost"]?.int ?? 0 > 0
        }
        // What is to be stored and cannot be is refused, with why.
        let refused = try await node.martlet("secret", "set", "token", input: "value\n")
        #expect(refused.status != 0)
        #expect(
            refused.errors.contains("full") || refused.errors.contains("space"), "said: \(refused.errors)")

        try FileManager.default.removeItem(atPath: filler)
        try await eventually("what must be recorded is called again") {
            try await refusal(by: "strict", at: node) == nil
        }
        try await eventually("the trouble is over") {
            try await node.ask("/v1/status")["records"]?["trouble"]?.string == nil
        }
        #expect(try await node.martlet("secret", "set", "token", input: "value\n").status == 0)
        try await node.stop()
    }

    @Test(.timeLimit(.minutes(2)))
    func
        `a server that stands still costs its callers their time, nobody else, and is there when it goes on`()
        async throws
    {
        let scratch = try Scratch()
        let yaml =
            quiet("still") + "\nservers:\n" + (try Self.server("good")) + "\n"
            + (try Self.server("still", ", timeout: 1s, env: {STILL: yes}"))
        let node = try await TestNode("still", in: scratch, yaml: yaml)
        for server in ["good", "still"] { try await isUp(server, at: node) }
        let server = try #require(child(of: node.pid, withEnvironment: "STILL=yes"))
        kill(server, SIGSTOP)
        defer { kill(server, SIGCONT) }
        #expect(try await refusal(by: "still", at: node) == "deadline_exceeded")
        #expect(try await refusal(by: "good", at: node) == nil)
        kill(server, SIGCONT)
        try await eventually("it is called again") { try await refusal(by: "still", at: node) == nil }
        #expect(
            child(of: node.pid, withEnvironment: "STILL=yes") == server,
            "it was not started anew for that")
        try await node.stop()
    }

    /// The process below another, at any depth, that was given this in its environment.
    private func child(of pid: Int32, withEnvironment text: String) -> Int32? {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        let below = tasks.flatMap { task in
            ((try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/children", encoding: .utf8)) ?? "")
                .split(separator: " ").compactMap { Int32($0) }
        }
        for other in below {
            let environment =
                (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(other)/environ"))) ?? Data()
            let command =
                (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(other)/cmdline"))) ?? Data()
            let isServer = String(decoding: command, as: UTF8.self).hasSuffix("sample-server\0")
            if isServer, String(decoding: environment, as: UTF8.self).contains(text) { return other }
            if let found = child(of: other, withEnvironment: text) { return found }
        }
        return nil
    }

    @Test(.timeLimit(.minutes(2)))
    func `a node that stood still answers what came meanwhile`() async throws {
        let scratch = try Scratch()
        let node = try await TestNode(
            "stood", in: scratch, yaml: quiet("stood") + "\nservers:\n" + (try Self.server("sample")))
        try await isUp("sample", at: node)
        node.program.signal(SIGSTOP)
        defer { node.program.signal(SIGCONT) }
        let calls = try (0..<4).map { number in
            try node.start(["call", "sample__echo", "text=call \(number)", "--json"], input: "")
        }
        // The time that it stands still is the matter here.
        try await Task.sleep(for: .seconds(2))
        let running = calls.filter(\.isRunning)
        #expect(running.count == calls.count)
        node.program.signal(SIGCONT)
        for call in calls {
            let outcome = try await call.outcome(within: .seconds(20))
            let answer = try JSON(validating: outcome.output)
            #expect(refusal(in: answer) == nil, "\(outcome.output)\(outcome.errors)")
        }
        try await node.stop()
    }
}
