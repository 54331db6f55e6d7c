@testable import Vault

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed, the same bytes.
struct Dice: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

extension Secret {
    borrowing func revealed() -> [UInt8] { withUnsafeBytes { Array($0) } }
}

extension ScryptCost {
    /// As cheap as scrypt gets: for tests of everything but its cost.
    static let test = ScryptCost(roundsLog2: 4, blocks: 1, lanes: 1)
}

extension SecretName {
    static let token = SecretName("github-token")!
    static let other = SecretName("other")!
}

extension SecretAudience {
    static let github = SecretAudience(
        server: "github", origin: "https://api.example.com", resource: "/mcp",
        issuer: "https://login.example.com")
}

extension RecordContext {
    static let sample = RecordContext(name: .token, version: 7, kind: .credential, audience: .github)
}

/// A vault with a key file, and what it needs to be opened again.
struct SampleVault: ~Copyable {
    static let node = [UInt8](repeating: 0xa5, count: 16)
    static let keyFile = [UInt8](0..<32)

    let keyring: VaultKeyring
    var header: VaultHeader
    var dice: Dice

    init(seed: UInt64 = 1, node: [UInt8] = SampleVault.node) throws {
        var dice = Dice(seed: seed)
        var header: VaultHeader?
        let keyring = try VaultKeyring.make(
            node: node, credential: Self.credential(), header: &header, using: &dice)
        guard let header else { throw VaultError.malformed(.header) }
        self.keyring = keyring
        self.header = header
        self.dice = dice
    }

    static func credential(_ bytes: [UInt8] = keyFile) throws(VaultError) -> SlotCredential {
        try .keyFile(Secret(copying: bytes))
    }

    mutating func seal(_ text: String, as context: RecordContext = .sample) throws(VaultError) -> SealedRecord
    {
        try keyring.seal(Secret(copying: text.utf8), as: context, under: header, using: &dice)
    }

    /// - Returns: the secret as text, or `nil` when the vault says that it does not open.
    func opens(_ record: SealedRecord, as context: RecordContext = .sample) throws -> String? {
        do throws(VaultError) {
            return String(decoding: try keyring.open(record, as: context).revealed(), as: UTF8.self)
        } catch .doesNotOpen {
            return nil
        }
    }
}
