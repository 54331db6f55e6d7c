package import Catalog

/// What a name looks like to a person: two names with one skeleton are taken for each other.
///
/// Case, separators, characters that show nothing, compatibility forms of ASCII letters and the letters of other scripts that look
/// like Latin ones fall together. (Unicode TS 39 calls it so; the table here is the part of its data that names of tools can
/// hold, see Fixtures.)
package struct NameSkeleton: Hashable, Comparable, Sendable {
    package let text: String

    package init(_ name: String) {
        var text = String.UnicodeScalarView()
        for scalar in name.unicodeScalars {
            if Self.isIgnored(scalar) { continue }
            // Before its case: a Greek capital beta is a Latin B, a small one is not a b.
            if let latin = Confusables.latin[scalar] {
                text.append(latin)
                continue
            }
            for lower in scalar.properties.lowercaseMapping.unicodeScalars where !Self.isIgnored(lower) {
                text.append(Confusables.latin[lower] ?? Self.plain(lower))
            }
        }
        self.text = String(text)
    }

    package static func < (a: Self, b: Self) -> Bool { a.text < b.text }

    /// Separators, and whatever shows nothing: zero width, variation selectors, combining marks, directions.
    private static func isIgnored(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "_", "-", ".", "/", ":": return true
        default: break
        }
        if scalar.isASCII { return scalar.value <= 0x20 || scalar.value == 0x7F }
        if scalar.properties.isDefaultIgnorableCodePoint || scalar.properties.isWhitespace { return true }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control, .dashPunctuation, .connectorPunctuation:
            return true
        default: return false
        }
    }

    /// Full-width forms are ASCII 0xFEE0 further on.
    private static func plain(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        guard (0xFF01...0xFF5E).contains(scalar.value) else { return scalar }
        return Unicode.Scalar(scalar.value - 0xFEE0) ?? scalar
    }
}

/// Two entries that a person could take for each other.
package struct LookAlike: Hashable, Sendable {
    package let entry: EntryAddress
    package let other: EntryAddress

    package init(entry: EntryAddress, other: EntryAddress) {
        self.entry = entry
        self.other = other
    }
}

/// Names of all entries that a node knows, by what they look like.
package struct LikenessIndex: Sendable {
    /// Of one skeleton; a mesh of a thousand nodes with the same server has very many.
    private static let keptMax = 64

    private var byLook: [NameSkeleton: [EntryAddress]] = [:]

    /// - Complexity: O(characters of all names)
    package init(_ addresses: some Sequence<EntryAddress>) {
        for address in addresses where address.kind == .tool || address.kind == .prompt {
            let look = NameSkeleton(address.name)
            if byLook[look]?.count ?? 0 < Self.keptMax { byLook[look, default: []].append(address) }
        }
    }

    /// An entry of another server whose name looks the same and is not: what somebody would name who wants to be mistaken.
    package func twin(of address: EntryAddress) -> EntryAddress? {
        guard address.kind == .tool || address.kind == .prompt else { return nil }
        return byLook[NameSkeleton(address.name)]?.filter {
            $0.server != address.server && !$0.name.utf8.elementsEqual(address.name.utf8)
        }.min()
    }

    /// All pairs of that kind across servers, each once, in order; at most so many.
    package func pairs(max: Int) -> [LookAlike] {
        var found: [LookAlike] = []
        for look in byLook.keys.sorted() {
            let group = (byLook[look] ?? []).sorted()
            for (index, entry) in group.enumerated() {
                for other in group[(index + 1)...]
                where other.server != entry.server && !other.name.utf8.elementsEqual(entry.name.utf8) {
                    found.append(LookAlike(entry: entry, other: other))
                    if found.count == max { return found }
                }
            }
        }
        return found
    }
}
