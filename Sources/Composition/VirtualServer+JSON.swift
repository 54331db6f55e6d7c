import Catalog
package import JSONSlice
import MCPModel

/// Bounds of one definition: a person reads it, and it is spread in one document of at most 64 KiB.
package enum DefinitionLimits {
    package static let usesMax = 256
    package static let globsMax = 256
    package static let argumentsMax = 64
    package static let annotationsMax = 16
    /// Nodes beside one `where`.
    package static let ownersMax = 64
    package static let accessMax = 64
}

/// The normal form, and the strict way in.
extension VirtualServer {
    /// Reads what ``json`` writes and what people write; every mistake becomes a problem of the section.
    package init(reading section: inout ConfigSection) {
        title = section.text("title")
        description = section.text("description")
        instructions = section.text("instructions")
        use = section.items("use", atMost: DefinitionLimits.usesMax, Use.init(reading:)).compactMap { $0 }
        mode = section.choice("mode", default: .full)
        always = section.list("always", of: "a pattern", atMost: DefinitionLimits.globsMax) { Glob($0) }
        listedTools =
            section.value("listedTools") != nil
            ? section.integer("listedTools", default: 0, in: ListingMode.listedToolsRange) : nil
        if mode == .full, !always.isEmpty {
            section.report("always", "goes with mode: search or auto; in mode full every tool is listed")
        }
        if mode != .auto, listedTools != nil {
            section.report("listedTools", "goes with mode: auto")
        }
        isAdvertised = section.flag("advertise", default: false)
        section.later("uris")
        access = section.list("access", of: PrincipalPattern.form, atMost: DefinitionLimits.accessMax) {
            PrincipalPattern($0)
        }
        if section.value("access")?.elements.isEmpty == true {
            section.report("access", "is for nobody; leave it out if it is for everybody")
        }
        if !section.has("use") {
            section.report("chooses nothing; add use: with an item such as {from: SERVER}")
        }
    }

    package init(json: JSON) throws(ConfigProblems) {
        let (value, problems) = ConfigSection.read(json) { VirtualServer(reading: &$0) }
        guard problems.isEmpty else { throw ConfigProblems(problems) }
        self = value
    }

    /// One spelling for one definition: members in a fixed order, nothing that says the default.
    package var json: JSON {
        var members = Members()
        members.add("title", title)
        members.add("description", description)
        members.add("instructions", instructions)
        members.add("use", .array(use.map(\.json)))
        if mode != .full { members.add("mode", .string(mode.rawValue)) }
        members.add("always", always.map(\.pattern))
        if let listedTools { members.add("listedTools", .number(listedTools)) }
        if isAdvertised { members.add("advertise", true) }
        members.add("access", access.map(\.description))
        return members.object
    }
}

extension VirtualServer.Use {
    /// - Returns: `nil` when the item does not say what it chooses; the section then has a problem.
    fileprivate init?(reading section: inout ConfigSection) {
        let from = section.parsed("from", expecting: Server.form) { Server(reference: $0) }
        let globs = { Glob($0) }
        let only = section.list("only", of: "a pattern", atMost: DefinitionLimits.globsMax, globs)
        let hide = section.list("hide", of: "a pattern", atMost: DefinitionLimits.globsMax, globs)
        let entries = EntryKind.allCases.map { kind in
            (
                kind,
                section.parsed(kind.description, expecting: "\(Server.form) and then /NAME") {
                    Server.entry($0)
                }
            )
        }
        let detail = SingleEntryDetail(reading: &section)
        let choiceByWhere = EntryChoice<Server>(reading: &section)
        let composite = CompositeTool<Server>(reading: &section)

        let choices = ["from", "where"] + EntryKind.allCases.map(\.description) + ["composite"]
        let chosen = choices.filter(section.has)
        guard chosen.count == 1, let choice = chosen.first else {
            let all = choices.joined(separator: ", ")
            section.report(
                chosen.isEmpty
                    ? "chooses nothing; give one of \(all)"
                    : "gives \(chosen.joined(separator: " and ")); one item chooses one thing")
            return nil
        }
        if choice != "where", section.has("owners") {
            section.report("owners", "goes with where, not with \(choice)")
        }
        if choice != "composite" {
            for key in CompositeTool<Server>.keys where section.has(key) {
                section.report(key, "goes with composite, not with \(choice)")
            }
        }
        if choice == "composite" {
            for key in ["only", "hide", "as", "annotations", "set", "default"] where section.has(key) {
                section.report(key, "goes with from or with one entry, not with composite")
            }
            guard let composite else { return nil }
            self = .composite(composite)
        } else if choice == "where" {
            for key in SingleEntryDetail.keys + ["only", "hide"] where section.has(key) {
                section.report(key, "goes with from or with one entry, not with where")
            }
            guard let choiceByWhere else { return nil }
            self = .choice(choiceByWhere)
        } else if choice == "from" {
            for key in SingleEntryDetail.keys where section.has(key) {
                section.report(key, "goes with one entry (tool, resource, template, prompt), not with from")
            }
            guard let from else { return nil }
            self = .server(WholeServer(from: from, only: only, hide: hide))
        } else {
            for key in ["only", "hide"] where section.has(key) {
                section.report(key, "goes with from, not with one \(choice)")
            }
            guard let (kind, found) = entries.first(where: { $0.1 != nil }), let (server, entry) = found
            else {
                return nil
            }
            detail.reportMisfits(with: kind, to: &section)
            self = .entry(
                SingleEntry(
                    kind, entry, of: server, as: detail.name, title: detail.title,
                    description: detail.description, annotations: detail.annotations, fixed: detail.fixed,
                    defaults: detail.defaults))
        }
    }

