/// Which vault, of which node: bound into every key and every sealing.
package struct VaultPlace: Hashable, Sendable {
    package static let idBytes = 16

    /// Random, made with the vault.
    package let vault: [UInt8]
    /// The node's id.
    package let node: [UInt8]

    init(vault: [UInt8], node: [UInt8]) {
        precondition(
            vault.count == Self.idBytes && node.count == Self.idBytes, "ids have 16 bytes by their types")
        self.vault = vault
        self.node = node
    }

    /// The beginning of every derivation and associated data: what it is for, and where.
    func domain(_ purpose: String) -> [UInt8] {
        var writer = VaultWriter()
        writer.field(purpose)
        writer.field(vault)
        writer.field(node)
        return writer.bytes
    }
}

/// The one key that every slot wraps. All others are derived from it, each for one purpose (HKDF-SHA256).
struct VaultRoot: ~Copyable, Sendable {
    static let bytesCount = 32

    let bytes: Secret

    init(bytes: consuming Secret) { self.bytes = bytes }

    init(using random: inout some RandomNumberGenerator) {
        bytes = Secret(random: Self.bytesCount, using: &random)
    }

    /// Wraps the data keys of records sealed under this generation.
    func generationKey(_ generation: UInt32, of place: VaultPlace) -> Secret {
        var info = VaultWriter()
        info.fixed(place.domain("martlet/1 vault generation"))
        info.integer(generation)
        return KeyDerivation.hkdf(bytes, salt: place.vault, info: info.bytes)
    }

    func headerKey(of place: VaultPlace) -> Secret {
        KeyDerivation.hkdf(bytes, salt: place.vault, info: place.domain("martlet/1 vault header"))
    }

    func indexKey(of place: VaultPlace) -> Secret {
        KeyDerivation.hkdf(bytes, salt: place.vault, info: place.domain("martlet/1 vault index"))
    }
}
