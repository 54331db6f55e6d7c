import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// The vault of real nodes: sealed, opened, its keys changed, backed up, put back.
extension EndToEnd.Vault {
    /// A server that wants a bearer token, which lies in a file and can be changed.
    final class Guarded: Sendable {
        let url: String
        private let program: Program
        private let file: String

        init(in scratch: Scratch, _ name: String, wanting token: String) async throws {
            file = try scratch.write(token, to: "\(name).token")
            let program = try Program(PythonClient.script("bearer_server.py", "--token-file", file))
            self.program = program
            try await eventually("\(name) listens", within: .seconds(30), every: .milliseconds(50)) {
                guard program.isRunning else { throw TestFailure("\(name) ended: \(program.errorText)") }
                return program.outputText.contains("port")
            }
            let line = program.outputText.split(separator: "\n").first { $0.contains("port") } ?? ""
            let port = try #require(try JSON(validating: String(line))["port"]?.int)
            url = "http://127.0.0.1:\(port)/mcp"
        }

        func want(_ token: String) throws {
            try token.write(toFile: file, atomically: true, encoding: .utf8)
        }
    }

    private func yaml(_ name: String, _ guarded: Guarded, more: String = "", mesh: String = "none") throws
        -> String
    {
        let binary = try #require(Binary.path)
        return quiet(name, mesh: mesh) + """

            servers:
              open: {command: "\(binary)", args: [sample-server]}
              desk: {url: "\(guarded.url)", auth: {bearer: {secret: desk-token}}}
            \(more)
            """
    }

    private func calls(_ node: TestNode, _ text: String = "hello") async throws -> Bool {
        try await node.martlet("call", "desk__echo", "text=\(text)").status == 0
    }

    private func reason(_ node: TestNode, calling entry: String, _ arguments: String...) async throws
        -> String?
    {
        let outcome = try await node.martlet(["call", entry] + arguments + ["--json"])
        guard outcome.status != 0 else { return nil }
        return try JSON(validating: outcome.output).pointer("/error/data/reason")?.string
    }

    /// A node with a secret that a guarded server wants, and a first call that went through.
    private func node(
        in scratch: Scratch, _ guarded: Guarded, token: String, more: String = ""
    ) async throws -> TestNode {
        let node = try await TestNode("a", in: scratch, yaml: try yaml("a", guarded, more: more))
        _ = try await node.json("secret", "set", "desk-token", input: token + "\n")
        try await eventually("the desk is up", within: .seconds(30)) { try await calls(node) }
        return node
    }

    // MARK: Sealed

    @Test(.timeLimit(.minutes(3)))
    func `a sealed node serves what needs no credential, and the rest once a person unseals it`() async throws
    {
        let scratch = try Scratch()
        let token = "tok-" + UUID().uuidString
        let guarded = try await Guarded(in: scratch, "desk", wanting: token)
        var a = try await node(in: scratch, guarded, token: token)
        _ = try await a.json("vault", "slot", "set", "passphrase", input: "correct horse\n")
        let slots = try await a.json("vault", "slot", "remove", "key-file")
        #expect(slots["slots"]?.elements.compactMap(\.string) == ["passphrase"])
        try await a.stop()

        a = try await TestNode("a", in: scratch, yaml: try yaml("a", guarded))
        let sealed = try await a.json("vault", "status")
        #expect(sealed["sealed"]?.bool == true && sealed["reason"]?.string?.contains("vault unseal") == true)
        try await eventually("the open server answers") {
            try await a.martlet("call", "open__add", "a=1", "b=2").status == 0
        }
        // Its tools are not listed before it was met in this life; what is known by name is answered.
        let status = try await a.ask("/v1/status")
        #expect(
            status["attention"]?.elements.contains { $0.string?.contains("vault unseal") == true } == true)
        let shown = try await a.martlet("servers", "show", "desk")
        #expect(shown.output.contains("sealed"), "\(shown.output)")

