import Catalog
package import Vault

/// New keys, and other ways to open the vault: all of it while secrets are in use.
extension SecretStore {
    /// Data keys wrapped anew in one transaction: some tens of microseconds each, so calls that set secrets hardly wait.
    package static let rewrapBatch = 64

    /// How far new keys have come.
    package struct KeyStanding: Hashable, Sendable {
        package let generation: UInt32
        package let counter: UInt64
        /// Versions of secrets whose data key an earlier generation still wraps.
        package let waiting: Int
        /// Roots before this one that these still need.
        package let formerRoots: Int
        package let slots: [KeySlot.Form]
    }

    package var keyStanding: KeyStanding {
        let (header, secrets) = state.withLock { ($0.header, $0.secrets) }
        return KeyStanding(
            generation: header.generation, counter: header.counter,
            waiting: secrets.values.flatMap(\.all).count {
                SealedRecord.generation(of: $0.record) != header.generation
            },
            formerRoots: header.retiredCount, slots: header.slots.map(\.form))
    }

    // MARK: Generations

    /// Begins a new generation of keys. Records follow by ``rewrapSome()``, and open all the while.
    package func beginGeneration() async throws {
        try await change { draft in try draft.vault.keyring.rotate(&draft.header) }
    }

    /// Wraps the data keys of some records anew, no secret being opened, and drops generations that nothing needs any more.
    ///
    /// - Returns: how many still wait.
    package func rewrapSome() async throws -> Int {
        let isPending = state.withLock {
            $0.vault != nil && ($0.header.oldest != $0.header.generation || $0.header.retiredCount > 0)
        }
        guard isPending else { return 0 }
        try await change { draft in
            let vault = draft.vault
            var random = SystemRandomNumberGenerator()
            let old = draft.secrets.values.flatMap(\.all)
                .filter { SealedRecord.generation(of: $0.record) != draft.header.generation }
                .sorted { ($0.context.name, $0.context.version) < ($1.context.name, $1.context.version) }
            for stored in old.prefix(Self.rewrapBatch) {
                let record = try vault.keyring.rewrap(
                    SealedRecord(stored.record), as: stored.context, under: draft.header, using: &random)
                let wrapped = StoredSecret(
                    context: stored.context, record: record.bytes, created: stored.created,
                    updated: stored.updated)
                let name = stored.context.name
                if draft.secrets[name]?.former == stored {
                    draft.secrets[name]?.former = wrapped
                } else {
                    draft.secrets[name]?.current = wrapped
                }
            }
            _ = vault.keyring.dropUnused(by: Self.rows(draft.secrets), from: &draft.header)
        }
        return keyStanding.waiting
    }

    /// Puts another root in the place of the present one, in every slot; a new generation of keys begins with it.
    ///
    /// - Parameter passphrase: needed where the vault has one, and must be that one: its slot is made anew.
    package func replaceRoot(
        passphrase: consuming Secret? = nil, cost: ScryptCost = .standard
    ) async throws {
        let given = try HeldCredential.passphrase(passphrase)
        try await changingKeys {
            let header = state.withLock { $0.header }
            var credentials: [HeldCredential] = []
            for form in Set(header.slots.map(\.form)) {
                let credential =
                    switch form {
                    case .passphrase: given
                    case .keyFile: try Self.keyFile(in: keys.folder)
                    case .service: try Self.serviceCredential(at: keys.serviceFile)
                    }
                guard let credential else { throw SecretStoreError.slotCredentialMissing(form) }
                try await check(credential)
                credentials.append(credential)
            }
            let slots = credentials
            try await change { draft in
                var random = SystemRandomNumberGenerator()
                let vault = OpenVault(
                    try draft.vault.keyring.replacingRoot(of: &draft.header, using: &random))
                for slot in slots {
                    try vault.keyring.addSlot(
                        slot.credential, cost: cost, to: &draft.header, using: &random)
                }
                draft.vault = vault
            }
        }
    }

    /// Whoever mistypes would lock themselves out: what makes a slot anew must open it now.
    private func check(_ held: HeldCredential) async throws {
        let (bytes, node) = (state.withLock { $0.headerBytes }, node.bytes)
        try await Self.stretching {
            var header: VaultHeader?
            _ = try VaultKeyring.open(bytes, node: node, credential: held.credential, header: &header)
        }
    }

    // MARK: Slots

    /// Gives the vault a passphrase, or another one.
    package func setPassphrase(
        _ passphrase: consuming Secret, cost: ScryptCost = .standard
    ) async throws {
        guard let held = try HeldCredential.passphrase(passphrase) else { return }
        try await changingKeys { try await replaceSlot(with: held, cost: cost) }
    }

    /// Gives the vault a new key file; the one before opens nothing any more.
    ///
    /// Both files open while the one takes the other's place, so that a crash at any point leaves a file that does.
    package func setKeyFile() async throws {
        var random = SystemRandomNumberGenerator()
        let bytes = randomBytes(KeySlot.keyFileBytes, using: &random)
        let held = HeldCredential(try .keyFile(Secret(copying: bytes)))
        let folder = keys.folder
        try await changingKeys {
            try await change { draft in
                var random = SystemRandomNumberGenerator()
                try draft.vault.keyring.addSlot(held.credential, to: &draft.header, using: &random)
            }
            try await Self.stretching { try folder.write(bytes, to: .vaultKey) }
            try await keepSlots(openedBy: held)
        }
    }

    /// Lets the service manager's credential open the vault.
    package func setServiceCredential() async throws {
        guard let held = try Self.serviceCredential(at: keys.serviceFile) else {
            throw SecretStoreError.slotCredentialMissing(.service)
        }
        try await changingKeys { try await replaceSlot(with: held, cost: .standard) }
    }

    package func removeSlot(_ form: KeySlot.Form) async throws {
        let folder = keys.folder
        try await changingKeys {
            try await change { draft in
                guard draft.header.hasSlot(form) else { throw VaultError.noSlot(form) }
                try draft.vault.keyring.removeSlots(form, from: &draft.header)
            }
            if form == .keyFile { try await Self.stretching { try folder.remove(.vaultKey) } }
        }
    }

    private func replaceSlot(with held: HeldCredential, cost: ScryptCost) async throws {
        try await change { draft in
            var random = SystemRandomNumberGenerator()
            try draft.vault.keyring.replaceSlots(
                with: held.credential, cost: cost, in: &draft.header, using: &random)
        }
    }

    /// Ends what a change of keys that was cut short has left.
    func keepSlots(openedBy held: HeldCredential) async throws {
        let form = held.credential.form
        guard state.withLock({ $0.header.slots.count { $0.form == form } }) > 1 else { return }
        try await change { draft in
            _ = try draft.vault.keyring.keepSlots(openedBy: held.credential, in: &draft.header)
        }
    }

    private func changingKeys(_ body: () async throws -> Void) async throws {
        let isFirst = state.withLock { state in
            defer { state.isChangingKeys = true }
            return !state.isChangingKeys
        }
        guard isFirst else { throw SecretStoreError.changingKeys }
        defer { state.withLock { $0.isChangingKeys = false } }
        try await body()
    }
}
