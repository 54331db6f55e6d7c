package import Catalog

/// One node's copy of everybody's documents: per key, the greatest version stands.
///
/// Taking a document in is commutative and idempotent, which is what lets spread repeat and reorder: whatever the
/// order, the same documents end in the same store. (Two exceptions, open to a hostile origin only: beyond its
/// caps, who came first stays; and of an origin that left and goes on under its old enrolment, the leave.)
package struct DocumentStore: Sendable {
    package enum Outcome: Hashable, Sendable {
        /// New to us. `evicted`: of the same origin, now beyond its role.
        case taken(replacing: Document?, evicted: [DocumentKey])
        /// This very document is held already.
        case known
        /// A later one is held.
        case outdated
        /// The origin signed two documents under one version; whichever has the greater hash stands, unless it is
        /// beyond what its origin may. `evicted`: as above.
        case equivocation(taken: Bool, evicted: [DocumentKey])
        case refused(DocumentRefusal)
    }

    /// Proof that an origin signed two documents under one version: the one held then, and the other.
    package struct Equivocation: Hashable, Sendable {
        package let first: Document
        package let second: Document
    }

    private struct Counts: Sendable {
        var all = 0
        var liveServers = 0
        var liveVirtualServers = 0
    }

    private let trust: MeshTrust
    private let checker: SignatureChecker
    private let limits: MeshLimits

    private var documents: [DocumentKey: Document] = [:]
    private var counts: [NodeID: Counts] = [:]
    private var index = RowIndex()
    private var digestMade: Digest?

    // What the documents say, decoded once.
    package private(set) var nodes: [NodeID: NodeBody] = [:]
    /// Of the nodes that are present.
    private(set) var segments: [NodeID: Label] = [:]
    /// Those of them that have no address to dial.
    private(set) var mute: Set<NodeID> = []
    /// They again, by the labels under which they are enrolled.
    private(set) var holders: [Label: Set<NodeID>] = [:]
    package private(set) var links: [NodeID: LinksBody] = [:]
    package private(set) var servers: [ServerKey: ServerBody] = [:]
    package private(set) var virtualServers: [Label: [NodeID: VirtualServerBody]] = [:]
    /// The first proof against each origin that equivocated.
    package private(set) var equivocations: [NodeID: Equivocation] = [:]
    /// Who is no more of the mesh; what they say is not taken.
    package private(set) var revocations: RevocationBook

    package init(trust: MeshTrust, checker: SignatureChecker, limits: MeshLimits) {
        self.trust = trust
        self.checker = checker
        self.limits = limits
        revocations = RevocationBook(perSignerMax: limits.documentsPerOrigin)
    }

    package var signatureChecker: SignatureChecker { checker }
    package var count: Int { documents.count }
    var presentCount: Int { segments.count }
    package var all: some Collection<Document> { documents.values }
    package subscript(key: DocumentKey) -> Document? { documents[key] }

    /// Whether a document is worth asking for.
    package func wants(_ row: DocumentRow) -> Bool {
        guard let held = documents[row.key] else { return true }
        if row.version == held.version && row.hash != held.hash {
            return row.beats(held.row) || equivocations[row.key.origin] == nil
        }
        return row.beats(held.row)
    }

    /// Whether bytes say nothing that is not held: told at a fraction of the cost of taking them in.
    ///
    /// - Returns: the key, and whether it is the very document, not an earlier version of it; `nil`: it must be looked at.
    func held(in bytes: [UInt8]) -> (key: DocumentKey, isSame: Bool)? {
        guard let (key, version) = Document.heading(bytes), let held = documents[key] else { return nil }
        if held.version > version { return (key, false) }
        guard held.version == version, held.encodedCount == bytes.count, held.encoded == bytes else {
            return nil
        }
        return (key, true)
    }

    /// Takes a document in, from wherever it comes.
    ///
    /// - Complexity: one signature when it is news, three for a node seen for the first time.
    package mutating func take(_ document: Document) -> Outcome {
        let held = documents[document.key]
        if let held {
            if held.hash == document.hash { return .known }
            if held.version > document.version { return .outdated }
        }
        let body: Body
        do throws(DocumentRefusal) {
            body = try check(document)
        } catch {
            return .refused(error)
        }
        if let held, held.version == document.version {
            if equivocations[document.key.origin] == nil {
                equivocations[document.key.origin] = Equivocation(first: held, second: document)
            }
            guard document.row.beats(held.row), objection(to: document, body, held) == nil else {
                return .equivocation(taken: false, evicted: [])
            }
            return .equivocation(taken: true, evicted: keepAndEvict(document, body, replacing: held))
        }
        if let refusal = objection(to: document, body, held) { return .refused(refusal) }
        return .taken(replacing: held, evicted: keepAndEvict(document, body, replacing: held))
    }

    /// What speaks against a document that is well signed.
    private func objection(to document: Document, _ body: Body, _ held: Document?) -> DocumentRefusal? {
        // Whoever left comes back by a later enrolment only, not by a restored disk.
        if case .node(let node) = body, node.standing == .present,
            let known = nodes[document.key.origin], known.standing == .left,
            node.enrolment.serial <= known.enrolment.serial
        {
            return .departed(document.key.origin)
        }
        return beyondCaps(document, body, held)
    }

    /// - Returns: what the origin may not say any more, now that its own document says otherwise.
    private mutating func keepAndEvict(
        _ document: Document, _ body: Body, replacing held: Document?
    ) -> [DocumentKey] {
        let rolesBefore = nodes[document.key.origin]?.enrolment.roles
        keep(document, body, replacing: held)
        guard case .node(let node) = body, let rolesBefore, rolesBefore != node.enrolment.roles else {
            return []
        }
        return evict(beyond: node.enrolment.roles, of: document.key.origin)
    }

    // MARK: Revocations

    /// Takes a revocation in; whoever it ends still has its documents here until ``dropAll(of:)``.
    package mutating func take(_ revocation: Revocation) -> RevocationBook.Outcome {
        let nodes = nodes
        return revocations.take(
            revocation, under: trust, by: checker,
            isIssuer: { nodes[$0]?.enrolment.roles.contains(.issuer) ?? false })
    }

    /// Drops what issuers said of a node that turns out to be one itself: beyond their role.
    package mutating func dropIssuersWord(on issuer: NodeID) -> [RevocationKey] {
        revocations.dropIssuersWord(on: issuer)
    }

    package mutating func revocationDigest() -> Digest { revocations.digest() }

    /// Forgets everything that an origin said.
    package mutating func dropAll(of origin: NodeID) -> [DocumentKey] {
        let gone = documents.keys.filter { $0.origin == origin }.sorted()
        for key in gone { remove(key) }
        noteNode(origin, nil)
        counts[origin] = nil
        equivocations[origin] = nil
        return gone
    }

    // MARK: Digests

    package mutating func digest() -> Digest {
        if let digestMade { return digestMade }
        let rows = rows()
        var encoder = CanonicalEncoder(reserving: rows.count * 100)
        for row in rows { row.encode(to: &encoder) }
        let digest = Digest(count: UInt32(clamping: rows.count), root: ContentHash(of: encoder.bytes))
        digestMade = digest
        return digest
    }

    /// All rows in the order of their keys.
    package mutating func rows() -> [DocumentRow] { index.rows(of: documents) }

    /// Where each of ``rows()`` falls (``DocumentKey/place``).
    mutating func places() -> [UInt16] { index.places(of: documents) }

    // MARK: Parts

    private enum Body: Sendable {
        case node(NodeBody)
        case links(LinksBody)
        case server(ServerBody?)
        case virtualServer(VirtualServerBody)

        var isLive: Bool {
            switch self {
            case .node, .links: true
            case .server(let body): body != nil
            case .virtualServer(let body): body.definition != nil
            }
        }
    }

    private func check(_ document: Document) throws(DocumentRefusal) -> Body {
        let origin = document.key.origin
        let body: Body
        do throws(WireError) {
            body = try Self.decode(document)
        } catch {
            throw .malformed(error)
        }
        let enrolment: Enrolment
        if case .node(let node) = body {
            enrolment = node.enrolment
            guard enrolment.node.id == origin else {
                throw .badEnrolment(.otherKey(enrolled: enrolment.node.id, claimed: origin))
            }
            if nodes[origin]?.enrolment != enrolment {
                do throws(EnrolmentProblem) {
                    try enrolment.check(under: trust, by: checker)
                } catch {
                    throw .badEnrolment(error)
                }
            }
        } else if let known = nodes[origin]?.enrolment {
            enrolment = known
        } else {
            throw .unknownOrigin(origin)
        }
        guard enrolment.isIssuerByRoot else { throw .badEnrolment(.issuerNotByRoot(origin)) }
        guard revocations.objection(to: enrolment) == nil else { throw .revoked(origin) }
        guard enrolment.roles.isSuperset(of: document.key.kind.needs) else {
            throw .beyondRole(needs: document.key.kind.needs, has: enrolment.roles)
        }
        guard document.isSigned(by: enrolment.node, in: trust.mesh, checker: checker) else {
            throw .badSignature
        }
        return body
    }

    private static func decode(_ document: Document) throws(WireError) -> Body {
        guard let bytes = document.body else { return .server(nil) }
        switch document.key.kind {
        case .node: return .node(try NodeBody(canonical: bytes))
        case .links: return .links(try LinksBody(canonical: bytes))
        case .server: return .server(try ServerBody(canonical: bytes))
        case .virtualServer: return .virtualServer(try VirtualServerBody(canonical: bytes))
        }
    }

    private func beyondCaps(_ document: Document, _ body: Body, _ held: Document?) -> DocumentRefusal? {
        let key = document.key
        let counts = counts[key.origin] ?? Counts()
        if held == nil, counts.all >= limits.documentsPerOrigin {
            return .tooMany(key.kind, max: limits.documentsPerOrigin)
        }
        guard body.isLive, !isLive(key) else { return nil }
        switch key.kind {
        case .server where counts.liveServers >= limits.serversPerOrigin:
            return .tooMany(.server, max: limits.serversPerOrigin)
        case .virtualServer where counts.liveVirtualServers >= limits.virtualServersPerOrigin:
            return .tooMany(.virtualServer, max: limits.virtualServersPerOrigin)
        default: return nil
        }
    }

    private func isLive(_ key: DocumentKey) -> Bool {
        switch (key.kind, key.name) {
        case (.server, let name?): servers[ServerKey(owner: key.origin, name: name)] != nil
        case (.virtualServer, let name?): virtualServers[name]?[key.origin]?.definition != nil
        default: documents[key] != nil
        }
    }

    private mutating func keep(_ document: Document, _ body: Body, replacing held: Document?) {
        let key = document.key
        if held == nil { counts[key.origin, default: Counts()].all += 1 }
        count(key, live: isLive(key) ? -1 : 0)
        documents[key] = document
        switch (body, key.name) {
        case (.node(let node), _):
            noteNode(key.origin, node)
        case (.links(let body), _): links[key.origin] = body
        case (.server(let server), let name?): servers[ServerKey(owner: key.origin, name: name)] = server
        case (.virtualServer(let body), let name?): virtualServers[name, default: [:]][key.origin] = body
        case (.server, nil), (.virtualServer, nil): break  // a named kind's key always has its name
        }
        count(key, live: isLive(key) ? 1 : 0)
        index.note(key)
        digestMade = nil
    }

    private mutating func noteNode(_ id: NodeID, _ body: NodeBody?) {
        if let old = nodes[id]?.enrolment.label {
            holders[old]?.remove(id)
            if holders[old]?.isEmpty == true { holders[old] = nil }
        }
        nodes[id] = body
        let present = body?.standing == .present ? body : nil
        segments[id] = present?.enrolment.segment
        if let label = present?.enrolment.label { holders[label, default: []].insert(id) }
        if present?.addresses.isEmpty == true { mute.insert(id) } else { mute.remove(id) }
    }

    private mutating func count(_ key: DocumentKey, live change: Int) {
        switch key.kind {
        case .server: counts[key.origin, default: Counts()].liveServers += change
        case .virtualServer: counts[key.origin, default: Counts()].liveVirtualServers += change
        case .node, .links: break
        }
    }

    /// Forgets what an origin may no longer say, so that nodes which heard it before and after its roles changed
    /// hold the same.
    private mutating func evict(beyond roles: Roles, of origin: NodeID) -> [DocumentKey] {
        let gone = documents.keys
            .filter { $0.origin == origin && !roles.isSuperset(of: $0.kind.needs) }
            .sorted()
        for key in gone { remove(key) }
        return gone
    }

    private mutating func remove(_ key: DocumentKey) {
        let origin = key.origin
        count(key, live: isLive(key) ? -1 : 0)
        counts[origin, default: Counts()].all -= 1
        documents[key] = nil
        if let name = key.name, key.kind == .virtualServer { virtualServers[name]?[origin] = nil }
        if let name = key.name, key.kind == .server {
            servers[ServerKey(owner: origin, name: name)] = nil
        }
        if key.kind == .links { links[origin] = nil }
        index.note(key)
        digestMade = nil
    }
}
