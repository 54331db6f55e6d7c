package import Catalog

/// One connection to one peer, numbered by the shell; never used twice in one life.
package struct LinkID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let number: UInt64
    package init(_ number: UInt64) { self.number = number }
    package var description: String { "link \(number)" }
    package static func < (a: Self, b: Self) -> Bool { a.number < b.number }
}

/// A link as its handshake left it: TLS proved who is there, and both hellos have crossed.
package struct LinkFacts: Hashable, Sendable {
    /// The peer's hello; the shell has checked its node id against the certificate.
    package var hello: Hello
    /// Whether this node dialled.
    package var openedByMe: Bool
    /// What was dialled; `nil` for an accepted link.
    package var address: String?

    package var peer: NodeID { hello.node }

    package init(hello: Hello, openedByMe: Bool, address: String?) {
        self.hello = hello
        self.openedByMe = openedByMe
        self.address = address
    }
}

/// Why dialling an address gave no link.
package enum DialProblem: Hashable, Sendable, CustomStringConvertible {
    /// No connection: refused, no route, timed out, or broken off before TLS stood.
    case unreachable(String)
    /// TLS or hello failed, or the other side closed once TLS stood; the text says how.
    case refused(String)
    /// All is well but for the clock, here or there, by so much.
    case outsideItsTime(offset: Duration)
    /// Somebody else is there than was expected.
    case otherNode(NodeID)
    /// The address leads back here.
    case myself
    /// A node of another mesh.
    case otherMesh(MeshID?)

    package var description: String {
        switch self {
        case .unreachable(let detail), .refused(let detail): detail
        case .outsideItsTime(let offset):
            "its certificate is outside its time by \(offset); compare the clocks of both hosts"
        case .otherNode(let id): "another node answers there: \(id)"
        case .myself: "this is the node's own address"
        case .otherMesh(let mesh?): "a node of another mesh, \(mesh)"
        case .otherMesh(nil): "a node of another mesh"
        }
    }
}

/// What a node held on disk when it started.
package struct StoredState: Sendable {
    package var documents: [Document]
    /// Encoded manifests.
    package var manifests: [ContentHash: [UInt8]]
    /// Names of the servers that this node is configured with: whatever else it once published is withdrawn.
    package var ownServers: Set<Label>
    /// Addresses of peers met in earlier lives.
    package var remembered: [Candidate]
    package var revocations: [Revocation]
    /// Decisions on what may be called.
    package var statements: [Statement]
    /// Servers that are for some nodes only, this node's own and those that it was given.
    package var scoped: [StoredScoped]
    /// Whom this node's own servers of that kind are for, as it is configured now.
    package var ownScopes: [Label: ServerScope]

    /// How long ago something was last learnt of each origin, where that is known.
    package var ages: [NodeID: Duration]
    /// Documents that show a later vault of their origin than what it said after them.
    package var vaultWitnesses: [Document] = []

    package init(
        documents: [Document] = [], manifests: [ContentHash: [UInt8]] = [:], ownServers: Set<Label> = [],
        remembered: [Candidate] = [], revocations: [Revocation] = [], scoped: [StoredScoped] = [],
        ownScopes: [Label: ServerScope] = [:], ages: [NodeID: Duration] = [:], statements: [Statement] = []
    ) {
        self.statements = statements
        self.ages = ages
        self.scoped = scoped
        self.ownScopes = ownScopes
        self.revocations = revocations
        self.documents = documents
        self.manifests = manifests
        self.ownServers = ownServers
        self.remembered = remembered
    }
}

/// What can happen to a node, as ``MeshCore`` sees it. (What its own administrators do are methods that throw.)
package enum MeshEvent: Sendable {
    /// The first event, once.
    case started(StoredState)
    case linkUp(LinkID, LinkFacts)
    /// The peer has no place for this node, and names others; ``linkDown(_:)`` follows.
    case turnedAway(LinkID, Referral)
    /// A link did not come about, whoever dialled: the two speak no version of the protocol in common.
    case versionsApart(NodeID, text: String)
    /// Closed, reset, or silent for too long; also the answer to ``MeshEffect/close(_:_:text:)``.
    ///
    /// `isRejection`: one of the two ends will not have the other; not that something between them broke.
    case linkDown(LinkID, isRejection: Bool = false)
    /// A link through a circuit; only what is for its two ends alone is said over it (``Frame/isForCircuits``).
    case circuitUp(LinkID, LinkFacts)
    case circuitDown(LinkID)
    /// A frame of which ``Frame/isForCore`` holds.
    case received(Frame, from: LinkID)
    case measured(LinkID, roundTrip: Duration)
    /// Every ``MeshLimits/tickEvery``; a late one does no harm.
    case tick
    /// An address to try, from any source.
    case sighted(Candidate)
    /// mDNS took it back, or configuration dropped it.
    case vanished(address: String, CandidateSource)
    case dialFailed(address: String, expecting: NodeID?, DialProblem)
    /// A circuit broke, and the relay before the break (the first of the two) named the link that is gone.
    case pathBroke(NodeID, NodeID)
    case addressesChanged([String])
    case enrolmentChanged(Enrolment)
    /// This node shows a new certificate from now on: its links are made anew, one after the other.
    case leafRenewed
    /// This node's vault has changed, so often by now.
    case vaultChanged(UInt64)
    /// A person has accepted this node's vault as it is, at that count, though a later one is remembered.
    case vaultAccepted(UInt64)
    /// The node leaves the mesh for good: its last word goes out.
    case leaving
}

