package import Catalog

/// Why a certificate, a request for one, or a key could not be used.
package enum CertificateError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes are not what they should be: `what` names the thing, `why` the complaint of the parser.
    case unreadable(what: String, why: String)
    /// A request's own signature does not hold: whoever sent it does not have the key.
    case requestNotSigned
    case requestTooLarge(bytes: Int)
    /// Only P-256 keys are certified: both TLS stacks of the field verify them by default.
    case wrongKeyType
    case rootOfAnotherMesh(MeshID, expected: MeshID)
    case notAnAuthority(String)
    case signingFailed(String)

    package var description: String {
        switch self {
        case .unreadable(let what, let why): "\(what) cannot be read: \(why)"
        case .requestNotSigned:
            "the certificate request is not signed by the key it names; make a new one"
        case .requestTooLarge(let bytes):
            "the certificate request has \(bytes) bytes, at most \(CertificateRequest.bytesMax) are allowed"
        case .wrongKeyType: "the certificate request names a key that is not P-256; make a P-256 key"
        case .rootOfAnotherMesh(let found, let expected):
            "the root certificate belongs to mesh \(found), not to \(expected)"
        case .notAnAuthority(let why): "this certificate cannot issue others: \(why)"
        case .signingFailed(let why): "signing failed: \(why)"
        }
    }
}
