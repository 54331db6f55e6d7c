package import Vault

/// Why the vault is sealed: its rows are here, its keys are not.
package enum SealReason: Hashable, Sendable {
    case passphraseMissing
    case keyFileMissing(path: String)
    case serviceCredentialMissing
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
    /// Two versions of it are live.
    case rotating(SecretName)
    case notRotating(SecretName)
    /// A slot of this form is to be made anew, and what opens it is not at hand.
    case slotCredentialMissing(KeySlot.Form)
    /// Another change of slots or root is under way.
    case changingKeys
    case wouldOverwrite([SecretName])
    case vault(VaultError)
}

extension SecretStoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .sealed(.passphraseMissing):
            "the vault is sealed: its passphrase was not given; `martlet vault unseal` opens it, or start the node with "
                + "MARTLET_PASSPHRASE_FILE"
        case .sealed(.keyFileMissing):
            "the vault is sealed: its key file vault.key is missing in the data folder; put it back, then `martlet vault unseal --from-disk`"
        case .sealed(.serviceCredentialMissing):
            "the vault is sealed: the service manager gave no credential martlet-vault-key; add it to the unit "
                + "(LoadCredentialEncrypted=) and start the node again"
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
        case .rotating(let name):
            "two versions of secret \(name) are live already; when the backend takes the new one, end the former with "
                + "`martlet secret rotate \(name) --end`, then rotate again"
        case .notRotating(let name):
            "secret \(name) has one version only, so there is no former one to end; see `martlet secret list`"
        case .slotCredentialMissing(.passphrase):
            "the vault's passphrase is needed, since its slot is made anew; give it to this command"
        case .slotCredentialMissing(.keyFile):
            "the vault's key file is needed, since its slot is made anew, and it is not in the data folder; put it back"
        case .slotCredentialMissing(.service):
            "the service manager gave this process no credential martlet-vault-key; add it to the unit "
                + "(LoadCredentialEncrypted=) and start the node again"
        case .changingKeys:
            "slots or root of the vault are just being changed by somebody else; try again when that is done"
        case .wouldOverwrite(let names):
            "this node has secrets of these names: \(names.prefix(10).map(\.text).joined(separator: ", "))"
                + (names.count > 10 ? " and \(names.count - 10) more" : "")
                + "; nothing was restored; with --overwrite they are replaced"
        case .vault(let error):
            error.description
        }
    }
}
