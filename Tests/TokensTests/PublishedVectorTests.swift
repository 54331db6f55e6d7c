import Foundation
import JSONSlice
import MartletTestKit
import Testing

@testable import Tokens

/// What others have published, against our reading of it.
struct PublishedVectorTests {
    private static func load(_ name: String) throws -> JSON {
        let file = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/crypto/\(name).json")
        return try JSON(validating: Array(Data(contentsOf: file)))
    }

    private static func set(_ key: JSON) -> WebKeySet? {
        try? WebKeySet(document: Array(JSON.object([("keys", [key])]).bytes), allowsShared: true)
    }

    @Test func `the examples of RFC 7515 and RFC 8037 verify, but for the algorithm that is not used here`()
        throws
    {
        let examples = try Self.load("rfc_json_web_signatures").elements
        #expect(examples.count == 5)
        for example in examples {
            let source = example["source"]?.string ?? ""
            let text = try #require(example["jws"]?.string)
            if example["alg"]?.string == "ES512" {
                #expect(throws: TokenFault.algorithmNotAllowed("ES512"), "\(source)") {
                    try CompactSignature(text)
                }
                #expect(example["key"].flatMap(Self.set) == nil)
                continue
            }
            let keys = try #require(example["key"].flatMap(Self.set), "\(source)")
            let jws = try CompactSignature(text)
            #expect(throws: Never.self, "\(source)") { try jws.check(by: keys) }
            #expect(jws.algorithm.rawValue == example["alg"]?.string)
        }
    }

    @Test func `a bit flipped anywhere in the examples is noticed`() throws {
        var tried = 0
        for example in try Self.load("rfc_json_web_signatures").elements {
            let key = try #require(example["key"])
            guard let keys = Self.set(key) else { continue }
            let text = Array(try #require(example["jws"]?.string).utf8)
            for index in text.indices {
                var broken = text
                broken[index] ^= UInt8(1 << (index % 5))
                #expect(throws: TokenFault.self, "\(example["source"]?.string ?? "") at \(index)") {
                    try CompactSignature(String(decoding: broken, as: UTF8.self)).check(by: keys)
                }
                tried += 1
            }
        }
        #expect(tried > 900)
    }

    @Test func `Wycheproof's signatures are accepted and refused as it says, or more strictly`() throws {
        let unused: Set<String> = ["PS256", "PS384", "PS512", "ES512"]
        // Spelled with a character outside the alphabet, which other readers skip (RFC 7515 §2 does not allow it).
        let stricter: Set<Int> = [372, 373]
        // Meant to be padded, but the same bytes as 357, which is valid.
        let misspelled: Set<Int> = [367, 370]
        var accepted = 0
        var refused = 0
        let document = try Self.load("wycheproof_json_web_signature_test")
        for group in try #require(document["testGroups"]).elements {
            let key = try #require(group["public"] ?? group["private"])
            let keys = Self.set(key)
            for test in try #require(group["tests"]).elements {
                let id = test["tcId"]?.int ?? 0
                let text = test["jws"]?.string ?? test["jws"]?.text ?? ""
                let jws = try? CompactSignature(text)
                let isGood =
                    if let jws, let keys, (try? jws.check(by: keys)) != nil { true } else { false }
                let algorithm =
                    JSON.header(of: text)?["alg"]?.string ?? key["alg"]?.string ?? ""
                if isGood { accepted += 1 } else { refused += 1 }
                let expected =
                    test["result"]?.string == "valid" && !unused.contains(algorithm) && !stricter.contains(id)
                #expect(
                    isGood == (expected || misspelled.contains(id)),
                    "tcId \(id): \(test["comment"]?.string ?? "")")
            }
        }
        #expect(accepted == 28 && refused == 373, "\(accepted) accepted, \(refused) refused")
    }

    @Test(arguments: [
        ("wycheproof_ecdsa_secp256r1_sha256_p1363_test", SignatureAlgorithm.es256, 262),
        ("wycheproof_ecdsa_secp384r1_sha384_p1363_test", .es384, 280),
    ])
    func `ECDSA is checked as Wycheproof says`(name: String, algorithm: SignatureAlgorithm, count: Int) throws
    {
        var tried = 0
        let document = try Self.load(name)
        for group in try #require(document["testGroups"]).elements {
            let point = try #require(Self.hex(group["publicKey"]?["uncompressed"]?.string)).dropFirst()
            let half = point.count / 2
            let key = try WebKey(
                [
                    "kty": "EC", "crv": algorithm == .es256 ? "P-256" : "P-384",
                    "x": .string(Base64URL.encode(point.prefix(half))),
                    "y": .string(Base64URL.encode(point.suffix(half))),
                ], allowsShared: false)
            for test in try #require(group["tests"]).elements {
                let signature = try #require(Self.hex(test["sig"]?.string))
                let message = try #require(Self.hex(test["msg"]?.string))
                let isGood = key.verifies(signature, of: message, by: algorithm)
                #expect(isGood == (test["result"]?.string == "valid"), "tcId \(test["tcId"]?.int ?? 0)")
                tried += 1
            }
        }
        #expect(tried == count)
    }

    @Test func `Ed25519 is checked as Wycheproof says`() throws {
        var tried = 0
        let document = try Self.load("wycheproof_ed25519_test")
        for group in try #require(document["testGroups"]).elements {
            let point = try #require(Self.hex(group["publicKey"]?["pk"]?.string))
            let key = try WebKey(
                ["kty": "OKP", "crv": "Ed25519", "x": .string(Base64URL.encode(point))], allowsShared: false)
            for test in try #require(group["tests"]).elements {
                let signature = try #require(Self.hex(test["sig"]?.string))
                let message = try #require(Self.hex(test["msg"]?.string))
                #expect(
                    key.verifies(signature, of: message, by: .edDSA) == (test["result"]?.string == "valid"),
                    "tcId \(test["tcId"]?.int ?? 0)")
                tried += 1
            }
        }
        #expect(tried == 151)
    }

    private static func hex(_ text: String?) -> [UInt8]? {
        guard let digits = text?.compactMap(\.hexDigitValue), digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
    }
}

extension JSON {
    fileprivate static func header(of jws: String) -> JSON? {
        guard let first = jws.split(separator: ".", omittingEmptySubsequences: false).first,
            let bytes = Base64URL.decode(first.utf8)
        else { return nil }
        return try? JSON(validating: bytes)
    }
}
