/// An opened vault's keys: seals, opens, and vouches for header and rows. Wiped when let go.
///
/// Holds no rows and no header: both are values of the caller, who stores them together, so that a change
/// that never reached the disk leaves nothing behind in here.
package struct VaultKeyring: ~Copyable, Sendable {
    package let place: VaultPlace
    private let root: VaultRoot
    private let retired: [RetiredRoot]

    private init(place: VaultPlace, root: consuming VaultRoot, retired: [RetiredRoot] = []) {
        self.place = place
        self.root = root
        self.retired = retired
    }
}

// MARK: - Making and opening

extension VaultKeyring {
    /// A vault that does not exist yet.
    ///
    /// - Parameters:
    ///   - node: the 16 bytes of the node's id.
    ///   - cost: of the passphrase, when there is one; only tests have a reason to lower it.
    ///   - header: left with what is to be stored, by ``encode(_:)``.
    package static func make(
        node: [UInt8], credential: borrowing SlotCredential, cost: ScryptCost = .standard,
        header: inout VaultHeader?, using random: inout some RandomNumberGenerator
    ) throws(VaultError) -> VaultKeyring {
        let place = VaultPlace(vault: randomBytes(VaultPlace.idBytes, using: &random), node: node)
        let keyring = VaultKeyring(place: place, root: VaultRoot(using: &random))
        var made = VaultHeader(place: place, generation: 1, counter: 0, indexCode: [], slots: [])
        try keyring.addSlot(credential, cost: cost, to: &made, using: &random)
        made.indexCode = keyring.indexCode(of: [], counter: 0)
        header = made
        return keyring
    }

    /// - Parameters:
    ///   - bytes: the stored header.
    ///   - header: left with what was read, authentic.
    /// - Complexity: one scrypt for each passphrase slot tried, see ``ScryptCost``.
    package static func open(
        _ bytes: [UInt8], node: [UInt8], credential: borrowing SlotCredential, header: inout VaultHeader?
    ) throws(VaultError) -> VaultKeyring {
        let (read, code) = try VaultHeader.decode(bytes)
        guard read.place.node == node else { throw .otherNode }
        guard read.hasSlot(credential.form) else { throw .noSlot(credential.form) }
        for slot in read.slots {
            guard let root = try slot.unwrap(with: credential, of: read.place) else { continue }
            let keyring = VaultKeyring(place: read.place, root: root, retired: read.retired)
            let key = keyring.root.headerKey(of: read.place)
            guard MAC.isValid(code, of: read.unsignedBytes, key: key) else { throw .tampered(.header) }
            header = read
            return keyring
        }
        throw .wrongKey(credential.form)
    }

    /// The header as it is stored, with its code.
    package func encode(_ header: VaultHeader) -> [UInt8] {
        let bytes = header.unsignedBytes
        return bytes + MAC.code(of: bytes, key: root.headerKey(of: place))
    }
}

// MARK: - Secrets

extension VaultKeyring {
    /// Seals under the header's generation, with a fresh data key.
    package func seal(
        _ secret: borrowing Secret, as context: RecordContext, under header: VaultHeader,
        using random: inout some RandomNumberGenerator
    ) throws(VaultError) -> SealedRecord {
        guard !secret.isEmpty else { throw .emptySecret }
        guard secret.count <= SealedRecord.secretBytesMax else { throw .tooLarge(bytes: secret.count) }
        let dataKey = Secret(random: AEAD.keyBytes, using: &random)
        let nonce = randomBytes(AEAD.nonceBytes, using: &random)
        let sealed = AEAD.seal(
            secret, key: dataKey, nonce: nonce, authenticating: context.payloadData(at: place))
        return wrap(
            dataKey, as: context, generation: header.generation, nonce: nonce, sealed: sealed, using: &random)
    }

