import Foundation
import JSONSlice
import MartletTestKit
import Testing

/// Composites over tools of two real nodes. `plant` keeps a ledger and has the server that asks; `office` joined it.
extension EndToEnd.TwoNodes {
    private static let definitions = """
        virtualServers:
          desk:
            use:
              - composite: book
                description: Adds, books the sum, and books every item.
                inputSchema:
                  type: object
                  properties: {a: {type: number}, b: {type: number}, items: {type: array}}
                  required: [a, b]
                steps:
                  - {id: sum, call: office--sample/add, arguments: {a: "${/input/a}", b: "${/input/b}"}, timeout: 20s}
                  - id: entry
                    call: ledger/write
                    arguments: {text: "sum ${/steps/sum/structuredContent/sum}"}
                  - id: items
                    call: ledger/write
                    when: {value: /input/items, exists: true}
                    forEach: /input/items
                    arguments: {text: "item ${/item/name}"}
                  - parallel:
                      - {id: echo, call: office--sample/echo, arguments: {text: booked}}
                      - {id: gone, call: ledger/fail, arguments: {text: way}, onFailure: skip}
                result:
                  sum: "${/steps/sum/structuredContent/sum}"
                  lines: "${/steps/entry/structuredContent/lines}"
                  said: "${/steps/echo/structuredContent/text}"
                  gone: "${/steps/gone}"
              - composite: ask_first
                steps:
                  - {id: before, call: ledger/write, arguments: {text: before}}
                  - parallel:
                      - {id: sure, call: asking/confirm}
                      - {id: really, call: office--sample/confirm, arguments: {question: Really?}}
                  - {id: after, call: ledger/write, arguments: {text: after}}
              - composite: fails
                steps:
                  - {id: first, call: office--sample/echo, arguments: {text: x}}
                  - {id: second, call: ledger/fail, arguments: {text: luck}}
                  - {id: third, call: ledger/write, arguments: {text: never}}
              - composite: vanishes
                steps:
                  - {id: first, call: office--sample/echo, arguments: {text: x}}
                  - {id: second, call: ledger/vanish, arguments: {text: maybe}}
                  - {id: third, call: ledger/write, arguments: {text: never}}
              - composite: slow
                steps:
                  - {id: first, call: ledger/write, arguments: {text: one}}
                  - {id: wait, call: sample/countdown, arguments: {steps: 20, delayMs: 100}}
                  - {id: second, call: ledger/write, arguments: {text: two}}
        """

    private struct Desk {
        let plant: TestNode
        let office: TestNode
        let ledger: String

        var lines: [String] {
            ((try? String(contentsOfFile: ledger, encoding: .utf8)) ?? "").split(separator: "\n").map(
                String.init)
        }
    }

    private func desk(in scratch: Scratch) async throws -> Desk {
        let binary = try #require(Binary.path)
        let python = "\(Project.root)/Tests/EndToEndTests/Python"
        let ledger = "\(scratch.path)/ledger.txt"
        let plant = try await TestNode(
            "plant", in: scratch,
            yaml: quiet("plant", mesh: "127.0.0.1:0") + """

                servers:
                  ledger: {command: python3, args: ["\(python)/ledger_server.py", "\(ledger)"]}
                  asking: {command: python3, args: ["\(python)/asking_server.py"]}
                  sample: {command: "\(binary)", args: [sample-server]}
                """)
        let office = try await TestNode(
            "office", in: scratch,
            yaml: quiet("office", mesh: "127.0.0.1:0") + """

                servers:
                  sample: {command: "\(binary)", args: [sample-server]}
                """, arguments: ["--join", try await plant.joinToken()])
        try await eventually("plant knows office's tools") {
            try await plant.entryState("office--sample__confirm") == "available"
        }
        let file = try scratch.write(Self.definitions, to: "desk.yaml")
        let applied = try await plant.martlet("virtual", "apply", "-f", file)
        #expect(applied.status == 0, "\(applied.output)\(applied.errors)")
        try await eventually("office serves what plant defined") {
            try await office.martlet("virtual", "show", "desk").status == 0
        }
        return Desk(plant: plant, office: office, ledger: ledger)
    }

    @Test(.timeLimit(.minutes(3)))
    func `one tool runs steps on two nodes, whichever it is called at, and says which step failed`()
        async throws
    {
        let scratch = try Scratch()
        let desk = try await desk(in: scratch)
        let items = #"{"a": 20, "b": 22, "items": [{"name": "x"}, {"name": "y"}]}"#
        for (node, before) in [(desk.plant, 0), (desk.office, 3)] {
            let answer = try await node.json(
                "call", "book", "--server", "desk", "--args", "-", input: items)
            #expect(
                answer["result"]?["structuredContent"]
                    == ["sum": 42, "lines": .number(before + 1), "said": "booked", "gone": .null],
                "\(answer.text)")
        }
        #expect(desk.lines == ["sum 42", "item x", "item y", "sum 42", "item x", "item y"])

