import Catalog
package import JSONSlice
import MCPModel
import Storage
import Vault

/// The vault as a whole: opened, its keys renewed, kept and brought back.
extension Node {
    package func vaultStatus() -> JSON {
        let standing = secrets.keyStanding
        var members: [(String, JSON)] = [
            ("sealed", .bool(secrets.sealed != nil)), ("secrets", .number(secrets.list().count)),
            ("slots", .array(standing.slots.map { .string($0.word) })),
            ("generation", .number(Int(clamping: standing.generation))),
            ("waiting", .number(standing.waiting)), ("formerRoots", .number(standing.formerRoots)),
            ("counter", .number(Int(clamping: standing.counter))),
        ]
        if let reason = secrets.sealed {
            members.append(("reason", .string("\(SecretStoreError.sealed(reason))")))
        }
        if let remembered = seat.vaultRemembered {
            members.append(("remembered", .number(Int(clamping: remembered))))
        }
        return .object(members)
    }

    /// Opens a sealed vault, and starts what waited for it.
    ///
    /// - Parameter passphrase: `nil`: with what lies on the disk by now.
    package func unsealVault(passphrase: String?) async throws -> JSON {
        let wasSealed = secrets.sealed != nil
        try await Self.refusing {
            if let passphrase {
                try await secrets.unseal(passphrase: Self.secret(passphrase))
            } else {
                try await secrets.unsealFromDisk()
            }
        }
        if wasSealed {
            log.notice("The vault was opened.")
            seat.vaultChanged(to: secrets.counter)
            await bindEmbeddingSecret()
            embedder?.askAgain()
            await supervisor.vaultOpened()
            if try await seat.vaultOpened() { try await afterMeshChange() }
        }
        return vaultStatus()
    }

    /// New keys for all secrets; calls that use them go on meanwhile.
    ///
    /// - Parameters:
    ///   - root: whether the root is a new one too, and the key file with it.
    ///   - passphrase: needed for a new root where the vault has one.
    package func rekeyVault(root: Bool, passphrase: String?) async throws -> JSON {
        try await Self.refusing {
            if root {
                if let passphrase {
                    try await secrets.replaceRoot(passphrase: Self.secret(passphrase))
                } else {
                    try await secrets.replaceRoot()
                }
                if secrets.keyStanding.slots.contains(.keyFile) { try await secrets.setKeyFile() }
            } else {
                try await secrets.beginGeneration()
            }
            while try await secrets.rewrapSome() > 0 { await Task.yield() }
        }
        log.notice(
            "The vault has new keys.", metadata: ["vault.generation": "\(secrets.keyStanding.generation)"])
        return vaultStatus()
    }

    /// Goes on with what a rekey that was cut short has left; a batch each second.
    func wrapSecretsAnew() async {
        do {
            _ = try await secrets.rewrapSome()
        } catch {
            log.warning("Secrets could not be wrapped anew.", metadata: ["error": "\(error)"])
        }
    }

    package func setVaultSlot(_ word: String, passphrase: String?) async throws -> JSON {
        let form = try Self.slot(word)
        try await Self.refusing {
            switch form {
            case .passphrase:
                guard let passphrase, !passphrase.isEmpty else { throw VaultError.emptyPassphrase }
                try await secrets.setPassphrase(Self.secret(passphrase))
            case .keyFile: try await secrets.setKeyFile()
            case .service: try await secrets.setServiceCredential()
            }
        }
        return vaultStatus()
    }

    package func removeVaultSlot(_ word: String) async throws -> JSON {
        let form = try Self.slot(word)
        try await Self.refusing { try await secrets.removeSlot(form) }
        return vaultStatus()
    }

