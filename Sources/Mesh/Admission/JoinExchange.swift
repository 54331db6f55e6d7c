package import Catalog

/// Why a join ended without the node being in.
package enum JoinError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The other side's word, and its own text if it gave one.
    case refused(JoinRefusal, text: String)
    case unexpectedMessage
    /// The issuer does not know the token's secret: it is not who it says.
    case issuerUnproven
    /// The issuer proved itself but gave something else than the token promised.
    case notAsPromised(String)
    case badEnrolment(EnrolmentProblem)

    package var description: String {
        switch self {
        case .refused(let refusal, let text): text.isEmpty ? "\(refusal)" : text
        case .unexpectedMessage: "the other side does not follow the order of a join"
        case .issuerUnproven: "whoever answers does not hold the token's secret; nothing was accepted from it"
        case .notAsPromised(let what):
            "the issuer gave \(what) other than the token says; nothing was accepted"
        case .badEnrolment(let problem): "\(problem)"
        }
    }
}

/// The joining node's side, inside the TLS that the token's issuer ends.
package struct Joiner: Sendable {
    package enum Step: Hashable, Sendable {
        case send(JoinMessage)
        /// In: keep the grant on disk, then go on as a member.
        case joined(JoinGrant, MeshTrust)
    }

    private enum Phase: Sendable {
        case challenge
        case grant(JoinTranscript)
        case over
    }

    private let token: JoinToken
    private let request: JoinRequest
    private let issuerLeaf: ContentHash
    private let checker: SignatureChecker
    private let nonce: [UInt8]
    private var phase = Phase.challenge

    /// - Parameters:
    ///   - request: kept by the shell until the join is over; the same one is sent again after a break.
    ///   - issuerLeaf: hash of the DER of the leaf that the TLS of this connection showed, already checked against
    ///     the pinned root and the token's issuer.
    package init(
        token: JoinToken, request: JoinRequest, issuerLeaf: ContentHash, checker: SignatureChecker,
        using random: inout some RandomNumberGenerator
    ) {
        self.token = token
        self.request = request
        self.issuerLeaf = issuerLeaf
        self.checker = checker
        nonce = random.bytes(JoinMessage.nonceBytes)
    }

    /// The first message.
    package var opening: JoinMessage { .begin(mesh: token.mesh, token: token.id, nonce: nonce) }

    package mutating func receive(_ message: JoinMessage) throws(JoinError) -> Step {
        switch (phase, message) {
        case (_, .refusal(let refusal, let text)):
            phase = .over
            throw .refused(refusal, text: text)
        case (.challenge, .challenge(let issuerNonce)):
            let transcript = JoinTranscript(
                mesh: token.mesh, issuerLeaf: issuerLeaf, joinerNonce: nonce, issuerNonce: issuerNonce)
            phase = .grant(transcript)
            return .send(
                .request(request, proof: transcript.requestProof(request, secret: token.secret)))
        case (.grant(let transcript), .grant(let grant, let proof)):
            phase = .over
            guard
                JoinTranscript.isEqual(
                    proof, transcript.grantProof(grant, to: request, secret: token.secret))
            else { throw .issuerUnproven }
            return .joined(grant, try check(grant))
        default:
            phase = .over
            throw .unexpectedMessage
        }
    }

    private func check(_ grant: JoinGrant) throws(JoinError) -> MeshTrust {
        guard let trust = MeshTrust(rootKey: grant.rootKey), trust.rootFingerprint == token.rootFingerprint
        else { throw .notAsPromised("a root") }
        do throws(EnrolmentProblem) {
            try grant.enrolment.check(under: trust, by: checker)
        } catch {
            throw .badEnrolment(error)
        }
        let enrolment = grant.enrolment
        guard enrolment.node == request.nodeKey else { throw .notAsPromised("an enrolment for a key") }
        guard enrolment.issuer == token.issuer else { throw .notAsPromised("an issuer") }
        guard enrolment.label == token.label ?? request.label else { throw .notAsPromised("a label") }
        guard enrolment.roles == token.roles else { throw .notAsPromised("roles") }
        guard enrolment.segment == token.segment else { throw .notAsPromised("a segment") }
        guard !grant.chain.isEmpty else { throw .notAsPromised("a certificate chain") }
        return trust
    }
}

/// What an issuer must make for an admitted node.
package struct JoinOrder: Hashable, Sendable {
    package var token: JoinTokenID
    package var request: JoinRequest
    package var label: Label
    package var roles: Roles
    package var segment: Label
}

