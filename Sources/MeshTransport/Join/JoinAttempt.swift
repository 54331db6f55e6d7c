package import Catalog
package import Crypto
package import Mesh

/// One node's wish to join, kept until it is in: the same request repeated gets the same answer, so a join that
/// broke after the issuer had counted the token as used can be finished.
package struct JoinAttempt: Sendable {
    package let token: JoinToken
    package let nodeKey: Curve25519.Signing.PrivateKey
    package let leafKey: P256.Signing.PrivateKey
    package let request: JoinRequest

    /// - Parameter label: what the node would like to be called, where the token leaves it the choice.
    package init(
        token: JoinToken, nodeKey: Curve25519.Signing.PrivateKey, label: Label,
        leafKey: P256.Signing.PrivateKey = P256.Signing.PrivateKey()
    ) throws(CertificateError) {
        guard let signer = Signer(seed: Array(nodeKey.rawRepresentation)) else {
            throw .unreadable(what: "the node key", why: "it is not an Ed25519 private key")
        }
        let csr = try CertificateRequest(key: leafKey)
        self.token = token
        self.nodeKey = nodeKey
        self.leafKey = leafKey
        do {
            request = try JoinRequest(csr: csr.bytes, label: label, mesh: token.mesh, by: signer)
        } catch {
            throw .signingFailed(error.detail)
        }
    }
}

/// What a node has after joining.
package struct JoinedCredentials: Sendable {
    package let credentials: NodeCredentials
    package let enrolment: Enrolment
    package var trust: MeshTrust { credentials.trust }
    /// Where the mesh was found: worth a seed.
    package let address: String
}

/// Why a node did not get in.
package enum JoinFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The issuer, proved to be the token's, said no.
    case refused(JoinRefusal, text: String)
    /// Nobody who could let us in was reached; each address with what happened there.
    case nobodyReachable([Tried])
    /// What came back does not fit what the token promises.
    case notTrusted(String)
    case ourSide(CertificateError)

    package struct Tried: Hashable, Sendable, CustomStringConvertible {
        package let address: String
        package let why: String
        package var description: String { "\(address): \(why)" }
    }

    package var description: String {
        switch self {
        case .refused(let refusal, let text): "the join was refused: \(text.isEmpty ? "\(refusal)" : text)"
        case .nobodyReachable(let tried) where tried.isEmpty:
            "no node of the mesh was found: the token names no address and none was seen on this segment; "
                + "give one with `--seed host:port`"
        case .nobodyReachable(let tried):
            "no node of the mesh could be reached; tried \(tried.map(\.description).joined(separator: "; "))"
        case .notTrusted(let why): why
        case .ourSide(let error): error.description
        }
    }
}
