package import Catalog

/// Why a node is not let in; both sides show it. Numbers are for good.
package enum JoinRefusal: UInt8, Error, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case unknownToken = 1
    case expired = 2
    case usedUp = 3
    case otherMesh = 4
    case badProof = 5
    case badRequest = 6
    case labelTaken = 7
    case notIssuer = 8
    case busy = 9
    case failed = 10
    case revokedToken = 11
    case revoked = 12
    case departed = 13
    case tooLate = 14
    case needsRoot = 15

    package var description: String {
        switch self {
        case .unknownToken:
            "the issuer does not know this token (made before its last restart?); make a new one"
        case .expired: "the token has expired; make a new one with `martlet mesh token`"
        case .usedUp: "the token was used already; make a new one with `martlet mesh token`"
        case .otherMesh: "the token is for another mesh"
        case .badProof: "the proof does not fit the token: somebody may stand between the two nodes"
        case .badRequest: "the request does not hold what it must"
        case .labelTaken: "a node of the mesh carries that label already; choose another with `--label`"
        case .notIssuer: "this node is not the token's issuer and has no way to it now; try again"
        case .busy: "the issuer is busy with other joins; try again"
        case .failed: "the issuer could not make the certificate; see its log"
        case .revoked:
            "this node's key was revoked, for good; start it with a new data folder to join as another node"
        case .departed: "this node has left the mesh; join it anew with a token"
        case .tooLate:
            "this node's certificate ended more than 14 days ago; `martlet mesh leave`, then join anew with a token"
        case .needsRoot:
            "the root's key is not on this node; ask the node that holds it, or `martlet mesh root import` it here"
        case .revokedToken: "the token was withdrawn; make a new one with `martlet mesh token`"
        }
    }
}

/// What a joining node asks for. The same request repeated gets the same answer, so a joiner keeps its own until
/// it is in.
package struct JoinRequest: Hashable, Sendable, Canonical {
    /// PKCS #10, DER; opaque here.
    package var csr: [UInt8]
    package var nodeKey: NodeKey
    /// By the node key over ``signedBytes(csr:mesh:)``: the CSR's TLS key and the node key belong together.
    package var nodeSignature: Signature
    /// What the node would like to be called, should the token leave it the choice.
    package var label: Label

    package static let csrMax = 2 * 1024

    package init(csr: [UInt8], nodeKey: NodeKey, nodeSignature: Signature, label: Label) {
        self.csr = csr
        self.nodeKey = nodeKey
        self.nodeSignature = nodeSignature
        self.label = label
    }

    /// Signs a CSR with the node key.
    package init(csr: [UInt8], label: Label, mesh: MeshID, by signer: Signer) throws(SigningFailure) {
        self.init(
            csr: csr, nodeKey: signer.key,
            nodeSignature: try signer.sign(Self.signedBytes(csr: csr, mesh: mesh)),
            label: label)
    }

    package static func signedBytes(csr: [UInt8], mesh: MeshID) -> [UInt8] {
        var encoder = SigningPurpose.joinRequest.encoder(for: mesh)
        encoder.put(bytes: csr)
        return encoder.bytes
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        csr = try decoder.bytes(max: Self.csrMax, "certificate request")
        nodeKey = try decoder.value(NodeKey.self)
        nodeSignature = try decoder.value(Signature.self)
        label = try decoder.label("label")
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(bytes: csr)
        encoder.put(nodeKey)
        encoder.put(nodeSignature)
        encoder.put(label)
    }

    package var hash: ContentHash { ContentHash(of: canonicalBytes) }
}

