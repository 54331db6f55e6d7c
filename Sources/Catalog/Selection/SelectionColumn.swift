/// What a ``Selection`` can ask about an entry, its server and its server's node; docs/reference/catalog.md tells people of each.
///
/// Names and types are for good: they stand in signed definitions.
package enum SelectionColumn: String, Hashable, Sendable, CaseIterable {
    case name, kind, title, description
    case server, node, owner, segment, tags
    case readonly, destructive, idempotent, openworld
    case listed, state, callable, revision, era, age, hops

    package enum ValueType: Hashable, Sendable {
        case text
        case number
        /// True or false.
        case flag
        /// A set of words, asked with `'word' IN`.
        case words

        /// As in "is …", for people.
        package var description: String {
            switch self {
            case .text: "text"
            case .number: "a whole number"
            case .flag: "TRUE or FALSE"
            case .words: "a set of words"
            }
        }
    }

    package var type: ValueType {
        switch self {
        case .name, .kind, .title, .description, .server, .node, .owner, .segment, .listed, .state,
            .revision, .era:
            .text
        case .tags: .words
        case .readonly, .destructive, .idempotent, .openworld, .callable: .flag
        case .age, .hops: .number
        }
    }

    /// Whether it follows from definitions, labels and configuration alone, so that it is the same on every node and does not
    /// change with who can be reached; what virtual servers choose may depend on nothing else.
    package var isLasting: Bool {
        switch self {
        case .name, .kind, .title, .description, .server, .node, .owner, .segment, .tags, .readonly,
            .destructive, .idempotent, .openworld:
            true
        case .listed, .state, .callable, .revision, .era, .age, .hops: false
        }
    }
}

/// What stands in a column, or is compared with it.
package enum SelectionValue: Hashable, Sendable {
    /// Not known, or not said.
    case null
    case text(String)
    case number(Int64)
    case flag(Bool)
    case words([String])
}
