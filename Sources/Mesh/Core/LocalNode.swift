package import Catalog

/// This node, as its shell starts it.
package struct LocalNode: Sendable {
    package var signer: Signer
    package var enrolment: Enrolment
    /// One more than at the last start; on disk before ``MeshCore`` is made.
    package var incarnation: UInt64
    /// 64 random bits of this start.
    package var life: UInt64
    package var addresses: [String]
    package var versions: ClosedRange<UInt16>
    /// Optional abilities (``Hello/features``); narrowed only to be like an older node.
    package var features: UInt64
    package var software: String
    /// Whether others' circuits may pass through this node.
    package var relays: Bool
    /// Of its vault (``NodeBody/vaultCounter``).
    package var vaultCounter: UInt64?

    package var id: NodeID { signer.key.id }

    package init(
        signer: Signer, enrolment: Enrolment, incarnation: UInt64, life: UInt64, addresses: [String],
        versions: ClosedRange<UInt16> = ProtocolVersion.spoken, features: UInt64 = Hello.ownFeatures,
        software: String, relays: Bool = true, vaultCounter: UInt64? = nil
    ) {
        self.vaultCounter = vaultCounter
        self.features = features
        self.signer = signer
        self.enrolment = enrolment
        self.incarnation = incarnation
        self.life = life
        self.addresses = addresses
        self.versions = versions
        self.software = software
        self.relays = relays
    }
}

