/// How a token may be signed (RFC 7518 §3.1, RFC 8037 §3.1). There is no `none`.
package enum SignatureAlgorithm: String, Hashable, Sendable, CaseIterable {
    case hs256 = "HS256"
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case edDSA = "EdDSA"

    /// - Parameter name: as headers and keys spell it; `Ed25519` is the name that RFC 9864 gives to the only curve for `EdDSA` here.
    package init?(name: String) {
        if name == "Ed25519" { self = .edDSA } else { self.init(rawValue: name) }
    }

    /// Whether whoever can check a token could also have made it. Such keys are never taken from the network.
    package var isSymmetric: Bool { self == .hs256 }

    /// What is believed where nothing is configured: all that need a private key to sign.
    package static let asymmetric = Set(allCases.filter { !$0.isSymmetric })
}
