package import Catalog

/// What an owner tells some nodes of one of its servers (`to:`), and nobody else.
///
/// No ``Document``, and signed for another purpose: no store of documents could take it, so no mistake could spread it.
/// It has no version without body: each reader is given its whole set by the owner itself, and what is absent is gone.
package struct ScopedDocument: Hashable, Sendable {
    /// Owner and name, a server's body, version and signature.
    package static let bytesMax = 4 * 1024 + 512

    package let server: ServerKey
    package let version: DocumentVersion
    package let body: ServerBody
    package let signature: Signature
    /// Of owner, name and body: what a reader holds is the same, whichever life of the owner signed it.
    package let contentHash: ContentHash

    package init(
        _ server: ServerKey, version: DocumentVersion, body: ServerBody, mesh: MeshID, by signer: Signer
    ) throws(SigningFailure) {
        let content = Self.content(server, body)
        self.init(
            server: server, version: version, body: body, content: content,
            signature: try signer.sign(Self.message(content, version, in: mesh)))
    }

    package init(decoding bytes: some Sequence<UInt8>) throws(WireError) {
        var decoder = CanonicalDecoder(bytes)
        let owner: NodeID = try decoder.fingerprint("owner")
        let server = ServerKey(owner: owner, name: try decoder.label("server"))
        let body = try ServerBody(
            canonical: try decoder.bytes(max: DocumentKind.server.bodyMax, "body"))
        let version = try decoder.value(DocumentVersion.self)
        let signature = try decoder.value(Signature.self)
        try decoder.finish()
        self.init(
            server: server, version: version, body: body, content: Self.content(server, body),
            signature: signature)
    }

    private init(
        server: ServerKey, version: DocumentVersion, body: ServerBody, content: [UInt8], signature: Signature
    ) {
        self.server = server
        self.version = version
        self.body = body
        self.signature = signature
        contentHash = ContentHash(of: content)
    }

    package var encoded: [UInt8] {
        var encoder = CanonicalEncoder(reserving: 512)
        encoder.put(fixed: Self.content(server, body))
        encoder.put(version)
        encoder.put(signature)
        return encoder.bytes
    }

    package func isSigned(by owner: NodeKey, in mesh: MeshID, checker: SignatureChecker) -> Bool {
        owner.id == server.owner
            && checker.node(owner, signature, Self.message(Self.content(server, body), version, in: mesh))
    }

    private static func content(_ server: ServerKey, _ body: ServerBody) -> [UInt8] {
        var encoder = CanonicalEncoder(reserving: 512)
        encoder.put(server.owner)
        encoder.put(server.name)
        encoder.put(bytes: body.canonicalBytes)
        return encoder.bytes
    }

    private static func message(_ content: [UInt8], _ version: DocumentVersion, in mesh: MeshID) -> [UInt8] {
        var encoder = SigningPurpose.scopedDocument.encoder(for: mesh, reserving: content.count + 96)
        encoder.put(fixed: content)
        encoder.put(version)
        return encoder.bytes
    }
}

/// A server that is for some nodes only, as it lies on the disk of its owner and of each reader.
package struct StoredScoped: Sendable {
    package var document: ScopedDocument
    /// The encoded manifest that was last whole here; not always the one that the document names.
    package var manifest: [UInt8]?

    package init(_ document: ScopedDocument, manifest: [UInt8]? = nil) {
        self.document = document
        self.manifest = manifest
    }
}
