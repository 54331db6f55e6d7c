import JSONSlice
import MartletTestKit
import Testing

@testable import Tokens

struct WebKeySetTests {
    private static func flaw(_ key: JSON, allowsShared: Bool = false) -> WebKey.Flaw? {
        do throws(WebKey.Flaw) {
            _ = try WebKey(key, allowsShared: allowsShared)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a shared key is taken from a file and never from the network`() throws {
        let mint = try TokenMint("HS256")
        #expect(Self.flaw(mint.publicKey, allowsShared: true) == nil)
        #expect(Self.flaw(mint.publicKey) == .symmetricFromNetwork)
    }

    private static let flawedKeys: [(JSON, WebKey.Flaw)] = [
        (["kty": "oct", "k": "c2hvcnQ"], .tooWeak("a shared key has 32 to 1024 bytes")),
        (["kty": "oct"], .badMember("k")), (["kty": "oct", "k": "not base64!"], .badMember("k")),
        (["kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"], .notAKey),
        // Not on the curve.
        (
            [
                "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            ], .notAKey
        ),
        (["kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"], .unknownCurve("P-521")),
        (["kty": "OKP", "crv": "Ed448", "x": "AA"], .unknownCurve("Ed448")),
        (["kty": "OKP", "crv": "X25519", "x": "AA"], .unknownCurve("X25519")),
        (["kty": "OKP", "crv": "Ed25519", "x": "AA"], .notAKey),
        (["kty": "AKP"], .unknownKind("AKP")), ([:], .badMember("kty")), ("text", .notAnObject),
        (["kty": "oct", "use": "enc"], .notForSigning),
        (["kty": "oct", "key_ops": ["sign"]], .notForSigning),
        (["kty": "oct", "key_ops": "verify"], .badMember("key_ops")),
        (["kty": "oct", "kid": 7], .badMember("kid")),
    ]

    @Test(arguments: flawedKeys)
    func `a key that is none is left out, with the reason`(key: JSON, flaw: WebKey.Flaw) {
        #expect(Self.flaw(key, allowsShared: true) == flaw)
    }

    @Test(arguments: [1, 64, 128, 255, 1_025, 4_096])
    func `an RSA key that is too short or too long is refused`(bytes: Int) {
        let modulus = Base64URL.encode([0xC1] + [UInt8](repeating: 0x55, count: bytes - 1))
        #expect(Self.flaw(["kty": "RSA", "n": .string(modulus), "e": "AQAB"]) != nil)
    }

    @Test func `keys of no use stand beside good ones without harm`() throws {
        let mint = try TokenMint("ES256", keyID: "good")
        let document = JSON.object([
            ("keys", [["kty": "future"], mint.publicKey, ["kty": "oct", "k": "AAAA"], "text"])
        ])
        let set = try WebKeySet(document: Array(document.bytes), allowsShared: false)
        #expect(set.keys.map(\.id) == ["good"])
        #expect(set.flaws == [.unknownKind("future"), .symmetricFromNetwork, .notAnObject])
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[],"keys":[]}"#, #"{"keys":["#,
        #"{"keys":[{"kty":"oct","k":"AAAA"}]}"#, "<html>",
    ])
    func `a document that holds no key is no set`(text: String) {
        #expect(throws: WebKeySet.Fault.self) {
            try WebKeySet(document: Array(text.utf8), allowsShared: false)
        }
    }

    @Test func `how large a set may be is bounded`() throws {
        let key = try TokenMint("EdDSA").publicKey
        let many = JSON.object([("keys", .array(Array(repeating: key, count: 65)))])
        #expect(throws: WebKeySet.Fault.tooManyKeys(65)) {
            try WebKeySet(document: Array(many.bytes), allowsShared: false)
        }
        let wide = JSON.object([("keys", [key]), ("pad", .string(String(repeating: "x", count: 300_000)))])
        #expect(throws: WebKeySet.Fault.self) {
            try WebKeySet(document: Array(wide.bytes), allowsShared: false)
        }
    }

    @Test(
        arguments: [
            ("", []), ("AA", [0]), ("AAA", [0, 0]), ("_-8", [255, 239]), ("AAAA", [0, 0, 0]),
        ] as [(String, [UInt8])])
    func `base64url is read and written`(text: String, bytes: [UInt8]) {
        #expect(Base64URL.decode(text.utf8) == bytes)
        #expect(Base64URL.encode(bytes) == text)
    }

    @Test(arguments: ["A", "AB", "AAB", "AA=", "AA==", "+A", "/w", "A A", "AAAAA", "é", "AA\n"])
    func `base64url that is written in another way is refused`(text: String) {
        #expect(Base64URL.decode(text.utf8) == nil)
    }
}
