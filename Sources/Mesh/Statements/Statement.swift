package import Catalog

package enum StatementSubject {}
/// Names what a statement is about, and in what way; of each name an origin has one.
package typealias StatementName = Fingerprint<StatementSubject>

/// Names a statement for good: of each key, the greatest version stands.
package struct StatementKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let origin: NodeID
    package let name: StatementName

    package init(origin: NodeID, name: StatementName) {
        self.origin = origin
        self.name = name
    }

    package var description: String { "statement \(name) of \(origin)" }

    /// For storage, apart from those of revocations, which are of 32 bytes.
    package var bytes: [UInt8] { [Statement.Number.decision.rawValue] + origin.bytes + name.bytes }

    package static func < (a: Self, b: Self) -> Bool { (a.origin, a.name) < (b.origin, b.name) }
}

/// A signed decision on what may be called: approve, quarantine, release, limit (docs/decisions/0034).
///
/// It carries its origin's enrolment, so that whoever knows the root key can check it alone, before any document and after its
/// origin is gone: a quarantine outlives its signer. Of each (origin, name) the greatest version stands, whatever the order.
package struct Statement: Hashable, Sendable {
    /// Of a body.
    package static let bodyMax = 4 * 1024
    /// Largest encoded one: the body, the enrolment, and the fields around them.
    package static let bytesMax = bodyMax + 1024

    /// Tells it from revocations, which are numbered 1 and 2. Nodes that know no limits skip what begins with another number
    /// than theirs, so limits have one of their own.
    enum Number: UInt8, Hashable, Sendable {
        case decision = 3
        case limit = 4

        init(_ verb: StatementVerb) { self = verb == .limit ? .limit : .decision }
    }

    let number: Number

    package let enrolment: Enrolment
    package let name: StatementName
    package let version: DocumentVersion
    /// `nil`: taken back by its origin; kept without body for good.
    package let body: StatementBody?
    package let signature: Signature
    /// Of all but the signature: what it says. A release names a quarantine by it.
    package let hash: ContentHash

    /// - Parameter verb: what the name is of; of a statement with a body, that of its decision.
    package init(
        _ verb: StatementVerb, _ name: StatementName, version: DocumentVersion, body: StatementBody?,
        enrolment: Enrolment, by signer: Signer
    ) throws(SigningFailure) {
        let number = Number(verb)
        let content = Self.content(number, name, version, enrolment, body)
        self.init(
            number, name, version, enrolment, body,
            try signer.sign(Self.message(content, in: enrolment.mesh)))
    }

    private init(
        _ number: Number, _ name: StatementName, _ version: DocumentVersion, _ enrolment: Enrolment,
        _ body: StatementBody?, _ signature: Signature
    ) {
        self.number = number
        self.name = name
        self.version = version
        self.enrolment = enrolment
        self.body = body
        self.signature = signature
        hash = ContentHash(of: Self.content(number, name, version, enrolment, body))
    }

    package var origin: NodeID { enrolment.node.id }
    package var key: StatementKey { StatementKey(origin: origin, name: name) }

    /// Of two under one key every node keeps the same.
    package func beats(_ other: Statement) -> Bool {
        (version, hash) > (other.version, other.hash)
    }

    /// Whether its signature is its origin's; the enrolment is checked apart, once for many.
    package func isSigned(checker: SignatureChecker) -> Bool {
        checker.node(
            enrolment.node, signature,
            Self.message(Self.content(number, name, version, enrolment, body), in: enrolment.mesh))
    }

    // MARK: Coding

    package var encoded: [UInt8] { Self.content(number, name, version, enrolment, body) + signature.bytes }

    /// Whether bytes are of this kind of statement.
    static func isOne(_ bytes: [UInt8]) -> Bool { bytes.first.flatMap(Number.init(rawValue:)) != nil }

    package static func decode(_ bytes: some Sequence<UInt8>) throws(WireError) -> Statement {
        var decoder = CanonicalDecoder(bytes)
        guard let number = Number(rawValue: try decoder.byte("statement kind")) else {
            throw .invalid("statement kind")
        }
        let name: StatementName = try decoder.fingerprint("statement name")
        let version = try decoder.value(DocumentVersion.self)
        let enrolment = try decoder.value(Enrolment.self)
        let body: StatementBody? =
            try decoder.bool("body")
            ? try StatementBody(canonical: decoder.slice(max: bodyMax, "body")) : nil
        guard body.map({ $0.name == name }) ?? true else { throw .invalid("statement name") }
        guard body.map({ Number($0.decision.verb) == number }) ?? true else {
            throw .invalid("statement kind")
        }
        let signature = try decoder.value(Signature.self)
        try decoder.finish()
        return Statement(number, name, version, enrolment, body, signature)
    }

    private static func content(
        _ number: Number, _ name: StatementName, _ version: DocumentVersion, _ enrolment: Enrolment,
        _ body: StatementBody?
    ) -> [UInt8] {
        var encoder = CanonicalEncoder(reserving: 768)
        encoder.put(number.rawValue)
        encoder.put(name)
        encoder.put(version)
        encoder.put(enrolment)
        encoder.put(body != nil)
        if let body { encoder.put(bytes: body.canonicalBytes) }
        return encoder.bytes
    }

    private static func message(_ content: [UInt8], in mesh: MeshID) -> [UInt8] {
        var encoder = SigningPurpose.statement.encoder(for: mesh, reserving: content.count + 64)
        encoder.put(fixed: content)
        return encoder.bytes
    }

    package static func == (a: Self, b: Self) -> Bool { a.hash == b.hash && a.signature == b.signature }
    package func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}
