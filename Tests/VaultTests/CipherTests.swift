import Testing

@testable import Vault

struct CipherTests {
    @Test func `AES-256-GCM opens and seals as Wycheproof says`() throws {
        let groups = try Wycheproof<AEADGroup>.load("wycheproof_aes_gcm_test").testGroups
        var tried = 0
        for group in groups where group.keySize == 256 && group.ivSize == 96 && group.tagSize == 128 {
            for test in group.tests {
                let sealed = test.ct.bytes + test.tag.bytes
                let opened = AEAD.open(
                    sealed, key: Secret(copying: test.key.bytes), nonce: test.iv.bytes,
                    authenticating: test.aad.bytes)
                switch consume opened {
                case .some(let plaintext):
                    #expect(
                        test.result == .valid && plaintext.revealed() == test.msg.bytes, "tcId \(test.tcId)")
                case .none:
                    #expect(test.result == .invalid, "tcId \(test.tcId)")
                }
                if test.result == .valid {
                    let made = AEAD.seal(
                        Secret(copying: test.msg.bytes), key: Secret(copying: test.key.bytes),
                        nonce: test.iv.bytes, authenticating: test.aad.bytes)
                    #expect(made == sealed, "tcId \(test.tcId)")
                }
                tried += 1
            }
        }
        #expect(tried == 66)
    }

    @Test func `other sizes of key and nonce are refused, however valid`() throws {
        let groups = try Wycheproof<AEADGroup>.load("wycheproof_aes_gcm_test").testGroups
        var tried = 0
        for group in groups where group.keySize != 256 || group.ivSize != 96 {
            for test in group.tests {
                let opened = AEAD.open(
                    test.ct.bytes + test.tag.bytes, key: Secret(copying: test.key.bytes),
                    nonce: test.iv.bytes,
                    authenticating: test.aad.bytes)
                let refused =
                    switch consume opened {
                    case .some: false
                    case .none: true
                    }
                #expect(refused, "tcId \(test.tcId)")
                tried += 1
            }
        }
        #expect(tried == 250)
    }

    @Test func `HKDF derives what Wycheproof says`() throws {
        let tests = try Wycheproof<HKDFGroup>.load("wycheproof_hkdf_sha256_test").testGroups.flatMap(\.tests)
        for test in tests where test.result == .valid {
            let derived = KeyDerivation.hkdf(
                Secret(copying: test.ikm.bytes), salt: test.salt.bytes, info: test.info.bytes,
                count: test.size)
            #expect(derived.revealed() == test.okm.bytes, "tcId \(test.tcId)")
        }
        // The invalid ones ask for more than RFC 5869 can give; our callers ask for constants.
        #expect(tests.filter { $0.result == .invalid }.allSatisfy { $0.size > 255 * 32 })
        #expect(tests.count { $0.result == .valid } == 83)
    }

    @Test func `HMAC-SHA256 accepts what Wycheproof accepts`() throws {
        let groups = try Wycheproof<MACGroup>.load("wycheproof_hmac_sha256_test").testGroups
        for group in groups {
            for test in group.tests {
                let valid = MAC.isValid(
                    test.tag.bytes, of: test.msg.bytes, key: Secret(copying: test.key.bytes))
                // Cut codes are never ours, so a cut one is refused even where it is right.
                #expect(valid == (test.result == .valid && group.tagSize == 256), "tcId \(test.tcId)")
            }
        }
    }

    @Test(arguments: [
        (
            "password", "NaCl", ScryptCost(roundsLog2: 10, blocks: 8, lanes: 16),
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        ),
        (
            "pleaseletmein", "SodiumChloride", ScryptCost(roundsLog2: 14, blocks: 8, lanes: 1),
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        ),
    ])
    func `scrypt derives the beginning of RFC 7914's vectors`(
        passphrase: String, salt: String, cost: ScryptCost, expected: String
    ) throws {
        let derived = try KeyDerivation.scrypt(
            Secret(copying: passphrase.utf8), salt: Array(salt.utf8), cost: cost)
        #expect(derived.revealed() == Hex.bytes(expected))
    }

    @Test func `an empty passphrase is an error`() {
        #expect(throws: VaultError.emptyPassphrase) {
            _ = try KeyDerivation.scrypt(Secret(copying: []), salt: [1], cost: .standard)
        }
    }

    @Test(arguments: [
        ([], [], true), ([1, 2], [1, 2], true), ([1, 2], [1, 3], false), ([1], [1, 2], false),
    ])
    func `comparing in constant time compares`(a: [UInt8], b: [UInt8], equal: Bool) {
        #expect(constantTimeEqual(a, b) == equal)
    }
}
