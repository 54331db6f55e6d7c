import Glibc
import JSONSlice
import MCPModel
import NIOCore
import Synchronization
import Testing

@testable import MCPTransport

/// Calls at legacy servers that ask, in modern terms.
@Suite(.timeLimit(.minutes(1)))
struct AskingBackendTests {
    private static func with(
        revision: ProtocolRevision = .v2025_11_25, limits: BackendLimits = BackendRig.limits,
        _ body: (BackendRig) async throws -> Void
    ) async throws {
        try await BackendRig.with(
            AskingServer.stdio(revision: revision), limits: limits, seal: AskingServer.seal
        ) {
            rig in
            _ = try await rig.listing()
            try await body(rig)
        }
    }

    private static func retry(_ name: String, _ asked: BackendRig.Outcome, _ answers: JSON) -> JSON {
        [
            "name": .string(name), "arguments": [:], "inputResponses": answers,
            "requestState": asked.result?["requestState"] ?? .null,
        ]
    }

    private static let accept: JSON = ["action": "accept", "content": ["ok": true]]

    @Test(arguments: [ProtocolRevision.v2025_06_18, .v2025_11_25])
    func `an elicitation becomes input_required, and the retry gets the result`(
        revision: ProtocolRevision
    ) async throws {
        try await Self.with(revision: revision) { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let asked = await rig.tool("confirm", client: facts)
            #expect(asked.result?["resultType"]?.string == "input_required")
            let request = asked.result?["inputRequests"]?["elicitation-1"]
            #expect(request?["method"]?.string == "elicitation/create")
            #expect(request?["params"]?["mode"]?.string == "form")
            #expect(request?["params"]?["requestedSchema"]?["properties"]?["ok"] != nil)
            #expect(InputNeeds.missing(in: try #require(asked.result), from: AskingServer.form) == nil)
            // Other white space, another order and an answer to nothing change nothing.
            let retry = try JSON(
                validating: """
                    {"requestState": \(asked.result?["requestState"]?.text ?? ""), "_meta": {"x": 1},
                     "arguments" : { }, "name": "confirm",
                     "inputResponses": {"elicitation-1": \(Self.accept.text), "nobody": {}}}
                    """)
            let done = await rig.call("tools/call", retry, client: facts)
            #expect(done.text == #"[{"action": "accept", "content": {"ok": true}}]"#)
            #expect(done.result?["resultType"]?.string == "complete")
        }
    }

