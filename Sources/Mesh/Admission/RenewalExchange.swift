package import Catalog

/// The renewing node's side, inside the TLS that the issuer ends.
package struct Renewer: Sendable {
    package enum Step: Hashable, Sendable {
        case send(JoinMessage)
        case renewed(RenewalGrant)
    }

    private enum Phase: Sendable {
        case challenge
        case grant
        case over
    }

    private let mesh: MeshID
    private let request: RenewalRequest
    private let issuerLeaf: ContentHash
    private let signer: Signer
    private let nonce: [UInt8]
    private var phase = Phase.challenge

    /// - Parameter issuerLeaf: hash of the DER of the leaf that this connection's TLS showed, already checked.
    package init(
        _ request: RenewalRequest, issuerLeaf: ContentHash, by signer: Signer,
        using random: inout some RandomNumberGenerator
    ) {
        mesh = request.enrolment.mesh
        self.request = request
        self.issuerLeaf = issuerLeaf
        self.signer = signer
        nonce = random.bytes(JoinMessage.nonceBytes)
    }

    /// The first message.
    package var opening: JoinMessage { .renew(mesh: mesh, nonce: nonce) }

    package mutating func receive(_ message: JoinMessage) throws(JoinError) -> Step {
        switch (phase, message) {
        case (_, .refusal(let refusal, let text)):
            phase = .over
            throw .refused(refusal, text: text)
        case (.challenge, .challenge(let issuerNonce)):
            let transcript = RenewalTranscript(
                mesh: mesh, issuerLeaf: issuerLeaf, nodeNonce: nonce, issuerNonce: issuerNonce)
            phase = .grant
            do throws(SigningFailure) {
                return .send(.renewal(request, try signer.sign(transcript.message(request))))
            } catch {
                throw .notAsPromised("\(error)")
            }
        case (.grant, .renewed(let grant)):
            phase = .over
            guard grant.chain.isEmpty == (request.leafRequest == nil),
                (grant.authority == nil) == (request.authorityRequest == nil)
            else { throw .notAsPromised("an answer") }
            return .renewed(grant)
        default:
            phase = .over
            throw .unexpectedMessage
        }
    }
}

/// The issuer's side of one renewal.
package struct RenewalDesk: Sendable {
    package enum Step: Hashable, Sendable {
        case send(JoinMessage)
        /// Look at the last chain, make what is asked for, then call ``made(_:)`` or ``couldNotMake(_:_:)``.
        case make(RenewalRequest)
        case renewed(NodeID)
        case refused(JoinRefusal, String)
        case close
    }

    private enum Phase: Sendable {
        case begin
        case request(RenewalTranscript)
        case making(NodeID)
        case over
    }

    private let trust: MeshTrust
    private let me: NodeID
    private let ownLeaf: ContentHash
    private let checker: SignatureChecker
    private var phase = Phase.begin

    /// - Parameter ownLeaf: hash of the DER of the leaf that this connection's TLS showed.
    package init(trust: MeshTrust, me: NodeID, ownLeaf: ContentHash, checker: SignatureChecker) {
        self.trust = trust
        self.me = me
        self.ownLeaf = ownLeaf
        self.checker = checker
    }

    /// - Parameter known: what the mesh knows of a node.
    package mutating func receive(
        _ message: JoinMessage, revocations: RevocationBook, known: (NodeID) -> NodeBody?,
        using random: inout some RandomNumberGenerator
    ) -> [Step] {
        switch (phase, message) {
        case (.begin, .renew(let mesh, let nonce)):
            guard mesh == trust.mesh else { return refuse(.otherMesh) }
            let issuerNonce = random.bytes(JoinMessage.nonceBytes)
            phase = .request(
                RenewalTranscript(
                    mesh: mesh, issuerLeaf: ownLeaf, nodeNonce: nonce, issuerNonce: issuerNonce))
            return [.send(.challenge(nonce: issuerNonce))]
        case (.request(let transcript), .renewal(let request, let signature)):
            return take(request, signature, transcript, revocations, known)
        case (_, .refusal(let refusal, let text)):
            phase = .over
            return [.refused(refusal, "the node gave up: \(text)"), .close]
        default:
            return refuse(.badRequest)
        }
    }

    package mutating func made(_ grant: RenewalGrant) -> [Step] {
        guard case .making(let node) = phase else { return refuse(.failed) }
        phase = .over
        return [.send(.renewed(grant)), .renewed(node), .close]
    }

    package mutating func couldNotMake(_ refusal: JoinRefusal, _ detail: String) -> [Step] {
        refuse(refusal, detail)
    }

    private mutating func take(
        _ request: RenewalRequest, _ signature: Signature, _ transcript: RenewalTranscript,
        _ revocations: RevocationBook, _ known: (NodeID) -> NodeBody?
    ) -> [Step] {
        let enrolment = request.enrolment
        let node = enrolment.node.id
        do throws(EnrolmentProblem) {
            try enrolment.check(under: trust, by: checker)
        } catch {
            return refuse(.badRequest, "\(error)")
        }
        guard checker.node(enrolment.node, signature, transcript.message(request)) else {
            return refuse(.badProof, "the request is not signed by the key of \(node)")
        }
        if let word = revocations.objection(to: enrolment) ?? revocations.objection(to: node) {
            return refuse(.revoked, MeshCore.describe(word))
        }
        if let known = known(node), known.standing == .left, known.enrolment.serial >= enrolment.serial {
            return refuse(.departed)
        }
        // A further issuer's enrolment by another is the ticket for its own, at that other only.
        guard enrolment.isIssuerByRoot || enrolment.issuer == me else { return refuse(.badRequest) }
        guard request.authorityRequest == nil || enrolment.roles.contains(.issuer) else {
            return refuse(.badRequest, "\(node) is not enrolled as issuer")
        }
        guard request.leafRequest != nil || request.authorityRequest != nil else {
            return refuse(.badRequest)
        }
        phase = .making(node)
        return [.make(request)]
    }

    private mutating func refuse(_ refusal: JoinRefusal, _ detail: String? = nil) -> [Step] {
        phase = .over
        let text = detail ?? refusal.description
        return [.send(.refusal(refusal, text: text)), .refused(refusal, text), .close]
    }
}
