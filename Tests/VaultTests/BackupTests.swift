import Testing

@testable import Vault

struct BackupTests {
    private static let phrase = "a phrase for the safe"

    private func secret(_ text: String = phrase) -> Secret { Secret(copying: text.utf8) }

    private func rows(of vault: inout SampleVault) throws -> [VaultBackup.Row] {
        let record = try vault.seal("s3cret")
        let row = VaultBackup.Row(context: .sample, record: record.bytes, created: 1, updated: 2)
        try vault.keyring.commit([(row.context, row.record)], to: &vault.header)
        return [row]
    }

    private func sealed() throws -> [UInt8] {
        var vault = try SampleVault()
        let rows = try rows(of: &vault)
        return try VaultBackup.make(
            of: vault.keyring, header: vault.header, rows: rows, passphrase: secret(), cost: .test,
            using: &vault.dice)
    }

    @Test func `a backup opens with its passphrase, and with nothing that opens the vault`() throws {
        let bytes = try sealed()
        #expect(try VaultBackup.seal(of: bytes) == .passphrase)
        let opened = try VaultBackup.open(bytes, passphrase: secret())
        #expect(opened.rows.map(\.context) == [.sample])
        #expect(opened.rows[0].created == 1 && opened.rows[0].updated == 2)
        #expect(
            String(decoding: try opened.open(opened.rows[0]).revealed(), as: UTF8.self) == "s3cret")
        #expect(throws: VaultError.wrongBackupPassphrase) {
            _ = try VaultBackup.open(bytes, passphrase: secret("another")).rows
        }
        #expect(throws: VaultError.noSlot(.keyFile)) {
            _ = try VaultBackup.open(bytes, slot: SampleVault.credential()).rows
        }
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(!text.contains("s3cret") && !text.contains("github"), "no name shows either")
    }

    @Test func `a bit flipped in any byte of a backup is noticed`() throws {
        let bytes = try sealed()
        // Each bit is tried in turn: a byte has one, the next one another, and each guess costs a stretched passphrase.
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(throws: VaultError.self, "byte \(index)") {
                _ = try VaultBackup.open(changed, passphrase: secret()).rows
            }
        }
        for count in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: VaultError.self, "cut to \(count) bytes") {
                _ = try VaultBackup.open(Array(bytes.prefix(count)), passphrase: secret()).rows
            }
        }
    }

    @Test
    func `a backup that keeps the slots opens with them, and every flipped bit but in dates is noticed`()
        throws
    {
        var vault = try SampleVault()
        let rows = try rows(of: &vault)
        let bytes = VaultBackup.keepingSlots(header: vault.keyring.encode(vault.header), rows: rows)
        let opened = try VaultBackup.open(bytes, slot: SampleVault.credential())
        #expect(String(decoding: try opened.open(opened.rows[0]).revealed(), as: UTF8.self) == "s3cret")
        let dates = 16
        for index in bytes.indices.dropLast(dates) {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << UInt8(bit)
                #expect(throws: VaultError.self, "bit \(bit) of byte \(index)") {
                    _ = try VaultBackup.open(changed, slot: SampleVault.credential()).rows
                }
            }
        }
    }

    @Test func `what is no backup says so`() {
        for bytes in [[], Array("martlet".utf8), [UInt8](repeating: 0, count: 200)] as [[UInt8]] {
            #expect(throws: VaultError.notABackup) { _ = try VaultBackup.seal(of: bytes) }
        }
    }
}
