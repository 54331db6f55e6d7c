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

    /// Seals the roots before this one.
    func retirementKey(of place: VaultPlace) -> Secret {
        KeyDerivation.hkdf(bytes, salt: place.vault, info: place.domain("martlet/1 vault retirement"))
    }

    func headerKey(of place: VaultPlace) -> Secret {
        KeyDerivation.hkdf(bytes, salt: place.vault, info: place.domain("martlet/1 vault header"))
    }

    func indexKey(of place: VaultPlace) -> Secret {
        KeyDerivation.hkdf(bytes, salt: place.vault, info: place.domain("martlet/1 vault index"))
    }
}

/// A root that was replaced, sealed by the one in use: records of its generations open until they are wrapped anew.
struct RetiredRoot: Hashable, Sendable {
    /// Its last generation; those up to it, and above the retired root before, are its own.
    let last: UInt32
    private let nonce: [UInt8]
    private let sealed: [UInt8]

    init(
        _ former: borrowing VaultRoot, last: UInt32, sealedBy root: borrowing VaultRoot, of place: VaultPlace,
        using random: inout some RandomNumberGenerator
    ) {
        self.last = last
        nonce = randomBytes(AEAD.nonceBytes, using: &random)
        sealed = AEAD.seal(
            former.bytes, key: root.retirementKey(of: place), nonce: nonce,
            authenticating: Self.data(last: last, place: place))
    }

    func open(with root: borrowing VaultRoot, of place: VaultPlace) throws(VaultError) -> VaultRoot {
        let data = Self.data(last: last, place: place)
        let key = root.retirementKey(of: place)
        guard let bytes = AEAD.open(sealed, key: key, nonce: nonce, authenticating: data) else {
            throw .tampered(.header)
        }
        return VaultRoot(bytes: bytes)
    }

    private static func data(last: UInt32, place: VaultPlace) -> [UInt8] {
        var writer = VaultWriter()
        writer.fixed(place.domain("martlet/1 vault retired root"))
        writer.integer(last)
        return writer.bytes
    }

    func encode(into writer: inout VaultWriter) {
        writer.integer(last)
        writer.fixed(nonce)
        writer.fixed(sealed)
    }

    init(reading reader: inout VaultReader) throws(VaultError) {
        last = try reader.integer(UInt32.self)
        nonce = try reader.fixed(AEAD.nonceBytes)
        sealed = try reader.fixed(VaultRoot.bytesCount + AEAD.tagBytes)
    }
}
