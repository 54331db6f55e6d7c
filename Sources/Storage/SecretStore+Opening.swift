package import Catalog
import Dispatch
import GRDB
package import Vault

extension SecretStore {
    /// Opens the node's vault, making it at the first start: with a key file in the data folder, or with the
    /// passphrase where one is given.
    ///
    /// Reads or writes the key file, so this is for starting up.
    ///
    /// - Parameters:
    ///   - passphrase: `nil` goes by the key file; where the vault has only a passphrase, it stays sealed.
    ///   - cost: of a passphrase set now; only tests have a reason to lower it.
    /// - Throws: ``VaultError/wrongKey(_:)`` and its kin; a vault that is merely sealed is no error.
    package static func open(
        in folder: DataFolder, database: NodeDatabase, node: NodeID, passphrase: consuming Secret? = nil,
        cost: ScryptCost = .standard
    ) async throws -> SecretStore {
        let (headerBytes, rows) = try await SecretShelf(database).load()
        var secrets: [SecretName: StoredSecret] = [:]
        for row in rows where secrets.updateValue(row, forKey: row.context.name) != nil {
            throw VaultError.tampered(.index)
        }
        let given: HeldCredential? =
            switch consume passphrase {
            case .some(let passphrase): HeldCredential(try .passphrase(passphrase))
            case .none: nil
            }
        guard let headerBytes else {
            guard secrets.isEmpty else { throw SecretStoreError.headerMissing }
            return try await make(in: folder, database: database, node: node, passphrase: given, cost: cost)
        }

        let header = try VaultHeader.peek(headerBytes)
        let credential: HeldCredential
        var reason = SealReason.passphraseMissing
        if let given {
            credential = given
        } else if header.hasSlot(.keyFile), let held = try keyFile(in: folder) {
            credential = held
        } else {
            if !header.hasSlot(.passphrase) { reason = .keyFileMissing(path: folder.path(of: .vaultKey)) }
            let state = State(
                vault: nil, reason: reason, header: header, headerBytes: headerBytes, secrets: secrets)
            return SecretStore(database: database, node: node, state: state)
        }
        let store = SecretStore(
            database: database, node: node,
            state: State(
                vault: nil, reason: reason, header: header, headerBytes: headerBytes, secrets: secrets))
        try await store.unseal(with: credential)
        return store
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
    }

    private static func make(
        in folder: DataFolder, database: NodeDatabase, node: NodeID, passphrase: HeldCredential?,
        cost: ScryptCost
    ) async throws -> SecretStore {
        // The key is on stable storage before anything is sealed under it. One that is there already was
        // left by a first start that was cut short, or put there on purpose.
        let credential = try passphrase ?? keyFile(in: folder) ?? makeKeyFile(in: folder)
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
        return SecretStore(database: database, node: node, state: state)
    }

    private static func keyFile(in folder: DataFolder) throws -> HeldCredential? {
        guard var bytes = try folder.read(.vaultKey) else { return nil }
        return HeldCredential(try .keyFile(Secret(moving: &bytes)))
    }

    private static func makeKeyFile(in folder: DataFolder) throws -> HeldCredential {
        var random = SystemRandomNumberGenerator()
        var bytes = randomBytes(KeySlot.keyFileBytes, using: &random)
        try folder.create(.vaultKey, with: bytes)
        return HeldCredential(try .keyFile(Secret(moving: &bytes)))
    }

    /// Where passphrases are stretched: off the tasks' threads, and one at a time, because each takes 128 MiB.
    private static let stretchQueue = DispatchQueue(label: "martlet.vault.stretch")

    private static func stretching<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            stretchQueue.async { continuation.resume(with: Result(catching: body)) }
        }
    }
}

/// Carries a credential to the queue that stretches it.
private final class HeldCredential: Sendable {
    let credential: SlotCredential

    init(_ credential: consuming SlotCredential) { self.credential = credential }
}
