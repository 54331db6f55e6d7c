import ArgumentParser
import Glibc
import JSONSlice

struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Three nodes on two simulated segments, sample servers, one composed server; Ctrl-C ends it all.")

    func run() async throws {
        Terminal.say(
            "Starting three nodes: plant ── bridge ── office (plant and office cannot dial each other) …")
        let mesh = try DemoMesh()
        do {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    await Signals.wait()
                    return false
                }
                // Used by this one child while the parent only waits.
                nonisolated(unsafe) let unsafeMesh = mesh
                group.addTask {
                    try await unsafeMesh.start()
                    return true
                }
                guard try await group.next() == true else { throw CancellationError() }
                try await DemoTour(mesh: mesh).print()
                _ = try await group.next()
            }
        } catch is CancellationError {
            // Ctrl-C while starting: nothing is wrong.
        } catch {
            await mesh.stop(keepingLogs: true)
            throw error
        }
        Terminal.say("\nEnding the three nodes …")
        await mesh.stop()
    }
}

/// What the demo shows once its mesh stands.
struct DemoTour {
    let mesh: DemoMesh

    func print() async throws {
        let plant = try mesh.running("plant")
        Terminal.say("\n\(Terminal.bold("The mesh")), as plant sees it  (pids: \(pids()))")
        let status = try await mesh.ask("plant") { try await $0.get("/v1/status") }
        StatusPage.print(status)

        Terminal.say("\n\(Terminal.bold("The catalog")), the same on every node")
        let catalog = try await mesh.ask("plant") {
            try await $0.post("/v1/catalog/search", ["query": "", "limit": 20])
        }
        var table = Table("name", "kind", "owner", "state", "what it does")
        for entry in catalog.list("entries") {
            table.add(
                entry.words("name"), entry.words("kind"), entry.words("owner"), entry.words("state"),
                entry.words("description"))
        }
        Terminal.say(table.rendered())

        Terminal.say("\n\(Terminal.bold("One call")) from plant to a tool that only office has")
        let answer = try await mesh.ask("plant") {
            try await $0.call(
                "/v1/call", ["entry": "office--desk__add", "arguments": ["a": 20, "b": 22]], notice: { _ in })
        }
        let text = answer["result"]?.list("content").first?.words("text") ?? answer.text
        let path = answer.list("path").compactMap(\.string).joined(separator: " → ")
        Terminal.say("  office--desk__add a=20 b=22  =  \(text)")
        Terminal.say(
            "  path \(path) (mutual TLS from plant to office; bridge carries bytes it cannot read), \(answer.words("milliseconds")) ms"
        )

        let composed = try await mesh.ask("plant") {
            try await $0.call(
                "/v1/call", ["server": "demo", "entry": "greet_office", "arguments": [:]], notice: { _ in })
        }
        let greeting = composed["result"]?.list("content").first?.words("text") ?? composed.text
        Terminal.say(
            "\n\(Terminal.bold("One virtual server")), demo, composed on bridge and served by every node")
        Terminal.say("  greet_office (office's echo, renamed, its text fixed)  =  \(greeting)")

        Terminal.say("\n\(Terminal.bold("Try it"))")
        Terminal.say("  martlet --help                                         in another terminal, e.g.")
        Terminal.say("  martlet status --node \(plant.admin)")
        Terminal.say("  martlet call office--desk__now --trace --node \(plant.admin)")
        Terminal.say("  martlet virtual show demo --node \(plant.admin)")
        Terminal.say(
            "  kill \(mesh.pid("bridge") ?? 0)                                            then ask again: office is unreachable"
        )
        Terminal.say("Connect a client")
        Terminal.say("  claude mcp add --transport http martlet http://\(plant.mcp)/mcp")
        Terminal.say("  claude mcp add --transport http martlet-demo http://\(plant.mcp)/servers/demo/mcp")
        Terminal.say("\nCtrl-C ends everything.")
    }

    private func pids() -> String {
        ["plant", "bridge", "office"].map { "\($0) \(mesh.pid($0) ?? 0)" }.joined(separator: ", ")
    }
}
