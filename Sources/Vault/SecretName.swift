/// The name of a record in the vault.
///
/// People's names are `[a-z0-9][a-z0-9._-]*`, at most 64 characters. The node's own records (`martlet/…`)
/// hold a `/`, which no name from outside can, so that no command reaches them by accident.
package struct SecretName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let lengthMax = 64
    private static let ownPrefix = "martlet/"

    package let text: String

    /// - Returns: `nil` for a text that is no name.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard (1...Self.lengthMax).contains(bytes.count), let first = bytes.first,
            Self.isAlphanumeric(first),
            bytes.allSatisfy({ Self.isAlphanumeric($0) || "._-".utf8.contains($0) })
        else { return nil }
        self.text = String(text)
    }

    /// A record of the node itself, such as `martlet/mesh-root`.
    package init?(own text: some StringProtocol) {
        guard let name = SecretName(text) else { return nil }
        self.text = Self.ownPrefix + name.text
    }

    /// Reads either kind back from where ``text`` was stored.
    package init?(stored text: String) {
        if text.hasPrefix(Self.ownPrefix) {
            self.init(own: text.dropFirst(Self.ownPrefix.count))
        } else {
            self.init(text)
        }
    }

    package var isOwn: Bool { text.hasPrefix(Self.ownPrefix) }
    package var description: String { text }
    package static func < (a: Self, b: Self) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}

/// What a record holds; bound into its sealing.
package enum SecretKind: UInt8, Hashable, Sendable, CaseIterable {
    /// What a backend wants from us: a bearer token, a password, a header's or variable's value.
    case credential = 1
    /// OAuth tokens, which change by themselves.
    case oauth = 2
    /// The node's own keys, such as the root of a mesh that it began.
    case own = 3
}
