package import JSONSlice

/// What one operator last said of a virtual server: a definition, or that there shall be none.
///
/// Of the words of one name the greatest (counter, hash) counts, whoever said it.
package struct VirtualServerWord: Hashable, Sendable {
    package var name: Label
    package var author: NodeID
    /// One more than what it replaces.
    package var counter: UInt64
    /// Hash of what it replaces; `nil`: nothing was there.
    package var replaces: ContentHash?
    /// Whether the author's configuration says it, so that it is changed only there.
    package var isConfigured: Bool
    /// In the normal form that `Composition` writes; `nil`: removed.
    package var definition: JSON?

    package init(
        name: Label, author: NodeID, counter: UInt64, replaces: ContentHash? = nil,
        isConfigured: Bool = false,
        definition: JSON?
    ) {
        self.name = name
        self.author = author
        self.counter = counter
        self.replaces = replaces
        self.isConfigured = isConfigured
        self.definition = definition
    }

    /// - Parameter definitionText: as it was stored.
    /// - Throws: when that is no JSON.
    package init(
        name: Label, author: NodeID, counter: UInt64, replaces: ContentHash?, isConfigured: Bool,
        definitionText: String?
    ) throws {
        self.init(
            name: name, author: author, counter: counter, replaces: replaces, isConfigured: isConfigured,
            definition: try definitionText.map { try JSON(validating: $0) })
    }

    package var definitionText: String? { definition?.text }

    /// Of the definition; of nothing for a removal.
    package var hash: ContentHash { ContentHash(of: definition.map { Array($0.bytes) } ?? []) }

    /// The number of the next word, after the greatest of all before; the last number there is follows itself.
    package static func counter(after greatest: UInt64) -> UInt64 {
        greatest == .max ? .max : greatest + 1
    }

    package func wins(over other: VirtualServerWord) -> Bool {
        (counter, hash) > (other.counter, other.hash)
    }

    /// `nil` for a removal.
    package var record: VirtualServerRecord? {
        definition.map {
            VirtualServerRecord(
                name: name, author: author, counter: counter, isConfigured: isConfigured, definition: $0)
        }
    }
}
