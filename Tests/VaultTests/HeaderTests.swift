import Testing

@testable import Vault

struct HeaderTests {
    private static let passphrase = "correct horse battery staple"

    private static func reopen(
        _ bytes: [UInt8], node: [UInt8] = SampleVault.node, with credential: borrowing SlotCredential
    ) throws(VaultError) -> VaultHeader? {
        var header: VaultHeader?
        _ = try VaultKeyring.open(bytes, node: node, credential: credential, header: &header)
        return header
    }

    private static func phrase(_ text: String = passphrase) throws(VaultError) -> SlotCredential {
        try .passphrase(Secret(copying: text.utf8))
    }

    @Test func `a header that was stored opens with its key file, and says the same`() throws {
        let vault = try SampleVault()
        let bytes = vault.keyring.encode(vault.header)
        #expect(try Self.reopen(bytes, with: SampleVault.credential()) == vault.header)
        #expect(try VaultHeader.peek(bytes) == vault.header)
    }

    @Test func `a reopened vault opens what the first one sealed`() throws {
        var vault = try SampleVault()
        let record = try vault.seal("secret")
        var header: VaultHeader?
        let again = try VaultKeyring.open(
            vault.keyring.encode(vault.header), node: SampleVault.node, credential: SampleVault.credential(),
            header: &header)
        #expect(try again.open(record, as: .sample).revealed() == Array("secret".utf8))
    }

    @Test func `a change of any byte is refused`() throws {
        var vault = try SampleVault()
        try vault.keyring.addSlot(Self.phrase(), cost: .test, to: &vault.header, using: &vault.dice)
        let bytes = vault.keyring.encode(vault.header)
        for index in bytes.indices {
            var altered = bytes
            altered[index] ^= 1
            #expect(throws: VaultError.self, "byte \(index)") {
                try Self.reopen(altered, with: SampleVault.credential())
            }
        }
        for count in bytes.indices {
            #expect(throws: VaultError.self, "\(count) bytes") {
                try Self.reopen(Array(bytes.prefix(count)), with: SampleVault.credential())
            }
        }
        #expect(throws: VaultError.malformed(.header)) {
            try Self.reopen(bytes + [0], with: SampleVault.credential())
        }
    }

    @Test func `each slot opens the vault, and nothing else does`() throws {
        var vault = try SampleVault()
        try vault.keyring.addSlot(Self.phrase(), cost: .test, to: &vault.header, using: &vault.dice)
        let bytes = vault.keyring.encode(vault.header)
        #expect(try Self.reopen(bytes, with: Self.phrase()) == vault.header)
        #expect(try Self.reopen(bytes, with: SampleVault.credential()) == vault.header)
        #expect(throws: VaultError.wrongKey(.passphrase)) {
            try Self.reopen(bytes, with: Self.phrase("guess"))
        }
        #expect(throws: VaultError.wrongKey(.keyFile)) {
            try Self.reopen(bytes, with: SampleVault.credential([UInt8](repeating: 0, count: 32)))
        }
        #expect(throws: VaultError.otherNode) {
            try Self.reopen(bytes, node: [UInt8](repeating: 0, count: 16), with: Self.phrase())
        }
    }

    @Test func `a removed slot opens nothing, and the last one stays`() throws {
        var vault = try SampleVault()
        try vault.keyring.addSlot(Self.phrase(), cost: .test, to: &vault.header, using: &vault.dice)
        try vault.keyring.removeSlots(.keyFile, from: &vault.header)
        let bytes = vault.keyring.encode(vault.header)
        #expect(throws: VaultError.noSlot(.keyFile)) {
            try Self.reopen(bytes, with: SampleVault.credential())
        }
        #expect(try Self.reopen(bytes, with: Self.phrase()) != nil)
        #expect(throws: VaultError.lastSlot) {
            try vault.keyring.removeSlots(.passphrase, from: &vault.header)
        }
    }

    @Test func `slots are bounded`() throws {
        var vault = try SampleVault()
        for _ in 1..<VaultHeader.slotsMax {
            try vault.keyring.addSlot(SampleVault.credential(), to: &vault.header, using: &vault.dice)
        }
        #expect(throws: VaultError.slotsFull) {
            try vault.keyring.addSlot(SampleVault.credential(), to: &vault.header, using: &vault.dice)
        }
    }

    @Test func `the product's own passphrase cost works`() throws {
        var dice = Dice(seed: 5)
        var header: VaultHeader?
        let keyring = try VaultKeyring.make(
            node: SampleVault.node, credential: Self.phrase(), header: &header, using: &dice)
        let made = try #require(header)
        #expect(made.slots.map(\.cost) == [ScryptCost(roundsLog2: 17, blocks: 8, lanes: 1)])
        #expect(try Self.reopen(keyring.encode(made), with: Self.phrase()) == made)
    }

    @Test(arguments: [
        ScryptCost(roundsLog2: 0, blocks: 8, lanes: 1), ScryptCost(roundsLog2: 23, blocks: 1, lanes: 1),
        ScryptCost(roundsLog2: 22, blocks: 32, lanes: 1), ScryptCost(roundsLog2: 63, blocks: 255, lanes: 255),
        ScryptCost(roundsLog2: 10, blocks: 0, lanes: 1), ScryptCost(roundsLog2: 10, blocks: 8, lanes: 0),
    ])
    func `a header cannot make us spend any amount of memory`(cost: ScryptCost) throws {
        var vault = try SampleVault()
        #expect(throws: VaultError.scryptCost(cost)) {
            try vault.keyring.addSlot(Self.phrase(), cost: cost, to: &vault.header, using: &vault.dice)
        }
        try vault.keyring.addSlot(Self.phrase(), cost: .test, to: &vault.header, using: &vault.dice)
        var bytes = vault.keyring.encode(vault.header)
        // The parameters lie behind the form of the second slot: header, first slot, form.
        let parameters = 78 + 77 + 1
        #expect(Array(bytes[parameters..<parameters + 3]) == [4, 1, 1])
        bytes.replaceSubrange(parameters..<parameters + 3, with: [cost.roundsLog2, cost.blocks, cost.lanes])
        #expect(throws: VaultError.scryptCost(cost)) { try Self.reopen(bytes, with: Self.phrase()) }
    }

    @Test func `key files of another size are refused`() {
        #expect(throws: VaultError.keyFileSize(found: 31)) {
            _ = try SampleVault.credential([UInt8](repeating: 0, count: 31))
        }
    }
}

