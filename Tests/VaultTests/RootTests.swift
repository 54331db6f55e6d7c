import Testing

@testable import Vault

/// A vault whose root is replaced while records of earlier ones are still there.
struct RootTests {
    /// A vault of one secret under the first root, and its keyring and header under another.
    private func replaced(_ body: (borrowing VaultKeyring, VaultHeader, SealedRecord) throws -> Void) throws {
        var vault = try SampleVault()
        let record = try vault.seal("s3cret")
        var header = vault.header
        let keyring = try vault.keyring.replacingRoot(of: &header, using: &vault.dice)
        try keyring.addSlot(SampleVault.credential(), to: &header, using: &vault.dice)
        try keyring.commit([(.sample, record.bytes)], to: &header)
        try body(keyring, header, record)
    }

    private func text(_ record: SealedRecord, with keyring: borrowing VaultKeyring) throws -> String {
        String(decoding: try keyring.open(record, as: .sample).revealed(), as: UTF8.self)
    }

    @Test func `what the former root sealed opens, and once it is wrapped anew without it`() throws {
        try replaced { keyring, header, record in
            var (header, dice) = (header, Dice(seed: 9))
            #expect(header.generation == 2 && header.retiredCount == 1)
            #expect(try text(record, with: keyring) == "s3cret")
            let anew = try keyring.rewrap(record, as: .sample, under: header, using: &dice)
            #expect(anew.generation == 2)
            let isDropped = keyring.dropUnused(by: [(.sample, anew.bytes)], from: &header)
            #expect(isDropped && header.retiredCount == 0 && header.oldest == 2)
            try keyring.commit([(.sample, anew.bytes)], to: &header)

            var read: VaultHeader?
            let reopened = try VaultKeyring.open(
                keyring.encode(header), node: SampleVault.node, credential: SampleVault.credential(),
                header: &read)
            #expect(read == header)
            #expect(try text(anew, with: reopened) == "s3cret")
            #expect(throws: VaultError.doesNotOpen(.token)) { _ = try text(record, with: reopened) }
        }
    }

    @Test func `a row of a dropped generation is taken for tampering`() throws {
        try replaced { keyring, header, record in
            var header = header
            _ = keyring.dropUnused(by: [], from: &header)
            try keyring.commit([(.sample, record.bytes)], to: &header)
            #expect(throws: VaultError.tampered(.index)) {
                try keyring.verify([(.sample, record.bytes)], against: header)
            }
        }
    }

    @Test func `a slot of before does not open what follows`() throws {
        let vault = try SampleVault()
        let before = vault.keyring.encode(vault.header)
        try replaced { keyring, header, _ in
            var mixed = header
            mixed.slots = vault.header.slots
            var read: VaultHeader?
            #expect(throws: VaultError.self) {
                let opened = try VaultKeyring.open(
                    keyring.encode(mixed), node: SampleVault.node, credential: SampleVault.credential(),
                    header: &read)
                _ = opened.place
            }
            #expect(read == nil)
        }
        #expect(!before.isEmpty)
    }

    @Test func `several roots in a row, and never more than are kept`() throws {
        var vault = try SampleVault()
        let record = try vault.seal("s3cret")
        var header = vault.header
        try chain(vault.keyring, 1, record, &header, &vault.dice)
        #expect(header.retiredCount == VaultHeader.retiredMax)
    }

    private func chain(
        _ keyring: borrowing VaultKeyring, _ depth: Int, _ record: SealedRecord, _ header: inout VaultHeader,
        _ dice: inout Dice
    ) throws {
        #expect(try text(record, with: keyring) == "s3cret", "after \(depth - 1) changes")
        guard depth <= VaultHeader.retiredMax else {
            var last = header
            #expect(throws: VaultError.rootsPending) {
                let next = try keyring.replacingRoot(of: &last, using: &dice)
                _ = next.place
            }
            return
        }
        let next = try keyring.replacingRoot(of: &header, using: &dice)
        try chain(next, depth + 1, record, &header, &dice)
    }

    @Test func `a change of any byte of a header of format 2 is refused`() throws {
        try replaced { keyring, header, _ in
            let bytes = keyring.encode(header)
            #expect(bytes[0] == VaultHeader.laterFormat)
            for index in bytes.indices {
                for bit in 0..<8 {
                    var changed = bytes
                    changed[index] ^= 1 << UInt8(bit)
                    var read: VaultHeader?
                    #expect(throws: VaultError.self, "bit \(bit) of byte \(index)") {
                        let opened = try VaultKeyring.open(
                            changed, node: SampleVault.node, credential: SampleVault.credential(),
                            header: &read)
                        _ = opened.place
                    }
                }
            }
        }
    }

    @Test func `a service manager's key opens its slot, and a short one is none`() throws {
        var vault = try SampleVault()
        let key = [UInt8](repeating: 9, count: 40)
        try vault.keyring.addSlot(.service(Secret(copying: key)), to: &vault.header, using: &vault.dice)
        let bytes = vault.keyring.encode(vault.header)
        var read: VaultHeader?
        let opened = try VaultKeyring.open(
            bytes, node: SampleVault.node, credential: .service(Secret(copying: key)), header: &read)
        #expect(opened.place == vault.keyring.place && read == vault.header)
        #expect(throws: VaultError.wrongKey(.service)) {
            let other = try VaultKeyring.open(
                bytes, node: SampleVault.node, credential: .service(Secret(copying: key + [1])), header: &read
            )
            _ = other.place
        }
        #expect(throws: VaultError.serviceCredentialSize(found: 31)) {
            _ = try SlotCredential.service(Secret(copying: [UInt8](repeating: 1, count: 31))).form
        }
    }
}
