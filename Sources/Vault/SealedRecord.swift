/// What a sealed record is, besides its bytes: given again in full to open it.
package struct RecordContext: Hashable, Sendable {
    package let name: SecretName
    /// Never used twice for one name.
    package let version: UInt64
    package let kind: SecretKind
    package let audience: SecretAudience

    package init(name: SecretName, version: UInt64, kind: SecretKind, audience: SecretAudience) {
        self.name = name
        self.version = version
        self.kind = kind
        self.audience = audience
    }

    func encode(into writer: inout VaultWriter) {
        writer.field(name.text)
        writer.integer(version)
        writer.integer(kind.rawValue)
        audience.encode(into: &writer)
    }

    init(reading reader: inout VaultReader, of part: VaultPart) throws(VaultError) {
        guard let name = SecretName(stored: try reader.text(max: 128)) else { throw .malformed(part) }
        let version = try reader.integer(UInt64.self)
        guard let kind = SecretKind(rawValue: try reader.integer(UInt8.self)) else { throw .malformed(part) }
        let limit = SecretAudience.partBytesMax
        self.init(
            name: name, version: version, kind: kind,
            audience: SecretAudience(
                server: try reader.text(max: limit), origin: try reader.text(max: limit),
                resource: try reader.text(max: limit), issuer: try reader.text(max: limit)))
    }

    /// Of the secret itself. The generation is bound by the data key, so that a re-wrap leaves this as it is.
    func payloadData(at place: VaultPlace) -> [UInt8] {
        var writer = VaultWriter()
        writer.fixed(place.domain("martlet/1 vault record"))
        encode(into: &writer)
        return writer.bytes
    }

    func dataKeyData(at place: VaultPlace, generation: UInt32) -> [UInt8] {
        var writer = VaultWriter()
        writer.fixed(place.domain("martlet/1 vault data key"))
        encode(into: &writer)
        writer.integer(generation)
        return writer.bytes
    }
}

/// One version of one secret: a data key of its own, wrapped by a generation's key, and what it seals.
///
/// Format 1, all integers big-endian: format (1), generation (4), nonce (12) and wrapped data key with tag
/// (48), nonce (12), length of the secret (4), the secret's ciphertext and tag (length + 16).
package struct SealedRecord: Hashable, Sendable {
    static let format: UInt8 = 1
    /// Tokens and keys are far smaller; this keeps all of a vault's rows in memory affordable.
    package static let secretBytesMax = 64 * 1024

    package let generation: UInt32
    let keyNonce: [UInt8]
    let wrappedKey: [UInt8]
    let nonce: [UInt8]
    /// Ciphertext and tag.
    let sealed: [UInt8]

    init(generation: UInt32, keyNonce: [UInt8], wrappedKey: [UInt8], nonce: [UInt8], sealed: [UInt8]) {
        self.generation = generation
        self.keyNonce = keyNonce
        self.wrappedKey = wrappedKey
        self.nonce = nonce
        self.sealed = sealed
    }

    /// Reads exactly what ``bytes`` writes; nothing here is authentic until it is opened.
    package init(_ bytes: some Sequence<UInt8>) throws(VaultError) {
        var reader = VaultReader(bytes, of: .record)
        let format = try reader.integer(UInt8.self)
        guard format == Self.format else { throw .unknownFormat(.record, format) }
        generation = try reader.integer(UInt32.self)
        keyNonce = try reader.fixed(AEAD.nonceBytes)
        wrappedKey = try reader.fixed(AEAD.keyBytes + AEAD.tagBytes)
        nonce = try reader.fixed(AEAD.nonceBytes)
        let count = try reader.integer(UInt32.self)
        guard generation > 0, (1...UInt32(Self.secretBytesMax)).contains(count) else {
            throw .malformed(.record)
        }
        sealed = try reader.fixed(Int(count) + AEAD.tagBytes)
        try reader.finish()
    }

    /// Of an encoded record, without reading the rest; `nil` for what is none.
    package static func generation(of bytes: [UInt8]) -> UInt32? {
        guard bytes.count > 4, bytes[0] == format else { return nil }
        return bytes[1...4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    package var bytes: [UInt8] {
        var writer = VaultWriter()
        writer.integer(Self.format)
        writer.integer(generation)
        writer.fixed(keyNonce)
        writer.fixed(wrappedKey)
        writer.fixed(nonce)
        writer.integer(UInt32(sealed.count - AEAD.tagBytes))
        writer.fixed(sealed)
        return writer.bytes
    }
}
