package import Catalog
import Dispatch
import GRDB
package import Vault

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension SecretStore {
    /// Opens the node's vault, making it at the first start: with the passphrase where one is given, else with the service
    /// manager's credential where there is one, else with a key file in the data folder.
    ///
    /// Reads or writes the key file, so this is for starting up.
    ///
    /// - Parameters:
    ///   - passphrase: `nil` goes by what lies on the disk; where the vault has only a passphrase, it stays sealed.
    ///   - serviceFile: path of the service manager's credential, where this process was given one.
    ///   - cost: of a passphrase set now; only tests have a reason to lower it.
    /// - Throws: ``VaultError/wrongKey(_:)`` and its kin; a vault that is merely sealed is no error.
    package static func open(
        in folder: DataFolder, database: NodeDatabase, node: NodeID, passphrase: consuming Secret? = nil,
        serviceFile: String? = nil, cost: ScryptCost = .standard
    ) async throws -> SecretStore {
        let keys = VaultKeyPlaces(folder: folder, serviceFile: serviceFile)
        let (headerBytes, rows) = try await SecretShelf(database).load()
        let secrets = try versions(of: rows)
        let given = try HeldCredential.passphrase(passphrase)
        guard let headerBytes else {
            guard secrets.isEmpty else { throw SecretStoreError.headerMissing }
            return try await make(in: keys, database: database, node: node, passphrase: given, cost: cost)
        }
        let header = try VaultHeader.peek(headerBytes)
        let store = SecretStore(
            database: database, node: node, keys: keys,
            state: State(
                vault: nil, reason: reason(of: header, keys), header: header, headerBytes: headerBytes,
                secrets: secrets))
        if let credential = try given ?? lying(in: keys, for: header) {
            try await store.unseal(with: credential)
        }
        return store
    }

    /// The rows by name. A third live version of a secret was never written by a vault.
    private static func versions(of rows: [StoredSecret]) throws -> [SecretName: SecretVersions] {
        var secrets: [SecretName: SecretVersions] = [:]
        for row in rows.sorted(by: { $0.context.version < $1.context.version }) {
            let name = row.context.name
            guard let before = secrets[name] else {
                secrets[name] = SecretVersions(current: row)
                continue
            }
            guard before.former == nil else { throw VaultError.tampered(.index) }
            secrets[name] = SecretVersions(current: row, former: before.current)
        }
        return secrets
    }

    /// What opens the vault without anybody being there.
    private static func lying(in keys: VaultKeyPlaces, for header: VaultHeader) throws -> HeldCredential? {
        if header.hasSlot(.keyFile), let held = try keyFile(in: keys.folder) { return held }
        return header.hasSlot(.service) ? try serviceCredential(at: keys.serviceFile) : nil
    }

    private static func reason(of header: VaultHeader, _ keys: VaultKeyPlaces) -> SealReason {
        if header.hasSlot(.passphrase) { return .passphraseMissing }
        if header.hasSlot(.keyFile) { return .keyFileMissing(path: keys.folder.path(of: .vaultKey)) }
        return .serviceCredentialMissing
    }

    /// Opens a sealed vault with what lies on the disk by now; without effect where it is open.
    package func unsealFromDisk() async throws {
        let (header, reason) = state.withLock { ($0.header, $0.reason) }
        guard sealed != nil else { return }
        guard let held = try Self.lying(in: keys, for: header) else { throw SecretStoreError.sealed(reason) }
        try await unseal(with: held)
    }

    /// Opens a sealed vault with its passphrase; without effect where it is open.
    ///
    /// Takes about half a second and 128 MiB, on a queue of its own; one at a time.
    package func unseal(passphrase: consuming Secret) async throws {
        try await unseal(with: HeldCredential(try .passphrase(passphrase)))
    }

    /// `nil` when the vault is open.
    package var sealed: SealReason? { state.withLock { $0.vault == nil ? $0.reason : nil } }

    private func unseal(with held: HeldCredential) async throws {
        guard sealed != nil else { return }
        let (bytes, secrets) = state.withLock { ($0.headerBytes, $0.secrets) }
        let node = node.bytes
        let (vault, header) = try await Self.stretching {
            var header: VaultHeader?
            let keyring = try VaultKeyring.open(
                bytes, node: node, credential: held.credential, header: &header)
            guard let header else { throw VaultError.malformed(.header) }
            try keyring.verify(Self.rows(secrets), against: header)
            return (OpenVault(keyring), header)
        }
        state.withLock { state in
            // Somebody else may have been faster, and changed secrets since.
            guard state.vault == nil else { return }
            state.vault = vault
            state.header = header
        }
        if held.credential.form != .passphrase { try await keepSlots(openedBy: held) }
    }

    private static func make(
        in keys: VaultKeyPlaces, database: NodeDatabase, node: NodeID, passphrase: HeldCredential?,
        cost: ScryptCost
    ) async throws -> SecretStore {
        let folder = keys.folder
        // The key is on stable storage before anything is sealed under it. One that is there already was
        // left by a first start that was cut short, or put there on purpose.
        let credential =
            try passphrase ?? keyFile(in: folder) ?? serviceCredential(at: keys.serviceFile)
            ?? makeKeyFile(in: folder)
        let id = node.bytes
        let (vault, header) = try await stretching {
            var random = SystemRandomNumberGenerator()
            var header: VaultHeader?
            let keyring = try VaultKeyring.make(
                node: id, credential: credential.credential, cost: cost, header: &header, using: &random)
            guard let header else { throw VaultError.malformed(.header) }
            return (OpenVault(keyring), header)
        }
        let bytes = vault.keyring.encode(header)
        try await database.write { try $0.setMeta(.vaultHeader, to: bytes) }
        let state = State(
            vault: vault, reason: .passphraseMissing, header: header, headerBytes: bytes, secrets: [:])
        return SecretStore(database: database, node: node, keys: keys, state: state)
    }

    static func keyFile(in folder: DataFolder) throws -> HeldCredential? {
        guard var bytes = try folder.read(.vaultKey) else { return nil }
        return HeldCredential(try .keyFile(Secret(moving: &bytes)))
    }

    /// - Parameter path: `nil`: no service manager gave one.
    static func serviceCredential(at path: String?) throws -> HeldCredential? {
        guard let path else { return nil }
        guard access(path, F_OK) == 0 else { return nil }
        let file = try OpenFile(path, flags: O_RDONLY, path: path)
        var bytes = try file.readAll(bytesMax: KeySlot.serviceBytes.upperBound)
        return HeldCredential(try .service(Secret(moving: &bytes)))
    }

    private static func makeKeyFile(in folder: DataFolder) throws -> HeldCredential {
        var random = SystemRandomNumberGenerator()
        var bytes = randomBytes(KeySlot.keyFileBytes, using: &random)
        try folder.create(.vaultKey, with: bytes)
        return HeldCredential(try .keyFile(Secret(moving: &bytes)))
    }

    /// Where passphrases are stretched: off the tasks' threads, and one at a time, because each takes 128 MiB.
    private static let stretchQueue = DispatchQueue(label: "martlet.vault.stretch")

    static func stretching<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            stretchQueue.async { continuation.resume(with: Result(catching: body)) }
        }
    }
}

/// Carries a credential to the queue that stretches it.
final class HeldCredential: Sendable {
    let credential: SlotCredential

    init(_ credential: consuming SlotCredential) { self.credential = credential }

    /// - Returns: `nil` where no passphrase was given.
    static func passphrase(_ passphrase: consuming Secret?) throws -> HeldCredential? {
        switch consume passphrase {
        case .some(let passphrase): HeldCredential(try .passphrase(passphrase))
        case .none: nil
        }
    }
}
