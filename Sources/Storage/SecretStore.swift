import Catalog
import GRDB
import Synchronization
package import Vault

/// What may be shown of a secret: everything but the secret.
package struct SecretSummary: Hashable, Sendable {
    package let name: SecretName
    package let kind: SecretKind
    package let audience: SecretAudience
    package let version: UInt64
    package let created: WallTime
    package let updated: WallTime
}

/// The node's secrets: the vault's keys over the database's rows.
///
/// All sealed rows are kept in memory too (they are few, and bounded), so that opening one on the way of a
/// call is arithmetic of some microseconds: no database, no wait. Changes are `async`: the row, the header
/// and its code over all rows reach stable storage in one transaction, and only then this memory.
package final class SecretStore: Sendable {
    /// A gateway fronts at most 1,000 servers, with a few secrets each.
    package static let secretsMax = 4096

    struct State {
        /// `nil` while sealed.
        var vault: OpenVault?
        var reason: SealReason
        var header: VaultHeader
        /// As stored; what unsealing checks.
        var headerBytes: [UInt8]
        var secrets: [SecretName: StoredSecret]
    }

    private let database: NodeDatabase
    let node: NodeID
    let state: Mutex<State>

    init(database: NodeDatabase, node: NodeID, state: State) {
        self.database = database
        self.node = node
        self.state = Mutex(state)
    }
}

/// An opened vault's keys, shared by those who use them at this moment.
final class OpenVault: Sendable {
    let keyring: VaultKeyring

    init(_ keyring: consuming VaultKeyring) { self.keyring = keyring }
}

// MARK: - Using

extension SecretStore {
    /// Opens a secret for one use, for whom it was bound to. Neither blocks nor touches the disk.
    package func open(
        _ name: SecretName, for audience: SecretAudience
    ) throws(SecretStoreError) -> Secret {
        let (vault, reason, stored) = state.withLock { ($0.vault, $0.reason, $0.secrets[name]) }
        guard let stored else { throw .unknown(name) }
        let bound = stored.context.audience
        guard !bound.isUnbound else { throw .unbound(name) }
        guard bound == audience else { throw .wrongAudience(name, bound: bound, asked: audience) }
        guard let vault else { throw .sealed(reason) }
        do {
            return try vault.keyring.open(SealedRecord(stored.record), as: stored.context)
        } catch {
            throw .vault(error)
        }
    }

    /// By name, also while sealed; the node's own records are left out.
    package func list() -> [SecretSummary] {
        state.withLock { $0.secrets }.values
            .filter { !$0.context.name.isOwn }
            .map { stored in
                SecretSummary(
                    name: stored.context.name, kind: stored.context.kind, audience: stored.context.audience,
                    version: stored.context.version, created: stored.created, updated: stored.updated)
            }
            .sorted { $0.name < $1.name }
    }

    package func contains(_ name: SecretName) -> Bool { state.withLock { $0.secrets[name] != nil } }

    /// One more at every change. Peers could tell a rollback by it, were it in the node document, where it is not yet.
    package var counter: UInt64 { state.withLock { $0.header.counter } }
}

// MARK: - Changing

extension SecretStore {
    /// Sets a secret, or a new version of it.
    ///
    /// - Parameter audience: for whom it will open; the node's own records are always for the node.
    package func set(
        _ name: SecretName, to value: borrowing Secret, kind: SecretKind = .credential,
        for audience: SecretAudience = .unbound, at now: WallTime
    ) async throws {
        try await change { keyring, header, secrets in
            let context = RecordContext(
                name: name, version: try header.nextVersion(), kind: name.isOwn ? .own : kind,
                audience: name.isOwn ? .node : audience)
            try Self.put(value, as: context, with: keyring, under: header, at: now, into: &secrets)
        }
    }

    /// Binds a secret to another backend, which is a person's decision: seals it again as a new version.
    package func bind(_ name: SecretName, to audience: SecretAudience, at now: WallTime) async throws {
        try await change { keyring, header, secrets in
            guard let stored = secrets[name], !name.isOwn else { throw SecretStoreError.unknown(name) }
            let value = try keyring.open(SealedRecord(stored.record), as: stored.context)
            let context = RecordContext(
                name: name, version: try header.nextVersion(), kind: stored.context.kind, audience: audience)
            try Self.put(value, as: context, with: keyring, under: header, at: now, into: &secrets)
        }
    }

    package func remove(_ name: SecretName) async throws {
        try await change { _, _, secrets in
            guard secrets.removeValue(forKey: name) != nil else { throw SecretStoreError.unknown(name) }
        }
    }

    /// Begins a new generation of keys and wraps every record's data key by it; no secret is opened.
    package func rotateKeys() async throws {
        try await change { keyring, header, secrets in
            try keyring.rotate(&header)
            var random = SystemRandomNumberGenerator()
            for (name, stored) in secrets {
                let record = try keyring.rewrap(
                    SealedRecord(stored.record), as: stored.context, under: header, using: &random)
                secrets[name] = StoredSecret(
                    context: stored.context, record: record.bytes, created: stored.created,
                    updated: stored.updated)
            }
        }
    }

    private static func put(
        _ value: borrowing Secret, as context: RecordContext, with keyring: borrowing VaultKeyring,
        under header: VaultHeader, at now: WallTime, into secrets: inout [SecretName: StoredSecret]
    ) throws {
        var random = SystemRandomNumberGenerator()
        let record = try keyring.seal(value, as: context, under: header, using: &random)
        secrets[context.name] = StoredSecret(
            context: context, record: record.bytes, created: secrets[context.name]?.created ?? now,
            updated: now)
    }

    /// One change, from what is in memory to what is on disk and back.
    ///
    /// The database runs one writer at a time, so what `body` starts from is what the last change left; and
    /// memory follows only when the transaction has committed, before the next one can begin.
    private func change(
        _ body:
            @Sendable (
                _ keyring: borrowing VaultKeyring, _ header: inout VaultHeader,
                _ secrets: inout [SecretName: StoredSecret]
            ) throws -> Void
    ) async throws {
        try await database.write { database in
            let before = self.state.withLock { $0 }
            guard let vault = before.vault else { throw SecretStoreError.sealed(before.reason) }
            var after = before
            try body(vault.keyring, &after.header, &after.secrets)
            guard after.secrets.count <= Self.secretsMax else {
                throw SecretStoreError.full(secretsMax: Self.secretsMax)
            }
            try vault.keyring.commit(Self.rows(after.secrets), to: &after.header)
            after.headerBytes = vault.keyring.encode(after.header)

            for (name, stored) in before.secrets where after.secrets[name] != stored {
                try database.removeSecret(stored.context)
            }
            for (name, stored) in after.secrets where before.secrets[name] != stored {
                try database.saveSecret(stored)
            }
            try database.setMeta(.vaultHeader, to: after.headerBytes)
            let committed = after
            database.afterNextTransaction(onCommit: { _ in self.state.withLock { $0 = committed } })
        }
    }

    static func rows(_ secrets: [SecretName: StoredSecret]) -> VaultKeyring.Rows {
        secrets.values.map { ($0.context, $0.record) }
    }
}
