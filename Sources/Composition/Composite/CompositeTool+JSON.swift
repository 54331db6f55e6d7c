import JSONSlice

/// The normal form, and the strict way in. What only the mesh can tell (servers, tools) is looked at by `resolve`.
extension CompositeTool {
    static var keys: [String] { ["inputSchema", "outputSchema", "steps", "result"] }

    /// Reads an item of `use`; asks for every key of it, whether it is a composite or not.
    ///
    /// - Returns: `nil` when it is none, or something is wrong; the section then has a problem.
    init?(reading section: inout ConfigSection) {
        let name = section.parsed("composite", expecting: "a name of A-Z, a-z, 0-9, _ and -") {
            EntryNaming.isLegal($0) ? $0 : nil
        }
        let inputSchema = section.value("inputSchema")
        let outputSchema = section.value("outputSchema")
        let stages = section.items(
            "steps", atMost: CompositeLimits.stepsMax, StageDraft<Server>.init(reading:))
        let source = section.value("result")
        guard section.has("composite") else { return nil }
        if let inputSchema, inputSchema["type"]?.string != "object" {
            section.report("inputSchema", "expected a JSON Schema with type: object, as MCP wants of a tool")
        }
        if let outputSchema, outputSchema.kind != .object {
            section.report(
                "outputSchema", "expected a JSON Schema, found \(ConfigSection.show(outputSchema))")
        }
        let result = source.flatMap { source in
            section.template(source, at: section.path.key("result"), of: "")
        }
        let steps = stages.flatMap(\.steps)
        if stages.isEmpty { section.report("steps", "expected a list of steps; one is the least") }
        CompositeCheck(stages: stages, inputSchema: inputSchema, result: result).report(to: &section)
        guard let name, section.problems.isEmpty, steps.count == stages.reduce(0, { $0 + $1.ids.count })
        else { return nil }
        self.init(
            name: name, title: section.text("title"), description: section.text("description"),
            inputSchema: inputSchema ?? ["type": "object"], outputSchema: outputSchema,
            stages: stages.map { $0.steps.map(\.step) }, result: result)
    }

    var json: JSON {
        var members: [(String, JSON)] = [("composite", .string(name))]
        if let title { members.append(("title", .string(title))) }
        if let description { members.append(("description", .string(description))) }
        members.append(("inputSchema", inputSchema))
        if let outputSchema { members.append(("outputSchema", outputSchema)) }
        let stages = stages.map { steps in
            steps.count == 1 ? steps[0].json : JSON.object([("parallel", .array(steps.map(\.json)))])
        }
        members.append(("steps", .array(stages)))
        if let result { members.append(("result", result.source)) }
        return .object(members)
    }
}

extension CompositeStep {
    fileprivate static var keys: [String] {
        ["id", "call", "arguments", "when", "forEach", "concurrency", "timeout", "onFailure"]
    }

    /// - Returns: `nil` when something is wrong; the section then has a problem.
    fileprivate init?(reading section: inout ConfigSection) {
        let before = section.problems.count
        let id = section.parsed(
            "id", expecting: "a name of A-Z, a-z, 0-9, _ and -, at most \(StepID.bytesMax) characters"
        ) { StepID.isLegal($0) ? $0 : nil }
        let called = section.parsed("call", expecting: "\(Server.form) and then /TOOL") { Server.entry($0) }
        let arguments = section.value("arguments") ?? .emptyObject
        let when = StepCondition.all(reading: &section)
        let forEach = section.parsed("forEach", expecting: StepPointer.form) { StepPointer($0) }
        let concurrency = section.integer("concurrency", default: 1, in: 1...CompositeLimits.concurrencyMax)
        let timeout: Duration? =
            section.has("timeout")
            ? section.duration("timeout", default: .seconds(30), in: CompositeLimits.timeouts) : nil
        let onFailure = Self.onFailure(reading: &section)
        _ = section.value("timeout")

        let named = id.map { "step \($0): " } ?? ""
        if !section.has("id") { section.report("a step has no id; add id:, by which others point to it") }
        if !section.has("call") { section.report("\(named)calls nothing; add call: SERVER/TOOL") }
        if section.has("concurrency"), !section.has("forEach") {
            section.report("concurrency", "\(named)goes with forEach")
        }
        if arguments.kind != .object {
            section.report("arguments", "\(named)expected a map, found \(ConfigSection.show(arguments))")
        }
        let template = section.template(arguments, at: section.path.key("arguments"), of: named)
        guard let id, let called, let template, section.problems.count == before else { return nil }
        self.init(
            id: id, server: called.server, tool: called.entry, arguments: template, when: when,
            forEach: forEach, concurrency: concurrency, timeout: timeout, onFailure: onFailure)
    }

