import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import Gateway
@testable import MCPTransport

@Suite(.timeLimit(.minutes(1)))
struct LocalServersTests {
    private let local = LocalServers()

    private func call(_ server: Label, timeLeft: Duration = .seconds(30)) -> Heard {
        let heard = Heard()
        _ = local.call(
            server,
            CallRequest(
                id: CallID(high: 1, low: 2), method: Method.toolsCall,
                params: ["name": "hold", "arguments": [:]],
                client: ClientFacts(), caller: .anonymous, timeLeft: timeLeft), heard.sink)
        return heard
    }

    private func finish(_ heard: Heard) async throws {
        while heard.count == 0 {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    @Test func `one call too many is limited, and a place that is given back is free`() async throws {
        try await HeldServer.with { held in
            local.put("held", held.backend, concurrency: 2)
            let running = [call("held"), call("held")]
            let first = try #require(await held.nextCall())
            let second = try #require(await held.nextCall())
            let third = call("held")
            #expect(third.failure?.reason == .limited)
            #expect(third.failure?.hint?.contains("servers.held.concurrency") == true)
            first(.result(["content": []]))
            while running.allSatisfy({ $0.count == 0 }) { await Task.yield() }
            let fourth = call("held")
            let late = try #require(await held.nextCall())
            late(.result(["content": []]))
            second(.result(["content": []]))
            try await finish(fourth)
            #expect(fourth.result != nil)
        }
    }

    @Test func `the end of a call to a server that was replaced frees no place at the new one`() async throws
    {
        try await HeldServer.with { held in
            try await HeldServer.with { fresh in
                local.put("held", held.backend, concurrency: 1)
                let old = call("held")
                let oldCall = try #require(await held.nextCall())
                local.put("held", fresh.backend, concurrency: 1)
                let new = call("held")
                let newCall = try #require(await fresh.nextCall())
                oldCall(.result(["content": []]))
                try await finish(old)
                #expect(call("held").failure?.reason == .limited)
                newCall(.result(["content": []]))
                try await finish(new)
            }
        }
    }

    @Test func `a server's own time counts where it is the shorter`() async throws {
        var limits = BackendLimits()
        limits.silenceMax = .milliseconds(50)
        try await HeldServer.with(limits: limits) { held in
            local.put("held", held.backend, concurrency: 1)
            let heard = call("held", timeLeft: .seconds(600))
            try await finish(heard)
            #expect(heard.failure?.reason == .deadlineExceeded || heard.failure?.reason == .outcomeUnknown)
            #expect(local.latency("held") == nil, "a call that failed says nothing about the server's speed")
        }
    }

    @Test func `the latency is that of calls that were answered`() async throws {
        try await HeldServer.with { held in
            local.put("held", held.backend, concurrency: 1)
            #expect(local.latency("held") == nil)
            let heard = call("held")
            let arrived = try #require(await held.nextCall())
            arrived(.result(["content": []]))
            try await finish(heard)
            #expect(try #require(local.latency("held")) > .zero)
        }
    }

    @Test func `what is not there, or not there any more, is an unknown entry`() {
        #expect(call("nobody").failure?.reason == .unknownEntry)
        local.put(
            "press", StillBackend.make("press"), concurrency: 1)
        #expect(call("press").failure?.reason == .backendUnavailable)
        local.remove("press")
        #expect(call("press").failure?.reason == .unknownEntry)
    }

    @Test func `definitions are those of the last listing`() throws {
        local.put(
            "press", StillBackend.make("press"), concurrency: 1)
        #expect(local.definition(of: .tool, "stamp", at: "press") == nil)
        for description in ["before", "after"] {
            let entries = try [Entry].tools("stamp", description: description)
            local.put(
                Manifest(entries: entries, instructions: nil, capabilities: [:], serverInfo: [:]), of: "press"
            )
            #expect(local.definition(of: .tool, "stamp", at: "press") == entries.first?.hash)
            #expect(local.definition(of: .prompt, "stamp", at: "press") == nil)
        }
    }
}
