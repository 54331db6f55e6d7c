package import Catalog

/// What a document is about. Numbers are for good.
package enum DocumentKind: UInt8, Hashable, Comparable, Sendable, CaseIterable, CustomStringConvertible {
    case node = 1
    case links = 2
    case server = 3
    case virtualServer = 4
    // 5 is kept for statements.

    /// Largest body in bytes.
    package var bodyMax: Int {
        switch self {
        case .node, .server: 4 * 1024
        case .links: 16 * 1024
        case .virtualServer: 64 * 1024
        }
    }

    /// What an origin's enrolment must hold.
    package var needs: Roles {
        switch self {
        case .node, .links, .server: .member
        case .virtualServer: .operator
        }
    }

    /// Whether a version without body stands for "deleted".
    ///
    /// Not so for the others: the node document's enrolment is what its own signature is checked against, links
    /// merely become none, and a removed virtual server still needs its counter to beat what it replaced.
    package var allowsNoBody: Bool { self == .server }

    /// Whether an origin has many of this kind, told apart by name.
    package var isNamed: Bool {
        switch self {
        case .node, .links: false
        case .server, .virtualServer: true
        }
    }

    package var description: String {
        switch self {
        case .node: "node"
        case .links: "links"
        case .server: "server"
        case .virtualServer: "virtual server"
        }
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Names a document for good: of each key, the greatest version stands.
///
/// Sorted by kind first, so that in every list the node documents, by which all others are checked, come first.
package struct DocumentKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let kind: DocumentKind
    package let origin: NodeID
    /// Of a server or virtual server; `nil` for the kinds of which an origin has one.
    package let name: Label?

    package static func node(_ origin: NodeID) -> Self { Self(kind: .node, origin: origin, name: nil) }
    package static func links(_ origin: NodeID) -> Self { Self(kind: .links, origin: origin, name: nil) }
    package static func server(_ origin: NodeID, _ name: Label) -> Self {
        Self(kind: .server, origin: origin, name: name)
    }
    package static func virtualServer(_ origin: NodeID, _ name: Label) -> Self {
        Self(kind: .virtualServer, origin: origin, name: name)
    }

    private init(kind: DocumentKind, origin: NodeID, name: Label?) {
        self.kind = kind
        self.origin = origin
        self.name = name
    }

    package var description: String { "\(kind) \(origin)\(name.map { "/\($0)" } ?? "")" }

    package static func < (a: Self, b: Self) -> Bool {
        if a.kind != b.kind { return a.kind < b.kind }
        if a.origin != b.origin { return a.origin < b.origin }
        return (a.name?.text ?? "") < (b.name?.text ?? "")
    }

    func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(kind.rawValue)
        encoder.put(origin)
        encoder.put(text: name?.text ?? "")
    }

    /// Reads past a whole key.
    ///
    /// - Returns: `nil` for a kind that a newer version of the protocol brought.
    static func decode(from decoder: inout CanonicalDecoder) throws(WireError) -> DocumentKey? {
        let number = try decoder.byte("document kind")
        let origin: NodeID = try decoder.fingerprint("origin")
        let text = try decoder.text(max: Label.lengthMax, "document name")
        guard let kind = DocumentKind(rawValue: number) else { return nil }
        if kind.isNamed {
            guard let name = Label(text) else { throw .invalid("document name") }
            return DocumentKey(kind: kind, origin: origin, name: name)
        }
        guard text.isEmpty else { throw .invalid("document name") }
        return DocumentKey(kind: kind, origin: origin, name: nil)
    }
}

/// Orders what one origin said under one key; never a clock.
package struct DocumentVersion: Hashable, Comparable, Sendable, Canonical, CustomStringConvertible {
    /// One more at every start, on disk before the first document leaves.
    package var incarnation: UInt64
    /// 64 random bits per start: two lives of one incarnation are a restore or a clone.
    package var life: UInt64
    /// 1, 2, 3, … over all documents of one life.
    package var sequence: UInt64

    package init(incarnation: UInt64, life: UInt64, sequence: UInt64) {
        self.incarnation = incarnation
        self.life = life
        self.sequence = sequence
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        incarnation = try decoder.uint64("incarnation")
        life = try decoder.uint64("life")
        sequence = try decoder.uint64("sequence")
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(incarnation)
        encoder.put(life)
        encoder.put(sequence)
    }

    package var description: String { "\(incarnation).\(String(life, radix: 16)).\(sequence)" }

    package static func < (a: Self, b: Self) -> Bool {
        (a.incarnation, a.life, a.sequence) < (b.incarnation, b.life, b.sequence)
    }
}