    private static func onFailure(reading section: inout ConfigSection) -> OnFailure {
        guard let value = section.value("onFailure") else { return .fail }
        switch value.string {
        case "fail": return .fail
        case "skip": return .skip
        default:
            if value.members.count == 1, let other = value["continueWith"] { return .continueWith(other) }
            section.report(
                "onFailure",
                "expected fail, skip or {continueWith: VALUE}, found \(ConfigSection.show(value))")
            return .fail
        }
    }

    fileprivate var json: JSON {
        var members: [(String, JSON)] = [("id", .string(id)), ("call", .string(reference))]
        if arguments.source.bytes != JSON.emptyObject.bytes {
            members.append(("arguments", arguments.source))
        }
        if when.count == 1 { members.append(("when", when[0].json)) }
        if when.count > 1 { members.append(("when", .array(when.map(\.json)))) }
        if let forEach { members.append(("forEach", .string(forEach.text))) }
        if concurrency != 1 { members.append(("concurrency", .number(concurrency))) }
        if let timeout { members.append(("timeout", .string(DurationText.spell(timeout)))) }
        switch onFailure {
        case .fail: break
        case .skip: members.append(("onFailure", "skip"))
        case .continueWith(let value): members.append(("onFailure", ["continueWith": value]))
        }
        return .object(members)
    }
}

enum StepID {
    /// It stands in progress, errors and the keys of questions.
    static let bytesMax = 32

    static func isLegal(_ text: String) -> Bool {
        EntryNaming.isLegal(text) && text.utf8.count <= bytesMax
    }
}

/// One item of `steps` while it is read.
struct StageDraft<Server: ServerReference> {
    struct Place {
        let step: CompositeStep<Server>
        let path: ConfigPath
    }

    /// Of all steps in it, also of those that are wrong: others may point to them.
    private(set) var ids: [String] = []
    private(set) var steps: [Place] = []

    init(reading section: inout ConfigSection) {
        let beside = section.items("parallel", atMost: CompositeLimits.stepsMax) { item in
            (item.value("id")?.string, CompositeStep<Server>(reading: &item), item.path)
        }
        guard section.has("parallel") else {
            ids = [section.value("id")?.string ?? ""]
            let path = section.path
            steps = CompositeStep<Server>(reading: &section).map { [Place(step: $0, path: path)] } ?? []
            return
        }
        for key in CompositeStep<Server>.keys where section.has(key) {
            section.report(key, "goes with one step, not with parallel")
        }
        for key in CompositeStep<Server>.keys { _ = section.value(key) }
        if beside.isEmpty { section.report("parallel", "expected a list of steps") }
        ids = beside.map { $0.0 ?? "" }
        steps = beside.compactMap { _, step, path in step.map { Place(step: $0, path: path) } }
    }
}

extension StepCondition {
    /// `when`: one condition, or a list.
    fileprivate static func all(reading section: inout ConfigSection) -> [StepCondition] {
        if section.value("when")?.kind == .array {
            return section.items(
                "when", atMost: CompositeLimits.conditionsMax, StepCondition.init(reading:)
            ).compactMap { $0 }
        }
        return section.section("when") { StepCondition(reading: &$0) }.flatMap { $0 }.map { [$0] } ?? []
    }
}

extension ConfigSection {
    /// - Parameter step: whose it is, as the beginning of a sentence.
    fileprivate mutating func template(
        _ source: JSON, at path: ConfigPath, of step: String
    ) -> ValueTemplate? {
        do {
            return try ValueTemplate(source)
        } catch {
            report(at: path, "\(step)\(error)")
            return nil
        }
    }
}
