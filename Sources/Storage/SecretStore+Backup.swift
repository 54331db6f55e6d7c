import Catalog
package import Vault

/// A backup that was opened, shared by those who restore from it.
package final class HeldBackup: Sendable {
    let opened: VaultBackup.Opened

    package init(_ opened: consuming VaultBackup.Opened) { self.opened = opened }

    /// Names of the secrets in it; the node's own records are left out.
    package var names: [SecretName] {
        Set(opened.rows.map(\.context.name)).filter { !$0.isOwn }.sorted()
    }
}

extension SecretStore {
    /// What a restore did.
    package struct Restored: Hashable, Sendable {
        package var secrets: [SecretName] = []
        /// The node's own records that were not here.
        package var own: [SecretName] = []
        /// Those that were left out, since this node has them or is another.
        package var leftOut: [SecretName] = []
    }

    /// All of the vault in one file, as it is at this moment.
    ///
    /// - Parameter passphrase: opens the backup; `nil`: the vault's own slots do, and nothing is opened to make it.
    package func backup(
        passphrase: consuming Secret?, cost: ScryptCost = .standard
    ) async throws -> [UInt8] {
        let (vault, reason, header, bytes, secrets) = state.withLock {
            ($0.vault, $0.reason, $0.header, $0.headerBytes, $0.secrets)
        }
        let rows = secrets.values.flatMap(\.all).map { stored in
            VaultBackup.Row(
                context: stored.context, record: stored.record,
                created: UInt64(clamping: stored.created.milliseconds),
                updated: UInt64(clamping: stored.updated.milliseconds))
        }.sorted { ($0.context.name, $0.context.version) < ($1.context.name, $1.context.version) }
        let held = try HeldCredential.passphrase(passphrase)
        guard let held else { return VaultBackup.keepingSlots(header: bytes, rows: rows) }
        guard let vault else { throw SecretStoreError.sealed(reason) }
        return try await Self.stretching {
            var random = SystemRandomNumberGenerator()
            return try VaultBackup.make(
                of: vault.keyring, header: header, rows: rows, passphrase: held.credential.secret, cost: cost,
                using: &random)
        }
    }

    /// Opens a backup; takes as long as its passphrase is to be stretched.
    package static func open(
        backup bytes: [UInt8], passphrase: consuming Secret
    ) async throws -> HeldBackup {
        let held = HeldCredential(try .passphrase(passphrase))
        return try await stretching {
            HeldBackup(try VaultBackup.open(bytes, passphrase: held.credential.secret))
        }
    }

    package static func open(backup bytes: [UInt8], keyFile: consuming Secret) async throws -> HeldBackup {
        let held = HeldCredential(try .keyFile(keyFile))
        return try await stretching {
            HeldBackup(try VaultBackup.open(bytes, slot: held.credential))
        }
    }

    /// Seals what is in a backup into this vault, all of it in one change.
    ///
    /// The node stays who it is: of its own records only those come back that it lacks, and the key of an issuer only on the node
    /// whose it is.
    ///
    /// - Parameter overwrites: whether secrets that are here are replaced; else one of them refuses all.
    package func restore(
        _ backup: HeldBackup, overwrites: Bool, at now: WallTime
    ) async throws -> Restored {
        let isSameNode = backup.opened.header.place.node == node.bytes
        let known = state.withLock { Set($0.secrets.keys) }
        var done = Restored()
        for name in Set(backup.opened.rows.map(\.context.name)).sorted() {
            if !name.isOwn {
                done.secrets.append(name)
            } else if known.contains(name) || (!isSameNode && name.isIssuerKey) {
                done.leftOut.append(name)
            } else {
                done.own.append(name)
            }
        }
        let wanted = Set(done.secrets + done.own)
        try await change { draft in
            let taken = wanted.filter { draft.secrets[$0] != nil }.sorted()
            guard overwrites || taken.isEmpty else { throw SecretStoreError.wouldOverwrite(taken) }
            for name in wanted.sorted() {
                let rows = backup.opened.rows.filter { $0.context.name == name }
                    .sorted { $0.context.version < $1.context.version }
                guard rows.count <= 2 else { throw VaultError.malformed(.backup) }
                draft.secrets[name] = nil
                for row in rows {
                    let context = RecordContext(
                        name: name, version: try draft.header.nextVersion(), kind: row.context.kind,
                        audience: row.context.audience)
                    // Each version has a number of its own; the last one's is the change's.
                    if row != rows.last {
                        try draft.vault.keyring.raiseCounter(above: context.version, in: &draft.header)
                    }
                    let former = draft.secrets[name]?.current
                    try Self.put(
                        backup.opened.open(row), as: context,
                        created: WallTime(milliseconds: Int64(clamping: row.created)),
                        at: WallTime(milliseconds: Int64(clamping: row.updated)), into: &draft)
                    draft.secrets[name]?.former = former
                }
            }
        }
        return done
    }
}

extension SecretName {
    /// A record of the key by which a node admits others; good for that node's certificate only.
    fileprivate var isIssuerKey: Bool { text.hasPrefix("martlet/mesh-issuer.") }
}
