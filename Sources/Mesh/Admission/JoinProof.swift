import Catalog
import Crypto

/// The two proofs of a join: HMAC-SHA256 under the token's secret, which itself never travels.
///
/// Both cover the hash of the issuer's TLS leaf as each side sees it, so that a proof shown to somebody in the
/// middle is worth nothing.
struct JoinTranscript: Sendable {
    var mesh: MeshID
    var issuerLeaf: ContentHash
    var joinerNonce: [UInt8]
    var issuerNonce: [UInt8]

    func requestProof(_ request: JoinRequest, secret: [UInt8]) -> [UInt8] {
        var encoder = encoder("martlet/1 join")
        encoder.put(request.hash)
        return Self.authenticate(encoder.bytes, secret)
    }

    func grantProof(_ grant: JoinGrant, to request: JoinRequest, secret: [UInt8]) -> [UInt8] {
        var encoder = encoder("martlet/1 join grant")
        encoder.put(request.hash)
        encoder.put(ContentHash(of: grant.canonicalBytes))
        return Self.authenticate(encoder.bytes, secret)
    }

    /// Compares in constant time.
    static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        return zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private func encoder(_ purpose: String) -> CanonicalEncoder {
        var encoder = CanonicalEncoder(reserving: 256)
        encoder.put(text: purpose)
        encoder.put(mesh)
        encoder.put(issuerLeaf)
        encoder.put(bytes: joinerNonce)
        encoder.put(bytes: issuerNonce)
        return encoder
    }

    private static func authenticate(_ message: [UInt8], _ secret: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: secret)))
    }
}

extension RandomNumberGenerator {
    /// That many random bytes, for nonces and secrets.
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
}
