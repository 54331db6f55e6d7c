import Testing
import Vault

/// A vault read back by OpenSSL: stored bytes, the description of their formats, a key file or passphrase.
struct VaultOpinionTests {
    private static let node = [UInt8](1...16)
    private static let context = RecordContext(
        name: SecretName("github-token")!, version: 3, kind: .oauth,
        audience: SecretAudience(
            server: "github", origin: "https://api.example.com", resource: "/mcp",
            issuer: "https://login.example"))

    /// Length-prefixed as the vault's formats are.
    private static func fields(_ parts: [[UInt8]]) -> [UInt8] {
        parts.flatMap { integer($0.count, bytes: 4) + $0 }
    }

    private static func integer(_ value: Int, bytes: Int) -> [UInt8] {
        (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private static func domain(_ purpose: String, vault: [UInt8]) -> [UInt8] {
        fields([Array(purpose.utf8), vault, node])
    }

    private static let contextBytes =
        fields([Array("github-token".utf8)]) + integer(3, bytes: 8) + [2]
        + fields(
            ["github", "https://api.example.com", "/mcp", "https://login.example"].map { Array($0.utf8) })

    /// What a header holds, by the layout that its documentation gives.
    private struct Header {
        let vault: [UInt8]
        let slotParameters: [UInt8]
        let cost: [UInt8]
        let salt: [UInt8]
        let nonce: [UInt8]
        let wrappedRoot: [UInt8]
        let code: [UInt8]
        let covered: [UInt8]

        /// - Parameter costBytes: 3 for a passphrase, 0 for a key file.
        init(_ bytes: [UInt8], costBytes: Int) {
            vault = Array(bytes[1..<17])
            let slot = Array(bytes[78...])
            cost = Array(slot[1..<1 + costBytes])
            salt = Array(slot[1 + costBytes..<17 + costBytes])
            slotParameters = Array(slot[..<(17 + costBytes)])
            nonce = Array(slot[17 + costBytes..<29 + costBytes])
            wrappedRoot = Array(slot[29 + costBytes..<77 + costBytes])
            code = Array(bytes.suffix(32))
            covered = Array(bytes.dropLast(32))
        }

        /// - Parameter secret: of the key file, or what scrypt made of the passphrase.
        func root(from secret: [UInt8]) throws -> [UInt8] {
            let info = VaultOpinionTests.domain("martlet/1 vault slot key", vault: vault)
            let key = try #require(OpenSSL.hkdf(secret, salt: salt, info: info, count: 32))
            return try #require(
                OpenSSL.open(
                    wrappedRoot, key: key, nonce: nonce,
                    authenticating: VaultOpinionTests.domain("martlet/1 vault slot", vault: vault)
                        + slotParameters))
        }
    }

    private static func read(_ record: [UInt8], root: [UInt8], vault: [UInt8]) throws -> [UInt8] {
        let generation = Array(record[1..<5])
        let generationKey = try #require(
            OpenSSL.hkdf(
                root, salt: vault, info: domain("martlet/1 vault generation", vault: vault) + generation,
                count: 32))
        let dataKey = try #require(
            OpenSSL.open(
                Array(record[17..<65]), key: generationKey, nonce: Array(record[5..<17]),
                authenticating: domain("martlet/1 vault data key", vault: vault) + contextBytes + generation))
        return try #require(
            OpenSSL.open(
                Array(record[81...]), key: dataKey, nonce: Array(record[65..<77]),
                authenticating: domain("martlet/1 vault record", vault: vault) + contextBytes))
    }

    @Test(arguments: [1, 15, 16, 17, 4096])
    func `OpenSSL opens what the vault sealed under a key file`(count: Int) throws {
        let keyFile = [UInt8](repeating: 0x5a, count: 32)
        var random = SystemRandomNumberGenerator()
        var header: VaultHeader?
        let keyring = try VaultKeyring.make(
            node: Self.node, credential: .keyFile(Secret(copying: keyFile)), header: &header, using: &random)
        let made = try #require(header)
        let secret = randomBytes(count, using: &random)
        let record = try keyring.seal(Secret(copying: secret), as: Self.context, under: made, using: &random)

        let read = Header(keyring.encode(made), costBytes: 0)
        let root = try read.root(from: keyFile)
        #expect(try Self.read(record.bytes, root: root, vault: read.vault) == secret)

        let headerKey = try #require(
            OpenSSL.hkdf(
                root, salt: read.vault, info: Self.domain("martlet/1 vault header", vault: read.vault),
                count: 32))
        #expect(OpenSSL.hmac(read.covered, key: headerKey) == read.code)
    }

    @Test func `OpenSSL opens what the vault sealed under a passphrase`() throws {
        let passphrase = Array("correct horse battery staple".utf8)
        let cost = ScryptCost(roundsLog2: 10, blocks: 8, lanes: 2)
        var random = SystemRandomNumberGenerator()
        var header: VaultHeader?
        let keyring = try VaultKeyring.make(
            node: Self.node, credential: .passphrase(Secret(copying: passphrase)), cost: cost,
            header: &header,
            using: &random)
        let made = try #require(header)
        let record = try keyring.seal(
            Secret(copying: [1, 2, 3]), as: Self.context, under: made, using: &random)

        let read = Header(keyring.encode(made), costBytes: 3)
        #expect(read.cost == [10, 8, 2])
        let stretched = try #require(
            OpenSSL.scrypt(passphrase, salt: read.salt, rounds: 1 << 10, blocks: 8, lanes: 2))
        #expect(
            try Self.read(record.bytes, root: read.root(from: stretched), vault: read.vault) == [1, 2, 3])
    }

    @Test func `OpenSSL refuses the same record for another backend`() throws {
        let keyFile = [UInt8](repeating: 1, count: 32)
        var random = SystemRandomNumberGenerator()
        var header: VaultHeader?
        let keyring = try VaultKeyring.make(
            node: Self.node, credential: .keyFile(Secret(copying: keyFile)), header: &header, using: &random)
        let made = try #require(header)
        let elsewhere = RecordContext(
            name: Self.context.name, version: 3, kind: .oauth,
            audience: try SecretAudience(server: "github", url: "https://evil.example/mcp"))
        let record = try keyring.seal(Secret(copying: [1]), as: elsewhere, under: made, using: &random).bytes
        let read = Header(keyring.encode(made), costBytes: 0)
        let root = try read.root(from: keyFile)
        let generation = Array(record[1..<5])
        let key = try #require(
            OpenSSL.hkdf(
                root, salt: read.vault,
                info: Self.domain("martlet/1 vault generation", vault: read.vault) + generation, count: 32))
        let opened = OpenSSL.open(
            Array(record[17..<65]), key: key, nonce: Array(record[5..<17]),
            authenticating: Self.domain("martlet/1 vault data key", vault: read.vault) + Self.contextBytes
                + generation)
        #expect(opened == nil)
    }
}
