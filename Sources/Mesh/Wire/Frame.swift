package import Catalog

/// Names one stream of a link; 0 is the link itself. The side that opened the link takes odd numbers, the other even.
package typealias StreamID = UInt64

/// What a stream is for.
package enum StreamKind: UInt8, Hashable, Sendable {
    case call = 1
    case circuit = 2
    /// What became of a call (``AskHeader``); only on links of ``ProtocolVersion/asks`` on.
    case ask = 3
}

/// Versions of the link protocol. Two nodes speak the greatest that both know (``Hello/version(with:)``).
package enum ProtocolVersion {
    /// What this software speaks.
    package static let spoken: ClosedRange<UInt16> = 1...3
    /// From here on calls are numbered, their ends acknowledged by the end of the entry node's direction, and their
    /// owners can be asked for them.
    package static let asks: UInt16 = 2
    /// From here on a node's document may say how often its vault has changed; who speaks less cannot read such a document.
    package static let vaultCounters: UInt16 = 3
}

/// Why one stream ended early. Numbers are for good.
package enum ResetCode: UInt8, Hashable, Sendable, CaseIterable {
    /// The opener wants no answer any more.
    case cancelled = 1
    /// The other side broke the rules of frames, records or credit.
    case protocolError = 2
    /// Too many streams or circuits at this node, said before it did anything; or too many bytes in a join.
    case limited = 3
    /// This node does not relay, or not for this.
    case refused = 4
    /// The next node of a circuit's path has no link here, or its link broke; the text names it.
    case nextUnreachable = 5
    /// This node is shutting down.
    case goingAway = 6
    case internalError = 7
    /// No bytes for longer than this node keeps a circuit.
    case idle = 8
    /// What the sender of this had to say no longer fits what waits on its link. Unlike ``limited`` it may come
    /// at any time: nothing follows from it about what ran.
    case overflow = 9
}

/// Why a link ends, said before it does. Numbers are for good.
package enum GoodbyeReason: UInt8, Hashable, Sendable, CaseIterable {
    case shuttingDown = 1
    /// Another link between the same two nodes stays.
    case duplicate = 2
    /// All places are taken; the text lists addresses to try.
    case full = 3
    case protocolError = 4
    case noCommonVersion = 5
    /// The peer's enrolment is not, or no longer, valid.
    case notEnrolled = 6
    /// Both ends carry one node id.
    case sameNode = 7
    case leaving = 8
    /// Both ends have other ways, and this node has more links than it needs.
    case surplus = 9
}

/// The first frame of each side.
package struct Hello: Hashable, Sendable, Canonical {
    /// Versions of the protocol that the sender can speak; the greatest common one is spoken.
    package var versions: ClosedRange<UInt16>
    /// Optional abilities, one bit each; unknown bits mean nothing.
    package var features: UInt64
    package var node: NodeID
    package var incarnation: UInt64
    package var life: UInt64
    /// E.g. `martlet 0.1.0`; shown, never decided on.
    package var software: String

    package static let softwareMax = 128
    /// Bit 0 of ``features``: the sender exchanges revocations before anything else.
    package static let exchangesStatements: UInt64 = 1
    /// Bit 1: the sender answers ``Frame/ping(_:)``.
    package static let answersPings: UInt64 = 2
    /// Bit 2: the sender takes servers that are for some nodes only (``Frame/scopedOffer(_:)``).
    package static let takesScoped: UInt64 = 4
    /// Bit 3: the sender repairs by buckets (``Frame/bucketDigest(_:)``).
    package static let comparesBuckets: UInt64 = 8
    /// Bit 4: the sender reads deflated frames (``Frame/encoded(inflates:)``).
    package static let inflates: UInt64 = 16
    /// Bit 5: the sender lets others open links that carry calls only.
    package static let takesCallLinks: UInt64 = 32
    /// Bit 6, of one link and said by who opened it: it carries calls only. It is not listed, and no document spreads over it.
    package static let callsOnly: UInt64 = 64
    /// Bit 7: the sender knows statements that limit.
    package static let takesLimits: UInt64 = 128
    /// Bit 8: the sender reads who really asked behind a call's ticket (``CallHeader/assumedBy``).
    package static let readsAssumed: UInt64 = 256
    /// What this software can do.
    package static let ownFeatures =
        exchangesStatements | answersPings | takesScoped | comparesBuckets | inflates | takesCallLinks
        | takesLimits | readsAssumed

    package init(
        versions: ClosedRange<UInt16>, features: UInt64 = 0, node: NodeID, incarnation: UInt64, life: UInt64,
        software: String
    ) {
        self.versions = versions
        self.features = features
        self.node = node
        self.incarnation = incarnation
        self.life = life
        self.software = software
    }

    package var inflates: Bool { features & Self.inflates != 0 }
    package var takesCallLinks: Bool { features & Self.takesCallLinks != 0 }
    package var isForCalls: Bool { features & Self.callsOnly != 0 }
    var takesScoped: Bool { features & Self.takesScoped != 0 }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        let least = try decoder.uint16("least version")
        let greatest = try decoder.uint16("greatest version")
        guard least <= greatest else { throw .invalid("version range") }
        versions = least...greatest
        features = try decoder.uint64("features")
        node = try decoder.fingerprint("node id")
        incarnation = try decoder.uint64("incarnation")
        life = try decoder.uint64("life")
        software = try decoder.text(max: Self.softwareMax, "software")
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(versions.lowerBound)
        encoder.put(versions.upperBound)
        encoder.put(features)
        encoder.put(node)
        encoder.put(incarnation)
        encoder.put(life)
        encoder.put(text: software)
    }

    /// The version that both speak, if there is one.
    package func version(with other: Hello) -> UInt16? {
        let greatest = min(versions.upperBound, other.versions.upperBound)
        return greatest >= max(versions.lowerBound, other.versions.lowerBound) ? greatest : nil
    }
}

