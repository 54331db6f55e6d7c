/// Texts compared by their bytes.
///
/// `String` holds canonically equivalent texts for one (`"\u{212A}" == "K"`); rules, names of entries and identities do not: whoever may
/// choose a name must not choose one that is taken for another's.
extension String {
    package func isExactly(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    package func hashExactly(into hasher: inout Hasher) {
        for byte in utf8 { hasher.combine(byte) }
        // UTF-8 never holds it: where one text ends and the next begins.
        hasher.combine(UInt8.max)
    }
}

extension Collection where Element == String {
    package func isExactly(_ other: some Collection<String>) -> Bool {
        count == other.count && zip(self, other).allSatisfy { $0.isExactly($1) }
    }
}