    /// - Throws: ``VaultError/doesNotOpen(_:)`` unless everything is as it was when it was sealed.
    package func open(_ record: SealedRecord, as context: RecordContext) throws(VaultError) -> Secret {
        let dataKey = try unwrapDataKey(of: record, as: context)
        let data = context.payloadData(at: place)
        guard let secret = AEAD.open(record.sealed, key: dataKey, nonce: record.nonce, authenticating: data)
        else { throw .doesNotOpen(context.name) }
        return secret
    }

    /// The same sealing with its data key wrapped by the header's generation; the secret is not opened.
    package func rewrap(
        _ record: SealedRecord, as context: RecordContext, under header: VaultHeader,
        using random: inout some RandomNumberGenerator
    ) throws(VaultError) -> SealedRecord {
        let dataKey = try unwrapDataKey(of: record, as: context)
        return wrap(
            dataKey, as: context, generation: header.generation, nonce: record.nonce, sealed: record.sealed,
            using: &random)
    }

    private func unwrapDataKey(
        of record: SealedRecord, as context: RecordContext
    ) throws(VaultError) -> Secret {
        let key = try generationKey(record.generation)
        let data = context.dataKeyData(at: place, generation: record.generation)
        guard
            let dataKey = AEAD.open(record.wrappedKey, key: key, nonce: record.keyNonce, authenticating: data)
        else { throw .doesNotOpen(context.name) }
        return dataKey
    }

    private func generationKey(_ generation: UInt32) throws(VaultError) -> Secret {
        guard let retired = retired.first(where: { generation <= $0.last }) else {
            return root.generationKey(generation, of: place)
        }
        return try retired.open(with: root, of: place).generationKey(generation, of: place)
    }

    private func wrap(
        _ dataKey: borrowing Secret, as context: RecordContext, generation: UInt32, nonce: [UInt8],
        sealed: [UInt8], using random: inout some RandomNumberGenerator
    ) -> SealedRecord {
        let keyNonce = randomBytes(AEAD.nonceBytes, using: &random)
        let wrappedKey = AEAD.seal(
            dataKey, key: root.generationKey(generation, of: place), nonce: keyNonce,
            authenticating: context.dataKeyData(at: place, generation: generation))
        return SealedRecord(
            generation: generation, keyNonce: keyNonce, wrappedKey: wrappedKey, nonce: nonce, sealed: sealed)
    }
}

// MARK: - Header and rows

extension VaultKeyring {
    /// Every row of the vault, in any order.
    package typealias Rows = [(context: RecordContext, record: [UInt8])]

    /// Counts one change and vouches for the rows that there are after it.
    ///
    /// - Complexity: O(bytes of all rows).
    package func commit(_ rows: Rows, to header: inout VaultHeader) throws(VaultError) {
        header.counter = try header.nextVersion()
        header.indexCode = indexCode(of: rows, counter: header.counter)
    }

    /// - Throws: ``VaultError/tampered(_:)`` when a row was added, removed, changed or is of an older state.
    package func verify(_ rows: Rows, against header: VaultHeader) throws(VaultError) {
        let bytes = indexBytes(of: rows, counter: header.counter)
        guard MAC.isValid(header.indexCode, of: bytes, key: root.indexKey(of: place)) else {
            throw .tampered(.index)
        }
        for row in rows {
            guard let generation = SealedRecord.generation(of: row.record) else { continue }
            guard (header.oldest...header.generation).contains(generation) else { throw .tampered(.index) }
        }
    }

    /// The next generation of keys, from now on used to seal; records of earlier ones still open.
    package func rotate(_ header: inout VaultHeader) throws(VaultError) {
        guard header.generation < UInt32.max else { throw .counterExhausted }
        header.generation += 1
    }

