package import JSONSlice

/// One entry with its server and node, as ``Selection`` and SQL see it.
///
/// Values are made when they are asked for: most of them lie in the entry's definition, which is read only then.
package struct CatalogRow: Sendable {
    package let kind: EntryKind
    /// Its server's own name for it: name, URI or URI template.
    package let name: String
    package let definition: JSON
    package let server: ServerRecord
    package let node: NodeRecord?
    /// What its owner is called here.
    package let nodeName: String
    /// What holds at this moment; `nil` where only what lasts may be asked for.
    package let moment: Moment?

    package struct Moment: Sendable {
        /// What this node's `/mcp` calls it; `nil` when it is not listed there.
        package var listed: String?
        /// `available`, or why it is not.
        package var state: String
        package var isCallable: Bool
        /// The protocol family of ``ServerRecord/revision``.
        package var era: String?
        package var now: Instant

        package init(listed: String?, state: String, isCallable: Bool, era: String?, now: Instant) {
            self.listed = listed
            self.state = state
            self.isCallable = isCallable
            self.era = era
            self.now = now
        }
    }

    package init(
        kind: EntryKind, name: String, definition: JSON, server: ServerRecord, node: NodeRecord?,
        nodeName: String, moment: Moment? = nil
    ) {
        self.kind = kind
        self.name = name
        self.definition = definition
        self.server = server
        self.node = node
        self.nodeName = nodeName
        self.moment = moment
    }

    package func value(_ column: SelectionColumn) -> SelectionValue {
        switch column {
        case .name: Self.text(name)
        case .kind: .text(kind.description)
        case .title: Self.text(Entry.title(in: definition))
        case .description: Self.text(Entry.summary(in: definition))
        case .server: .text(server.key.name.text)
        case .node: .text(nodeName)
        case .owner: .text(server.key.owner.description)
        case .segment: Self.text(node?.segment.text)
        case .tags: .words(tags)
        case .readonly: hint("readOnlyHint")
        // Of what only reads, MCP gives the hint no meaning: it destroys nothing.
        case .destructive: hint("readOnlyHint") == .flag(true) ? .flag(false) : hint("destructiveHint")
        case .idempotent: hint("idempotentHint")
        case .openworld: hint("openWorldHint")
        case .listed: Self.text(moment?.listed)
        case .state: Self.text(moment?.state)
        case .callable: moment.map { .flag($0.isCallable) } ?? .null
        case .revision: Self.text(server.revision.isEmpty ? nil : server.revision)
        case .era: Self.text(moment?.era)
        case .age: moment.flatMap(age) ?? .null
        case .hops: hops
        }
    }

    /// Those of its server, and the tool's own hints that hold, under the names of their columns.
    private var tags: [String] {
        let hints: [SelectionColumn] = [.readonly, .destructive, .idempotent, .openworld]
        return server.tags
            + hints.filter { value($0) == .flag(true) && !server.tags.contains($0.rawValue) }.map(\.rawValue)
    }

    /// What the backend itself says of its tool: a hint, not a promise. Unsaid is unknown.
    private func hint(_ name: String) -> SelectionValue {
        guard kind == .tool, let hint = definition["annotations"]?[name]?.bool else {
            return .null
        }
        return .flag(hint)
    }

    private func age(at moment: Moment) -> SelectionValue? {
        guard let node else { return nil }
        if case .me = node.reachability { return .number(0) }
        return .number(max(0, (moment.now - node.heardAt).components.seconds))
    }

    private var hops: SelectionValue {
        guard moment != nil else { return .null }
        switch node?.reachability {
        case .me: return .number(0)
        case .reachable(let path): return .number(Int64(path.count))
        case .unreachable, nil: return .null
        }
    }

    /// SQLite's functions end a text at its first NUL; so that both sides see one text, it is replaced.
    private static func text(_ text: String?) -> SelectionValue {
        guard let text else { return .null }
        guard text.utf8.contains(0) else { return .text(text) }
        return .text(
            String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value == 0 ? "\u{FFFD}" : $0 })))
    }
}
