import Foundation

/// The published vectors in `Fixtures/crypto`, as far as these tests read them.
struct Wycheproof<Group: Decodable>: Decodable {
    let testGroups: [Group]

    static func load(_ name: String) throws -> Self {
        let file = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/crypto/\(name).json")
        return try JSONDecoder().decode(Self.self, from: Data(contentsOf: file))
    }
}

struct Hex: Decodable {
    let bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let bytes = Self.bytes(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not hex"))
        }
        self.bytes = bytes
    }

    static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == text.utf8.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
    }
}

enum Verdict: String, Decodable {
    case valid
    case invalid
}

struct AEADGroup: Decodable {
    struct Test: Decodable {
        let tcId: Int
        let key, iv, aad, msg, ct, tag: Hex
        let result: Verdict
    }

    let keySize, ivSize, tagSize: Int
    let tests: [Test]
}

struct HKDFGroup: Decodable {
    struct Test: Decodable {
        let tcId: Int
        let ikm, salt, info, okm: Hex
        let size: Int
        let result: Verdict
    }

    let tests: [Test]
}

struct MACGroup: Decodable {
    struct Test: Decodable {
        let tcId: Int
        let key, msg, tag: Hex
        let result: Verdict
    }

    let keySize, tagSize: Int
    let tests: [Test]
}
