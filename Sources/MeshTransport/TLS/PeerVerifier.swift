package import Catalog
import Crypto
package import FoundationEssentials
import Mesh
@_spi(FixedExpiryValidationTime) @_spi(DisableValidityCheck) import X509

/// The root that a node holds to.
package enum TrustAnchor: Sendable {
    /// A member's: the certificate itself.
    case root(DERCertificate)
    /// A joiner's: its token names the root's key by its hash; the certificate comes with the answering node's
    /// chain.
    case fingerprint(ContentHash, mesh: MeshID)
}

/// Checks the chain that the other end of a TLS connection shows.
///
/// It takes the place of the TLS library's own checks, so it does all of them: a path to the pinned root and
/// no other (RFC 5280), both uses, exactly one name, and that name a node's of this mesh.
package struct PeerVerifier: Sendable {
    /// Leaf, intermediate, root. More is no chain of ours, and costs time to look at.
    package static let certificatesMax = 3

    package let anchor: TrustAnchor
    package let me: NodeID?
    package let clock: VerificationClock
    /// Whether the mesh wants this node: `nil` yes, else why not. Called after the chain holds.
    package let objection: @Sendable (NodeID) -> String?
    /// Whether leaves of this issuer are still believed: `nil` yes, else why not.
    package let issuerObjection: @Sendable (NodeID) -> String?

    package init(
        anchor: TrustAnchor, me: NodeID?, clock: VerificationClock,
        objection: @escaping @Sendable (NodeID) -> String? = { _ in nil },
        issuerObjection: @escaping @Sendable (NodeID) -> String? = { _ in nil }
    ) {
        self.anchor = anchor
        self.me = me
        self.clock = clock
        self.objection = objection
        self.issuerObjection = issuerObjection
    }

    /// - Parameter floor: no clock is believed below this.
    package init(
        anchor: TrustAnchor, me: NodeID?, floor: Date, now: @escaping @Sendable () -> Date = { Date() },
        objection: @escaping @Sendable (NodeID) -> String? = { _ in nil }
    ) {
        self.init(
            anchor: anchor, me: me, clock: VerificationClock(floor: floor, system: now), objection: objection)
    }

    /// - Parameters:
    ///   - presented: DER as the peer sent them, leaf first.
    ///   - expected: the node that was dialled, when it is known.
    ///   - guestsWelcome: whether a self-signed stranger is a guest rather than an impostor.
    package func verify(
        _ presented: [[UInt8]], expecting expected: NodeID?, guestsWelcome: Bool
    ) async throws(PeerRefusal) -> PeerIdentity {
        let certificates: [DERCertificate]
        do {
            certificates = try presented.prefix(Self.certificatesMax).map { bytes throws(CertificateError) in
                try DERCertificate(bytes)
            }
        } catch {
            throw .unreadableCertificate(error.description)
        }
        guard let leaf = certificates.first else { throw .noCertificate }
        if guestsWelcome, certificates.count == 1, leaf.name == nil, leaf.isSelfSigned { return .guest }

        let (root, mesh) = try pinnedRoot(among: certificates)
        try await checkPath(from: certificates, to: root, mesh: mesh)
        guard case .node(let node, of: mesh)? = leaf.name else { throw .noSingleName }
        guard let usage = try? leaf.parsed.extensions.extendedKeyUsage, usage.contains(.serverAuth),
            usage.contains(.clientAuth)
        else { throw .notForThisUse }
        if node == me { throw .ourselves }
        if let expected, node != expected { throw .notWhoWasDialled(expected: expected, found: node) }
        if let why = objection(node) { throw .notAdmitted(node, why: why) }
        for certificate in certificates.dropFirst() {
            guard let issuer = certificate.issuerNode, let why = issuerObjection(issuer) else { continue }
            throw .issuerNotAdmitted(issuer, why: why)
        }
        for certificate in certificates { clock.saw(certificate.notBefore) }
        return .member(node, leaf: leaf.fingerprint)
    }

    private func pinnedRoot(
        among certificates: [DERCertificate]
    ) throws(PeerRefusal) -> (DERCertificate, MeshID) {
        switch anchor {
        case .root(let root):
            guard let mesh = root.rootTrust?.mesh else { throw .noSingleName }
            return (root, mesh)
        case .fingerprint(let hash, let mesh):
            guard let root = certificates.first(where: { $0.rootTrust?.rootFingerprint == hash }),
                root.rootTrust?.mesh == mesh
            else { throw .notOfThisMesh(mesh) }
            return (root, mesh)
        }
    }

    private func checkPath(
        from certificates: [DERCertificate], to root: DERCertificate, mesh: MeshID
    ) async throws(PeerRefusal) {
        let time = clock.now
        if let chain = await Self.path(from: certificates, to: root, at: time) {
            // Every authority on the way must name this very mesh: an intermediate of one root may not act for
            // a mesh it was not made for.
            guard chain.dropFirst().allSatisfy({ $0.spiffeName == .authority(of: mesh) }) else {
                throw .noSingleName
            }
        } else {
            // Told apart only once it failed: a wrong clock wants another remedy than a wrong mesh.
            guard await Self.path(from: certificates, to: root, at: nil) != nil else {
                throw .notOfThisMesh(mesh)
            }
            let offsets = certificates.map { certificate in
                max(
                    certificate.notBefore.timeIntervalSince(time),
                    time.timeIntervalSince(certificate.notAfter))
            }
            throw .outsideItsTime(offset: .seconds(Int(max(0, offsets.max() ?? 0))))
        }
    }

    /// The way from a leaf to the root, by RFC 5280 alone: signatures, lives, who may issue. Names are looked at after.
    ///
    /// - Parameters:
    ///   - certificates: the leaf first; the root may be among them.
    ///   - time: `nil`: all but the lives.
    static func path(
        from certificates: [DERCertificate], to root: DERCertificate, at time: Date?
    ) async -> [Certificate]? {
        guard let leaf = certificates.first?.parsed else { return nil }
        let between = CertificateStore(certificates.dropFirst().map(\.parsed).filter { $0 != root.parsed })
        let roots = CertificateStore([root.parsed])
        let outcome: CertificateValidationResult
        if let time {
            var verifier = Verifier(rootCertificates: roots) {
                RFC5280Policy(fixedExpiryValidationTime: time)
            }
            outcome = await verifier.validate(leaf: leaf, intermediates: between)
        } else {
            var verifier = Verifier(rootCertificates: roots) { RFC5280Policy.withValidityCheckDisabled() }
            outcome = await verifier.validate(leaf: leaf, intermediates: between)
        }
        guard case .validCertificate(let chain) = outcome else { return nil }
        return Array(chain)
    }

    /// When the leaf of a chain ends or ended: all is checked but the time.
    ///
    /// - Parameter node: whose leaf it must be.
    func end(of presented: [[UInt8]], shownBy node: NodeID) async throws(PeerRefusal) -> Date {
        guard case .root(let root) = anchor, let mesh = root.rootTrust?.mesh else { throw .noSingleName }
        let certificates: [DERCertificate]
        do {
            certificates = try presented.prefix(Self.certificatesMax).map { bytes throws(CertificateError) in
                try DERCertificate(bytes)
            }
        } catch {
            throw .unreadableCertificate(error.description)
        }
        guard let leaf = certificates.first else { throw .noCertificate }
        guard await Self.path(from: certificates, to: root, at: nil) != nil else {
            throw .notOfThisMesh(mesh)
        }
        guard leaf.name == .node(node, of: mesh) else { throw .noSingleName }
        return leaf.notAfter
    }
}
