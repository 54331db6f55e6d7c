package import Vault

/// Why the vault is sealed: its rows are here, its keys are not.
package enum SealReason: Hashable, Sendable {
    case passphraseMissing
    case keyFileMissing(path: String)
}

/// Why a secret is not to be had.
package enum SecretStoreError: Error, Hashable, Sendable {
    case sealed(SealReason)
    case unknown(SecretName)
    /// Set, and not yet bound to a backend.
    case unbound(SecretName)
    case wrongAudience(SecretName, bound: SecretAudience, asked: SecretAudience)
    case full(secretsMax: Int)
    /// Rows without the header that opens them.
    case headerMissing
    case vault(VaultError)
}

extension SecretStoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .sealed(.passphraseMissing):
            "the vault is sealed: its passphrase was not given; start the node with MARTLET_PASSPHRASE_FILE"
        case .sealed(.keyFileMissing(let path)):
            "the vault is sealed: its key file \(path) is missing; put it back and start the node again"
        case .unknown(let name):
            "no secret named \(name); set it with `martlet secret set \(name)`, or see `martlet secret list`"
        case .unbound(let name):
            "secret \(name) is not bound to a backend yet; name it in the definition of the server that "
                + "uses it"
        case .wrongAudience(let name, let bound, let asked):
            "secret \(name) is bound to \(bound), and this use is for \(asked); if that is intended, set it "
                + "again with `martlet secret set \(name)`"
        case .full(let secretsMax):
            "the vault holds \(secretsMax) secrets, which is the most it keeps; remove some that are not used"
        case .headerMissing:
            "the vault's header is missing beside its secrets; restore the data folder as a whole from one "
                + "backup"
        case .vault(let error):
            error.description
        }
    }
}
