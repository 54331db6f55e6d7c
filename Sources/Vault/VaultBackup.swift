/// A vault in one file: its header and its rows, sealed as they are in the database.
///
/// Format 1: 16 bytes that name it, format (1), seal (1), then the content. Seal 1 is a passphrase: cost (3), salt (16), nonce (12),
/// and the content under AES-256-GCM with a key that scrypt and HKDF make of it; nothing shows but the size. Seal 2 is none of its
/// own: the slots of the vault open it, and names and audiences can be read. Content: a key of this backup alone (empty with seal
/// 2), the header, the number of rows (4), each row's context, record, and two dates (8 each, milliseconds).
///
/// The header's code and the index code in it vouch for all of it, as they do in the database.
package enum VaultBackup {
    package struct Row: Hashable, Sendable {
        package let context: RecordContext
        package let record: [UInt8]
        package let created: UInt64
        package let updated: UInt64

        package init(context: RecordContext, record: [UInt8], created: UInt64, updated: UInt64) {
            self.context = context
            self.record = record
            self.created = created
            self.updated = updated
        }
    }

    /// How a backup is opened.
    package enum Seal: UInt8, Hashable, Sendable {
        case passphrase = 1
        case slots = 2
    }

    /// A backup whose keys are at hand; wiped when let go.
    package struct Opened: ~Copyable, Sendable {
        package let keyring: VaultKeyring
        package let header: VaultHeader
        package let rows: [Row]

        /// - Throws: ``VaultError/doesNotOpen(_:)``.
        package func open(_ row: Row) throws(VaultError) -> Secret {
            try keyring.open(SealedRecord(row.record), as: row.context)
        }
    }

    /// All rows of the largest vault, two versions each.
    package static let rowsMax = 16_384
    private static let mark = Array("martlet vault 1\n".utf8)
    private static let format: UInt8 = 1

    /// What a file says of itself, before it is opened.
    package static func seal(of bytes: [UInt8]) throws(VaultError) -> Seal {
        var reader = VaultReader(bytes, of: .backup)
        return try prelude(from: &reader)
    }

    private static func prelude(from reader: inout VaultReader) throws(VaultError) -> Seal {
        guard let found = try? reader.fixed(mark.count), found == mark else { throw .notABackup }
        let format = try reader.integer(UInt8.self)
        guard format == Self.format else { throw .unknownFormat(.backup, format) }
        guard let seal = Seal(rawValue: try reader.integer(UInt8.self)) else { throw .malformed(.backup) }
        return seal
    }

    private static func begun(_ seal: Seal) -> VaultWriter {
        var writer = VaultWriter()
        writer.fixed(mark)
        writer.integer(format)
        writer.integer(seal.rawValue)
        return writer
    }

    private static func write(_ rows: [Row], header: [UInt8], into writer: inout VaultWriter) {
        writer.field(header)
        writer.integer(UInt32(rows.count))
        for row in rows {
            row.context.encode(into: &writer)
            writer.field(row.record)
            writer.integer(row.created)
            writer.integer(row.updated)
        }
    }

    private static func content(
        from reader: inout VaultReader
    ) throws(VaultError) -> (key: [UInt8], header: [UInt8], rows: [Row]) {
        let key = try reader.field(max: KeySlot.keyFileBytes)
        let header = try reader.field(max: 64 * 1024)
        let count = Int(try reader.integer(UInt32.self))
        guard count <= rowsMax else { throw .malformed(.backup) }
        var rows: [Row] = []
        for _ in 0..<count {
            rows.append(
                Row(
                    context: try RecordContext(reading: &reader, of: .backup),
                    record: try reader.field(max: SealedRecord.secretBytesMax + 1024),
                    created: try reader.integer(UInt64.self), updated: try reader.integer(UInt64.self)))
        }
        try reader.finish()
        return (key, header, rows)
    }
}

// MARK: - Making

extension VaultBackup {
    /// A backup that the vault's own slots open, made without its keys.
    ///
    /// - Parameter header: as stored.
    package static func keepingSlots(header: [UInt8], rows: [Row]) -> [UInt8] {
        var writer = begun(.slots)
        writer.field([UInt8]())
        write(rows, header: header, into: &writer)
        return writer.bytes
    }

