import Catalog
import Composition
import JSONSlice
import MartletTestKit
import Testing

/// Hides and defaults every argument of every tool of the corpus; what must come out is told here by the members of the
/// definition, not by narrowing's own means.
@Suite struct RealToolsTests {
    private static func narrow(
        _ tool: RealTool, set: [Argument] = [], default defaults: [Argument] = []
    ) -> Result<JSON, NarrowingError> {
        Result { () throws(NarrowingError) in
            try Narrowing.narrow(tool.definition, of: .tool, fixed: set, defaults: defaults)
        }
    }

    @Test func `there are the tools of many real servers`() {
        #expect(RealTool.real.filter(\.isOfAServer).count >= 500)
        #expect(Set(RealTool.real.map(\.source)).count >= 50)
        let arguments = RealTool.real.map { $0.schema["properties"]?.members.count ?? 0 }.reduce(0, +)
        let values = RealTool.real.map(\.values.count).reduce(0, +)
        #expect(arguments - values == 3, "SOURCES.md tells of three arguments without a value")
    }

    @Test func `an argument that is set is gone from the list, and every other byte stays`() {
        for tool in RealTool.chosen {
            for value in tool.values {
                guard
                    case .success(let result) = Self.narrow(tool, set: [Argument(value.name, value.fitting)])
                else { continue }
                if let wrong = Difference.hiding([value.name], tool.definition, result) {
                    Issue.record("\(tool) \(value.name): \(wrong)")
                }
            }
        }
    }

    @Test func `a default is written where it belongs, and every other byte stays`() {
        for tool in RealTool.chosen {
            for value in tool.values {
                let argument = Argument(value.name, value.fitting)
                guard case .success(let result) = Self.narrow(tool, default: [argument]) else { continue }
                if let wrong = Difference.presetting(argument, tool.definition, result) {
                    Issue.record("\(tool) \(value.name): \(wrong)")
                }
            }
        }
    }

    @Test func `two arguments can be changed as well as one, in either order`() {
        for tool in RealTool.chosen where !tool.isClever && !tool.refersToItself {
            for (first, second) in zip(tool.values, tool.values.dropFirst()) {
                let (a, b) = (Argument(first.name, first.fitting), Argument(second.name, second.fitting))
                guard case .success(let hidden) = Self.narrow(tool, set: [a, b]),
                    case .success(let mixed) = Self.narrow(tool, set: [a], default: [b]),
                    case .success(let preset) = Self.narrow(tool, default: [a, b])
                else {
                    Issue.record("\(tool): \(a.name) and \(b.name) are refused together")
                    continue
                }
                if let wrong = Difference.hiding([a.name, b.name], tool.definition, hidden) {
                    Issue.record("\(tool) \(a.name), \(b.name): \(wrong)")
                }
                #expect(Self.narrow(tool, set: [b, a]) == .success(hidden))
                #expect(Self.narrow(tool, default: [b, a]) == .success(preset))
                #expect(mixed["inputSchema"]?["properties"]?[a.name] == nil)
                #expect(mixed["inputSchema"]?["properties"]?[b.name]?["default"] == b.value)
            }
        }
    }

    @Test func `no argument of a real tool is refused, but for schemas that refer to themselves`() throws {
        for tool in RealTool.chosen where !tool.isClever {
            for value in tool.values {
                let argument = Argument(value.name, value.fitting)
                for result in [Self.narrow(tool, set: [argument]), Self.narrow(tool, default: [argument])] {
                    if tool.refersToItself {
                        #expect(result == .failure(.refersToItself), "\(tool) \(value.name)")
                    } else if case .failure(let error) = result {
                        Issue.record("\(tool) \(value.name): \(error)")
                    }
                }
            }
        }
    }

    @Test func `the reference tells how many that are`() throws {
        let page = try Fixture.text("../docs/reference/composition.md")
        let servers = RealTool.real.filter(\.isOfAServer)
        let values = RealTool.real.map(\.values.count).reduce(0, +)
        let refused = RealTool.real.filter(\.refersToItself).map(\.values.count).reduce(0, +)
        for row in [
            "| tools | \(RealTool.real.count) |",
            "| of them as servers on PyPI send them | \(servers.count) |",
            "| arguments | \(values) |", "| can be hidden | \(values - refused) |",
            "| can be given a default | \(values - refused) |",
            "| refused: the schema refers to itself as a whole | \(refused) |",
        ] {
            #expect(page.contains(row), "docs/reference/composition.md does not say: \(row)")
        }
        #expect(servers.allSatisfy { !$0.refersToItself })
    }

    @Test func `what another validator shows to change the meaning is refused`() {
        for tool in RealTool.all {
            for value in tool.values where value.isUnsafe {
                let argument = Argument(value.name, value.fitting)
                if case .success(let result) = Self.narrow(tool, set: [argument]) {
                    Issue.record("\(tool) loses \(value.name) and is \(result["inputSchema"]?.text ?? "")")
                }
                if case .success = Self.narrow(tool, default: [argument]) {
                    Issue.record("\(tool) takes a default for \(value.name)")
                }
            }
        }
    }

