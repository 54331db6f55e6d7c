package import Catalog

/// Why this node cannot revoke what it was told to.
package enum RevokeProblem: Error, Hashable, Sendable, CustomStringConvertible {
    case notIssuer
    case oneself
    /// Only the root revokes issuers.
    case needsRoot(NodeID)
    case lastIssuer(NodeID)
    case revokedBefore(NodeID)
    /// There is no word of the root on it that could be corrected.
    case notRevokedByRoot(NodeID)
    case tooManyKept(Int, max: Int)
    case refused(RevocationRefusal)
    case signing(SigningFailure)

    package var description: String {
        switch self {
        case .notIssuer:
            "this node's enrolment lacks the role issuer; revoke on a node that has it (`martlet mesh issuers`)"
        case .oneself: "a node does not revoke itself; `martlet mesh leave` takes it out of the mesh"
        case .needsRoot(let node):
            "\(node) is an issuer, and only the root revokes issuers; do it on the node that holds the root's key, "
                + "or bring it here with `martlet mesh root import`"
        case .lastIssuer(let node):
            "\(node) is the last issuer: without one nobody joins, and certificates run out; name a successor first, "
                + "with `martlet mesh root import` or a token of role issuer"
        case .revokedBefore(let node): "\(node) is revoked already"
        case .notRevokedByRoot(let node):
            "the root has not revoked \(node), so there is nothing to correct; `martlet mesh issuers` lists whom it has"
        case .tooManyKept(let count, let max):
            "\(count) enrolments by that issuer would stay valid, at most \(max) can be named; name nodes to drop"
        case .refused(let refusal): "\(refusal)"
        case .signing(let failure): "\(failure)"
        }
    }
}

/// How far a link has come in the exchange of revocations, which is before all else.
struct StatementGreeting: Sendable {
    /// What was said of this node's own set; both ends compare what crossed, so that both decide alike.
    let said: Digest
    /// Whether all that this node held has gone out, or need not.
    var hasTold = false
    /// Whether all that the peer held has come in.
    var hasHeard = false
    /// When all was said over the link last.
    var saidAllAt: Instant?
}

/// Revocations: made here, exchanged before all else, and carried out.
extension MeshCore {
    package var revocations: RevocationBook { store.revocations }
    /// The word by which this node itself is no more of the mesh.
    package var ownRevocation: Revocation? { store.revocations.objection(to: me.enrolment) }

    // MARK: Made here

    /// Revokes a node that is no issuer. Needs the role issuer.
    package mutating func revoke(
        _ node: NodeID, reason: String, at now: Instant, using random: inout some RandomNumberGenerator
    ) throws(RevokeProblem) -> [MeshEffect] {
        self.now = max(now, self.now)
        guard me.enrolment.roles.contains(.issuer) else { throw .notIssuer }
        guard node != me.id else { throw .oneself }
        if let known = store.nodes[node]?.enrolment, known.roles.contains(.issuer) { throw .needsRoot(node) }
        guard store.revocations.objection(to: node) == nil else { throw .revokedBefore(node) }
        let revocation: Revocation
        do throws(SigningFailure) {
            revocation = try Revocation(
                of: node, reason: reason, grant: me.enrolment.grant, by: me.signer)
        } catch {
            throw .signing(error)
        }
        if let refusal = learn(revocation, from: nil, using: &random) { throw .refused(refusal) }
        return flush(using: &random)
    }

    /// Revokes any node in the root's name.
    ///
    /// - Parameter dropping: nodes enrolled by the target whose enrolments end with it; all others that are known
    ///   here stay valid, and so do its revocations.
    package mutating func revoke(
        _ node: NodeID, reason: String, dropping: Set<NodeID> = [], by root: RootSigner, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) throws(RevokeProblem) -> [MeshEffect] {
        self.now = max(now, self.now)
        guard node != me.id else { throw .oneself }
        let isIssuer = store.nodes[node]?.enrolment.roles.contains(.issuer) ?? false
        if isIssuer, !issuers.contains(where: { $0 != node }) { throw .lastIssuer(node) }
        return try say(
            rootTerms(revoking: node, dropping: dropping), revoking: node, reason: reason, by: root,
            using: &random)
    }

    /// Lets more enrolments by a revoked issuer stand than the root's word on it did: a later word of the root takes its place.
    ///
    /// - Parameter keeping: of nodes that were dropped by mistake, or that were not known here then.
    package mutating func correct(
        revocationOf node: NodeID, keeping: Set<KeptEnrolment>, by root: RootSigner, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) throws(RevokeProblem) -> [MeshEffect] {
        self.now = max(now, self.now)
        guard let word = store.revocations.all[RevocationKey(target: node, signer: nil)],
            case .root(var terms) = word.authority
        else { throw .notRevokedByRoot(node) }
        terms.counter = terms.counter == .max ? .max : terms.counter + 1
        terms.enrolments.formUnion(keeping)
        return try say(terms, revoking: node, reason: word.reason, by: root, using: &random)
    }