/// What an admitted node gets.
package struct JoinGrant: Hashable, Sendable, Canonical {
    /// The new node's leaf first, then up to the root's child; DER.
    package var chain: [[UInt8]]
    /// The root's certificate, DER.
    package var rootCertificate: [UInt8]
    /// The root's public key (x963), whose hash is the token's fingerprint.
    package var rootKey: [UInt8]
    package var enrolment: Enrolment

    package static let chainMax = 4
    package static let certificateMax = 2 * 1024

    package init(chain: [[UInt8]], rootCertificate: [UInt8], rootKey: [UInt8], enrolment: Enrolment) {
        self.chain = chain
        self.rootCertificate = rootCertificate
        self.rootKey = rootKey
        self.enrolment = enrolment
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        chain = []
        for _ in 0..<(try decoder.count(max: Self.chainMax, "chain")) {
            chain.append(try decoder.bytes(max: Self.certificateMax, "certificate"))
        }
        rootCertificate = try decoder.bytes(max: Self.certificateMax, "root certificate")
        rootKey = try decoder.bytes(fixed: MeshTrust.rootKeyByteCount, "root key")
        enrolment = try decoder.value(Enrolment.self)
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(count: chain.count)
        for certificate in chain { encoder.put(bytes: certificate) }
        encoder.put(bytes: rootCertificate)
        encoder.put(fixed: rootKey)
        encoder.put(enrolment)
    }
}

