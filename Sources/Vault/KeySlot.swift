/// What scrypt (RFC 7914) may cost; stored beside each passphrase slot, so that it can rise later.
package struct ScryptCost: Hashable, Sendable, CustomStringConvertible {
    /// N is 2 to this power.
    package let roundsLog2: UInt8
    /// r
    package let blocks: UInt8
    /// p
    package let lanes: UInt8

    package init(roundsLog2: UInt8, blocks: UInt8, lanes: UInt8) {
        self.roundsLog2 = roundsLog2
        self.blocks = blocks
        self.lanes = lanes
    }

    /// N = 2¹⁷, r = 8, p = 1: 128 MiB and about 0.4 s, what OWASP advises for scrypt.
    package static let standard = ScryptCost(roundsLog2: 17, blocks: 8, lanes: 1)

    /// A header comes from disk: without a bound, an edited one could ask for any amount of memory.
    static let memoryBytesMax = 1 << 30
    static let limits = "N from 2 to 2^22, r from 1 to 32, p from 1 to 16, at most 1 GiB"

    package var rounds: Int { 1 << Int(roundsLog2) }
    package var blockSize: Int { Int(blocks) }
    package var parallelism: Int { Int(lanes) }
    package var memoryBytes: Int { 128 * rounds * blockSize }

    package var isAcceptable: Bool {
        (1...22).contains(roundsLog2) && (1...32).contains(blocks) && (1...16).contains(lanes)
            && memoryBytes <= Self.memoryBytesMax
    }

    package var description: String { "N=2^\(roundsLog2), r=\(blocks), p=\(lanes)" }
}

/// What opens a slot: the bytes of a key file, a passphrase, or what a service manager hands to the process.
package struct SlotCredential: ~Copyable, Sendable {
    package let form: KeySlot.Form
    let bytes: Secret

    /// The same bytes for another use of them.
    package var secret: Secret {
        Secret(count: bytes.count) { target in bytes.withUnsafeBytes { target.copyMemory(from: $0) } }
    }

    private init(form: KeySlot.Form, bytes: consuming Secret) {
        self.form = form
        self.bytes = bytes
    }

    /// - Parameter passphrase: its bytes as typed, without the line break at the end of a file.
    package static func passphrase(_ passphrase: consuming Secret) throws(VaultError) -> SlotCredential {
        guard !passphrase.isEmpty else { throw .emptyPassphrase }
        return SlotCredential(form: .passphrase, bytes: passphrase)
    }

    package static func keyFile(_ content: consuming Secret) throws(VaultError) -> SlotCredential {
        guard content.count == KeySlot.keyFileBytes else { throw .keyFileSize(found: content.count) }
        return SlotCredential(form: .keyFile, bytes: content)
    }

    /// - Parameter content: of the credential's file, to the byte; it is a key, not a passphrase: nothing stretches it.
    package static func service(_ content: consuming Secret) throws(VaultError) -> SlotCredential {
        guard KeySlot.serviceBytes.contains(content.count) else {
            throw .serviceCredentialSize(found: content.count)
        }
        return SlotCredential(form: .service, bytes: content)
    }
}

/// One way to open a vault: its root key, wrapped by a key that comes from a passphrase, a key file or a service manager.
package struct KeySlot: Hashable, Sendable {
    package enum Form: UInt8, Hashable, Sendable, CaseIterable {
        case keyFile = 1
        case passphrase = 2
        /// What a service manager decrypts for the process (systemd.exec(5), `LoadCredentialEncrypted=`).
        case service = 3
    }

    package static let keyFileBytes = 32
    /// At least a key's length; a service manager carries no more.
    package static let serviceBytes = 32...64 * 1024
    static let saltBytes = 16

    package let form: Form
    /// What opening costs; `nil` where a key needs no stretching.
    package let cost: ScryptCost?
    let salt: [UInt8]
    private let nonce: [UInt8]
    private let wrappedRoot: [UInt8]

    /// - Complexity: scrypt for a passphrase; see ``ScryptCost``.
    init(
        wrapping root: borrowing VaultRoot, of place: VaultPlace, with credential: borrowing SlotCredential,
        cost: ScryptCost, using random: inout some RandomNumberGenerator
    ) throws(VaultError) {
        form = credential.form
        self.cost = credential.form == .passphrase ? cost : nil
        salt = randomBytes(Self.saltBytes, using: &random)
        nonce = randomBytes(AEAD.nonceBytes, using: &random)
        let data = Self.associatedData(form: form, cost: self.cost, salt: salt, place: place)
        let key = try Self.slotKey(from: credential, cost: self.cost, salt: salt, place: place)
        wrappedRoot = AEAD.seal(root.bytes, key: key, nonce: nonce, authenticating: data)
    }

    /// - Returns: `nil` when the credential is not this slot's.
    func unwrap(
        with credential: borrowing SlotCredential, of place: VaultPlace
    ) throws(VaultError) -> VaultRoot? {
        guard credential.form == form else { return nil }
        let key = try Self.slotKey(from: credential, cost: cost, salt: salt, place: place)
        let data = Self.associatedData(form: form, cost: cost, salt: salt, place: place)
        guard let root = AEAD.open(wrappedRoot, key: key, nonce: nonce, authenticating: data) else {
            return nil
        }
        return VaultRoot(bytes: root)
    }

    private static func slotKey(
        from credential: borrowing SlotCredential, cost: ScryptCost?, salt: [UInt8], place: VaultPlace
    ) throws(VaultError) -> Secret {
        let info = place.domain("martlet/1 vault slot key")
        guard let cost else { return KeyDerivation.hkdf(credential.bytes, salt: salt, info: info) }
        guard cost.isAcceptable else { throw .scryptCost(cost) }
        let stretched = try KeyDerivation.scrypt(credential.bytes, salt: salt, cost: cost)
        return KeyDerivation.hkdf(stretched, salt: salt, info: info)
    }

    private static func associatedData(
        form: Form, cost: ScryptCost?, salt: [UInt8], place: VaultPlace
    ) -> [UInt8] {
        var writer = VaultWriter()
        writer.fixed(place.domain("martlet/1 vault slot"))
        encodeParameters(form: form, cost: cost, salt: salt, into: &writer)
        return writer.bytes
    }

    private static func encodeParameters(
        form: Form, cost: ScryptCost?, salt: [UInt8], into writer: inout VaultWriter
    ) {
        writer.integer(form.rawValue)
        if let cost { writer.fixed([cost.roundsLog2, cost.blocks, cost.lanes]) }
        writer.fixed(salt)
    }
}

extension KeySlot {
    func encode(into writer: inout VaultWriter) {
        Self.encodeParameters(form: form, cost: cost, salt: salt, into: &writer)
        writer.fixed(nonce)
        writer.fixed(wrappedRoot)
    }

    init(reading reader: inout VaultReader) throws(VaultError) {
        guard let form = Form(rawValue: try reader.integer(UInt8.self)) else { throw .malformed(.header) }
        self.form = form
        if form == .passphrase {
            let cost = ScryptCost(
                roundsLog2: try reader.integer(UInt8.self), blocks: try reader.integer(UInt8.self),
                lanes: try reader.integer(UInt8.self))
            guard cost.isAcceptable else { throw .scryptCost(cost) }
            self.cost = cost
        } else {
            cost = nil
        }
        salt = try reader.fixed(Self.saltBytes)
        nonce = try reader.fixed(AEAD.nonceBytes)
        wrappedRoot = try reader.fixed(VaultRoot.bytesCount + AEAD.tagBytes)
    }
}
