import Glibc
import JSONSlice
import MCPModel
import NIOCore
import Synchronization
import Testing

@testable import MCPTransport

@Suite(.timeLimit(.minutes(1)))
struct StdioBackendTests {
    /// A legacy server in a few lines of shell. Each tool misbehaves in the way it is named for.
    private static let script = #"""
        echo "hello from the child" >&2
        echo "this line is noise"
        answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
        while IFS= read -r line; do
          id=$(printf '%s' "$line" | sed -n 's/^{"jsonrpc":"2.0","id":\([0-9]*\),.*/\1/p')
          case "$line" in
            *'"method":"server/discover"'*)
              printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32600,"message":"not initialized"}}\n' "$id" ;;
            *'"method":"initialize"'*)
              answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"shell","version":"1"}}' ;;
            *'"method":"tools/list"'*)
              answer '{"tools":[{"name":"ok","inputSchema":{"type":"object"}}]}' ;;
            *'"name":"ok"'*) answer '{"content":[{"type":"text","text":"fine"}]}' ;;
            *'"name":"environment"'*) answer '{"content":[{"type":"text","text":"'"$GREETING|$MARTLET_TOKEN|$PWD"'"}]}' ;;
            *'"name":"crash"'*) echo "going down" >&2; exit 3 ;;
            *'"name":"garbage"'*) printf '{"jsonrpc":"2.0","id":%s,"nonsense":1}\n' "$id" ;;
            *'"name":"ask"'*)
              echo '{"jsonrpc":"2.0","id":"q1","method":"roots/list"}'
              IFS= read -r reply
              case "$reply" in *-32601*) answer '{"content":[{"type":"text","text":"refused"}]}' ;; esac ;;
            *'"notifications/cancelled"'*) echo "cancelled $line" >&2 ;;
            *) ;;
          esac
        done
        """#

    private func shell(_ script: String, env: [(String, SecretText)] = [], directory: String? = nil)
        -> BackendTarget
    {
        .stdio(command: "sh", args: ["-c", script], env: env, directory: directory)
    }

    @Test func `a child is started, its era found, its tools listed and called`() async throws {
        try await BackendRig.with(shell(Self.script)) { rig in
            let listing = try await rig.listing()
            #expect(listing.era == .legacy && listing.revision == .v2025_06_18)
            #expect(listing.serverInfo["name"]?.string == "shell")
            #expect(listing.entries.map { $0.definition["name"]?.string } == ["ok"])
            let outcome = await rig.tool("ok")
            #expect(outcome.text == "fine" && outcome.result?["resultType"]?.string == "complete")
            #expect(rig.backend.recentLines.contains("hello from the child"))
            #expect(rig.backend.recentLines.contains("(no message) this line is noise"))
        }
    }

    @Test func `a child gets its own environment and folder, and none of ours`() async throws {
        setenv("MARTLET_TOKEN", "ours", 1)
        let target = shell(
            Self.script, env: [("GREETING", SecretText("hi ${secret:who}"))], directory: "/tmp")
        try await BackendRig.with(target, secrets: ["who": "Ada"]) { rig in
            _ = try await rig.listing()
            #expect(await rig.tool("environment").text == "hi Ada||/tmp")
        }
    }

    @Test func `a child that dies fails its calls, says why, and comes back`() async throws {
        try await BackendRig.with(shell(Self.script)) { rig in
            _ = try await rig.listing()
            #expect(await rig.tool("crash").failure?.reason == .outcomeUnknown)
            let reason = try await rig.reason(.down)
            #expect(reason.contains("exited with status 3"))
            _ = try await rig.listing()
            #expect(await rig.tool("ok").text == "fine")
        }
    }

    @Test func `garbage fails the call it answers, silence the one it leaves`() async throws {
        try await BackendRig.with(shell(Self.script)) { rig in
            _ = try await rig.listing()
            #expect(await rig.tool("garbage").failure?.reason == .backendProtocol)
            let silent = await rig.call("tools/call", ["name": "silent"], timeLeft: .milliseconds(50))
            #expect(silent.failure?.reason == .deadlineExceeded)
            _ = try await rig.line(containing: "cancelled {")
            #expect(await rig.tool("ok").text == "fine")
        }
    }

    @Test(arguments: [
        "echo credential-1 >&2; exit 3", "echo credential-1; exit 3",
        "while read line; do echo credential-1; done",
    ])
    func `what a child writes is for its owner, and in no reason`(script: String) async throws {
        var limits = BackendRig.limits
        limits.probeTimeout = .milliseconds(50)
        limits.startTimeout = .milliseconds(50)
        try await BackendRig.with(shell(script), limits: limits) { rig in
            var told: [String] = []
            while told.count < 4 { told.append(try await rig.state().reason) }
            #expect(!told.contains { $0.contains("credential-1") })
            let failure = try #require(await rig.tool("ok").failure)
            #expect(!failure.detail.contains("credential-1"))
            #expect(try await rig.line(containing: "credential-1").hasSuffix("credential-1"))
        }
    }

    @Test func `asked anew, a backend says that it is up though nothing changed`() async throws {
        try await BackendRig.with(shell(Self.script)) { rig in
            let first = try await rig.listing()
            rig.backend.recheck()
            #expect(try await rig.listing() == first)
            #expect(try await rig.state().0 == .up)
        }
    }

    @Test func `a restarted child opens its secrets again`() async throws {
        let value = Mutex("old")
        let target = shell(Self.script, env: [("GREETING", SecretText("${secret:who}"))], directory: "/")
        try await BackendRig.with(target, secret: { _ in value.withLock { $0 } }) { rig in
            _ = try await rig.listing()
            #expect(await rig.tool("environment").text == "old||/")
            value.withLock { $0 = "new" }
            rig.backend.restart()
            _ = try await rig.listing()
            #expect(await rig.tool("environment").text == "new||/")
        }
    }

    @Test func `what this process ignores a child does not`() async throws {
        let before = signal(SIGHUP, SIG_IGN)
        defer { signal(SIGHUP, before) }
        try await BackendRig.with(shell("grep SigIgn /proc/self/status >&2; " + Self.script)) { rig in
            let line = try await rig.line(containing: "SigIgn")
            let mask = UInt64(line.split(whereSeparator: \.isWhitespace).last ?? "", radix: 16)
            #expect(mask.map { $0 & (1 << UInt64(SIGHUP - 1)) } == 0)
        }
    }

    @Test func `a child is asked to end by the end of its input`() async throws {
        let folder = try #require(mkdtemp(strdup("/tmp/martlet-test-XXXXXX")).map { String(cString: $0) })
        defer {
            unlink("\(folder)/mark")
            rmdir(folder)
        }
        let target = shell(Self.script + "\ntouch mark", directory: folder)
        var patient = BackendRig.limits
        patient.closeGrace = .seconds(20)
        try await BackendRig.with(target, limits: patient) { rig in _ = try await rig.listing() }
        #expect(access("\(folder)/mark", F_OK) == 0)
    }

    @Test func `what a legacy child asks of the client is refused`() async throws {
        try await BackendRig.with(shell(Self.script)) { rig in
            _ = try await rig.listing()
            #expect(await rig.tool("ask").text == "refused")
        }
    }

    @Test(arguments: [
        ("no-such-command-here", nil, "command not found: no-such-command-here is in no folder of PATH"),
        ("/etc/passwd", nil, "is no executable file"), ("sh", "/no/such/folder", "No such file or directory"),
    ])
    func `what cannot be started is explained`(
        command: String, directory: String?, reason: String
    ) async throws {
        let target = BackendTarget.stdio(command: command, args: [], env: [], directory: directory)
        try await BackendRig.with(target) { rig in
            let told = try await rig.reason(.down)
            #expect(told.contains(reason))
            #expect(await rig.tool("ok").failure?.reason == .backendUnavailable)
        }
    }

    @Test func `a child that ignores everything is killed, with its own children`() async throws {
        let stubborn =
            "trap '' TERM; (trap '' TERM; echo child $$ >&2; exec sleep 600) & echo up >&2; \(Self.script)"
            + "\nwhile :; do sleep 600; done"
        var group: pid_t = 0
        try await BackendRig.with(shell(stubborn)) { rig in
            _ = try await rig.listing()
            let line = try #require(rig.backend.recentLines.first { $0.hasPrefix("child ") })
            group = getpgid(try #require(pid_t(line.dropFirst("child ".count))))
            #expect(ProcessTable.living(in: group).count >= 3)
        }
        #expect(ProcessTable.living(in: group).isEmpty)
    }

    @Test func `a child whose guard was killed is started again, with another`() async throws {
        try await BackendRig.with(shell("echo child $$ >&2; \(Self.script)")) { rig in
            let group = {
                let line = try await rig.line(containing: "child ")
                return getpgid(try #require(pid_t(line.dropFirst("child ".count))))
            }
            let first = try await group()
            _ = try await rig.listing()
            kill(first, SIGKILL)
            let reason = try await rig.reason(.down)
            #expect(reason.contains("its guard process was killed"))
            #expect(ProcessTable.living(in: first).isEmpty)
            #expect(try await group() != first)
        }
    }

    @Test func `a modern child is spoken to in its own era`() async throws {
        let folder = try #require(mkdtemp(strdup("/tmp/martlet-test-XXXXXX")).map { String(cString: $0) })
        defer {
            unlink("\(folder)/in")
            unlink("\(folder)/out")
            rmdir(folder)
        }
        try #require(mkfifo("\(folder)/in", 0o600) == 0 && mkfifo("\(folder)/out", 0o600) == 0)
        // Opened for both directions, a named pipe does not wait for its other end.
        let input = open("\(folder)/in", O_RDWR | O_CLOEXEC)
        let output = open("\(folder)/out", O_RDWR | O_CLOEXEC)
        try #require(input >= 0 && output >= 0)
        let front = StdioFront(service: FrontRig.sample)
        try await withThrowingTaskGroup { group in
            group.addTask { try await front.serve(input: input, output: output, on: FrontRig.loops) }
            let bridge = "cat out & exec cat > in"
            try await BackendRig.with(shell(bridge, directory: folder)) { rig in
                let listing = try await rig.listing()
                #expect(listing.era == .modern && listing.entries.count == 7)
                let progress = await rig.tool(
                    "countdown", ["steps": 2, "delayMs": 1], client: ClientFacts(wantsProgress: true))
                #expect(progress.notifications.count == 1 && progress.text == "Counted down from 2.")
                let asked = await rig.tool(
                    "confirm", ["question": "?"],
                    client: ClientFacts(capabilities: ["elicitation": ["form": [:]]]))
                #expect(asked.result?["resultType"]?.string == "input_required")
            }
            group.cancelAll()
        }
    }
}
