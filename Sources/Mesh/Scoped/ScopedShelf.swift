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

    /// What was said over which link, and when.
    struct Said: Sendable {
        var digest: Digest
        var link: LinkID
        var at: Instant

        /// Whether it was said a moment ago and may still be answered.
        func repeats(_ other: Said?, within time: Duration) -> Bool {
            guard let other else { return false }
            return other.digest == digest && other.link == link && at - other.at < time
        }
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

    var own: [Label: Own] = [:]
    var others: [NodeID: [Label: Held]] = [:]

    var readers: [NodeID: Reader] = [:]
    /// In which life of each owner all that is held of it was last equal to its own.
    var confirmed: [NodeID: DocumentVersion] = [:]
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
    var isDirty = false
    var syncedAt = Instant.zero

    /// All that this node has to say to somebody of whom it is known how it is enrolled.
    func set(for segment: Label, _ label: Label) -> [ScopedDocument] {
        own.values.filter { $0.scope.contains(segment: segment, label: label) }.map(\.document)
            .sorted { $0.server < $1.server }
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
    func manifest(_ hash: ContentHash, for segment: Label, _ label: Label) -> [UInt8]? {
        own.values.first {
            $0.document.body.manifest == hash && $0.scope.contains(segment: segment, label: label)
        }?.manifest?.bytes
    }
}