        let wrong = try await a.martlet(["vault", "unseal"], input: "battery staple\n")
        #expect(wrong.status != 0 && wrong.errors.contains("does not open"), "\(wrong.errors)")
        let opened = try await a.json("vault", "unseal", input: "correct horse\n")
        #expect(opened["sealed"]?.bool == false)
        try await eventually("the desk is up without a restart", within: .seconds(30)) { try await calls(a) }
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(3)))
    func `calls to a server that waits for the vault say sealed, on the owner and across the mesh`()
        async throws
    {
        let scratch = try Scratch()
        let token = "tok-" + UUID().uuidString
        let guarded = try await Guarded(in: scratch, "desk", wanting: token)
        let listening = try yaml("a", guarded, mesh: "127.0.0.1:0")
        var a = try await TestNode("a", in: scratch, yaml: listening)
        _ = try await a.json("secret", "set", "desk-token", input: token + "\n")
        try await eventually("the desk is up", within: .seconds(30)) { try await calls(a) }
        _ = try await a.json("vault", "slot", "set", "passphrase", input: "correct horse\n")
        _ = try await a.json("vault", "slot", "remove", "key-file")
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await a.joinToken("--role", "member", "--role", "entry")])
        try await eventually("b lists it") { try await b.entryState("a--desk__echo") == "available" }
        let address = try #require(try await a.json("status")["listen"]?["mesh"]?.string)
        try await a.stop()

        a = try await TestNode(
            "a", in: scratch, yaml: try yaml("a", guarded, mesh: address))
        try await eventually("b reaches a") { try await b.state(of: "a") == "reachable" }
        try await eventually("b calls what needs no credential", within: .seconds(30)) {
            try await b.martlet("call", "a--open__add", "a=1", "b=2").status == 0
        }
        #expect(try await reason(a, calling: "desk__echo", "text=x") == "sealed")
        var heard: [String?] = []
        do {
            try await eventually("b is told", within: .seconds(20)) {
                heard.append(try await reason(b, calling: "a--desk__echo", "text=x"))
                return heard.last == "sealed"
            }
        } catch {
            throw TestFailure("\(error): \(heard)")
        }
        _ = try await a.json("vault", "unseal", input: "correct horse\n")
        try await eventually("b calls it again", within: .seconds(30)) {
            try await b.martlet("call", "a--desk__echo", "text=x").status == 0
        }
        _ = try await a.joinToken()  // an issuer admits others again
        try await b.stop()
        try await a.stop()
    }

    // MARK: New keys, new values

    @Test(.timeLimit(.minutes(4)))
    func `no call fails while keys, root and the backend's token are changed`() async throws {
        let scratch = try Scratch()
        let (old, new) = ("tok-" + UUID().uuidString, "tok-" + UUID().uuidString)
        let guarded = try await Guarded(in: scratch, "desk", wanting: old)
        let a = try await node(
            in: scratch, guarded, token: old,
            more: "vault: {rotateAfter: 90d, secrets: {desk-token: {rotateAfter: 30d}}}")
        // A few secrets more, so that wrapping takes more than one batch.
        for index in 0..<70 { _ = try await a.ask("/v1/secrets/s\(index)", put: ["value": "value \(index)"]) }
        let mcp = try await a.mcpAddress()
        let caller = try Program(PythonClient.script("hammer.py", "http://\(mcp)/mcp", "desk__echo"))
        try await eventually("calls run", within: .seconds(30)) { caller.outputText.contains("5 ") }

        let before = try await a.json("vault", "status")["generation"]?.int ?? 0
        _ = try await a.json("vault", "rekey")
        _ = try await a.json("secret", "rotate", "desk-token", input: new + "\n")
        let rooted = try await a.json("vault", "rekey", "--root")
        #expect(rooted["generation"]?.int == before + 2 && rooted["waiting"]?.int == 0)
        #expect(rooted["formerRoots"]?.int == 0)
        // Up to here the backend still takes the old one alone.
        try await eventually("the former value is in use") {
            try await a.json("secret", "list")["secrets"]?.elements
                .first { $0["name"]?.string == "desk-token" }?["formerUsedSecondsAgo"] != nil
        }
        try guarded.want(new)
        let changed = caller.outputText.split(separator: "\n").count
        try await eventually("calls go on with the new one", within: .seconds(20)) {
            caller.outputText.split(separator: "\n").count > changed + 10
        }
        _ = try await a.json("secret", "rotate", "desk-token", "--end")
        _ = try await a.json("vault", "rekey")
        let ended = caller.outputText.split(separator: "\n").count
        try await eventually("calls go on without the former", within: .seconds(20)) {
            caller.outputText.split(separator: "\n").count > ended + 10
        }
        caller.signal(SIGINT)
        let outcome = try await caller.outcome(within: .seconds(10))
        let summary = outcome.output.split(separator: "\n").last ?? ""
        print("calls during changes: \(summary)")
        #expect(
            summary.hasSuffix(" 0 failed"), "\(outcome.output.suffix(2_000))\(outcome.errors.suffix(2_000))")
        let twice = try await a.martlet(["secret", "rotate", "desk-token", "--end"])
        #expect(twice.status != 0 && twice.errors.contains("one version only"))
        try await a.stop()
    }

    // MARK: Backups

    @Test(.timeLimit(.minutes(3)))
    func `a backup comes back on another machine, where no second node appears`() async throws {
        let scratch = try Scratch()
        let token = "tok-" + UUID().uuidString
        let guarded = try await Guarded(in: scratch, "desk", wanting: token)
        let a = try await node(in: scratch, guarded, token: token)
        let file = "\(scratch.path)/a.vault"
        let made = try await a.json("vault", "backup", file, input: "safe\n")
        #expect(made["secrets"]?.int == 1)
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
        let again = try await a.martlet(["vault", "backup", file], input: "safe\n")
        #expect(again.status != 0 && again.errors.contains("exists already"))
        #expect(
            try await SecretSearch(token).findings(inFolder: scratch.path).filter { $0.contains("a.vault") }
                == [])

        let b = try await TestNode("b", in: scratch, yaml: try yaml("b", guarded))
        #expect(try await !calls(b))
        let wrong = try await b.martlet(["vault", "restore", file], input: "unsafe\n")
        #expect(wrong.status != 0 && wrong.errors.contains("does not open the backup"), "\(wrong.errors)")
        let restored = try await b.json("vault", "restore", file, input: "safe\n")
        #expect(restored["restored"]?.elements.compactMap(\.string) == ["desk-token"])
        try await eventually("the desk is up there", within: .seconds(30)) { try await calls(b) }
        let ids = [try await a.json("status"), try await b.json("status")].map { $0["node"]?["id"]?.string }
        #expect(ids[0] != ids[1], "the node's own key is not in it")
        let twice = try await b.martlet(["vault", "restore", file], input: "safe\n")
        #expect(twice.status != 0 && twice.errors.contains("--overwrite"), "\(twice.errors)")
        _ = try await b.json("vault", "restore", file, "--overwrite", input: "safe\n")
        #expect(try await calls(b))
        try await b.stop()
        try await a.stop()
    }

    @Test(.timeLimit(.minutes(3)))
    func `an issuer that lost its vault admits others again once its keys are restored, without a restart`()
        async throws
    {
        let scratch = try Scratch()
        let yaml = quiet("a", mesh: "127.0.0.1:0")
        let a = try await TestNode("a", in: scratch, yaml: yaml)
        _ = try await a.joinToken()
        let file = "\(scratch.path)/a.vault"
        _ = try await a.json("vault", "backup", file, input: "safe\n")
        try await a.stop()
        // Its key and its membership are files of their own.
        for name in try FileManager.default.contentsOfDirectory(atPath: a.dataFolder)
        where name.hasPrefix("martlet.db") || name == "vault.key" {
            try FileManager.default.removeItem(atPath: "\(a.dataFolder)/\(name)")
        }
        let bare = try await TestNode("a", in: scratch, yaml: yaml)
        #expect(try await bare.martlet("mesh", "token").status != 0)
        let restored = try await bare.json("vault", "restore", file, input: "safe\n")
        #expect(restored["own"]?.elements.isEmpty == false, "\(restored)")
        let token = try await bare.joinToken()
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"), arguments: ["--join", token])
        try await eventually("they are linked") { try await b.state(of: "a") == "reachable" }
        try await b.stop()
        try await bare.stop()
    }

    // MARK: Put back

    @Test(.timeLimit(.minutes(3)))
    func `a vault that was put back is noticed with a peer's help, until a person accepts it`() async throws {
        let scratch = try Scratch()
        let a = try await TestNode("a", in: scratch, yaml: quiet("a", mesh: "127.0.0.1:0"))
        let address = try #require(try await a.json("status")["listen"]?["mesh"]?.string)
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b", mesh: "127.0.0.1:0"),
            arguments: ["--join", try await a.joinToken()])
        try await eventually("they are linked") { try await b.state(of: "a") == "reachable" }
        try await a.stop()
        let kept = "\(scratch.path)/kept"
        try FileManager.default.copyItem(atPath: a.dataFolder, toPath: kept)

        let fixed = quiet("a", mesh: address)
        let later = try await TestNode("a", in: scratch, yaml: fixed)
        for index in 0..<5 { _ = try await later.json("secret", "set", "s\(index)", input: "value\n") }
        let counter = try #require(try await later.json("vault", "status")["counter"]?.int)
        try await eventually("b has heard of it", within: .seconds(30)) {
            try await b.state(of: "a") == "reachable"
        }
        // Told at most every five seconds.
        try await Task.sleep(for: .seconds(6))
        try await later.stop()

        try FileManager.default.removeItem(atPath: later.dataFolder)
        try FileManager.default.copyItem(atPath: kept, toPath: later.dataFolder)
        let back = try await TestNode("a", in: scratch, yaml: fixed)
        try await eventually("the alarm is raised", within: .seconds(40)) {
            try await back.json("vault", "status")["remembered"]?.int == counter
        }
        let status = try await back.ask("/v1/status")
        let line = status["attention"]?.elements.compactMap(\.string).first {
            $0.contains("older than it was")
        }
        #expect(line?.contains("vault accept") == true, "\(status["attention"]?.text ?? "")")
        // Changes since do not end it.
        while try await back.json("vault", "status")["counter"]?.int ?? 0 <= counter {
            _ = try await back.json("secret", "set", "later", input: "value\n")
        }
        #expect(try await back.json("vault", "status")["remembered"]?.int == counter)
        let accepted = try await back.json("vault", "accept")
        #expect(accepted["remembered"] == nil && accepted["counter"]?.int ?? 0 > counter)
        let calm = try await back.ask("/v1/status")["attention"]?.elements.compactMap(\.string) ?? []
        #expect(!calm.contains { $0.contains("vault accept") && $0.contains("change") }, "\(calm)")
        try await back.stop()
        try await b.stop()
    }
}