struct IndexTests {
    private static func row(_ name: SecretName, _ version: UInt64, _ record: [UInt8])
        -> VaultKeyring.Rows.Element
    {
        (RecordContext(name: name, version: version, kind: .credential, audience: .github), record)
    }

    @Test func `the rows that were committed are accepted, in any order`() throws {
        var vault = try SampleVault()
        let rows = [Self.row(.token, 1, [1, 2]), Self.row(.other, 2, [3])]
        try vault.keyring.commit(rows, to: &vault.header)
        #expect(vault.header.counter == 1)
        try vault.keyring.verify(rows, against: vault.header)
        try vault.keyring.verify(rows.reversed(), against: vault.header)
    }

    @Test(arguments: [
        [], [row(.token, 1, [1, 2])], [row(.other, 2, [3])],
        [row(.token, 1, [1, 2]), row(.other, 2, [3]), row(.other, 3, [3])],
        [row(.token, 1, [3]), row(.other, 2, [1, 2])], [row(.token, 1, [1]), row(.other, 2, [2, 3])],
        [row(.token, 2, [1, 2]), row(.other, 2, [3])],
    ])
    func `removed, added, swapped or changed rows are noticed`(rows: VaultKeyring.Rows) throws {
        var vault = try SampleVault()
        try vault.keyring.commit([Self.row(.token, 1, [1, 2]), Self.row(.other, 2, [3])], to: &vault.header)
        #expect(throws: VaultError.tampered(.index)) { try vault.keyring.verify(rows, against: vault.header) }
    }

    @Test func `rows of an older state do not pass under a newer header`() throws {
        var vault = try SampleVault()
        let old = [Self.row(.token, 1, [1])]
        try vault.keyring.commit(old, to: &vault.header)
        try vault.keyring.commit([Self.row(.token, 2, [1])], to: &vault.header)
        #expect(throws: VaultError.tampered(.index)) { try vault.keyring.verify(old, against: vault.header) }
    }
}

struct CredentialDigestTests {
    @Test func `digests differ by credential, purpose and installation`() {
        func digest(_ text: String, _ purpose: CredentialDigest.Purpose, pepper: UInt8) -> CredentialDigest {
            CredentialDigest(
                of: text.utf8, for: purpose, pepper: Secret(copying: [UInt8](repeating: pepper, count: 32)))
        }
        let digests = [
            digest("a", .callerKey, pepper: 1), digest("b", .callerKey, pepper: 1),
            digest("a", .adminToken, pepper: 1), digest("a", .callerKey, pepper: 2),
        ]
        #expect(Set(digests).count == 4)
        #expect(digest("a", .callerKey, pepper: 1) == digests[0])
        #expect(CredentialDigest(stored: digests[0].bytes) == digests[0])
        #expect(CredentialDigest(stored: [1, 2]) == nil)
    }
}
