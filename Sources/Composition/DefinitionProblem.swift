package import Catalog

/// Why a definition, read without mistakes, cannot be applied to what the mesh offers.
package enum DefinitionProblem: Hashable, Sendable {
    case unknownNode(at: ConfigPath, String, nearest: String?)
    case unknownServer(at: ConfigPath, String, nearest: String?)
    /// A step of a composite names a virtual server.
    case callsVirtualServer(at: ConfigPath, String)
    /// Only where the server's entries are known.
    case unknownEntry(at: ConfigPath, EntryKind, String, server: String, nearest: String?)
    case notNarrowable(at: ConfigPath, EntryKind, String, NarrowingError)
    case nameTooLong(at: ConfigPath, String, lengthMax: Int)
    /// Names of entries chosen by `where` begin so.
    case reservedName(at: ConfigPath, String, prefix: String)
    /// The sides as `NODE--SERVER/ENTRY`.
    case clash(EntryKind, name: String, sides: [String])
    /// With `uris: own`: other servers of the definition could mean the URI too.
    case contestedURI(EntryKind, String, of: String, others: [String])
}

extension DefinitionProblem: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknownNode(let path, let name, let nearest):
            "\(path): no node \(name) is known here"
                + (nearest.map { "; did you mean \($0)?" } ?? "; `martlet peers` shows the nodes")
        case .unknownServer(let path, let name, let nearest):
            "\(path): no server \(name) is known here"
                + (nearest.map { "; did you mean \($0)?" } ?? "; `martlet servers list` shows the servers")
        case .callsVirtualServer(let path, let name):
            "\(path): \(name) is a virtual server; a step calls a tool of a real one, so that no composite comes to call itself"
        case .unknownEntry(let path, let kind, let name, let server, let nearest):
            "\(path): \(server) offers no \(kind) \(name)"
                + (nearest.map { "; did you mean \($0)?" }
                    ?? "; `martlet catalog search` shows what it offers")
        case .notNarrowable(let path, let kind, let name, let reason):
            "\(path): \(kind) \(name): \(reason)"
        case .nameTooLong(let path, let name, let lengthMax):
            "\(path): \(name) is longer than the \(lengthMax) characters that names.max allows"
        case .reservedName(let path, let name, let prefix):
            "\(path): \(name) begins with \(prefix), as names of entries chosen by where do; choose another"
        case .clash(let kind, let name, let sides):
            "\(sides.count) \(kind)s would be called \(name): \(sides.prefix(4).joined(separator: " and "))"
                + (sides.count > 4 ? " and more; " : "; ")
                + "give all but one another name with as:, or hide them"
        case .contestedURI(let kind, let uri, let server, let others):
            "uris: \(kind) \(uri) of \(server) can be matched by \(others.prefix(4).joined(separator: " and ")) too, and its URI "
                + "would not say which; hide one of them, or leave out uris: own"
        }
    }
}

/// All that stands against applying a definition.
package struct DefinitionError: Error, Hashable, Sendable, CustomStringConvertible {
    package let problems: [DefinitionProblem]

    package init(_ problems: [DefinitionProblem]) { self.problems = problems }

    package var description: String { problems.map(\.description).joined(separator: "\n") }
}