/// What the shell must do, in this order. A ``persistIncarnation(_:)``, ``storeStatement(_:)``,
/// ``storeDecision(_:)`` or ``store(_:)`` is on disk before any later ``send(_:_:)`` leaves.
package enum MeshEffect: Hashable, Sendable {
    case persistIncarnation(UInt64)
    /// Replaces what is stored under the document's key.
    case store(Document)
    case drop(DocumentKey)
    case storeManifest(ContentHash, [UInt8])
    case dropManifest(ContentHash)
    /// Replaces what is stored under its key.
    case storeStatement(Revocation)
    case dropStatement(RevocationKey)
    /// Replaces what is stored under its key.
    case storeDecision(Statement)
    /// Replaces what is stored of the server, but not its manifest.
    case storeScoped(ScopedDocument)
    /// Of a server that is stored.
    case storeScopedManifest(ServerKey, [UInt8])
    case dropScoped(ServerKey)
    /// Replaces what is stored of its origin.
    case storeVaultWitness(Document)
    case dropVaultWitness(NodeID)
    case send(Frame, LinkID)
    /// Answered by ``MeshEvent/linkUp(_:_:)`` with that address or ``MeshEvent/dialFailed(address:expecting:_:)``.
    case dial(address: String, expecting: NodeID?)
    /// A link to that node is wanted, through a circuit too; ``MeshEvent/circuitUp(_:_:)`` may follow.
    case reach(NodeID)
    /// Say goodbye, then close; ``MeshEvent/linkDown(_:)`` follows.
    case close(LinkID, GoodbyeReason, text: String)
    /// Close every link with a node, circuits included, and all that is relayed for it or to it.
    case expel(NodeID, text: String)
    /// Something that ``MeshCore/catalogSnapshot()`` shows has changed.
    case catalogChanged
    /// ``MeshCore/route(to:)`` may answer differently.
    case routesChanged
    case notice(MeshNotice)
}

/// Worth a log line and a place in `status`.
package enum MeshNotice: Hashable, Sendable, CustomStringConvertible {
    /// A peer passed on what may not stand.
    case refused(DocumentKey?, DocumentRefusal, from: NodeID)
    /// Two bodies under one version: the origin is no longer believed.
    case equivocation(DocumentKey, DocumentVersion)
    /// Our own id was seen in another life; we went above it.
    case sawOwnOtherLife(incarnation: UInt64)
    /// That happened again and again, so another machine runs with our key: nothing is published any more.
    case clone
    /// This node has left the mesh under the very enrolment that it shows: a restored disk.
    case leftBefore
    /// This node's vault has changed fewer times than a document of its own, which somebody kept, says.
    case vaultOlder(counter: UInt64, remembered: UInt64)
    case cannotSign(SigningFailure)
    case manifestBroken(ContentHash, owner: NodeID, String)
    case labelClash(Label, [NodeID])
    case peerMisbehaved(NodeID, String)
    /// A member speaks no version of the protocol that this node speaks; told once, until they link.
    case versionsApart(String)
    /// A revocation that may not stand; neither kept nor passed on.
    case refusedStatement(RevocationKey?, RevocationRefusal, from: NodeID)
    /// A decision that may not stand; neither kept nor passed on.
    case refusedDecision(StatementKey?, StatementRefusal, from: NodeID)
    /// A node is no more of the mesh.
    case expelled(NodeID, String)
    /// This node itself is no more of the mesh.
    case revoked(String)

    package var description: String {
        switch self {
        case .refused(let key, let why, let peer):
            "refused \(key.map { "\($0)" } ?? "a document") shown by \(peer): \(why)"
        case .equivocation(let key, let version):
            "\(key.origin) signed two different documents as \(key) version \(version); its entries are held back"
        case .sawOwnOtherLife(let incarnation):
            "another life of this node was seen (a restored backup?); going on as incarnation \(incarnation)"
        case .clone:
            "another machine runs with this node's key; nothing is published until one of the two is stopped"
        case .leftBefore:
            "this node has left the mesh (a restored backup?); join it anew with a token from one of its issuers"
        case .vaultOlder(let counter, let remembered):
            "the vault was put back to an earlier state: this node once said change \(remembered), and it is at \(counter)"
        case .cannotSign(let failure): "\(failure)"
        case .manifestBroken(let hash, let owner, let why): "manifest \(hash) of \(owner) is unusable: \(why)"
        case .labelClash(let label, let nodes):
            "\(nodes.count) nodes are enrolled as \(label); shown with their ids until one is enrolled anew"
        case .refusedStatement(let key, let why, let peer):
            "refused \(key.map { "the \($0)" } ?? "a statement") shown by \(peer): \(why)"
        case .refusedDecision(let key, let why, let peer):
            "refused \(key.map { "the \($0)" } ?? "a statement") shown by \(peer): \(why)"
        case .expelled(let node, let why): "\(node) is no more of the mesh: \(why)"
        case .revoked(let why):
            "this node is no more of its mesh: \(why). Its servers serve its own callers only; `martlet mesh leave` makes "
                + "it a mesh of one, and joining again needs a new identity (another data folder)"
        case .versionsApart(let text): text
        case .peerMisbehaved(let peer, let why): "\(peer): \(why)"
        }
    }
}