    /// A backup that one passphrase opens, and none of the vault's own slots.
    ///
    /// - Complexity: one scrypt; see ``ScryptCost``.
    package static func make(
        of keyring: borrowing VaultKeyring, header: VaultHeader, rows: [Row], passphrase: borrowing Secret,
        cost: ScryptCost = .standard, using random: inout some RandomNumberGenerator
    ) throws(VaultError) -> [UInt8] {
        var key = randomBytes(KeySlot.keyFileBytes, using: &random)
        var header = header
        header.slots = []
        try keyring.addSlot(.keyFile(Secret(copying: key)), to: &header, using: &random)
        var content = VaultWriter()
        content.field(key)
        key.withUnsafeMutableBytes { wipe($0) }
        write(rows, header: keyring.encode(header), into: &content)
        var plain = content.bytes

        var writer = begun(.passphrase)
        let salt = randomBytes(KeySlot.saltBytes, using: &random)
        let nonce = randomBytes(AEAD.nonceBytes, using: &random)
        writer.fixed([cost.roundsLog2, cost.blocks, cost.lanes])
        writer.fixed(salt)
        writer.fixed(nonce)
        let sealed = AEAD.seal(
            Secret(moving: &plain), key: try Self.key(from: passphrase, salt: salt, cost: cost), nonce: nonce,
            authenticating: writer.bytes)
        writer.fixed(sealed)
        return writer.bytes
    }

    private static func key(
        from passphrase: borrowing Secret, salt: [UInt8], cost: ScryptCost
    ) throws(VaultError) -> Secret {
        guard cost.isAcceptable else { throw .scryptCost(cost) }
        return KeyDerivation.hkdf(
            try KeyDerivation.scrypt(passphrase, salt: salt, cost: cost), salt: salt,
            info: Array("martlet/1 vault backup".utf8))
    }
}

// MARK: - Opening

extension VaultBackup {
    /// - Throws: ``VaultError/wrongBackupPassphrase`` when it is another one, or a byte was changed.
    package static func open(
        _ bytes: [UInt8], passphrase: borrowing Secret
    ) throws(VaultError) -> Opened {
        var reader = VaultReader(bytes, of: .backup)
        guard try prelude(from: &reader) == .passphrase else {
            return try open(bytes, slot: .passphrase(Secret(copying: passphrase)))
        }
        let cost = ScryptCost(
            roundsLog2: try reader.integer(UInt8.self), blocks: try reader.integer(UInt8.self),
            lanes: try reader.integer(UInt8.self))
        let salt = try reader.fixed(KeySlot.saltBytes)
        let nonce = try reader.fixed(AEAD.nonceBytes)
        let sealed = reader.unread
        let key = try Self.key(from: passphrase, salt: salt, cost: cost)
        let data = Array(bytes.dropLast(sealed.count))
        guard let plain = AEAD.open(sealed, key: key, nonce: nonce, authenticating: data) else {
            throw .wrongBackupPassphrase
        }
        var inner = VaultReader(plain.withUnsafeBytes { Array($0) }, of: .backup)
        var (own, header, rows) = try content(from: &inner)
        return try opened(header: header, rows: rows, with: .keyFile(Secret(moving: &own)))
    }

    /// A backup that kept the vault's slots.
    package static func open(
        _ bytes: [UInt8], slot credential: borrowing SlotCredential
    ) throws(VaultError) -> Opened {
        var reader = VaultReader(bytes, of: .backup)
        guard try prelude(from: &reader) == .slots else { throw .noSlot(credential.form) }
        let (_, header, rows) = try content(from: &reader)
        return try opened(header: header, rows: rows, with: credential)
    }

    private static func opened(
        header bytes: [UInt8], rows: [Row], with credential: borrowing SlotCredential
    ) throws(VaultError) -> Opened {
        var header: VaultHeader?
        let node = try VaultHeader.peek(bytes).place.node
        let keyring = try VaultKeyring.open(bytes, node: node, credential: credential, header: &header)
        guard let header else { throw .malformed(.header) }
        try keyring.verify(rows.map { ($0.context, $0.record) }, against: header)
        return Opened(keyring: keyring, header: header, rows: rows)
    }
}

extension Secret {
    fileprivate init(copying other: borrowing Secret) {
        self.init(count: other.count) { target in other.withUnsafeBytes { target.copyMemory(from: $0) } }
    }
}