/// The bounds and beats of one node's part in the mesh, with the reason of each.
package struct MeshLimits: Hashable, Sendable {
    /// How often the shell sends ``MeshEvent/tick``: the finest any delay below needs.
    package static let tickEvery: Duration = .milliseconds(100)

    /// Up to so many peers all get a standing link; beyond, the rules of `StandingPeers` choose.
    package var standingLinks = 8
    /// Over that a newcomer hears `full`, unless it has no link at all; then one that has others makes room.
    package var acceptedLinks = 32
    /// Who was dialled in vain twice, and is reached otherwise, is not chosen as a neighbour for so long: who cannot be
    /// dialled across a border will mostly not be so tomorrow either.
    package var passOverFor: Duration = .seconds(600)
    /// Who had no place is not dialled again before.
    package var dialAfterFull: Duration = .seconds(30)
    /// Of a pair of segments with too few links, so many more nodes try each time this has passed: twice as many.
    package var triersDoubleEvery: Duration = .seconds(2)
    /// Neighbours are chosen anew at least that often, for what changes without a route changing.
    package var chooseEvery: Duration = .seconds(10)
    /// Of a segment that nothing is reached of others are tried after so long: time for each to be dialled, unless it was in vain for long.
    package var lostTurnEvery: Duration = .seconds(10)
    /// A link that this node opened and nobody wants any more ends after so long: choices of a moment undo themselves.
    package var surplusFor: Duration = .seconds(30)
    /// … one at a time, at most that often, so that everybody has seen the last one go.
    package var trimEvery: Duration = .seconds(2)
    /// Addresses kept, of all sources together.
    package var candidates = 512
    /// Handshakes in flight; each costs about 1.5 ms of CPU.
    package var dialsAtOnce = 4
    package var dialBackoffFirst: Duration = .milliseconds(500)
    /// A link that broke sooner does not count as success: the next dial waits longer.
    package var linkSteadyAfter: Duration = .seconds(5)
    /// Short enough for a healed network to be found soon.
    package var dialBackoffMax: Duration = .seconds(8)
    /// The longest wait of a node without any link, for a seed and for an address where a link stood lately: two such nodes reach each
    /// other only while both are back, and that a link breaks often must not keep them apart. A dial in vain costs a few packets.
    package var dialBackoffAlone: Duration = .seconds(2)
    /// How long an address where a link stood is dialled as a way back.
    package var wayBackFor: Duration = .seconds(60)
    /// An address that was dialled in vain for long waits longer: this part of the time for which it was, so that an outage lasts a
    /// hundredth longer for it …
    package var dialBackoffShare = 120
    /// … and never longer than that: hosts that are gone for good, and never said so, are most of what such a wait is for.
    package var dialBackoffLongest: Duration = .seconds(300)
    /// A dial that nobody answered for is given up, so that a lost answer of the shell blocks no address.
    package var dialTimeout: Duration = .seconds(30)
    /// A peer whose certificate fails only by time is dialled at most that often: clocks do not mend in seconds.
    package var dialAfterWrongTime: Duration = .seconds(60)
    /// A revoked node dials that often: everybody refuses it, unless the root has corrected itself.
    package var dialWhileRevoked: Duration = .seconds(60)

    /// A node that left keeps a link for so long: time for its last word to be heard, or for the document that
    /// shows it enrolled anew.
    package var departedLinkMax: Duration = .seconds(5)

    /// After a new certificate this node's own links are made anew within this time, one after the other.
    package var redialWithin: Duration = .seconds(60)

    /// A node without any link for so long goes on alone, with what it knew, and says so.
    package var aloneAfter: Duration = .seconds(5)

    /// A links document at most that often; downs at once.
    package var linksEvery: Duration = .milliseconds(200)
    /// Routes are found anew at most that often when news of others' links pour in; this node's own count at once.
    package var routesEvery: Duration = .milliseconds(50)
    package var repairEvery: Duration = .seconds(10)
    /// Documents up to this size go out unasked.
    package var smallDocumentBytes = 512
    /// … those of who is alive up to this one, which is the links of a node that has all that it may have: to know that a node is
    /// gone takes the word of each of its neighbours, and the last of these must not wait to be asked for.
    package var smallPresenceBytes = 1024
    /// … and at most so many at a time to one neighbour; the rest is announced …
    package var unaskedDocuments = 100
    /// … until it has had this pause for each. Where much changed, as after a long absence, all neighbours have the same to say: what
    /// each of them says unasked comes in as often as there are neighbours, what they announce once.
    package var unaskedDocumentsPerSecond = 100
    /// A pull that brought nothing in this time may be asked of another.
    package var pullTimeout: Duration = .seconds(2)
    /// Documents asked of one neighbour and not yet here, so that its announcements cannot fill memory.
    package var pullsAtOnce = 20_000

    /// Up to so many documents, their rows are said at once; above, buckets find what differs first.
    package var rowsWithoutBuckets = 64

    /// So many documents of one origin are taken in a second: nothing that is offered changes faster for long …
    package var documentsPerSecond = 10
    /// … and so many at once: as many as an origin may have servers, so that a new node learns them without a wait.
    package var documentsBurst = 1_000
    /// The bytes of these: a hundredth of the burst, as with the documents …
    package var originBytesPerSecond = 256 * 1024
    /// … which is what an origin with all the servers and virtual servers that it may have says.
    package var originBytesBurst = 24 * 1024 * 1024
    /// What one neighbour may have looked at. It passes on what others say, so that is as much as 16 origins may say …
    package var neighbourBytesPerSecond = 4 * 1024 * 1024
    /// … and at once several times what a new node learns from one neighbour in a mesh of 1,000 nodes.
    package var neighbourBytesBurst = 64 * 1024 * 1024
    /// What one neighbour is told because it asked; more would take the link from calls …
    package var answerBytesPerSecond = 16 * 1024 * 1024
    /// … than a new node's first seconds do.
    package var answerBytesBurst = 64 * 1024 * 1024
    /// Signatures of one neighbour that are checked in vain …
    package var forgeriesPerSecond = 16
    /// … and at once, before it is heard no more.
    package var forgeriesBurst = 256
    /// Whoever kept within bounds for so long is no more named as flooding.
    package var floodForgottenAfter: Duration = .seconds(60)

    package var serversPerOrigin = 1_000
    package var virtualServersPerOrigin = 256
    /// Live or not: deleted ones are kept for good.
    package var documentsPerOrigin = 100_000

    /// Decisions of one origin that say something: more is no list that anybody reads.
    package var liveStatements = 1_000
    /// … and those that were taken back too, which are kept for good. Operators are few and trusted …
    package var statementsOfOperator = 10_000
    /// … a member speaks of its own only …
    package var statementsOfMember = 2_000
    /// … and all members together take no more than some tens of megabytes, in which no operator's word is crowded out.
    package var statementsOfMembers = 20_000
    /// So many of one origin are taken in at once, then as many a second as documents.
    package var statementsBurst = 1_000

    /// Pages of one manifest asked for at a time.
    package var manifestWindow = 16
    /// Manifests fetched at a time …
    package var manifestFetches = 8
    /// … and so many while they are small: what changed in a long absence is mostly many small ones, each of which would
    /// wait for the round trips of those before …
    package var smallManifestFetches = 128
    /// … together: what a link carries in some tenths of a second.
    package var smallManifestBytes = 1024 * 1024
    /// A fetch without a page for so long turns to another neighbour.
    package var manifestTimeout: Duration = .seconds(3)
    /// One that is small and has brought nothing for so long is asked of one more neighbour besides: where something was lost on the way, TCP
    /// holds up all that follows for 200 ms …
    package var manifestImpatience: Duration = .milliseconds(150)
    /// … up to so many pages of it: twice as many bytes are little then.
    package var impatientPages = 4
    /// All manifests of one origin together.
    package var manifestBytesPerOrigin = 128 * 1024 * 1024

    /// A link named by a relay as broken is left out for so long, where another path exists.
    package var maskFor: Duration = .seconds(5)
    package var masks = 64
    /// Seeing one's own id in another life so often …
    package var cloneSightings = 3
    /// … within this time means a clone, not a restore.
    package var cloneWithin: Duration = .seconds(600)

    /// A changed vault is told of at most that often: tokens that renew themselves change it too.
    package var vaultToldEvery: Duration = .seconds(5)

    package init() {}
}
