import Catalog
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
    /// Of the version before, where that is live too.
    package let former: UInt64?
}

/// Which of a secret's live versions is meant.
package enum LiveVersion: Hashable, Sendable {
    case current
    /// The one before, while the backend changes over; where there is none, the current one.
    case former
}

/// One secret: the version in use, and for a while the one before.
struct SecretVersions: Hashable, Sendable {
    var current: StoredSecret
    var former: StoredSecret?

    var all: [StoredSecret] { (former.map { [$0] } ?? []) + [current] }
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
        var secrets: [SecretName: SecretVersions]
        /// Whether slots or the root are just being changed: that is several steps, and one at a time.
        var isChangingKeys = false
    }

    let database: NodeDatabase
    let node: NodeID
    let keys: VaultKeyPlaces
    let state: Mutex<State>
    private struct Listener: Sendable {
        var tell: @Sendable (UInt64) -> Void
    }

    private let listener = Mutex<Listener?>(nil)

    init(database: NodeDatabase, node: NodeID, keys: VaultKeyPlaces, state: State) {
        self.database = database
        self.node = node
        self.keys = keys
        self.state = Mutex(state)
    }

    /// Has the vault's counter told after each change; must not block.
    package func onChange(_ tell: @escaping @Sendable (UInt64) -> Void) {
        listener.withLock { $0 = Listener(tell: tell) }
    }

    func tellChange(_ counter: UInt64) {
        let listener = listener.withLock { $0 }
        listener?.tell(counter)
    }
}

/// Where keys of slots lie.
struct VaultKeyPlaces: Sendable {
    let folder: DataFolder
    /// Path of the file that a service manager made for this process; `nil`: there is none.
    let serviceFile: String?
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
        _ name: SecretName, for audience: SecretAudience, _ version: LiveVersion = .current
    ) throws(SecretStoreError) -> Secret {
        let (vault, reason, versions) = state.withLock { ($0.vault, $0.reason, $0.secrets[name]) }
        guard let versions else { throw .unknown(name) }
        let stored = version == .former ? versions.former ?? versions.current : versions.current
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
            .filter { !$0.current.context.name.isOwn }
            .map { versions in
                let stored = versions.current
                return SecretSummary(
                    name: stored.context.name, kind: stored.context.kind, audience: stored.context.audience,
                    version: stored.context.version, created: stored.created, updated: stored.updated,
                    former: versions.former?.context.version)
            }
            .sorted { $0.name < $1.name }
    }

    package func contains(_ name: SecretName) -> Bool { state.withLock { $0.secrets[name] != nil } }

    /// Whether two versions of a secret are live.
    package func hasFormer(_ name: SecretName) -> Bool { state.withLock { $0.secrets[name]?.former != nil } }

    /// One more at every change. Peers tell a rollback by it, from the node's document. While sealed it is what the disk says.
    package var counter: UInt64 { state.withLock { $0.header.counter } }
}
