package import Catalog

/// Why a revocation is not taken in, and not passed on.
package enum RevocationRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case malformed(WireError)
    case otherMesh(MeshID)
    case grantNotByRoot(issuer: NodeID)
    case badSignature
    /// Only the root revokes issuers.
    case beyondRole(signer: NodeID, target: NodeID)
    /// Its signer was revoked itself, and the root does not let this word of it stand.
    case signerRevoked(NodeID)
    case tooMany(signer: NodeID, max: Int)

    /// Whether an honest node, which checks what it passes on, never shows it.
    var isForgery: Bool {
        switch self {
        case .malformed, .otherMesh, .grantNotByRoot, .badSignature: true
        case .beyondRole, .signerRevoked, .tooMany: false
        }
    }

    package var description: String {
        switch self {
        case .malformed(let error): "\(error)"
        case .otherMesh(let mesh): "it is of another mesh, \(mesh)"
        case .grantNotByRoot(let issuer): "the root of this mesh never let \(issuer) revoke nodes"
        case .badSignature: "its signature is not its signer's"
        case .beyondRole(let signer, let target):
            "\(target) is an issuer, and only the root revokes issuers; \(signer) signed this"
        case .signerRevoked(let signer):
            "its signer \(signer) was revoked itself, and the root does not let this stand"
        case .tooMany(let signer, let max): "\(signer) has revoked \(max) nodes already, the most allowed"
        }
    }
}

/// An enrolment by a revoked issuer that stays valid.
package struct KeptEnrolment: Hashable, Comparable, Sendable {
    package var node: NodeID
    package var serial: UInt64

    package init(node: NodeID, serial: UInt64) {
        self.node = node
        self.serial = serial
    }

    package static func < (a: Self, b: Self) -> Bool { (a.node, a.serial) < (b.node, b.serial) }
}

extension KeptEnrolment: CustomStringConvertible {
    /// `NODE:SERIAL`, as `martlet mesh revoke --keep` takes it.
    package var description: String { "\(node):\(serial)" }

    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let node = NodeID(String(parts[0])), let serial = UInt64(parts[1]) else {
            return nil
        }
        self.init(node: node, serial: serial)
    }
}

/// What the root says beside a revocation: what of the target's own signing stands. Nothing else does.
package struct RootTerms: Hashable, Sendable {
    /// So many enrolments may stay: with all else they fit one frame.
    package static let enrolmentsMax = 2_000
    package static let revocationsMax = 1_000

    /// The root may correct itself: of two revocations of one target the greater counter stands.
    package var counter: UInt64
    package var enrolments: Set<KeptEnrolment>
    /// Nodes that the target revoked, rightly.
    package var revocations: Set<NodeID>

    package init(counter: UInt64 = 1, enrolments: Set<KeptEnrolment> = [], revocations: Set<NodeID> = []) {
        self.counter = counter
        self.enrolments = enrolments
        self.revocations = revocations
    }
}

/// Names a revocation: of each key one stands.
package struct RevocationKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let target: NodeID
    /// `nil`: the root.
    package let signer: NodeID?

    package init(target: NodeID, signer: NodeID?) {
        self.target = target
        self.signer = signer
    }

    package var description: String {
        "revocation of \(target) by \(signer.map(\.description) ?? "the root")"
    }

    /// For storage; the root is all zeros, which is no node's id.
    package var bytes: [UInt8] { target.bytes + (signer?.bytes ?? [UInt8](repeating: 0, count: 16)) }

    package static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