    @Test func `a value that the schema does not allow is refused`() {
        for tool in RealTool.chosen where !tool.isClever && !tool.refersToItself {
            for value in tool.values {
                // What differs within one kind may do so by `pattern`, which nobody looks at here.
                guard let wrong = value.wrong, wrong.kind != value.fitting.kind else { continue }
                if case .failure(.wrongValue(value.name, _)) = Self.narrow(
                    tool, set: [Argument(value.name, wrong)])
                {
                    continue
                }
                Issue.record("\(tool) takes \(wrong) for \(value.name)")
            }
        }
    }

    @Test func `words that only look as if they concerned an argument are no obstacle`() {
        for tool in RealTool.clever where tool.description.contains("/harmless_") {
            for value in tool.values where !value.isUnsafe {
                let argument = Argument(value.name, value.fitting)
                for result in [Self.narrow(tool, set: [argument]), Self.narrow(tool, default: [argument])] {
                    if case .failure(let error) = result { Issue.record("\(tool) \(value.name): \(error)") }
                }
            }
        }
    }

    @Test func `a client that sees a narrowed tool calls the whole one`() {
        for tool in RealTool.chosen where !tool.isClever && !tool.values.isEmpty {
            guard let entry = Entry(kind: .tool, definition: tool.definition) else {
                Issue.record("\(tool) is no entry")
                continue
            }
            let whole = JSON.object(tool.values.map { ($0.name, $0.fitting) })
            for value in tool.values {
                let argument = Argument(value.name, value.fitting)
                let rest = whole.removing(value.name)
                let stale = value.wrong.map { whole.setting(value.name, to: $0) } ?? whole
                let setting = Binding(server: SampleMesh.key("s"), entry: entry, fixed: [argument])
                let preset = Binding(server: SampleMesh.key("s"), entry: entry, defaults: [argument])
                for (binding, sent, expected) in [
                    (setting, rest, whole), (setting, stale, whole),
                    (preset, rest, whole), (preset, stale, stale),
                ] {
                    let params = binding.arguments(applyingTo: ["name": "shown", "arguments": sent])
                    let arrived = params["arguments"] ?? .null
                    #expect(Difference.sameMembers(arrived, expected), "\(tool) \(value.name)")
                }
            }
        }
    }
}

/// What is not as it has to be between a definition and what became of it.
private enum Difference {
    static func hiding(_ names: [String], _ old: JSON, _ new: JSON) -> String? {
        outside(names, old, new) { old, new in
            same(old.members.filter { !names.contains($0.key) }, new.members)
                ? nil : "other properties changed"
        }
    }

    static func presetting(_ argument: Argument, _ old: JSON, _ new: JSON) -> String? {
        outside([argument.name], old, new) { old, new in
            let others = { (json: JSON) in json.members.filter { $0.key != argument.name } }
            guard same(others(old), others(new)), old.members.map(\.key) == new.members.map(\.key)
            else { return "other properties changed" }
            guard let own = new[argument.name], own["default"] == argument.value else { return "no default" }
            let rest = { (json: JSON) in json.members.filter { $0.key != "default" } }
            return same(rest(old[argument.name] ?? .null), rest(own)) ? nil : "its own schema changed"
        }
    }

    static func sameMembers(_ a: JSON, _ b: JSON) -> Bool {
        let order = { (x: (key: String, value: JSON), y: (key: String, value: JSON)) in x.key < y.key }
        return same(a.members.sorted(by: order), b.members.sorted(by: order))
    }

    /// All but `properties`, and `required` but for these names.
    private static func outside(
        _ names: [String], _ old: JSON, _ new: JSON, properties: (JSON, JSON) -> String?
    ) -> String? {
        guard let was = old["inputSchema"], let schema = new["inputSchema"] else { return "no inputSchema" }
        let rest = { (json: JSON) in json.members.filter { $0.key != "inputSchema" } }
        guard same(rest(old), rest(new)), old.members.map(\.key) == new.members.map(\.key) else {
            return "the definition changed"
        }
        let required = (was["required"]?.elements ?? []).filter { !names.contains($0.string ?? "") }
        guard schema["required"]?.elements ?? [] == required else {
            return "required is not what is left of it"
        }
        let keywords = { (json: JSON) in
            json.members.filter { !["properties", "required"].contains($0.key) }
        }
        guard same(keywords(was), keywords(schema)) else { return "other keywords changed" }
        return properties(was["properties"] ?? .null, schema["properties"] ?? .null)
    }

    private static func same(_ a: [(key: String, value: JSON)], _ b: [(key: String, value: JSON)]) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { $0.key == $1.key && $0.value == $1.value }
    }
}
