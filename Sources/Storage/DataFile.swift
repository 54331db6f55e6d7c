/// A file of the data folder that is not the database: what must be there before the database opens, or be
/// readable by other programs of the same user.
package struct DataFile: Hashable, Sendable {
    package let name: String

    private init(name: String) { self.name = name }

    /// Held while a node runs; its content is the holder's process id.
    static let lock = DataFile(name: "lock")
    static let database = DataFile(name: "martlet.db")
    /// What the admin surface wants of its callers; the command line finds it here.
    package static let adminToken = DataFile(name: "admin.token")
    /// Opens the vault where no passphrase is asked for.
    package static let vaultKey = DataFile(name: "vault.key")
    /// The node's Ed25519 key. A file, not a secret of the vault: a sealed node still takes part in the mesh.
    package static let nodeKey = DataFile(name: "node.key")

    /// Which mesh it belongs to, with the key and certificates of its links; replaced whole at each renewal.
    package static let membership = DataFile(name: "membership")

    /// What digests in records of calls are made with.
    package static let recordKey = DataFile(name: "records.key")

    /// The form in which a file is written before it takes its name.
    var draftName: String { ".\(name).new" }
}
