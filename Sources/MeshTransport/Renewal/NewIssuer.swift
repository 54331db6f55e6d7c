package import Crypto
package import FoundationEssentials
package import Mesh
package import NIOCore

/// A node that has just become an issuer: enrolled by itself under the root's grant, with a leaf of its own making
/// (docs/decisions/0014).
package struct NewIssuer: Sendable {
    package let authority: CertificateAuthority
    package let enrolment: Enrolment
    package let credentials: NodeCredentials

    /// - Parameters:
    ///   - enrolment: the node's enrolment before; label, segment and other roles stay.
    ///   - key: the issuer's, which `granted` certifies.
    package init(
        _ enrolment: Enrolment, nodeKey: Curve25519.Signing.PrivateKey, root: [UInt8],
        key: P256.Signing.PrivateKey, granted: AuthorityGrant, at now: Date
    ) throws {
        authority = try CertificateAuthority(
            key: key.rawRepresentation, certificate: granted.certificate, root: root)
        guard let signer = Signer(seed: Array(nodeKey.rawRepresentation)) else {
            throw CertificateError.unreadable(what: "the node key", why: "it is not an Ed25519 private key")
        }
        guard granted.grant.isValid(under: authority.trust, by: .real) else {
            throw CertificateError.notAnAuthority("the root's grant does not hold")
        }
        self.enrolment = try Enrolment(
            of: signer.key, label: enrolment.label, roles: enrolment.roles.union(.issuer),
            segment: enrolment.segment, serial: enrolment.serial == .max ? .max : enrolment.serial + 1,
            grant: granted.grant, by: signer)
        let leafKey = P256.Signing.PrivateKey()
        credentials = try NodeCredentials(
            nodeKey: nodeKey, leafKey: leafKey,
            chain: authority.issueLeaf(for: signer.key.id, key: leafKey.publicKey, at: now), root: root)
    }

    /// What the holder of the root makes itself.
    package init(
        _ enrolment: Enrolment, nodeKey: Curve25519.Signing.PrivateKey, by root: RootAuthority, at now: Date
    ) throws {
        let key = P256.Signing.PrivateKey()
        let granted = AuthorityGrant(
            grant: try IssuerGrant(to: enrolment.node, by: root.signer),
            certificate: try root.certifyIssuer(enrolment.node.id, key: key.publicKey, at: now).bytes)
        try self.init(
            enrolment, nodeKey: nodeKey, root: root.certificate.bytes, key: key, granted: granted, at: now)
    }

    /// Between two times that the node with the root's key is asked.
    private static let retryEvery = Duration.seconds(1)

    /// Turns the ticket of a join into an issuer: asks the node that made the token for grant and certificate, again and again while
    /// only the way to it fails, since the token's use is spent by now.
    ///
    /// - Parameters:
    ///   - patience: how long to go on when no answer comes.
    ///   - failed: told each time why.
    /// - Throws: `JoinError`: the issuer's own word. Anything else: the last thing that went wrong on the way.
    package init(
        joined: JoinedCredentials, floor: Date = .distantPast, patience: Duration = .seconds(30),
        retryEvery: Duration = retryEvery, group: any EventLoopGroup,
        failed: @Sendable (_ why: String) -> Void = { _ in }
    ) async throws {
        let key = P256.Signing.PrivateKey()
        let credentials = joined.credentials
        let clock = VerificationClock(floor: floor)
        let verifier = PeerVerifier(
            anchor: .root(try DERCertificate(credentials.root)), me: credentials.id, clock: clock)
        let request = RenewalRequest(
            enrolment: joined.enrolment, lastChain: credentials.chain,
            authorityRequest: try CertificateRequest(key: key).bytes)
        let deadline = ContinuousClock.now + patience
        var answer: RenewalGrant?
        while answer == nil {
            do {
                answer = try await MeshDoor.ask(
                    request, of: joined.enrolment.issuer, at: joined.address, by: credentials.signer,
                    verifier: verifier, loop: group.next())
            } catch {
                guard case .elsewhere(let why) = MeshJoin.problem(error),
                    ContinuousClock.now + retryEvery < deadline
                else { throw error }
                failed(why)
                try await Task.sleep(for: retryEvery)
            }
        }
        guard let grant = answer else { throw JoinError.notAsPromised("no grant") }
        guard let granted = grant.authority else { throw JoinError.notAsPromised("no grant") }
        try self.init(
            joined.enrolment, nodeKey: credentials.nodeKey, root: credentials.root, key: key,
            granted: granted, at: clock.now)
    }
}
