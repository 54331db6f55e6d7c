import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Secrets that must show nowhere but where they are used, looked for wherever a node writes, sends or shows anything.
extension EndToEnd.Vault {
    /// Every way out of a node: what is searched, and where the search is shown to find what was planted.
    @Test(.timeLimit(.minutes(4)))
    func `a secret is in no log, error, record, document, backup, database, argument or foreign environment`()
        async throws
    {
        let scratch = try Scratch()
        // What is encoded differently in URLs is in it.
        let header = "canary+/=&%" + UUID().uuidString + UUID().uuidString
        let variable = "canary+/=&%" + UUID().uuidString + UUID().uuidString
        let rotated = "canary+/=&%" + UUID().uuidString + UUID().uuidString
        let searches = [header, variable, rotated].map { SecretSearch($0) }
        let guarded = try await Guarded(in: scratch, "desk", wanting: header)
        let binary = try #require(Binary.path)
        let mesh = try await Self.freePort()
        let relay = try Program(
            PythonClient.script("relay.py", "\(scratch.path)/wire.bin", "127.0.0.1:\(mesh)"))
        try await eventually("the relay listens") { relay.outputText.contains("port") }
        let port = try #require(
            try JSON(validating: relay.outputText.trimmingCharacters(in: .whitespacesAndNewlines))["port"]?
                .int)
        let a = try await TestNode(
            "a", in: scratch,
            yaml: """
                node: {name: a, segment: here}
                listen: {mcp: "127.0.0.1:0", admin: "127.0.0.1:0", mesh: "127.0.0.1:\(mesh)"}
                mesh: {mdns: off, advertise: ["127.0.0.1:\(port)"]}
                servers:
                  open: {command: "\(binary)", args: [sample-server]}
                  child:
                    command: "\(binary)"
                    args: [sample-server]
                    env: {API_KEY: "${secret:child-token}"}
                  desk: {url: "\(guarded.url)", auth: {bearer: {secret: desk-token}}}
                """,
            // Where Swift's tools are installed it would take a minute to find the names of its functions.
            environment: ["SWIFT_BACKTRACE": "enable=no"])
        var shown = ""
        func show(_ arguments: String..., input: String = "", from node: TestNode) async throws {
            let outcome = try await node.martlet(arguments, input: input)
            shown += outcome.output + outcome.errors
        }
        try await show("secret", "set", "desk-token", input: header + "\n", from: a)
        try await show("secret", "set", "child-token", input: variable + "\n", from: a)
        let b = try await TestNode(
            "b", in: scratch, yaml: quiet("b"),
            arguments: ["--join", try await a.joinToken("--role", "member", "--role", "entry")])
        try await eventually("b calls the desk through a", within: .seconds(40)) {
            try await b.martlet("call", "a--desk__echo", "text=x").status == 0
        }
        try await eventually("b calls the child through a", within: .seconds(20)) {
            try await b.martlet("call", "a--child__add", "a=1", "b=1").status == 0
        }

        // The environment is the child's own, and nobody else's; arguments are nobody's.
        let family = try Self.descendants(of: a.pid)
        #expect(family.count >= 4, "two children, and a guard for each: \(family)")
        var holders = 0
        for pid in family + [a.pid, b.pid] {
            #expect(Self.forms(searches, in: try Self.bytes(of: pid, "cmdline")).isEmpty)
            let found = Self.forms(searches, in: try Self.bytes(of: pid, "environ"))
            if !found.isEmpty { holders += 1 }
            #expect(found.isEmpty || (pid != a.pid && pid != b.pid))
        }
        #expect(holders == 1, "one child has it, which is also how the search is known to find it")
        let planted = try Program(["/bin/sh", "-c", "sleep 60; : \(variable)"])
        try await eventually("what is planted in arguments is found") {
            !Self.forms(searches, in: try Self.bytes(of: planted.pid, "cmdline")).isEmpty
        }
        planted.signal(SIGKILL)

        // Every way to go wrong with them.
        try await show("secret", "rotate", "desk-token", input: rotated + "\n", from: a)
        try await show("call", "desk__echo", "text=x", from: a)
        try guarded.want("something else")
        try await show("call", "desk__echo", "text=x", from: a)
        try await show("call", "a--desk__echo", "text=x", "--json", from: b)
        try await show("secret", "set", "desk token", input: header, from: a)
        try await show("secret", "rotate", "absent", input: header, from: a)
        try await show("servers", "test", "desk", from: a)
        for words in [
            ["status"], ["doctor"], ["secret", "list"], ["servers", "show", "desk"], ["vault", "status"],
        ] {
            for node in [a, b] { shown += try await node.martlet(words + ["--json"]).output }
        }
        for node in [a, b] {
            let metrics = try await node.askText("/metrics")
            #expect(metrics.contains("martlet_calls_total"))
            shown += metrics
        }
        try await show("logs", from: a)
        try await show("vault", "rekey", from: a)
        try await show("vault", "backup", "\(scratch.path)/kept.vault", input: "safe\n", from: a)
        try await show("vault", "backup", "\(scratch.path)/slots.vault", "--keep-slots", from: a)
        let files = ["kept.vault", "slots.vault", "wire.bin"]
        for name in files {
            let size =
                try FileManager.default.attributesOfItem(atPath: "\(scratch.path)/\(name)")[.size] as? Int
            #expect(size ?? 0 > 200, "\(name) holds something")
        }