    fileprivate var json: JSON {
        var members = Members()
        switch self {
        case .server(let whole):
            members.add("from", whole.from.reference)
            members.add("only", whole.only.map(\.pattern))
            members.add("hide", whole.hide.map(\.pattern))
        case .choice(let choice):
            members.add("where", choice.selection.text)
            members.add("owners", choice.ownerReferences)
        case .composite(let composite): return composite.json
        case .entry(let single):
            members.add(single.kind.description, single.reference)
            members.add("as", single.name)
            members.add("title", single.title)
            members.add("description", single.description)
            members.add("annotations", single.annotations)
            members.add("set", single.fixed)
            members.add("default", single.defaults)
        }
        return members.object
    }
}

/// What an item may say of one entry beside which it is.
private struct SingleEntryDetail {
    static let keys = ["as", "title", "description", "annotations", "set", "default"]

    var name: String?
    var title: String?
    var description: String?
    var annotations: [Argument]
    var fixed: [Argument]
    var defaults: [Argument]

    init(reading section: inout ConfigSection) {
        name = section.parsed("as", expecting: "a name of A-Z, a-z, 0-9, _ and -") {
            EntryNaming.isLegal($0) ? $0 : nil
        }
        title = section.text("title")
        description = section.text("description")
        annotations = section.valueMap("annotations", atMost: DefinitionLimits.annotationsMax).map(
            Argument.init)
        fixed = section.valueMap("set", atMost: DefinitionLimits.argumentsMax).map(Argument.init)
        defaults = section.valueMap("default", atMost: DefinitionLimits.argumentsMax).map(Argument.init)
    }

    func reportMisfits(with kind: EntryKind, to section: inout ConfigSection) {
        if kind == .resource || kind == .resourceTemplate {
            for key in ["as", "set", "default"] where section.has(key) {
                section.report(key, "is for tools and prompts; a \(kind) is read by its URI")
            }
        }
        if kind != .tool, section.has("annotations") {
            section.report("annotations", "is for tools")
        }
        for argument in defaults where fixed.contains(where: { $0.name == argument.name }) {
            section.report("default", "\(argument.name) is set already, so it can have no default")
        }
        if kind == .prompt {
            for (key, arguments) in [("set", fixed), ("default", defaults)] {
                for argument in arguments where argument.value.kind != .string {
                    section.report(
                        key, "\(argument.name): an argument of a prompt is text (MCP, prompts/get)")
                }
            }
        }
    }
}

/// Members of a normal form: what is absent or empty is left out.
private struct Members {
    private var list: [(String, JSON)] = []

    mutating func add(_ key: String, _ value: JSON) { list.append((key, value)) }
    mutating func add(_ key: String, _ text: String?) { if let text { list.append((key, .string(text))) } }
    mutating func add(_ key: String, _ texts: [String]) {
        if !texts.isEmpty { list.append((key, .array(texts.map { .string($0) }))) }
    }
    mutating func add(_ key: String, _ arguments: [Argument]) {
        if !arguments.isEmpty { list.append((key, .object(arguments.map { ($0.name, $0.value) }))) }
    }

    var object: JSON { .object(list) }
}
