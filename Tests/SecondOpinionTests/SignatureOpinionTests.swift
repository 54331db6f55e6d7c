import Catalog
import Crypto
import Foundation
import Mesh
import Testing

/// Ed25519 by two libraries: what one signs the other accepts, and both refuse the same.
struct SignatureOpinionTests {
    private struct Vectors: Decodable {
        struct Group: Decodable {
            struct Key: Decodable { let pk: String }
            struct Test: Decodable {
                let tcId: Int
                let msg: String
                let sig: String
                let result: String
            }

            let publicKey: Key
            let tests: [Test]
        }

        let testGroups: [Group]
    }

    private static func bytes(_ hex: String) throws -> [UInt8] {
        let digits = hex.compactMap(\.hexDigitValue)
        try #require(digits.count == hex.count && digits.count % 2 == 0)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
    }

    @Test func `both libraries judge Wycheproof's signatures as it does`() throws {
        let file = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/crypto/wycheproof_ed25519_test.json")
        let groups = try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file)).testGroups
        var tried = 0
        for group in groups {
            let raw = try Self.bytes(group.publicKey.pk)
            let key = try #require(NodeKey(raw: raw))
            for test in group.tests {
                let (message, signature) = (try Self.bytes(test.msg), try Self.bytes(test.sig))
                let valid = test.result == "valid"
                let ours =
                    Signature(bytes: signature).map { SignatureChecker.real.node(key, $0, message) } ?? false
                #expect(ours == valid, "swift-crypto, tcId \(test.tcId)")
                #expect(
                    OpenSSL.isValidEd25519(signature, of: message, key: raw) == valid,
                    "OpenSSL, tcId \(test.tcId)")
                tried += 1
            }
        }
        #expect(tried == 151)
    }

    @Test func `OpenSSL accepts the signature of a document, over bytes put together by its description`()
        throws
    {
        let secret = Curve25519.Signing.PrivateKey()
        let signer = try #require(Signer(seed: Array(secret.rawRepresentation)))
        let mesh = MeshID(high: 0x0102_0304_0506_0708, low: 9)
        let name = try #require(Label("time"))
        let body: [UInt8] = [1, 2, 3, 4, 5]
        let document = try Document(
            .server(signer.key.id, name),
            version: DocumentVersion(incarnation: 7, life: 1 << 63, sequence: 300),
            body: body, mesh: mesh, by: signer)

        func text(_ text: String) -> [UInt8] { [0, 0, 0, UInt8(text.utf8.count)] + Array(text.utf8) }
        let content =
            [DocumentKind.server.rawValue] + signer.key.id.bytes + text("time")
            + [0, 0, 0, 0, 0, 0, 0, 7] + [128, 0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 1, 44]
            + [1] + [0, 0, 0, 5] + body
        let message = text("martlet/1") + mesh.bytes + text("document") + content
        let signature = Array(document.encoded.suffix(64))
        #expect(document.encoded == content + signature)
        #expect(OpenSSL.isValidEd25519(signature, of: message, key: signer.key.raw))
        #expect(document.isSigned(by: signer.key, in: mesh, checker: .real))

        for index in message.indices {
            var altered = message
            altered[index] ^= 1
            #expect(!OpenSSL.isValidEd25519(signature, of: altered, key: signer.key.raw), "byte \(index)")
        }
    }
}
