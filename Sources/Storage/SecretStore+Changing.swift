import Catalog
import GRDB
package import Vault

extension SecretStore {
    /// What one change makes of the vault.
    struct Draft {
        var vault: OpenVault
        var header: VaultHeader
        var secrets: [SecretName: SecretVersions]
    }

    /// Sets a secret, or a new version of it, which is then the only one.
    ///
    /// - Parameter audience: for whom it will open; the node's own records are always for the node.
    package func set(
        _ name: SecretName, to value: borrowing Secret, kind: SecretKind = .credential,
        for audience: SecretAudience = .unbound, at now: WallTime
    ) async throws {
        try await change { draft in
            let context = RecordContext(
                name: name, version: try draft.header.nextVersion(), kind: name.isOwn ? .own : kind,
                audience: name.isOwn ? .node : audience)
            try Self.put(value, as: context, at: now, into: &draft)
        }
    }

    /// Sets a new version, beside which the one before stays live until ``endFormer(_:)``.
    package func rotate(_ name: SecretName, to value: borrowing Secret, at now: WallTime) async throws {
        try await change { draft in
            guard let versions = draft.secrets[name], !name.isOwn else {
                throw SecretStoreError.unknown(name)
            }
            // A third would leave nobody knowing which of them the backend still takes.
            guard versions.former == nil else { throw SecretStoreError.rotating(name) }
            let context = RecordContext(
                name: name, version: try draft.header.nextVersion(), kind: versions.current.context.kind,
                audience: versions.current.context.audience)
            try Self.put(value, as: context, at: now, into: &draft)
            draft.secrets[name]?.former = versions.current
        }
    }

    /// Drops the version before, for good.
    package func endFormer(_ name: SecretName) async throws {
        try await change { draft in
            guard let versions = draft.secrets[name], !name.isOwn else {
                throw SecretStoreError.unknown(name)
            }
            guard versions.former != nil else { throw SecretStoreError.notRotating(name) }
            draft.secrets[name]?.former = nil
        }
    }

    /// Binds a secret to another backend, which is a person's decision: seals it again as a new version, the only one.
    package func bind(_ name: SecretName, to audience: SecretAudience, at now: WallTime) async throws {
        try await change { draft in
            guard let stored = draft.secrets[name]?.current, !name.isOwn else {
                throw SecretStoreError.unknown(name)
            }
            let value = try draft.vault.keyring.open(SealedRecord(stored.record), as: stored.context)
            let context = RecordContext(
                name: name, version: try draft.header.nextVersion(), kind: stored.context.kind,
                audience: audience)
            try Self.put(value, as: context, at: now, into: &draft)
        }
    }

    package func remove(_ name: SecretName) async throws {
        try await change { draft in
            guard draft.secrets.removeValue(forKey: name) != nil else { throw SecretStoreError.unknown(name) }
        }
    }

    /// Lets the counter go on above what others remember of it, which is a person's word that this vault is the right one.
    package func raiseCounter(above floor: UInt64) async throws {
        try await change { draft in
            try draft.vault.keyring.raiseCounter(above: floor, in: &draft.header)
        }
    }

    static func put(
        _ value: borrowing Secret, as context: RecordContext, created: WallTime? = nil, at now: WallTime,
        into draft: inout Draft
    ) throws {
        var random = SystemRandomNumberGenerator()
        let record = try draft.vault.keyring.seal(value, as: context, under: draft.header, using: &random)
        draft.secrets[context.name] = SecretVersions(
            current: StoredSecret(
                context: context, record: record.bytes,
                created: created ?? draft.secrets[context.name]?.current.created ?? now, updated: now))
    }

    /// One change, from what is in memory to what is on disk and back.
    ///
    /// The database runs one writer at a time, so what `body` starts from is what the last change left; and
    /// memory follows only when the transaction has committed, before the next one can begin.
    func change(_ body: @Sendable (_ draft: inout Draft) throws -> Void) async throws {
        try await database.write { database in
            let before = self.state.withLock { $0 }
            guard let vault = before.vault else { throw SecretStoreError.sealed(before.reason) }
            var draft = Draft(vault: vault, header: before.header, secrets: before.secrets)
            try body(&draft)
            guard draft.secrets.count <= Self.secretsMax else {
                throw SecretStoreError.full(secretsMax: Self.secretsMax)
            }
            try draft.vault.keyring.commit(Self.rows(draft.secrets), to: &draft.header)
            let headerBytes = draft.vault.keyring.encode(draft.header)

            let old = Set(before.secrets.values.flatMap(\.all))
            let new = Set(draft.secrets.values.flatMap(\.all))
            for stored in old.subtracting(new) { try database.removeSecret(stored.context) }
            for stored in new.subtracting(old) { try database.saveSecret(stored) }
            try database.setMeta(.vaultHeader, to: headerBytes)
            let committed = draft
            database.afterNextTransaction(onCommit: { _ in
                self.state.withLock { state in
                    state.vault = committed.vault
                    state.header = committed.header
                    state.headerBytes = headerBytes
                    state.secrets = committed.secrets
                }
                self.tellChange(committed.header.counter)
            })
        }
    }

    static func rows(_ secrets: [SecretName: SecretVersions]) -> VaultKeyring.Rows {
        secrets.values.flatMap(\.all).map { ($0.context, $0.record) }
    }
}