/// The word that a node is no more of the mesh, for good (docs/decisions/0014).
///
/// Whoever knows the root key can check it alone: it needs no document and no order of arrival.
package struct Revocation: Hashable, Sendable {
    package enum Authority: Hashable, Sendable {
        /// Of an issuer, with the root's word that it is one. Ends nodes that are no issuers.
        case issuer(IssuerGrant)
        case root(RootTerms)
    }

    package static let reasonMax = 256
    /// Largest encoded one.
    package static let bytesMax = 66 * 1024

    package let mesh: MeshID
    package let target: NodeID
    package let reason: String
    package let authority: Authority
    package let signature: Signature
    /// Of all but the signature: what it says.
    package let hash: ContentHash

    /// Revokes a node that is no issuer.
    ///
    /// - Parameter signer: of the issuer that `grant` names.
    package init(
        of target: NodeID, reason: String, grant: IssuerGrant, by signer: Signer
    ) throws(SigningFailure) {
        guard signer.key == grant.issuer else {
            throw SigningFailure("the grant is for \(grant.issuer.id), the key is of \(signer.key.id)")
        }
        let reason = reason.cut(toBytes: Self.reasonMax)
        let content = Self.content(grant.mesh, target, reason, .issuer(grant))
        self.init(
            grant.mesh, target, reason, .issuer(grant),
            try signer.sign(Self.message(content, in: grant.mesh)))
    }

    /// Revokes any node.
    package init(
        of target: NodeID, reason: String, terms: RootTerms, by root: RootSigner
    ) throws(SigningFailure) {
        let reason = reason.cut(toBytes: Self.reasonMax)
        let mesh = root.trust.mesh
        let content = Self.content(mesh, target, reason, .root(terms))
        self.init(mesh, target, reason, .root(terms), try root.sign(Self.message(content, in: mesh)))
    }

    private init(
        _ mesh: MeshID, _ target: NodeID, _ reason: String, _ authority: Authority, _ signature: Signature
    ) {
        self.mesh = mesh
        self.target = target
        self.reason = reason
        self.authority = authority
        self.signature = signature
        hash = ContentHash(of: Self.content(mesh, target, reason, authority))
    }

    package var signer: NodeID? { if case .issuer(let grant) = authority { grant.issuer.id } else { nil } }
    package var key: RevocationKey { RevocationKey(target: target, signer: signer) }

    /// Of two under one key every node keeps the same.
    package func beats(_ other: Revocation) -> Bool {
        (counter, hash) > (other.counter, other.hash)
    }

    private var counter: UInt64 { if case .root(let terms) = authority { terms.counter } else { 0 } }

    /// Checks mesh, grant and signature: at most two signatures.
    package func check(under trust: MeshTrust, by checker: SignatureChecker) throws(RevocationRefusal) {
        guard mesh == trust.mesh else { throw .otherMesh(mesh) }
        let message = Self.message(Self.content(mesh, target, reason, authority), in: mesh)
        switch authority {
        case .issuer(let grant):
            guard grant.isValid(under: trust, by: checker) else {
                throw .grantNotByRoot(issuer: grant.issuer.id)
            }
            guard checker.node(grant.issuer, signature, message) else { throw .badSignature }
        case .root:
            guard checker.root(trust.rootKey, signature, message) else { throw .badSignature }
        }
    }

    // MARK: Coding

    private enum Number: UInt8 {
        case byIssuer = 1
        case byRoot = 2
    }

    package var encoded: [UInt8] { Self.content(mesh, target, reason, authority) + signature.bytes }

    /// - Returns: `nil` for a kind of statement that a newer version of the protocol brought.
    package static func decode(_ bytes: some Sequence<UInt8>) throws(WireError) -> Revocation? {
        var decoder = CanonicalDecoder(bytes)
        guard let number = Number(rawValue: try decoder.byte("statement kind")) else { return nil }
        let mesh: MeshID = try decoder.fingerprint("mesh id")
        let target: NodeID = try decoder.fingerprint("target")
        let reason = try decoder.text(max: reasonMax, "reason")
        let authority: Authority
        switch number {
        case .byIssuer: authority = .issuer(try decoder.value(IssuerGrant.self))
        case .byRoot: authority = .root(try decodeTerms(from: &decoder))
        }
        let signature = try decoder.value(Signature.self)
        try decoder.finish()
        return Revocation(mesh, target, reason, authority, signature)
    }

    private static func decodeTerms(from decoder: inout CanonicalDecoder) throws(WireError) -> RootTerms {
        var terms = RootTerms(counter: try decoder.uint64("counter"))
        var last: KeptEnrolment?
        for _ in 0..<(try decoder.count(max: RootTerms.enrolmentsMax, "kept enrolments")) {
            let kept = KeptEnrolment(
                node: try decoder.fingerprint("node"), serial: try decoder.uint64("serial"))
            if let last, last >= kept { throw .invalid("order of kept enrolments") }
            last = kept
            terms.enrolments.insert(kept)
        }
        var previous: NodeID?
        for _ in 0..<(try decoder.count(max: RootTerms.revocationsMax, "kept revocations")) {
            let node: NodeID = try decoder.fingerprint("node")
            if let previous, previous >= node { throw .invalid("order of kept revocations") }
            previous = node
            terms.revocations.insert(node)
        }
        return terms
    }

    private static func content(
        _ mesh: MeshID, _ target: NodeID, _ reason: String, _ authority: Authority
    ) -> [UInt8] {
        var encoder = CanonicalEncoder(reserving: 384)
        switch authority {
        case .issuer: encoder.put(Number.byIssuer.rawValue)
        case .root: encoder.put(Number.byRoot.rawValue)
        }
        encoder.put(mesh)
        encoder.put(target)
        encoder.put(text: reason)
        switch authority {
        case .issuer(let grant): encoder.put(grant)
        case .root(let terms):
            encoder.put(terms.counter)
            encoder.put(count: terms.enrolments.count)
            for kept in terms.enrolments.sorted() {
                encoder.put(kept.node)
                encoder.put(kept.serial)
            }
            encoder.put(count: terms.revocations.count)
            for node in terms.revocations.sorted() { encoder.put(node) }
        }
        return encoder.bytes
    }

    private static func message(_ content: [UInt8], in mesh: MeshID) -> [UInt8] {
        var encoder = SigningPurpose.revocation.encoder(for: mesh, reserving: content.count + 64)
        encoder.put(fixed: content)
        return encoder.bytes
    }

    /// ECDSA signs differently each time, so only what is said counts.
    package static func == (a: Self, b: Self) -> Bool { a.hash == b.hash }
    package func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}