    /// A keyring of a new root, with a new generation of keys; what was sealed before opens with it too.
    ///
    /// - Parameter header: left without any slot: the old ones wrap the old root. The caller adds them anew.
    package func replacingRoot(
        of header: inout VaultHeader, using random: inout some RandomNumberGenerator
    ) throws(VaultError) -> VaultKeyring {
        let needed = header.retired.filter { $0.last >= header.oldest }
        guard needed.count < VaultHeader.retiredMax else { throw .rootsPending }
        let new = VaultRoot(using: &random)
        var retired: [RetiredRoot] = []
        for former in needed {
            retired.append(
                RetiredRoot(
                    try former.open(with: root, of: place), last: former.last, sealedBy: new, of: place,
                    using: &random))
        }
        retired.append(
            RetiredRoot(root, last: header.generation, sealedBy: new, of: place, using: &random))
        try rotate(&header)
        header.retired = retired
        header.slots = []
        return VaultKeyring(place: place, root: new, retired: retired)
    }

    /// Drops the generations, and the roots, that no row needs any more.
    ///
    /// - Returns: whether there were some.
    package func dropUnused(by rows: Rows, from header: inout VaultHeader) -> Bool {
        let oldest = rows.compactMap { SealedRecord.generation(of: $0.record) }.min() ?? header.generation
        let retired = header.retired.filter { $0.last >= oldest }
        guard oldest != header.oldest || retired != header.retired else { return false }
        header.oldest = oldest
        header.retired = retired
        return true
    }

    /// Lets the counter go on above what others remember of it; the next ``commit(_:to:)`` is above `floor`.
    package func raiseCounter(above floor: UInt64, in header: inout VaultHeader) throws(VaultError) {
        guard floor < UInt64.max - 1 else { throw .counterExhausted }
        header.counter = max(header.counter, floor)
    }

    package func addSlot(
        _ credential: borrowing SlotCredential, cost: ScryptCost = .standard, to header: inout VaultHeader,
        using random: inout some RandomNumberGenerator
    ) throws(VaultError) {
        guard header.slots.count < VaultHeader.slotsMax else { throw .slotsFull }
        let slot = try KeySlot(wrapping: root, of: place, with: credential, cost: cost, using: &random)
        header.slots.append(slot)
    }

    /// Takes away every slot of a form; what was wrapped there opens nothing of this header any more.
    package func removeSlots(_ form: KeySlot.Form, from header: inout VaultHeader) throws(VaultError) {
        let left = header.slots.filter { $0.form != form }
        guard !left.isEmpty else { throw .lastSlot }
        header.slots = left
    }

    /// Keeps of a form's slots those that the credential opens: what a change that was cut short has left goes.
    ///
    /// - Returns: whether some went.
    package func keepSlots(
        openedBy credential: borrowing SlotCredential, in header: inout VaultHeader
    ) throws(VaultError) -> Bool {
        var kept: [KeySlot] = []
        for slot in header.slots {
            if slot.form != credential.form {
                kept.append(slot)
            } else if try slot.unwrap(with: credential, of: place) != nil {
                kept.append(slot)
            }
        }
        guard kept.count < header.slots.count, !kept.isEmpty else { return false }
        header.slots = kept
        return true
    }

    /// Puts one new slot in the place of all of its form.
    package func replaceSlots(
        with credential: borrowing SlotCredential, cost: ScryptCost = .standard, in header: inout VaultHeader,
        using random: inout some RandomNumberGenerator
    ) throws(VaultError) {
        header.slots.removeAll { $0.form == credential.form }
        try addSlot(credential, cost: cost, to: &header, using: &random)
    }

    private func indexCode(of rows: Rows, counter: UInt64) -> [UInt8] {
        MAC.code(of: indexBytes(of: rows, counter: counter), key: root.indexKey(of: place))
    }

    private func indexBytes(of rows: Rows, counter: UInt64) -> [UInt8] {
        var writer = VaultWriter()
        writer.fixed(place.domain("martlet/1 vault rows"))
        writer.integer(counter)
        let ordered = rows.sorted {
            ($0.context.name, $0.context.version) < ($1.context.name, $1.context.version)
        }
        for row in ordered {
            var context = VaultWriter()
            row.context.encode(into: &context)
            writer.field(context.bytes)
            writer.field(row.record)
        }
        return writer.bytes
    }
}