/// One signed, versioned word of one origin.
package struct Document: Hashable, Sendable {
    /// Largest encoded document: the largest body, its key, version and signature.
    package static let bytesMax = 64 * 1024 + 512

    package let key: DocumentKey
    package let version: DocumentVersion
    /// Canonical bytes of the kind's body; `nil`: deleted, kept without body for good.
    package let body: [UInt8]?
    package let signature: Signature
    /// Of all but the signature; with the version, the document's identity.
    package let hash: ContentHash

    package init(
        _ key: DocumentKey, version: DocumentVersion, body: [UInt8]?, mesh: MeshID, by signer: Signer
    ) throws(SigningFailure) {
        self.key = key
        self.version = version
        self.body = body
        let content = Self.content(key, version, body)
        signature = try signer.sign(Self.message(content, in: mesh))
        hash = ContentHash(of: content)
    }

    /// - Returns: `nil` for a kind that a newer version of the protocol brought.
    package static func decode(_ bytes: some Sequence<UInt8>) throws(WireError) -> Document? {
        var decoder = CanonicalDecoder(bytes)
        guard let key = try DocumentKey.decode(from: &decoder) else { return nil }
        let version = try decoder.value(DocumentVersion.self)
        let body = try decoder.bool("body") ? try decoder.bytes(max: key.kind.bodyMax, "body") : nil
        guard body != nil || key.kind.allowsNoBody else { throw .invalid("body") }
        let signature = try decoder.value(Signature.self)
        try decoder.finish()
        return Document(key: key, version: version, body: body, signature: signature)
    }

    /// Reads no more than what names a document: enough to see that it is held already.
    ///
    /// - Returns: `nil` for what is none, or of a kind that a newer version of the protocol brought.
    static func heading(_ bytes: [UInt8]) -> (key: DocumentKey, version: DocumentVersion)? {
        do throws(WireError) {
            var decoder = CanonicalDecoder(bytes[...])
            guard let key = try DocumentKey.decode(from: &decoder) else { return nil }
            return (key, try decoder.value(DocumentVersion.self))
        } catch {
            return nil
        }
    }

    package var encoded: [UInt8] { Self.content(key, version, body) + signature.bytes }

    /// Size of ``encoded``, without making it.
    package var encodedCount: Int {
        1 + 16 + 4 + (key.name?.text.utf8.count ?? 0) + 24 + 1 + (body.map { $0.count + 4 } ?? 0)
            + Signature.byteCount
    }

    package var row: DocumentRow { DocumentRow(key: key, version: version, hash: hash) }

    package func isSigned(by origin: NodeKey, in mesh: MeshID, checker: SignatureChecker) -> Bool {
        origin.id == key.origin
            && checker.node(origin, signature, Self.message(Self.content(key, version, body), in: mesh))
    }

    private init(key: DocumentKey, version: DocumentVersion, body: [UInt8]?, signature: Signature) {
        self.key = key
        self.version = version
        self.body = body
        self.signature = signature
        hash = ContentHash(of: Self.content(key, version, body))
    }

    private static func content(_ key: DocumentKey, _ version: DocumentVersion, _ body: [UInt8]?) -> [UInt8] {
        var encoder = CanonicalEncoder(reserving: 160 + (body?.count ?? 0))
        key.encode(to: &encoder)
        encoder.put(version)
        encoder.put(body != nil)
        if let body { encoder.put(bytes: body) }
        return encoder.bytes
    }

    private static func message(_ content: [UInt8], in mesh: MeshID) -> [UInt8] {
        var encoder = SigningPurpose.document.encoder(for: mesh, reserving: content.count + 64)
        encoder.put(fixed: content)
        return encoder.bytes
    }

    package static func == (a: Self, b: Self) -> Bool { a.hash == b.hash && a.signature == b.signature }
    package func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}

/// A document without its content: enough to see who is behind.
package struct DocumentRow: Hashable, Sendable {
    package let key: DocumentKey
    package let version: DocumentVersion
    package let hash: ContentHash

    package init(key: DocumentKey, version: DocumentVersion, hash: ContentHash) {
        self.key = key
        self.version = version
        self.hash = hash
    }

    /// Of two documents under one key, every node keeps the same one: the later, and of two under one full
    /// version (equivocation) the one with the greater hash.
    package func beats(_ other: DocumentRow) -> Bool {
        (version, hash) > (other.version, other.hash)
    }

    func encode(to encoder: inout CanonicalEncoder) {
        key.encode(to: &encoder)
        encoder.put(version)
        encoder.put(hash)
    }

    static func decode(from decoder: inout CanonicalDecoder) throws(WireError) -> DocumentRow? {
        let key = try DocumentKey.decode(from: &decoder)
        let version = try decoder.value(DocumentVersion.self)
        let hash = try decoder.hash("document hash")
        return key.map { DocumentRow(key: $0, version: version, hash: hash) }
    }
}
