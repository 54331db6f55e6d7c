import Catalog

/// Servers that are not for everybody: this node's own with whom each is for, and those that their owners gave to this
/// node. Kept apart from all documents, so that no digest, row or pull ever shows one.
struct ScopedShelf: Sendable {
    struct Own: Sendable {
        var scope: ServerScope
        var document: ScopedDocument
        var manifest: (bytes: [UInt8], manifest: Manifest)?
    }

    struct Held: Sendable {
        var document: ScopedDocument
        /// The last one that was whole: a change must not look like a loss.
        var manifest: (hash: ContentHash, manifest: Manifest)?

        var lacksManifest: Bool { document.body.manifest.map { $0 != manifest?.hash } ?? false }
    }

    /// What was said over which link, when, and how often.
    struct Said: Sendable {
        var digest: Digest
        var link: LinkID
        var at: Instant
        var times = 1
        /// Whether the peer has said something since. Links keep the order and lose nothing, so what is unanswered has not
        /// arrived yet, or is more than the peer can deal with.
        var isAnswered = false

        /// What is to be said now.
        ///
        /// - Parameter last: what was said before.
        /// - Returns: `nil` while that may still be answered.
        func following(_ last: Said?) -> Said? {
            guard let last, last.digest == digest, last.link == link else { return self }
            let doubled = ScopedShelf.retryFirst * (1 << min(last.times - 1, 16))
            let patience = min(doubled, ScopedShelf.retryMax)
            guard at - last.at >= patience else { return nil }
            var next = self
            next.times = last.times + 1
            return next
        }
    }

    /// What is said without effect is said again after so long, then after twice as long …
    static let retryFirst = Duration.seconds(2)
    /// … up to this: rare enough for any link, soon enough for whoever mends what was in the way.
    static let retryMax = Duration.seconds(60)
    /// A reader is given a set at most that often, however often the owner's servers change.
    static let setEvery = Duration.seconds(1)

    /// How a node is enrolled, as far as scopes ask.
    struct Place: Hashable, Sendable {
        var segment: Label
        var label: Label
    }

    /// How far the owner's side has come with one reader.
    struct Reader: Sendable {
        /// What it last said that it holds of ours; `nil`: not known in this life of its.
        var holds: Digest?
        /// Whether it may hold something, by all that went out to it or came from it.
        var mayHold = false
        var offered: Said?
        var given: Said?
    }

    /// One manifest on its way from its owner; one at a time an owner.
    struct Fetch: Sendable {
        var server: ServerKey
        var hash: ContentHash
        var size: Int
        var link: LinkID
        var bytes: [UInt8] = []
        var pagesAsked = 0
        var lastPageAt: Instant

        var pagesHere: Int { bytes.count / ManifestCodec.pageBytes }
    }

    var own: [Label: Own] = [:] { didSet { digests = [:] } }
    var others: [NodeID: [Label: Held]] = [:] { didSet { heldDigests = [:] } }
    /// Of ``own``, by whom it is for.
    private var digests: [Place: Digest] = [:]
    private var heldDigests: [NodeID: Digest] = [:]
    /// Places of which digests are kept: nodes are enrolled anew, and a mesh is smaller than this.
    private static let digestsMax = 4_096

    var readers: [NodeID: Reader] = [:]
    /// In which life of each owner all that is held of it was last equal to its own.
    var confirmed: [NodeID: DocumentVersion] = [:]
    /// Owners that have confirmed what is held of them since this node's start.
    var met: Set<NodeID> = []
    /// What this node last told an owner, unasked, that it holds.
    var asked: [NodeID: Said] = [:]
    /// A set on its way in, until it is whole.
    var arriving: [LinkID: [Label: ScopedDocument]] = [:]
    var fetches: [NodeID: Fetch] = [:]
    /// Manifests that their owner gave wrongly, or not at all; asked for again only with its next set.
    var unusable: [NodeID: Set<ContentHash>] = [:]
    /// Links through circuits, on which nothing else is said.
    var circuits: [LinkID: LinkFacts] = [:]
    /// Whom the shell was last asked to reach, and when.
    var reached: [NodeID: Instant] = [:]
    /// Whether all nodes are to be compared with at once.
    var isDirty = false
    /// Those with whom to compare at once, when it is not all.
    var dirty: Set<NodeID> = []
    var allowances: [NodeID: ScopedAllowance] = [:]
    var syncedAt = Instant.zero

    /// All that this node has to say to somebody of whom it is known how it is enrolled.
    func set(for place: Place) -> [ScopedDocument] {
        own.values.filter { $0.scope.contains(segment: place.segment, label: place.label) }.map(\.document)
            .sorted { $0.server < $1.server }
    }

    /// Of ``set(for:)``; found once, until an own server changes.
    mutating func digest(for place: Place) -> Digest {
        if own.isEmpty { return Self.nothing }
        if let known = digests[place] { return known }
        if digests.count >= Self.digestsMax { digests = [:] }
        let digest = Self.digest(set(for: place))
        digests[place] = digest
        return digest
    }

    /// Of ``held(of:)``; found once, until something that is held changes.
    mutating func digest(heldOf owner: NodeID) -> Digest {
        if others[owner] == nil { return Self.nothing }
        if let known = heldDigests[owner] { return known }
        let digest = Self.digest(held(of: owner))
        heldDigests[owner] = digest
        return digest
    }

    func held(of owner: NodeID) -> [ScopedDocument] {
        (others[owner] ?? [:]).values.map(\.document).sorted { $0.server < $1.server }
    }

    static func digest(_ set: [ScopedDocument]) -> Digest {
        var encoder = CanonicalEncoder(reserving: set.count * 32)
        for document in set { encoder.put(document.contentHash) }
        return Digest(count: UInt32(clamping: set.count), root: ContentHash(of: encoder.bytes))
    }

    static let nothing = digest([])

    /// Bytes of all manifests that an owner's servers name here.
    func manifestBytes(of owner: NodeID) -> Int {
        (others[owner] ?? [:]).values.reduce(0) { $0 + Int($1.document.body.manifestBytes) }
    }

    /// The manifest of an own server which such a node may have.
    func manifest(_ hash: ContentHash, for place: Place) -> [UInt8]? {
        own.values.first {
            $0.document.body.manifest == hash
                && $0.scope.contains(segment: place.segment, label: place.label)
        }?.manifest?.bytes
    }
}
