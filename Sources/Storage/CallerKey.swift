import Catalog
package import Vault

/// An API key of a caller, as it is made: shown once, then only its digest is kept.
package struct NewCallerKey: Sendable {
    /// `mk_` and 32 characters of base32: 160 random bits.
    package let text: String
    package let digest: CredentialDigest
    /// Names the key in lists and commands; says nothing of the key.
    package let id: String
}

/// Makes API keys, and knows them again, under one installation's pepper. Never blocks, needs no disk.
///
/// Lives here, not in the vault's target, because its spelling is the catalog's base32 and its pepper a
/// row of this database: the vault may be sealed while callers must still be told apart.
package final class CallerKeyRing: Sendable {
    private static let prefix = "mk_"
    private static let randomBytesCount = 20
    private static let textCount = 35
    private static let idBytesCount = 10

    private let pepper: Secret

    package init(pepper: consuming Secret) { self.pepper = pepper }

    package func make(using random: inout some RandomNumberGenerator) -> NewCallerKey {
        let text = Self.prefix + Base32.encode(randomBytes(Self.randomBytesCount, using: &random))
        return NewCallerKey(
            text: text, digest: CredentialDigest(of: text.utf8, for: .callerKey, pepper: pepper),
            id: Base32.encode(randomBytes(Self.idBytesCount, using: &random)))
    }

    /// - Returns: what to look for among the stored keys; `nil` for what cannot be a key of ours.
    package func digest(of presented: some StringProtocol) -> CredentialDigest? {
        guard presented.utf8.count == Self.textCount, presented.hasPrefix(Self.prefix),
            Base32.decode(presented.dropFirst(Self.prefix.count))?.count == Self.randomBytesCount
        else { return nil }
        return CredentialDigest(of: presented.utf8, for: .callerKey, pepper: pepper)
    }
}