/// The issuer's side of one connection. ``JoinLedger`` is shared by all of them and handed in.
package struct JoinDesk: Sendable {
    package enum Step: Hashable, Sendable {
        case send(JoinMessage)
        /// Make leaf and enrolment, then call ``made(_:ledger:)`` or ``couldNotMake(_:ledger:)``.
        case make(JoinOrder)
        /// The token's entry in the ledger changed: on disk (fsync) before anything further is sent.
        case storeUse(JoinTokenID)
        /// A node was let in: worth a `notice`.
        case admitted(NodeID, Label)
        case refused(JoinRefusal, String)
        case close
    }

    private enum Phase: Sendable {
        case begin
        case request(JoinTokenID, JoinTranscript)
        case making(JoinOrder, JoinTranscript)
        case over
    }

    private let trust: MeshTrust
    private let ownLeaf: ContentHash
    private let checker: SignatureChecker
    private var phase = Phase.begin

    /// - Parameter ownLeaf: hash of the DER of the leaf that this connection's TLS showed the joiner.
    package init(trust: MeshTrust, ownLeaf: ContentHash, checker: SignatureChecker) {
        self.trust = trust
        self.ownLeaf = ownLeaf
        self.checker = checker
    }

    /// - Parameters:
    ///   - holder: which node of the mesh carries a label, left ones not counted.
    ///   - isRevoked: whether a node's key was revoked.
    package mutating func receive(
        _ message: JoinMessage, ledger: inout JoinLedger, holder: (Label) -> NodeID?,
        isRevoked: (NodeID) -> Bool = { _ in false }, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) -> [Step] {
        switch (phase, message) {
        case (.begin, .begin(let mesh, let token, let nonce)):
            guard mesh == trust.mesh else { return refuse(.otherMesh) }
            // An unknown token hears of it only after the challenge: before, nobody has proved anything.
            let issuerNonce = random.bytes(JoinMessage.nonceBytes)
            phase = .request(
                token,
                JoinTranscript(
                    mesh: mesh, issuerLeaf: ownLeaf, joinerNonce: nonce, issuerNonce: issuerNonce))
            return [.send(.challenge(nonce: issuerNonce))]
        case (.request(let id, let transcript), .request(let request, let proof)):
            guard !isRevoked(request.nodeKey.id) else { return refuse(.revoked) }
            return take(request, proof, token: id, transcript, &ledger, holder, now)
        case (_, .refusal(let refusal, let text)):
            phase = .over
            return [.refused(refusal, "the joiner gave up: \(text)"), .close]
        default:
            return refuse(.badRequest)
        }
    }

    /// The order is filled.
    package mutating func made(_ grant: JoinGrant, ledger: inout JoinLedger) -> [Step] {
        guard case .making(let order, let transcript) = phase,
            let secret = ledger.entries[order.token]?.token.secret
        else { return refuse(.failed) }
        phase = .over
        ledger.grant(order.token, request: order.request.hash, grant)
        return [
            .storeUse(order.token),
            .send(
                .grant(grant, proof: transcript.grantProof(grant, to: order.request, secret: secret))),
            .admitted(order.request.nodeKey.id, order.label), .close,
        ]
    }

    /// The order could not be filled; the use is free again.
    package mutating func couldNotMake(_ detail: String, ledger: inout JoinLedger) -> [Step] {
        release(&ledger)
        return refuse(.failed, detail)
    }

    /// The connection broke.
    package mutating func closed(ledger: inout JoinLedger) {
        release(&ledger)
        phase = .over
    }

    private mutating func release(_ ledger: inout JoinLedger) {
        if case .making(let order, _) = phase { ledger.release(order.token, request: order.request.hash) }
    }

    private mutating func take(
        _ request: JoinRequest, _ proof: [UInt8], token id: JoinTokenID, _ transcript: JoinTranscript,
        _ ledger: inout JoinLedger, _ holder: (Label) -> NodeID?, _ now: Instant
    ) -> [Step] {
        guard let entry = ledger.entries[id] else { return refuse(.unknownToken) }
        let token = entry.token
        // This node may have made it in a mesh that it has left since.
        guard token.mesh == trust.mesh else { return refuse(.otherMesh) }
        guard JoinTranscript.isEqual(proof, transcript.requestProof(request, secret: token.secret)) else {
            return refuse(.badProof)
        }
        let signed = JoinRequest.signedBytes(csr: request.csr, mesh: trust.mesh)
        guard checker.node(request.nodeKey, request.nodeSignature, signed) else { return refuse(.badRequest) }

        do throws(JoinRefusal) {
            if let grant = try ledger.check(id, request: request.hash, at: now) {
                phase = .over
                let proof = transcript.grantProof(grant, to: request, secret: token.secret)
                // The answer may be asked for again because storing its use failed the first time.
                return [.storeUse(id), .send(.grant(grant, proof: proof)), .close]
            }
        } catch {
            return refuse(error)
        }
        let label = token.label ?? request.label
        if let other = holder(label) ?? ledger.holder(of: label), other != request.nodeKey.id {
            return refuse(
                .labelTaken, "the label \(label) is carried by \(other); choose another with `--label`")
        }
        ledger.reserve(id, request: request.hash, JoinLedger.Claim(node: request.nodeKey.id, label: label))
        let order = JoinOrder(
            token: id, request: request, label: label, roles: token.roles, segment: token.segment)
        phase = .making(order, transcript)
        return [.make(order)]
    }

    private mutating func refuse(_ refusal: JoinRefusal, _ detail: String? = nil) -> [Step] {
        phase = .over
        let text = detail ?? refusal.description
        return [.send(.refusal(refusal, text: text)), .refused(refusal, text), .close]
    }
}