/// All documents of a node as one hash: equal digests, equal documents.
package struct Digest: Hashable, Sendable {
    package var count: UInt32
    package var root: ContentHash

    package init(count: UInt32, root: ContentHash) {
        self.count = count
        self.root = root
    }
}

/// One page of all rows, in the order of their keys: everything after `after` up to the last row of the page, or
/// to the end.
package struct DigestPage: Hashable, Sendable {
    package static let rowsMax = 500

    package var after: DocumentKey?
    package var rows: [DocumentRow]
    package var isLast: Bool

    package init(after: DocumentKey?, rows: [DocumentRow], isLast: Bool) {
        self.after = after
        self.rows = rows
        self.isLast = isLast
    }
}

/// Asks for a run of pages of one manifest.
package struct ManifestPull: Hashable, Sendable {
    package var manifest: ContentHash
    package var firstPage: UInt32
    package var pageCount: UInt16

    package init(manifest: ContentHash, firstPage: UInt32, pageCount: UInt16) {
        self.manifest = manifest
        self.firstPage = firstPage
        self.pageCount = pageCount
    }
}

/// One page of one manifest's bytes; all but the last are ``ManifestCodec/pageBytes`` long.
package struct ManifestPage: Hashable, Sendable {
    package var manifest: ContentHash
    package var index: UInt32
    package var bytes: [UInt8]

    package init(manifest: ContentHash, index: UInt32, bytes: [UInt8]) {
        self.manifest = manifest
        self.index = index
        self.bytes = bytes
    }
}

