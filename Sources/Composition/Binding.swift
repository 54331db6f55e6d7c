package import Catalog
package import JSONSlice

/// What a name on an endpoint stands for.
package struct Binding: Hashable, Sendable {
    package let server: ServerKey
    package let kind: EntryKind
    /// The server's own name for it: name, URI or URI template.
    package let entry: String
    /// Of the definition that the client was shown; the owner refuses another.
    package let hash: ContentHash
    package let fixed: [Argument]
    package let defaults: [Argument]

    package init(
        server: ServerKey, entry: Entry, fixed: [Argument] = [], defaults: [Argument] = []
    ) {
        self.server = server
        kind = entry.kind
        self.entry = entry.name
        hash = entry.hash
        self.fixed = fixed
        self.defaults = defaults
    }

    /// Of an entry by its server's own name, with nothing set.
    package init(server: ServerKey, kind: EntryKind, entry: String, hash: ContentHash) {
        self.server = server
        self.kind = kind
        self.entry = entry
        self.hash = hash
        fixed = []
        defaults = []
    }

    /// A call's params as the backend is to get them: its own name for the entry, fixed arguments set, defaults
    /// filled in; all other bytes stay.
    ///
    /// A fixed argument that the client sends nevertheless is overwritten: clients hold on to old lists, and what
    /// is fixed must hold for them too. Arguments that are no object are replaced for the same reason.
    package func arguments(applyingTo params: JSON) -> JSON {
        let member = kind == .tool || kind == .prompt ? "name" : "uri"
        var params = params
        if params[member]?.string != entry { params = params.setting(member, to: .string(entry)) }
        if fixed.isEmpty, defaults.isEmpty { return params }

        var arguments = params["arguments"] ?? .emptyObject
        if arguments.kind != .object { arguments = .emptyObject }
        for argument in defaults where arguments[argument.name] == nil {
            arguments = arguments.setting(argument.name, to: argument.value)
        }
        for argument in fixed { arguments = arguments.setting(argument.name, to: argument.value) }
        return params.setting("arguments", to: arguments)
    }
}