        for (index, search) in searches.enumerated() {
            #expect(search.forms(in: shown).isEmpty, "\(index)")
            for node in [a, b] {
                #expect(search.forms(in: node.log + node.program.outputText).isEmpty, "\(index)")
                // Configuration, database, write-ahead log, records, keys.
                #expect(try await search.findings(inFolder: node.folder) == [], "\(index) at \(node.name)")
            }
            for name in files {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/\(name)"))
                #expect(Self.forms([search], in: bytes).isEmpty, "\(index) in \(name)")
            }
            // What was gossiped lies open in b's memory, and the canary does not.
            #expect(try await search.findings(inMemoryOf: b.pid) == [], "\(index)")
        }
        #expect(
            FileManager.default.fileExists(atPath: "\(a.dataFolder)/martlet.db-wal"), "the log was searched")

        // The same searches find each form that is planted in the same places.
        for (form, text) in [
            ("raw", rotated), ("hexadecimal", rotated.utf8.map { String(format: "%02x", $0) }.joined()),
            ("Base64", Data(rotated.utf8).base64EncodedString()),
            (
                "URL", rotated.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(["-"])) ?? ""
            ),
        ] {
            let path = "\(a.dataFolder)/records/planted"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let found = try await searches[2].findings(inFolder: a.folder)
            #expect(found.contains("data/records/planted: \(form)"), "\(form): \(found)")
            try FileManager.default.removeItem(atPath: path)
            #expect(searches[2].forms(in: shown + text).contains(form))
        }
        try FileHandle(forWritingTo: URL(fileURLWithPath: "\(scratch.path)/wire.bin")).append(rotated)
        #expect(
            !Self.forms(searches, in: try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/wire.bin")))
                .isEmpty)
        let own = try String(contentsOfFile: "\(b.dataFolder)/admin.token", encoding: .utf8)
        let token = SecretSearch(own.trimmingCharacters(in: .whitespacesAndNewlines))
        #expect(try await token.findings(inMemoryOf: b.pid).contains { $0.hasSuffix(": raw") })

        // It crashes, and leaves nothing of its memory behind.
        let limits = String(decoding: try Self.bytes(of: a.pid, "limits"), as: UTF8.self)
        let core = limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") } ?? ""
        #expect(core.split(separator: " ").dropFirst(4).first == "0", "\(core)")
        a.program.signal(SIGABRT)
        let ended = try await a.program.outcome(within: .seconds(20))
        #expect(ended.status == -SIGABRT)
        for search in searches {
            #expect(
                try await search.findings(inFolder: scratch.path).filter {
                    !$0.hasPrefix("wire.bin") && !$0.hasPrefix("desk.token")
                } == [])
        }
        try await b.stop()
        relay.signal(SIGKILL)
    }

    @Test(.timeLimit(.minutes(2)), arguments: [true, false])
    func `others of the same user read the process only where that was asked for`(dumps: Bool) async throws {
        let scratch = try Scratch()
        // As somebody to whom the kernel does not allow everything.
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        let open: [FileAttributeKey: Any] = [.posixPermissions: NSNumber(value: 0o777)]
        for folder in [scratch.path, "\(scratch.path)/a", "\(scratch.path)/a/run"] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try FileManager.default.setAttributes(open, ofItemAtPath: folder)
        }
        let a = try await TestNode(
            "a", in: scratch, yaml: quiet("a") + "\nvault: {dumps: \(dumps ? "on" : "off")}\n", prefix: nobody
        )
        let read = try await Program.run(nobody + ["cat", "/proc/\(a.pid)/environ"])
        #expect((read.status == 0) == dumps, "\(read.errors)")
        try await a.stop()
    }

    // MARK: -

    private static func forms(_ searches: [SecretSearch], in bytes: Data) -> Set<String> {
        // To the byte: what is no UTF-8 is searched as it stands.
        let text = String(bytes.map { Character(Unicode.Scalar($0)) })
        return Set(searches.flatMap { $0.forms(in: text) })
    }

    private static func bytes(of pid: Int32, _ file: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/\(file)"))
    }

    /// Children and theirs, by /proc/PID/stat (proc_pid_stat(5)).
    private static func descendants(of pid: Int32) throws -> [Int32] {
        var children: [Int32: [Int32]] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
            guard let child = Int32(name),
                let stat = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
                let end = stat.lastIndex(of: ")")
            else { continue }
            let fields = stat[stat.index(after: end)...].split(separator: " ")
            if fields.count > 1, let parent = Int32(fields[1]) { children[parent, default: []].append(child) }
        }
        var found: [Int32] = []
        var open = [pid]
        while let next = open.popLast() {
            found += children[next] ?? []
            open += children[next] ?? []
        }
        return found
    }

    /// A port that was free a moment ago.
    private static func freePort() async throws -> Int {
        let asked = try await Program.run([
            "python3", "-c",
            "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])",
        ])
        return try #require(Int(asked.output.trimmingCharacters(in: .whitespacesAndNewlines)))
    }
}

extension FileHandle {
    fileprivate func append(_ text: String) throws {
        try seekToEnd()
        try write(contentsOf: Data(text.utf8))
        try close()
    }
}