    @Test func `what is asked together is one round, what stays unanswered is asked again`() async throws {
        var limits = BackendRig.limits
        // On a busy machine a server may take a while from one question to the next.
        limits.questionWindow = .seconds(1)
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.everything)
            let asked = await rig.tool("many", client: facts)
            #expect(
                asked.result?["inputRequests"]?.members.map(\.key) == [
                    "elicitation-1", "roots-2", "sampling-3",
                ])
            #expect(asked.result?["inputRequests"]?["roots-2"] == ["method": "roots/list"])
            let again = await rig.call(
                "tools/call",
                Self.retry("many", asked, ["roots-2": ["roots": []], "elicitation-1": Self.accept]),
                client: facts)
            #expect(again.result?["inputRequests"]?.members.map(\.key) == ["sampling-3"])
            #expect(again.result?["requestState"] != asked.result?["requestState"])
            let done = await rig.call(
                "tools/call", Self.retry("many", again, ["sampling-3": ["role": "assistant"]]), client: facts)
            #expect(done.text?.contains("assistant") == true)
        }
    }

    @Test func `a call may ask in several rounds`() async throws {
        try await Self.with { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let first = await rig.tool("twice", client: facts)
            let second = await rig.call(
                "tools/call", Self.retry("twice", first, ["elicitation-1": Self.accept]), client: facts)
            #expect(second.result?["inputRequests"]?.members.map(\.key) == ["elicitation-2"])
            let done = await rig.call(
                "tools/call", Self.retry("twice", second, ["elicitation-2": ["action": "decline"]]),
                client: facts)
            #expect(done.text?.contains("decline") == true)
        }
    }

    @Test func `a URL elicitation loses its id, and is refused where only forms were declared`() async throws
    {
        try await Self.with { rig in
            let able = await rig.tool("url", client: ClientFacts(capabilities: ["elicitation": ["url": [:]]]))
            let params = able.result?["inputRequests"]?["elicitation-1"]?["params"]
            #expect(params?["url"]?.string == "https://example.org/" && params?["elicitationId"] == nil)
            let unable = await rig.tool("url", client: ClientFacts(capabilities: AskingServer.form))
            #expect(unable.text?.contains("-32602") == true)
        }
    }

    @Test func `a state is good once, for its caller, with its arguments, unchanged`() async throws {
        try await Self.with { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let asked = await rig.tool("confirm", client: facts)
            let retry = Self.retry("confirm", asked, ["elicitation-1": Self.accept])
            let state = try #require(asked.result?["requestState"]?.string)
            let other = Caller(issuer: "key", subject: "mallory")
            #expect(
                await rig.call("tools/call", retry, client: facts, caller: other).failure?.reason
                    == .invalidArguments)
            for wrong in [
                retry.setting("arguments", to: ["x": 1]), retry.setting("name", to: "twice"),
                retry.setting("requestState", to: "made up"),
                retry.setting("requestState", to: .string(String(state.dropLast(2)))),
                retry.setting("requestState", to: .string(state + "AAAA")),
            ] {
                #expect(
                    await rig.call("tools/call", wrong, client: facts).failure?.reason == .invalidArguments)
            }
            let malformed = await rig.call(
                "tools/call", retry.setting("inputResponses", to: ["elicitation-1": 7]), client: facts)
            #expect(malformed.error?["code"]?.int == RPCError.Code.invalidParams)
            #expect(await rig.call("tools/call", retry, client: facts).text?.contains("accept") == true)
            #expect(await rig.call("tools/call", retry, client: facts).failure?.reason == .invalidArguments)
        }
    }

    @Test func `nobody comes back: the elicitation is cancelled, and so is the call`() async throws {
        var limits = BackendRig.limits
        limits.suspendedTimeMax = .milliseconds(50)
        limits.questionWindow = .seconds(1)
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.everything)
            let asked = await rig.tool("many for ever", client: facts)
            #expect(asked.result?["requestState"] != nil)
            _ = try await rig.line(containing: #"answer {"action": "cancel"}"#)
            _ = try await rig.line(containing: "answer -32603")
            _ = try await rig.line(containing: "cancelled")
            let late = Self.retry("many for ever", asked, ["elicitation-1": Self.accept])
            #expect(await rig.call("tools/call", late, client: facts).failure?.reason == .invalidArguments)
            // Its place is free again.
            #expect(await rig.tool("who", client: facts).text?.contains("sampling") == true)
        }
    }

    @Test func `a cancelled leg is cancelled at the backend, a suspended call is not`() async throws {
        try await Self.with { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let (stream, told) = AsyncStream.makeStream(of: CallEvent.self)
            let params: JSON = ["name": "confirm", "arguments": [:]]
            let suspended = rig.backend.call(BackendRig.request("tools/call", params, client: facts)) {
                told.yield($0)
            }
            var events = stream.makeAsyncIterator()
            guard case .result(let result) = await events.next() else {
                Issue.record("no result")
                return
            }
            suspended.cancel()
            let done = await rig.call(
                "tools/call",
                params.setting("requestState", to: result["requestState"] ?? .null).setting(
                    "inputResponses", to: ["elicitation-1": Self.accept]), client: facts)
            #expect(done.text?.contains("accept") == true)

            let running = rig.backend.call(
                BackendRig.request("tools/call", ["name": "silent"], client: facts)
            ) { told.yield($0) }
            _ = try await rig.line(containing: "silent runs")
            running.cancel()
            _ = try await rig.line(containing: "cancelled")
        }
    }

    private static func who(_ rig: BackendRig, _ capabilities: JSON) async -> JSON {
        let text = await rig.tool("who", client: ClientFacts(capabilities: capabilities)).text
        return text.flatMap { try? JSON(validating: $0) } ?? .null
    }

    @Test func `one child serves all callers, and is told of all that can be bridged`() async throws {
        try await Self.with { rig in
            let none = await Self.who(rig, [:])
            let declared = none["capabilities"]?.text.filter { $0 != " " }
            #expect(declared == DeclaredCapabilities.everything.json.text)
            for capabilities: JSON in [AskingServer.form, ["roots": [:]], AskingServer.everything] {
                #expect(await Self.who(rig, capabilities)["pid"] == none["pid"])
            }
            // Also after it has asked, and while nobody thinks.
            let facts = ClientFacts(capabilities: AskingServer.form)
            let asked = await rig.tool("confirm", client: facts)
            _ = await rig.call(
                "tools/call", Self.retry("confirm", asked, ["elicitation-1": Self.accept]), client: facts)
            #expect(await Self.who(rig, AskingServer.form)["pid"] == none["pid"])
        }
    }

    @Test func `what a caller cannot be asked for is refused in its call, and only there`() async throws {
        try await Self.with { rig in
            #expect(await rig.tool("confirm").text?.contains("-32601") == true)
            let roots = ClientFacts(capabilities: ["roots": [:]])
            #expect(await rig.tool("confirm", client: roots).text?.contains("-32601") == true)
            let form = ClientFacts(capabilities: AskingServer.form)
            #expect(await rig.tool("confirm", client: form).result?["requestState"] != nil)
        }
    }

    @Test func `while people think, others go to further children, up to the bound`() async throws {
        var limits = BackendRig.limits
        limits.instancesMax = 3
        limits.suspensionPatience = .milliseconds(20)
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let first = await Self.who(rig, [:])["pid"]
            var asked: [BackendRig.Outcome] = []
            for _ in 0..<3 { asked.append(await rig.tool("confirm", client: facts)) }
            #expect(asked.allSatisfy { $0.result?["requestState"] != nil })
            #expect(await rig.tool("confirm", client: facts).failure?.reason == .limited)
            // Who cannot be asked does not wait for anybody.
            #expect(await Self.who(rig, [:])["pid"] == first)
            let done = await rig.call(
                "tools/call", Self.retry("confirm", asked[0], ["elicitation-1": Self.accept]), client: facts)
            #expect(done.text?.contains("accept") == true)
            #expect(await Self.who(rig, AskingServer.form)["pid"] == first)
        }
    }

    @Test func `an idle child beside the first is closed`() async throws {
        var limits = BackendRig.limits
        limits.idleSessionMax = .milliseconds(20)
        limits.suspensionPatience = .zero
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            _ = await rig.tool("confirm", client: facts)
            let first = await Self.who(rig, AskingServer.form)["pid"]
            #expect(await first != Self.who(rig, [:])["pid"])
            var next = first
            while next == first {
                // To be idle for longer than the limit is what this is about.
                try await Task.sleep(for: .milliseconds(30))
                next = await Self.who(rig, AskingServer.form)["pid"]
            }
            #expect(next != nil)
        }
    }

    @Test func `two callers who are asked at once are each asked their own`() async throws {
        var limits = BackendRig.limits
        // However slow this machine is.
        limits.trial = .seconds(20)
        limits.suspensionPatience = .seconds(20)
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let callOnce = { @Sendable (tool: String) async -> String? in
                let asked = await rig.tool(tool, client: facts)
                let answer: JSON = ["action": "accept", "content": ["said": .string(tool)]]
                return await rig.call(
                    "tools/call", Self.retry(tool, asked, ["elicitation-1": answer]), client: facts
                ).text
            }
            async let one = callOnce("confirm")
            async let two = callOnce("another")
            let (first, second) = await (one, two)
            #expect(first?.contains("confirm") == true && second?.contains("another") == true)
        }
    }

    @Test func `a question that may be of two calls is held until one is left`() async throws {
        try await Self.with { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let finished = Mutex(false)
            let slow = rig.backend.call(
                BackendRig.request("tools/call", ["name": "when told"], client: ClientFacts())
            ) { if $0.isFinal { finished.withLock { $0 = true } } }
            _ = try await rig.line(containing: "when told runs")
            async let asked = rig.tool("confirm", client: facts)
            _ = try await rig.line(containing: "asked")
            _ = await rig.tool("tell")
            #expect(await asked.result?["requestState"] != nil)
            #expect(finished.withLock { $0 })
            slow.cancel()
        }
    }

    @Test func `one that stays undecided is refused, and the call with it`() async throws {
        var limits = BackendRig.limits
        limits.questionHoldMax = .milliseconds(50)
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let silent = rig.backend.call(BackendRig.request("tools/call", ["name": "silent"])) { _ in }
            _ = try await rig.line(containing: "silent runs")
            #expect(await rig.tool("confirm", client: facts).text?.contains("-32603") == true)
            silent.cancel()
        }
    }

    @Test func `children that the configuration allows take turns where calls may ask`() async throws {
        var limits = BackendRig.limits
        limits.instances = 2
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let asked = await rig.tool("confirm", client: facts)
            _ = await rig.call(
                "tools/call", Self.retry("confirm", asked, ["elicitation-1": Self.accept]), client: facts)
            let first = await Self.who(rig, AskingServer.form)["pid"]
            let silent = rig.backend.call(
                BackendRig.request("tools/call", ["name": "silent"], client: facts)
            ) { _ in }
            _ = try await rig.line(containing: "silent runs")
            let second = await Self.who(rig, AskingServer.form)["pid"]
            #expect(second != nil && second != first)
            silent.cancel()
        }
    }

    @Test func `a further child that dies takes its own calls with it, and no others`() async throws {
        var limits = BackendRig.limits
        limits.suspensionPatience = .zero
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let one = await rig.tool("confirm", client: facts)
            let child = try #require(await Self.who(rig, AskingServer.form)["pid"]?.int)
            let two = await rig.tool("another", client: facts)
            kill(pid_t(child), SIGKILL)
            let lost = await rig.call(
                "tools/call", Self.retry("another", two, ["elicitation-1": Self.accept]), client: facts)
            #expect(lost.failure?.reason == .outcomeUnknown)
            let done = await rig.call(
                "tools/call", Self.retry("confirm", one, ["elicitation-1": Self.accept]), client: facts)
            #expect(done.text?.contains("accept") == true)
        }
    }

    @Test func `restarted, a backend has no child left from before`() async throws {
        var limits = BackendRig.limits
        limits.suspensionPatience = .zero
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let asked = await rig.tool("confirm", client: facts)
            let before = await Self.who(rig, AskingServer.form)["pid"]
            rig.backend.restart()
            _ = try await rig.listing()
            #expect(asked.result?["requestState"] != nil)
            #expect(await Self.who(rig, AskingServer.form)["pid"] != before)
        }
    }

    @Test func `what a server says while its call is suspended is kept for the retry`() async throws {
        var limits = BackendRig.limits
        limits.questionWindow = .zero
        try await Self.with(limits: limits) { rig in
            let facts = ClientFacts(capabilities: AskingServer.form)
            let params: JSON = ["name": "impatient", "arguments": ["at": "once"]]
            var outcome = await rig.call("tools/call", params, client: facts)
            // The result may come before the window closes, while the call is suspended, or, where the server was slow, in
            // one of the next legs; it is lost in none of these.
            while outcome.result?["resultType"]?.string == "input_required" {
                let retry = params.setting("requestState", to: outcome.result?["requestState"] ?? .null)
                outcome = await rig.call("tools/call", retry, client: facts)
            }
            #expect(outcome.text == #""went on""#)
        }
    }

    @Test func `over HTTP each call is asked on its own stream`() async throws {
        try await AskingServer.withHTTP { target in
            try await BackendRig.with(target, seal: AskingServer.seal) { rig in
                _ = try await rig.listing()
                let facts = ClientFacts(capabilities: AskingServer.form)
                let ask = { @Sendable (message: String) async -> (JSON, BackendRig.Outcome) in
                    let params: JSON = ["name": "x", "arguments": ["message": .string(message)]]
                    return (params, await rig.call("tools/call", params, client: facts))
                }
                async let one = ask("one")
                async let two = ask("two")
                for (params, asked) in [await one, await two] {
                    let message = asked.result?["inputRequests"]?["elicitation-1"]?["params"]?["message"]
                    #expect(message == params["arguments"]?["message"])
                    let answer: JSON = ["action": "accept", "content": ["said": message ?? .null]]
                    let done = await rig.call(
                        "tools/call",
                        params.setting("requestState", to: asked.result?["requestState"] ?? .null)
                            .setting("inputResponses", to: ["elicitation-1": answer]), client: facts)
                    #expect(done.text == answer.text)
                }
            }
        }
    }

    @Test func `without a seal nothing is declared`() async throws {
        try await BackendRig.with(AskingServer.stdio()) { rig in
            _ = try await rig.listing()
            let outcome = await rig.tool("confirm", client: ClientFacts(capabilities: AskingServer.form))
            #expect(outcome.text?.contains("-32601") == true)
        }
    }
}