/// What two linked nodes say to each other.
///
/// On the wire: length of the rest (32 bits), type (8), stream (64), fields. Golden bytes of each kind are in
/// `Fixtures/mesh/frames.txt`.
package enum Frame: Hashable, Sendable {
    case hello(Hello)
    case heartbeat
    case goodbye(GoodbyeReason, text: String)
    /// To be answered at once by a ``pong(_:)`` of the same number; only to peers that ``Hello/answersPings``.
    case ping(UInt64)
    case pong(UInt64)

    /// Encoded ``Document``s, each read on its own: one of a newer kind does not spoil the others.
    case documents([[UInt8]])
    /// "I hold these", for documents too large to send unasked.
    case announce([DocumentRow])
    case pull([DocumentKey])
    case digest(Digest)
    case digestRows(DigestPage)
    /// The answer to a ``digest(_:)`` that is not ours, to peers that ``Hello/comparesBuckets``.
    case bucketDigest(BucketDigest)
    /// The sender's rows of the buckets that are not the same.
    case bucketRows(BucketRows)
    case manifestPull(ManifestPull)
    case manifestPage(ManifestPage)
    /// "I do not hold that manifest and am not about to."
    case manifestAbsent(ContentHash)

    /// What the sender holds of revocations: its first word on a link, so that both are equal in these before
    /// anything else is said.
    case statementDigest(Digest)
    /// Encoded ``Revocation``s, each read on its own. `isLast`: all that the sender held have now been said.
    case statements([[UInt8]], isLast: Bool)

    /// What the sender, an owner, has for the receiver alone; answered by what the receiver holds of it.
    case scopedOffer(Digest)
    /// What the sender holds of the receiver's. Not an answer: the receiver says whether that is right.
    case scopedHeld(Digest, isAnswer: Bool)
    /// Encoded ``ScopedDocument``s of the sender: with those before since the last `isLast`, all that it has for the receiver.
    case scopedDocuments([[UInt8]], isLast: Bool)

    /// `header` is a ``CallHeader``, a ``CircuitHeader`` or an ``AskHeader``.
    case open(StreamID, StreamKind, header: [UInt8])
    /// Part of one record (`kind`: ``CallRecord/Kind``, or 0 in circuits); `isLast` closes the record, not the stream.
    case data(StreamID, kind: UInt8, isLast: Bool, [UInt8])
    /// The sender will send no more on this stream.
    case end(StreamID)
    case reset(StreamID, ResetCode, text: String)
    /// The receiver of a stream (0: of all streams of the link) takes that many more bytes.
    case credit(StreamID, bytes: UInt32)

    /// Largest fields of a frame: one document of 64 KiB with its head.
    package static let payloadMax = 68 * 1024
    /// Type and stream.
    package static let headByteCount = 9
    /// Bytes that one ``data(_:kind:isLast:_:)`` should carry: so long may one call hold up the others.
    package static let chunkBytes = 16 * 1024
    package static let keysMax = 500
    package static let documentsMax = 500
    package static let textMax = 512
    /// A call's or circuit's header.
    package static let streamHeaderMax = 32 * 1024

    /// The stream a frame belongs to; 0: the link.
    package var stream: StreamID {
        switch self {
        case .open(let stream, _, _), .data(let stream, _, _, _), .end(let stream), .reset(let stream, _, _),
            .credit(let stream, _):
            stream
        default: 0
        }
    }

    /// Whether it may come over a link through a circuit: what is for that link's two ends alone.
    package var isForCircuits: Bool {
        switch self {
        case .scopedOffer, .scopedHeld, .scopedDocuments, .manifestPull, .manifestPage, .manifestAbsent: true
        default: false
        }
    }

    /// Whether it is about revocations, which come before all else.
    package var isStatement: Bool {
        switch self {
        case .statementDigest, .statements: true
        default: false
        }
    }

    /// Whether ``MeshCore`` takes it (documents, repair, manifests); the others are the link's own.
    package var isForCore: Bool {
        switch self {
        case .documents, .announce, .pull, .digest, .digestRows, .bucketDigest, .bucketRows, .manifestPull,
            .manifestPage, .manifestAbsent, .statementDigest, .statements, .scopedOffer, .scopedHeld,
            .scopedDocuments:
            true
        case .hello, .heartbeat, .goodbye, .ping, .pong, .open, .data, .end, .reset, .credit: false
        }
    }
}

extension Frame {
    /// About what a frame for the core holds of memory while it waits, inflated.
    ///
    /// - Complexity: O(parts of it).
    package var bytesHeld: Int {
        switch self {
        case .documents(let parts), .statements(let parts, _), .scopedDocuments(let parts, _):
            parts.reduce(Self.bytesOfAny) { $0 + $1.count + Self.bytesOfAny }
        case .announce(let rows): Self.bytesOfAny + rows.count * Self.bytesOfRow
        case .digestRows(let page): Self.bytesOfAny + page.rows.count * Self.bytesOfRow
        case .bucketRows(let rows): Self.bytesOfAny + rows.page.rows.count * Self.bytesOfRow
        case .pull(let keys): Self.bytesOfAny + keys.count * Self.bytesOfRow
        case .bucketDigest(let digest): Self.bytesOfAny + digest.hashes.count * MemoryLayout<UInt64>.size * 2
        case .manifestPage(let page): Self.bytesOfAny + page.bytes.count
        default: Self.bytesOfAny
        }
    }

    /// Of the frame itself, and of each array in it.
    private static let bytesOfAny = 64
    /// A row's key with its name, version and hash.
    private static let bytesOfRow = 160
}