    private mutating func say(
        _ terms: RootTerms, revoking node: NodeID, reason: String, by root: RootSigner,
        using random: inout some RandomNumberGenerator
    ) throws(RevokeProblem) -> [MeshEffect] {
        guard terms.enrolments.count <= RootTerms.enrolmentsMax else {
            throw .tooManyKept(terms.enrolments.count, max: RootTerms.enrolmentsMax)
        }
        guard terms.revocations.count <= RootTerms.revocationsMax else {
            throw .tooManyKept(terms.revocations.count, max: RootTerms.revocationsMax)
        }
        let revocation: Revocation
        do throws(SigningFailure) {
            revocation = try Revocation(of: node, reason: reason, terms: terms, by: root)
        } catch {
            throw .signing(error)
        }
        if let refusal = learn(revocation, from: nil, using: &random) { throw .refused(refusal) }
        return flush(using: &random)
    }

    /// What of a node's signing would stand if the root revoked it now.
    package func rootTerms(revoking node: NodeID, dropping: Set<NodeID> = []) -> RootTerms {
        var terms = RootTerms()
        if case .root(let before)? = store.revocations.all[RevocationKey(target: node, signer: nil)]?
            .authority
        {
            terms.counter = before.counter == .max ? .max : before.counter + 1
        }
        for (id, body) in store.nodes
        where id != node && body.enrolment.issuer == node && !dropping.contains(id) {
            terms.enrolments.insert(KeptEnrolment(node: id, serial: body.enrolment.serial))
        }
        for key in store.revocations.all.keys where key.signer == node {
            terms.revocations.insert(key.target)
        }
        return terms
    }

    /// Present nodes with the role issuer, in order.
    package var issuers: [NodeID] {
        presentNodes.filter { $0.value.enrolment.roles.contains(.issuer) }.keys.sorted()
    }

    /// Why a connection to or from a node is refused, whatever its certificate says.
    package func objection(to node: NodeID) -> String? {
        store.revocations.objection(to: node).map(Self.describe)
    }

    package static func describe(_ revocation: Revocation) -> String {
        let signer = revocation.signer.map { "issuer \($0)" } ?? "the root"
        return "revoked by \(signer): \(revocation.reason.isEmpty ? "no reason given" : revocation.reason)"
    }

    // MARK: Exchanged

    /// Says what this node holds, before anything else goes over a new link.
    ///
    /// - Returns: whether the peer takes part; a peer of an older version does not.
    mutating func greet(_ link: LinkID, _ facts: LinkFacts) -> Bool {
        guard facts.hello.features & Hello.exchangesStatements != 0 else { return false }
        let digest = statementDigest(for: link)
        greetings[link] = StatementGreeting(said: digest)
        outbox.state(.statementDigest(digest), link)
        return true
    }

    /// Whether documents may go out over a link.
    func isTold(_ link: LinkID) -> Bool { greetings[link]?.hasTold ?? true }
    /// Whether what comes in over a link is looked at.
    func isHeard(_ link: LinkID) -> Bool { greetings[link]?.hasHeard ?? true }
    /// Links over which documents go out, one a peer, in order.
    var spreading: [LinkID] { neighbourhood.active.filter { isTold($0) && isHeard($0) } }

    mutating func receiveStatement(
        _ frame: Frame, from link: LinkID, _ peer: NodeID, using random: inout some RandomNumberGenerator
    ) {
        guard var greeting = greetings[link] else { return }
        switch frame {
        case .statementDigest(let theirs):
            guard !greeting.hasTold else { return repair(theirs, on: link) }
            greeting.hasTold = true
            if theirs == greeting.said { greeting.hasHeard = true }
            greetings[link] = greeting
            if theirs != greeting.said { sayAll(on: link) }
            beginDocuments(on: link)
        case .statements(let encoded, let isLast):
            for bytes in encoded { receiveStatement(bytes, from: link, peer, using: &random) }
            if isLast, !greeting.hasHeard {
                greetings[link]?.hasHeard = true
                beginDocuments(on: link)
            }
        default: break
        }
    }

