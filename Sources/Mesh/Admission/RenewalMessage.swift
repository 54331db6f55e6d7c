package import Catalog

/// What a member asks of an issuer at its door: a new leaf, or what makes it an issuer itself.
package struct RenewalRequest: Hashable, Sendable, Canonical {
    package var enrolment: Enrolment
    /// The chain it had last, leaf first, DER: how long ago that ended decides whether it may be renewed.
    package var lastChain: [[UInt8]]
    /// PKCS #10, DER: for the new leaf's key.
    package var leafRequest: [UInt8]?
    /// PKCS #10, DER: for an issuer's key; answered where the root's key is.
    package var authorityRequest: [UInt8]?

    package init(
        enrolment: Enrolment, lastChain: [[UInt8]], leafRequest: [UInt8]? = nil,
        authorityRequest: [UInt8]? = nil
    ) {
        self.enrolment = enrolment
        self.lastChain = lastChain
        self.leafRequest = leafRequest
        self.authorityRequest = authorityRequest
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        enrolment = try decoder.value(Enrolment.self)
        lastChain = []
        for _ in 0..<(try decoder.count(max: JoinGrant.chainMax, "chain")) {
            lastChain.append(try decoder.bytes(max: JoinGrant.certificateMax, "certificate"))
        }
        leafRequest =
            try decoder.bool("leaf request")
            ? try decoder.bytes(max: JoinRequest.csrMax, "leaf request") : nil
        authorityRequest =
            try decoder.bool("authority request")
            ? try decoder.bytes(max: JoinRequest.csrMax, "authority request") : nil
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(enrolment)
        encoder.put(count: lastChain.count)
        for certificate in lastChain { encoder.put(bytes: certificate) }
        for request in [leafRequest, authorityRequest] {
            encoder.put(request != nil)
            if let request { encoder.put(bytes: request) }
        }
    }

    package var hash: ContentHash { ContentHash(of: canonicalBytes) }
}

/// What makes a node an issuer: the root's word, and its certificate for the issuer's key.
package struct AuthorityGrant: Hashable, Sendable, Canonical {
    package var grant: IssuerGrant
    /// DER.
    package var certificate: [UInt8]

    package init(grant: IssuerGrant, certificate: [UInt8]) {
        self.grant = grant
        self.certificate = certificate
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        grant = try decoder.value(IssuerGrant.self)
        certificate = try decoder.bytes(max: JoinGrant.certificateMax, "certificate")
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(grant)
        encoder.put(bytes: certificate)
    }
}

/// The answer: of each thing that was asked for, one. TLS that ends at the issuer vouches for it.
package struct RenewalGrant: Hashable, Sendable, Canonical {
    /// The new leaf first, then up to the root's child; DER. Empty when none was asked for.
    package var chain: [[UInt8]]
    package var authority: AuthorityGrant?

    package init(chain: [[UInt8]], authority: AuthorityGrant? = nil) {
        self.chain = chain
        self.authority = authority
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        chain = []
        for _ in 0..<(try decoder.count(max: JoinGrant.chainMax, "chain")) {
            chain.append(try decoder.bytes(max: JoinGrant.certificateMax, "certificate"))
        }
        authority = try decoder.bool("authority") ? try decoder.value(AuthorityGrant.self) : nil
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(count: chain.count)
        for certificate in chain { encoder.put(bytes: certificate) }
        encoder.put(authority != nil)
        if let authority { encoder.put(authority) }
    }
}

/// What the node key signs: good for this request, on this connection, at this issuer only.
struct RenewalTranscript: Sendable {
    var mesh: MeshID
    /// Hash of the leaf that the issuer showed.
    var issuerLeaf: ContentHash
    var nodeNonce: [UInt8]
    var issuerNonce: [UInt8]

    func message(_ request: RenewalRequest) -> [UInt8] {
        var encoder = SigningPurpose.renewal.encoder(for: mesh)
        encoder.put(issuerLeaf)
        encoder.put(bytes: nodeNonce)
        encoder.put(bytes: issuerNonce)
        encoder.put(request.hash)
        return encoder.bytes
    }
}
