package import JSONSlice

/// What of a definition is approved: a hash of its meaning, not of its bytes (docs/decisions/0034).
///
/// An entry's ``Entry/hash`` is of the bytes that clients were shown, and a call names it. A pin covers only what tells people
/// and models what the entry is: name, title, description, schemas, annotations; in the canonical form of RFC 8785, so
/// that an order of members or a spelling of a number is no change. Two entries with one pin need one approval.
package struct Pin: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let hash: ContentHash

    package init(_ hash: ContentHash) { self.hash = hash }

    /// - Complexity: O(*n* log *n*) in the definition's bytes.
    package init(of entry: Entry) { self.init(entry.kind, entry.definition) }

    package init(_ kind: EntryKind, _ definition: JSON) {
        let covered = JSON.object(
            kind.pinnedMembers.compactMap { member in
                definition[member].map { (member, Self.lasting(member, $0, of: kind)) }
            })
        // What has no canonical form, or one that it shares with others, is pinned to the byte: rather a change too many.
        if let form = covered.canonical, form.isExact {
            hash = ContentHash(of: [Self.canonicalForm, kind.rawValue] + form.bytes)
        } else {
            hash = ContentHash(of: [Self.exactBytes, kind.rawValue] + covered.bytes)
        }
    }

    package var description: String { hash.description }
    package static func < (a: Self, b: Self) -> Bool { a.hash < b.hash }

    private static let canonicalForm: UInt8 = 1
    private static let exactBytes: UInt8 = 2

    /// A resource's time of its last change says nothing of what it is.
    private static func lasting(_ member: String, _ value: JSON, of kind: EntryKind) -> JSON {
        guard member == "annotations", kind == .resource || kind == .resourceTemplate else { return value }
        return value.removing("lastModified")
    }
}

extension EntryKind {
    /// Members of a definition that a pin covers; the others (`_meta`, `icons`, `size`, what nobody knows) change freely.
    package var pinnedMembers: [String] {
        switch self {
        case .tool:
            ["name", "title", "description", "inputSchema", "outputSchema", "annotations", "execution"]
        case .prompt: ["name", "title", "description", "arguments"]
        case .resource: ["uri", "name", "title", "description", "mimeType", "annotations"]
        case .resourceTemplate: ["uriTemplate", "name", "title", "description", "mimeType", "annotations"]
        }
    }
}
