/// What a vault's bytes are made of, for messages.
package enum VaultPart: Hashable, Sendable, CustomStringConvertible {
    case header
    case index
    case record
    case backup

    package var description: String {
        switch self {
        case .header: "the vault's header"
        case .index: "the vault's list of secrets"
        case .record: "a sealed secret"
        case .backup: "the backup"
        }
    }
}

/// Why the vault refuses. No message holds a secret, nor a guess at one.
package enum VaultError: Error, Hashable, Sendable {
    /// A slot of this form exists, and the passphrase or key file given does not open it.
    case wrongKey(KeySlot.Form)
    case noSlot(KeySlot.Form)
    case keyFileSize(found: Int)
    case serviceCredentialSize(found: Int)
    case emptyPassphrase
    case scryptCost(ScryptCost)
    case keyDerivationFailed(ScryptCost)
    /// Written by a later version.
    case unknownFormat(VaultPart, UInt8)
    case malformed(VaultPart)
    /// Authentication failed: changed by something that does not hold the keys.
    case tampered(VaultPart)
    /// The header belongs to another node's vault.
    case otherNode
    /// Does not open as what it was asked for: altered, moved from elsewhere, or bound to another backend.
    case doesNotOpen(SecretName)
    case emptySecret
    case tooLarge(bytes: Int)
    case slotsFull
    case lastSlot
    case counterExhausted
    /// Too many roots are still needed by rows.
    case rootsPending
    case notABackup
    case wrongBackupPassphrase
}

extension VaultError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .wrongKey(.passphrase):
            "this passphrase does not open the vault; check for a line break or another keyboard layout"
        case .wrongKey(.keyFile):
            "this key file does not open the vault: it belongs to another vault; put the one back that was "
                + "made with this data folder, or restore the folder as a whole"
        case .wrongKey(.service):
            "the service manager's credential does not open the vault: it is another one than the slot was made with; "
                + "put that one back, or unseal with a passphrase"
        case .noSlot(.passphrase):
            "the vault has no passphrase: it is opened by another key; start without a passphrase, or add one with "
                + "`martlet vault slot set passphrase`"
        case .noSlot(.keyFile):
            "the vault has no key file: it is opened by a passphrase or by the service manager; give that instead"
        case .noSlot(.service):
            "the vault has no slot for the service manager's credential; add one with `martlet vault slot set service`"
        case .serviceCredentialSize(let found):
            "the service manager's credential has \(found) bytes; it is a key of at least "
                + "\(KeySlot.serviceBytes.lowerBound) random bytes"
        case .keyFileSize(let found):
            "the vault's key file has \(found) bytes where \(KeySlot.keyFileBytes) belong; restore it"
        case .emptyPassphrase:
            "the passphrase is empty; give at least one character"
        case .scryptCost(let cost):
            "scrypt cost \(cost) is outside of what this version accepts (\(ScryptCost.limits))"
        case .keyDerivationFailed(let cost):
            "scrypt \(cost) could not run; it needs \(cost.memoryBytes >> 20) MiB of free memory"
        case .unknownFormat(let part, let version):
            "\(part) has format \(version), which this version does not know; use the version that wrote it "
                + "or a later one"
        case .malformed(let part):
            "\(part) is damaged; restore the data folder from a backup"
        case .tampered(let part):
            "\(part) was changed by something other than this vault (or mixed from two backups); restore the "
                + "data folder as a whole from one backup"
        case .otherNode:
            "this vault belongs to another node; each node has a vault of its own: use this node's data "
                + "folder, and set its secrets again"
        case .doesNotOpen(let name):
            "secret \(name) does not open for this use: it was altered, or moved from another place; set it "
                + "again with `martlet secret set \(name)`"
        case .emptySecret:
            "the secret is empty; give at least one byte"
        case .tooLarge(let bytes):
            "the secret has \(bytes) bytes; at most \(SealedRecord.secretBytesMax) are kept"
        case .slotsFull:
            "the vault has \(VaultHeader.slotsMax) ways to open it, the most it keeps; remove one first"
        case .lastSlot:
            "this is the only way to open the vault; add another one before removing it"
        case .counterExhausted:
            "the vault's counter has run out; make a new vault and set its secrets again"
        case .rootsPending:
            "the root was changed \(VaultHeader.retiredMax) times and secrets still wait to be wrapped anew; try again "
                + "when `martlet vault status` shows none waiting"
        case .notABackup: "this is no backup of a vault, or it was cut off; choose another file"
        case .wrongBackupPassphrase:
            "this passphrase does not open the backup, or the backup was altered; try the one it was made with"
        }
    }
}
