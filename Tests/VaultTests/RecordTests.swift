import Testing

@testable import Vault

struct RecordTests {
    @Test(arguments: [1, 2, 100, SealedRecord.secretBytesMax])
    func `what was sealed opens`(count: Int) throws {
        var vault = try SampleVault()
        let text = String(repeating: "x", count: count)
        let record = try vault.seal(text)
        #expect(try vault.opens(SealedRecord(record.bytes)) == text)
    }

    @Test func `the secret is not in the record, and two sealings of it differ everywhere`() throws {
        var vault = try SampleVault()
        let first = try vault.seal("a secret of some length").bytes
        let second = try vault.seal("a secret of some length").bytes
        #expect(!String(decoding: first, as: UTF8.self).contains("secret"))
        // Past format and generation, and apart from the length, nothing repeats.
        #expect(first[5..<17] != second[5..<17] && first[65..<77] != second[65..<77])
        #expect(first[81...] != second[81...])
    }

    @Test func `a change of any byte is refused`() throws {
        var vault = try SampleVault()
        let bytes = try vault.seal("correct horse battery staple").bytes
        for index in bytes.indices {
            for bit in 0..<8 {
                var altered = bytes
                altered[index] ^= 1 << UInt8(bit)
                guard let record = try? SealedRecord(altered) else { continue }
                #expect(try vault.opens(record) == nil, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test func `cut or longer bytes are no record`() throws {
        var vault = try SampleVault()
        let bytes = try vault.seal("correct horse").bytes
        for count in bytes.indices {
            #expect(throws: VaultError.self, "\(count) bytes") { try SealedRecord(bytes.prefix(count)) }
        }
        #expect(throws: VaultError.malformed(.record)) { try SealedRecord(bytes + [0]) }
        #expect(throws: VaultError.unknownFormat(.record, 2)) { try SealedRecord([2] + bytes.dropFirst()) }
    }

    @Test(arguments: [
        RecordContext(name: .other, version: 7, kind: .credential, audience: .github),
        RecordContext(name: .token, version: 8, kind: .credential, audience: .github),
        RecordContext(name: .token, version: 7, kind: .oauth, audience: .github),
        sample(server: "github2"), sample(origin: "https://api.example.org"), sample(resource: "/mcp/"),
        sample(issuer: ""), RecordContext(name: .token, version: 7, kind: .credential, audience: .unbound),
        // The same characters in other fields.
        sample(server: "githubhttps://api.example.com", origin: ""),
    ])
    func `a record opens only as what it was sealed as`(context: RecordContext) throws {
        var vault = try SampleVault()
        let record = try vault.seal("secret")
        #expect(try vault.opens(record, as: context) == nil)
        #expect(try vault.opens(record) == "secret")
    }

    private static func sample(
        server: String = "github", origin: String = "https://api.example.com", resource: String = "/mcp",
        issuer: String = "https://login.example.com"
    ) -> RecordContext {
        RecordContext(
            name: .token, version: 7, kind: .credential,
            audience: SecretAudience(server: server, origin: origin, resource: resource, issuer: issuer))
    }

    @Test func `swapped rows do not open`() throws {
        var vault = try SampleVault()
        let other = RecordContext(name: .other, version: 7, kind: .credential, audience: .github)
        let first = try vault.seal("first")
        let second = try vault.seal("second", as: other)
        #expect(try vault.opens(second) == nil)
        #expect(try vault.opens(first, as: other) == nil)
    }

    @Test func `parts of two versions do not make a third`() throws {
        var vault = try SampleVault()
        let first = try vault.seal("first")
        let second = try vault.seal("other")
        let mixed = SealedRecord(
            generation: 1, keyNonce: first.keyNonce, wrappedKey: first.wrappedKey, nonce: second.nonce,
            sealed: second.sealed)
        #expect(try vault.opens(mixed) == nil)
    }

    @Test func `another vault with the same key file does not open it, nor the same vault of another node`()
        throws
    {
        var vault = try SampleVault()
        let record = try vault.seal("secret")
        #expect(try SampleVault(seed: 2).opens(record) == nil)
        #expect(try SampleVault(node: [UInt8](repeating: 1, count: 16)).opens(record) == nil)
        // From the same random bytes and for the same node it is the same vault: what differed was the place.
        #expect(try SampleVault().opens(record) == "secret")
    }

    @Test func `empty and oversized secrets are refused`() throws {
        var vault = try SampleVault()
        #expect(throws: VaultError.emptySecret) { try vault.seal("") }
        let large = String(repeating: "x", count: SealedRecord.secretBytesMax + 1)
        #expect(throws: VaultError.tooLarge(bytes: large.utf8.count)) { try vault.seal(large) }
    }

    @Test func `a new generation seals anew, opens what is old, and wraps it again without opening it`()
        throws
    {
        var vault = try SampleVault()
        let old = try vault.seal("secret")
        try vault.keyring.rotate(&vault.header)
        #expect(vault.header.generation == 2)
        #expect(try vault.opens(old) == "secret")

        let wrapped = try vault.keyring.rewrap(old, as: .sample, under: vault.header, using: &vault.dice)
        #expect(
            wrapped.generation == 2 && wrapped.sealed == old.sealed && wrapped.wrappedKey != old.wrappedKey)
        #expect(try vault.opens(wrapped) == "secret")

        let relabelled = SealedRecord(
            generation: 2, keyNonce: old.keyNonce, wrappedKey: old.wrappedKey, nonce: old.nonce,
            sealed: old.sealed)
        #expect(try vault.opens(relabelled) == nil)
    }
}
