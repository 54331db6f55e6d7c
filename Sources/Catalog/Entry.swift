package import JSONSlice

package enum EntryKind: UInt8, Hashable, Comparable, Sendable, CaseIterable, CustomStringConvertible {
    case tool = 1
    case resource = 2
    case resourceTemplate = 3
    case prompt = 4

    package var description: String {
        switch self {
        case .tool: "tool"
        case .resource: "resource"
        case .resourceTemplate: "template"
        case .prompt: "prompt"
        }
    }

    /// The member of a definition that names the entry to its own server.
    package var nameMember: String {
        switch self {
        case .tool, .prompt: "name"
        case .resource: "uri"
        case .resourceTemplate: "uriTemplate"
        }
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A tool, resource, resource template or prompt, as its server published it, to the byte.
package struct Entry: Hashable, Sendable {
    package static let bytesMax = 256 * 1024

    package let kind: EntryKind
    /// The server's own name for it: `name`, `uri` or `uriTemplate` of the definition.
    package let name: String
    /// The whole definition object as published.
    package let definition: JSON
    /// Of kind and definition; what a call names so that the owner can refuse another.
    package let hash: ContentHash

    /// - Returns: `nil` when the definition is no object, has no name, or is larger than ``bytesMax``.
    package init?(kind: EntryKind, definition: JSON) {
        guard definition.bytes.count <= Self.bytesMax,
            let name = definition[kind.nameMember]?.string, !name.isEmpty
        else { return nil }
        self.kind = kind
        self.name = name
        self.definition = definition
        self.hash = ContentHash(of: [kind.rawValue] + definition.bytes)
    }

    package var title: String? { Self.title(in: definition) }
    package var summary: String? { Self.summary(in: definition) }

    package static func title(in definition: JSON) -> String? {
        definition["title"]?.string ?? definition["annotations"]?["title"]?.string
    }
    package static func summary(in definition: JSON) -> String? { definition["description"]?.string }
}