    /// Later words go to all links as they come; this finds what was missed all the same, such as a word that stands
    /// again because the root corrected itself.
    private mutating func repair(_ theirs: Digest, on link: LinkID) {
        guard theirs != statementDigest(for: link) else { return }
        if let said = greetings[link]?.saidAllAt, now - said < Self.sayAllEvery { return }
        sayAll(on: link)
        outbox.state(.statementDigest(statementDigest(for: link)), link)
    }

    private mutating func sayAll(on link: LinkID) {
        greetings[link]?.saidAllAt = now
        for frame in statementFrames(for: link) { outbox.state(frame, link) }
    }

    /// A whole set is a long answer to a short question.
    private static let sayAllEvery: Duration = .seconds(5)

    /// Once both ends are equal in revocations, whoever opened the link begins with the documents.
    private mutating func beginDocuments(on link: LinkID) {
        guard isTold(link), isHeard(link), let facts = neighbourhood.links[link]?.facts else { return }
        scoped.isDirty = true
        noteCompany()
        if facts.openedByMe { compare(with: link) }
    }

    private mutating func receiveStatement(
        _ bytes: [UInt8], from link: LinkID, _ peer: NodeID, using random: inout some RandomNumberGenerator
    ) {
        if Statement.isOne(bytes) { return receiveDecision(bytes, from: link, peer, using: &random) }
        do throws(WireError) {
            guard let revocation = try Revocation.decode(bytes) else { return }
            guard let refusal = learn(revocation, from: link, using: &random) else { return }
            if refusal.isForgery { floods.charge(peer, at: now) }
            outbox.tell(.notice(.refusedStatement(revocation.key, refusal, from: peer)))
        } catch {
            floods.charge(peer, at: now)
            outbox.tell(.notice(.refusedStatement(nil, .malformed(error), from: peer)))
        }
    }

    // MARK: Carried out

    /// Takes a revocation in, passes it on, and ends whom it names.
    ///
    /// - Returns: why it was not taken.
    mutating func learn(
        _ revocation: Revocation, from link: LinkID?, using random: inout some RandomNumberGenerator
    ) -> RevocationRefusal? {
        let wasRevoked = ownRevocation != nil
        switch store.take(revocation) {
        case .known, .outdated: return nil
        case .refused(let refusal): return refusal
        case .taken(let dropped):
            // Approvals and releases of whom it names count no more, also where nothing of that node was known.
            outbox.noteCatalogChange()
            for key in dropped { outbox.persist(.dropStatement(key)) }
            outbox.persist(.storeStatement(revocation))
            let encoded = revocation.encoded
            for other in neighbourhood.links.keys.sorted() where other != link && greetings[other] != nil {
                outbox.state(.statements([encoded], isLast: false), other)
            }
            expelRevoked(using: &random)
            switch (wasRevoked, ownRevocation) {
            case (false, let mine?): outbox.tell(.notice(.revoked(Self.describe(mine))))
            case (true, nil):
                // The root has corrected itself: what was kept back is said.
                publishNode(using: &random)
                linksDirty = true
            default: break
            }
            return nil
        }
    }

    /// Ends everybody whose enrolment stands no more.
    mutating func expelRevoked(using random: inout some RandomNumberGenerator) {
        let ended = store.nodes.filter { $0.key != me.id }
            .compactMap { id, body in store.revocations.objection(to: body.enrolment).map { (id, $0) } }
        for (id, word) in ended.sorted(by: { $0.0 < $1.0 }) {
            forget(id, using: &random)
            outbox.tell(.expel(id, text: Self.describe(word)))
            outbox.tell(.notice(.expelled(id, Self.describe(word))))
        }
        // Also those of which no document is known here.
        for (_, link) in neighbourhood.links.sorted(by: { $0.key < $1.key }) {
            guard let word = store.revocations.objection(to: link.facts.peer) else { continue }
            outbox.tell(.expel(link.facts.peer, text: Self.describe(word)))
        }
    }

    /// Drops all that a node ever said; its links are closed by the shell.
    private mutating func forget(_ node: NodeID, using random: inout some RandomNumberGenerator) {
        for key in store.dropAll(of: node) {
            outbox.persist(.drop(key))
            if key.kind == .server, let name = key.name {
                for hash in shelf.use(ServerKey(owner: node, name: name), nil, size: 0) {
                    outbox.persist(.dropManifest(hash))
                }
            }
        }
        dropScoped(of: node)
        floods.forget(node)
        damping.forget(node)
        neighbourhood.forget(node)
        for link in pulls.keys { pulls[link] = pulls[link]?.filter { $0.key.origin != node } }
        unreachableSince[node] = nil
        heardAt[node] = nil
        departedAt[node] = nil
        noteLinks(of: node)
        routesFoundAt = nil
        wanted = nil
        outbox.noteCatalogChange()
    }
}