        let failed = try await desk.office.martlet("call", "fails", "--server", "desk", "--json")
        #expect(failed.status != 0)
        let result = try JSON(validating: failed.output)["result"]
        #expect(
            result?["content"]?.elements.map { $0["text"]?.string } == ["step second failed:", "no luck"])
        let steps = result?.pointer("/_meta/martlet~1steps")?.elements ?? []
        #expect(steps.map { $0["outcome"]?.string } == ["done", "failed", "not_run"], "\(failed.output)")

        let unknown = try await desk.office.martlet("call", "vanishes", "--server", "desk", "--json")
        #expect(unknown.status != 0)
        let data = try JSON(validating: unknown.output).pointer("/error/data")
        #expect(data?["reason"] == "outcome_unknown", "\(unknown.output)")
        #expect(data?["detail"]?.string?.hasPrefix("step second: ") == true)
        #expect(data?["steps"]?.elements.map { $0["outcome"]?.string } == ["done", "unknown", "not_run"])
        #expect(!desk.lines.contains("never") && desk.lines.last == "maybe")

        let why = try await desk.office.martlet("catalog", "why", "book", "--in", "desk")
        #expect(why.output.contains("use[0] declares it, a composite"), "\(why.output)\(why.errors)")
        #expect(why.output.contains("step sum calls add of office--sample, available"), "\(why.output)")

        // A pointer that leads nowhere, and a tool that is not there.
        for (mistake, word) in [
            ("/steps/nobody", "there is no step nobody"), ("/input/a?}${/x", "expected a JSON Pointer"),
        ] {
            let file = try scratch.write(
                """
                virtualServers:
                  wrong: {use: [{composite: c, steps: [{id: s, call: ledger/write, arguments: {text: "${\(mistake)}"}}]}]}
                """, to: "wrong.yaml")
            let refused = try await desk.plant.martlet("virtual", "apply", "-f", file)
            #expect(
                refused.status != 0 && refused.errors.contains("step s: ") && refused.errors.contains(word))
        }
        try await desk.office.stop()
        try await desk.plant.stop()
    }

    @Test(.timeLimit(.minutes(3)))
    func `when the entry node dies no further step runs, and nothing is taken up again`() async throws {
        let scratch = try Scratch()
        let desk = try await desk(in: scratch)
        let start = ContinuousClock.now
        let call = try desk.office.start(["call", "slow", "--server", "desk"], input: "")
        try await eventually("the first step has run") { desk.lines == ["one"] }
        try await desk.office.kill()
        #expect(try await call.outcome(within: .seconds(10)).status != 0)
        let again = try await TestNode(
            "office", in: scratch, yaml: quiet("office", mesh: "127.0.0.1:0"))
        try await eventually("the mesh is whole again", within: .seconds(20)) {
            try await desk.plant.state(of: "office") == "reachable"
        }
        // The countdown has two seconds; whoever went on would have by then, so this time is itself the matter.
        try await Task.sleep(until: start + .seconds(5), clock: .continuous)
        #expect(desk.lines == ["one"])
        try await again.stop()
        try await desk.plant.stop()
    }

    @Test(.enabled(if: PythonClient.isInstalled), .timeLimit(.minutes(3)))
    func `steps that ask reach the users of clients of both eras, who hear of every step`() async throws {
        let scratch = try Scratch()
        let desk = try await desk(in: scratch)
        for (release, node) in [(PythonClient.Release.one, desk.office), (.two, desk.plant)] {
            let before = desk.lines.count
            let outcome = try await Program.run(
                PythonClient.script(on: release, "asked_client.py") + [
                    "http://\(try await node.mcpAddress())/servers/desk/mcp", "ask_first", "{}",
                ], limit: .seconds(90))
            let said = try #require(
                try? JSON(validating: outcome.output), "\(outcome.output)\(outcome.errors)")
            #expect(
                Set(said["asked"]?.elements.compactMap(\.string) ?? []) == ["Sure?", "Really?"],
                "\(said.text)")
            #expect(said.pointer("/result/structuredContent/lines")?.int == before + 2, "\(said.text)")
            #expect(Array(desk.lines.dropFirst(before)) == ["before", "after"])
            let messages = said["progress"]?.elements.compactMap { $0[2]?.string } ?? []
            for step in ["before", "sure", "really", "after"] {
                #expect(messages.contains { $0.hasPrefix("\(step) ") }, "\(said.text)")
            }
        }
        try await desk.office.stop()
        try await desk.plant.stop()
    }
}