    /// The vault as one file, base64.
    ///
    /// - Parameter passphrase: opens the backup; `nil`: the vault's own slots do.
    package func backUpVault(passphrase: String?) async throws -> JSON {
        let bytes = try await Self.refusing {
            if let passphrase {
                try await secrets.backup(passphrase: Self.secret(passphrase))
            } else {
                try await secrets.backup(passphrase: nil)
            }
        }
        return .object([
            ("backup", .string(Base64.encode(bytes))), ("secrets", .number(secrets.list().count)),
        ])
    }

    /// Brings secrets back from a backup.
    ///
    /// - Parameters:
    ///   - keyFile: base64, of a backup that kept the vault's slots; in place of the passphrase.
    ///   - overwrites: whether secrets that are here are replaced.
    package func restoreVault(
        backup: String, passphrase: String?, keyFile: String?, overwrites: Bool
    ) async throws -> JSON {
        guard let bytes = Base64.decode(backup) else { throw Refusal(.invalid, "\"backup\" is no base64") }
        let restored = try await Self.refusing {
            let held: HeldBackup
            if let keyFile {
                guard var key = Base64.decode(keyFile) else {
                    throw Refusal(.invalid, "\"keyFile\" is no base64")
                }
                held = try await SecretStore.open(backup: bytes, keyFile: Secret(moving: &key))
            } else {
                held = try await SecretStore.open(backup: bytes, passphrase: Self.secret(passphrase ?? ""))
            }
            return try await secrets.restore(held, overwrites: overwrites, at: .now())
        }
        for book in await supervisor.books where !book.definition.secrets.isEmpty {
            // Set before anything used it, there.
            try await bindSecrets(of: book.definition)
        }
        await supervisor.vaultOpened()
        embedder?.askAgain()
        if !restored.own.isEmpty, try await seat.vaultOpened() { try await afterMeshChange() }
        return .object([
            ("restored", .array(restored.secrets.map { .string($0.text) })),
            ("own", .array(restored.own.map { .string($0.text) })),
            ("leftOut", .array(restored.leftOut.map { .string($0.text) })),
        ])
    }

    /// Takes a person's word that the vault is the right one though a later one is remembered.
    package func acceptVault() async throws -> JSON {
        guard let remembered = seat.vaultRemembered else {
            throw Refusal(
                .conflict, "nobody remembers a later vault than this node's; there is nothing to accept")
        }
        try await Self.refusing { try await secrets.raiseCounter(above: remembered) }
        seat.vaultAccepted()
        log.notice("An older vault was accepted.", metadata: ["vault.counter": "\(secrets.counter)"])
        return vaultStatus()
    }

    /// Whether the vault was put back to an earlier state; says what to do.
    var rollbackLine: String? {
        seat.vaultRemembered.map { remembered in
            "the vault is older than it was: this node once told the mesh of change \(remembered), and has gone on from one before that (it is at change \(secrets.counter)); secrets removed or rotated since are back. Put the newest data folder back, or, if a backup was restored on purpose, set again what has changed since, then `martlet vault accept`"
        }
    }

    // MARK: -

    static func refusing<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as SecretStoreError {
            let kind: Refusal.Kind =
                switch error {
                case .unknown: .notFound
                case .sealed: .unavailable
                default: .conflict
                }
            throw Refusal(kind, "\(error)")
        } catch let error as VaultError {
            throw Refusal(.conflict, "\(error)")
        }
    }

    private static func secret(_ text: String) -> Secret {
        var bytes = Array(text.utf8)
        return Secret(moving: &bytes)
    }

    private static func slot(_ word: String) throws(Refusal) -> KeySlot.Form {
        guard let form = KeySlot.Form.allCases.first(where: { $0.word == word }) else {
            throw Refusal(
                .invalid, "\"\(word)\" is no way to open the vault: passphrase, key-file or service")
        }
        return form
    }
}

extension KeySlot.Form {
    /// As people write it.
    fileprivate var word: String {
        switch self {
        case .keyFile: "key-file"
        case .passphrase: "passphrase"
        case .service: "service"
        }
    }
}