/// What joiner and issuer say to each other. On the wire: length of the rest (32 bits), type (8), fields; at most
/// ``bytesMax``, for a guest is nobody yet.
package enum JoinMessage: Hashable, Sendable {
    /// The first bytes to any node of the mesh, before the inner TLS: whom the joiner wants to speak to.
    case knock(mesh: MeshID, issuer: NodeID)
    /// The way is free; what follows is TLS from joiner to issuer.
    case enter
    /// Inside: which token, and the joiner's nonce.
    case begin(mesh: MeshID, token: JoinTokenID, nonce: [UInt8])
    /// The issuer's nonce.
    case challenge(nonce: [UInt8])
    case request(JoinRequest, proof: [UInt8])
    case grant(JoinGrant, proof: [UInt8])
    /// Inside, instead of ``begin(mesh:token:nonce:)``: a member that wants a new leaf, and its nonce.
    case renew(mesh: MeshID, nonce: [UInt8])
    /// By the node key over mesh, issuer's leaf, both nonces and the request.
    case renewal(RenewalRequest, Signature)
    case renewed(RenewalGrant)
    /// The end, at any point.
    case refusal(JoinRefusal, text: String)

    package static let bytesMax = 8 * 1024
    package static let nonceBytes = 32
    package static let proofBytes = 32
    private static let textMax = 512

    private enum Number: UInt8 {
        case knock = 1
        case enter = 2
        case begin = 3
        case challenge = 4
        case request = 5
        case grant = 6
        case refusal = 7
        case renew = 8
        case renewal = 9
        case renewed = 10
    }

    /// - Throws: ``WireError/frameTooLong(bytes:max:)``, when certificates are larger than ever expected.
    package func encoded() throws(WireError) -> [UInt8] {
        var encoder = CanonicalEncoder(reserving: 512)
        switch self {
        case .knock(let mesh, let issuer):
            encoder.put(Number.knock.rawValue)
            encoder.put(mesh)
            encoder.put(issuer)
        case .enter: encoder.put(Number.enter.rawValue)
        case .begin(let mesh, let token, let nonce):
            encoder.put(Number.begin.rawValue)
            encoder.put(mesh)
            encoder.put(fixed: token.bytes)
            encoder.put(bytes: nonce)
        case .challenge(let nonce):
            encoder.put(Number.challenge.rawValue)
            encoder.put(bytes: nonce)
        case .request(let request, let proof):
            encoder.put(Number.request.rawValue)
            encoder.put(request)
            encoder.put(bytes: proof)
        case .grant(let grant, let proof):
            encoder.put(Number.grant.rawValue)
            encoder.put(grant)
            encoder.put(bytes: proof)
        case .renew(let mesh, let nonce):
            encoder.put(Number.renew.rawValue)
            encoder.put(mesh)
            encoder.put(bytes: nonce)
        case .renewal(let request, let signature):
            encoder.put(Number.renewal.rawValue)
            encoder.put(request)
            encoder.put(signature)
        case .renewed(let grant):
            encoder.put(Number.renewed.rawValue)
            encoder.put(grant)
        case .refusal(let refusal, let text):
            encoder.put(Number.refusal.rawValue)
            encoder.put(refusal.rawValue)
            encoder.put(text: text.cut(toBytes: Self.textMax))
        }
        guard encoder.bytes.count <= Self.bytesMax else {
            throw .frameTooLong(bytes: encoder.bytes.count, max: Self.bytesMax)
        }
        var framed = CanonicalEncoder(reserving: encoder.bytes.count + 4)
        framed.put(bytes: encoder.bytes)
        return framed.bytes
    }

    /// Reads type and fields: what follows a message's length.
    package static func decode(_ body: ArraySlice<UInt8>) throws(WireError) -> JoinMessage {
        var decoder = CanonicalDecoder(body)
        guard let number = Number(rawValue: try decoder.byte("message type")) else {
            throw .invalid("message type")
        }
        let message: JoinMessage
        switch number {
        case .knock:
            message = .knock(
                mesh: try decoder.fingerprint("mesh id"), issuer: try decoder.fingerprint("issuer"))
        case .enter: message = .enter
        case .begin:
            let mesh: MeshID = try decoder.fingerprint("mesh id")
            guard let token = JoinTokenID(bytes: try decoder.slice(fixed: JoinTokenID.byteCount, "token id"))
            else { throw .truncated("token id") }
            message = .begin(mesh: mesh, token: token, nonce: try secret(nonceBytes, "nonce", from: &decoder))
        case .challenge: message = .challenge(nonce: try secret(nonceBytes, "nonce", from: &decoder))
        case .request:
            message = .request(
                try decoder.value(JoinRequest.self), proof: try secret(proofBytes, "proof", from: &decoder))
        case .grant:
            message = .grant(
                try decoder.value(JoinGrant.self), proof: try secret(proofBytes, "proof", from: &decoder))
        case .renew:
            message = .renew(
                mesh: try decoder.fingerprint("mesh id"),
                nonce: try secret(nonceBytes, "nonce", from: &decoder))
        case .renewal:
            message = .renewal(
                try decoder.value(RenewalRequest.self), try decoder.value(Signature.self))
        case .renewed: message = .renewed(try decoder.value(RenewalGrant.self))
        case .refusal:
            let refusal = JoinRefusal(rawValue: try decoder.byte("refusal")) ?? .failed
            message = .refusal(refusal, text: try decoder.text(max: textMax, "text"))
        }
        try decoder.finish()
        return message
    }

    private static func secret(
        _ count: Int, _ what: StaticString, from decoder: inout CanonicalDecoder
    ) throws(WireError) -> [UInt8] {
        let bytes = try decoder.bytes(max: count, what)
        guard bytes.count == count else { throw .invalid("\(what)") }
        return bytes
    }
}

/// Finds join messages in a stream of bytes, however it is cut; holds one message at most.
package struct JoinMessageDecoder: Sendable {
    private var buffer: [UInt8] = []

    package init() {}

    package mutating func append(_ bytes: some Sequence<UInt8>) { buffer.append(contentsOf: bytes) }

    /// - Returns: the next whole message; `nil` until more bytes arrive.
    package mutating func next() throws(WireError) -> JoinMessage? {
        guard buffer.count >= 4 else { return nil }
        let length = buffer[..<4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= JoinMessage.bytesMax else {
            throw .frameTooLong(bytes: length, max: JoinMessage.bytesMax)
        }
        guard buffer.count >= 4 + length else { return nil }
        defer { buffer.removeFirst(4 + length) }
        return try JoinMessage.decode(buffer[4..<(4 + length)])
    }

    /// What arrived after the last whole message: after ``JoinMessage/enter``, the inner TLS.
    package mutating func takeRest() -> [UInt8] {
        defer { buffer = [] }
        return buffer
    }
}
