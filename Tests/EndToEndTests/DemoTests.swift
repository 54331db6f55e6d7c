import Foundation
import JSONSlice
import MartletTestKit
import Testing

extension EndToEnd.Demo {
    @Test(.timeLimit(.minutes(3)))
    func `a call goes over two hops, and the killed bridge is told`() async throws {
        let scratch = try Scratch()
        let environment = ["XDG_RUNTIME_DIR": scratch.path]
        let binary = try #require(Binary.path)
        let demo = try Program([binary, "demo"], environment: environment)
        try await eventually("the demo is ready", within: .seconds(60)) {
            guard demo.isRunning else {
                throw TestFailure("the demo ended: \(demo.outputText)\(demo.errorText)")
            }
            return demo.outputText.contains("Ctrl-C ends everything.")
        }
        let text = demo.outputText
        #expect(text.contains("path plant → bridge → office"))
        #expect(text.contains("=  42"))
        #expect(text.contains("greet_office"))

        let bridgeText = try #require(text.firstMatch(of: /bridge (\d+)/)?.1)
        let bridge = try #require(Int32(bridgeText))
        let plant = try #require(text.firstMatch(of: /martlet status --node (\S+)/)?.1)
        func look(_ words: String...) async throws -> Program.Outcome {
            try await Program.run(
                [binary] + words + ["--node", String(plant)], environment: environment)
        }
        let peers = try await look("peers")
        #expect(peers.output.contains("via bridge") && peers.output.contains("since"))
        let path = try await look("path", "office")
        #expect(path.output.contains("plant → bridge → office"), "\(path.output)\(path.errors)")
        #expect(path.output.contains("No second way"))
        let ping = try await look("ping", "office")
        #expect(ping.output.contains("office answered in"), "\(ping.output)\(ping.errors)")
        #expect(ping.output.contains("path plant → bridge → office"))
        for outcome in [peers, path, ping] {
            #expect(outcome.status == 0)
            #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(outcome.output)")
        }
        let data = try JSON(validating: try await look("ping", "office", "--json").output)
        #expect(data["path"]?.elements.compactMap(\.string) == ["bridge", "office"])
        let unknown = try await look("ping", "nobody")
        #expect(unknown.status != 0 && unknown.errors.contains("martlet peers"))
        kill(bridge, SIGKILL)
        try await eventually("plant reports office unreachable", within: .seconds(3)) {
            let outcome = try await Program.run(
                [binary, "status", "--json", "--node", String(plant)], environment: environment)
            let peers = try JSON(validating: outcome.output)["peers"]?.elements ?? []
            return peers.contains {
                $0["label"]?.string == "office" && $0["state"]?.string == "unreachable"
            }
        }
        for command in ["path", "ping"] {
            let gone = try await look(command, "office")
            #expect(gone.status != 0)
            #expect(gone.errors.contains("office has been unreachable for"), "\(gone.errors)")
        }
        let call = try await Program.run(
            [binary, "call", "office--desk__echo", "text=hello", "--json", "--node", String(plant)],
            environment: environment)
        #expect(call.status != 0)
        #expect(
            try JSON(validating: call.output).pointer("/error/data/reason")?.string == "owner_unreachable")

        demo.signal(SIGINT)
        let outcome = try await demo.outcome(within: .seconds(15))
        #expect(outcome.status == 0)
    }
}
