package import Catalog
package import JSONSlice

/// What a node says of itself.
package struct NodeBody: Hashable, Sendable, Canonical {
    /// Whether it is still of the mesh. A node that left keeps this last word for good.
    package enum Standing: UInt8, Hashable, Sendable {
        case present = 1
        case left = 2
    }

    package var standing: Standing
    /// The authority of everything its origin signs.
    package var enrolment: Enrolment
    /// Where it can be dialled, `host:port`; none: it only dials out.
    package var addresses: [String]
    package var versions: ClosedRange<UInt16>
    package var software: String
    /// How often its vault has changed: peers remember the greatest, which is how an older vault shows. `nil`: it does not say.
    package var vaultCounter: UInt64?

    package static let addressesMax = 12
    package static let addressMax = 260

    package init(
        standing: Standing = .present, enrolment: Enrolment, addresses: [String],
        versions: ClosedRange<UInt16>,
        software: String, vaultCounter: UInt64? = nil
    ) {
        self.vaultCounter = vaultCounter
        self.standing = standing
        self.enrolment = enrolment
        // Together within the document kind's 4 KiB.
        self.addresses = addresses.prefix(Self.addressesMax).filter { $0.utf8.count <= Self.addressMax }
        self.versions = versions
        self.software = software.cut(toBytes: Hello.softwareMax)
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        guard let standing = Standing(rawValue: try decoder.byte("standing")) else {
            throw .invalid("standing")
        }
        self.standing = standing
        enrolment = try decoder.value(Enrolment.self)
        addresses = []
        for _ in 0..<(try decoder.count(max: Self.addressesMax, "addresses")) {
            addresses.append(try decoder.text(max: Self.addressMax, "address"))
        }
        let least = try decoder.uint16("least version")
        let greatest = try decoder.uint16("greatest version")
        guard least <= greatest else { throw .invalid("version range") }
        versions = least...greatest
        software = try decoder.text(max: Hello.softwareMax, "software")
        // Last, and left out where there is none: documents of before are what they were.
        vaultCounter = decoder.isAtEnd ? nil : try decoder.uint64("vault counter")
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(standing.rawValue)
        encoder.put(enrolment)
        encoder.put(count: addresses.count)
        for address in addresses { encoder.put(text: address) }
        encoder.put(versions.lowerBound)
        encoder.put(versions.upperBound)
        encoder.put(text: software)
        if let vaultCounter { encoder.put(vaultCounter) }
    }
}

/// Round trip in powers of two of a millisecond: 0 is below 1 ms, 1 below 2 ms, 2 below 4 ms …, 15 all above 16 s.
package struct RoundTripClass: Hashable, Comparable, Sendable {
    package static let greatest = RoundTripClass(level: 15)

    package let level: UInt8

    package init(level: UInt8) { self.level = min(level, 15) }

    package init(_ roundTrip: Duration) {
        var level: UInt8 = 0
        while level < 15, roundTrip >= .milliseconds(Int64(1) << Int64(level)) { level += 1 }
        self.init(level: level)
    }

    /// The class for a new measurement; stays within 20 % of its bounds, so that a link on the edge does not flap.
    package func moved(to roundTrip: Duration) -> RoundTripClass {
        let longer = RoundTripClass(roundTrip * 5 / 6)
        let shorter = RoundTripClass(roundTrip * 6 / 5)
        if longer > self { return longer }
        if shorter < self { return shorter }
        return self
    }

    /// Cost of a link in milliseconds, never 0, so that a detour always costs.
    package var cost: Int { 1 << Int(level) }

    package static func < (a: Self, b: Self) -> Bool { a.level < b.level }
}

/// One end's word on a standing link.
package struct ListedLink: Hashable, Sendable {
    package var roundTrip: RoundTripClass
    /// Whether this end lets others' circuits pass over it.
    package var relays: Bool

    package init(roundTrip: RoundTripClass, relays: Bool) {
        self.roundTrip = roundTrip
        self.relays = relays
    }
}

/// A node's standing links, as it sees them now.
package struct LinksBody: Hashable, Sendable, Canonical {
    /// Fits the document kind's 16 KiB; far above what a node holds.
    package static let peersMax = 512

    package var links: [NodeID: ListedLink]

    package init(links: [NodeID: ListedLink] = [:]) { self.links = links }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        links = [:]
        var last: NodeID?
        for _ in 0..<(try decoder.count(max: Self.peersMax, "links")) {
            let peer: NodeID = try decoder.fingerprint("peer")
            let level = try decoder.byte("round trip")
            guard level <= RoundTripClass.greatest.level else { throw .invalid("round trip") }
            if let last, last >= peer { throw .invalid("order of links") }
            last = peer
            links[peer] = ListedLink(
                roundTrip: RoundTripClass(level: level), relays: try decoder.bool("relay"))
        }
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(count: links.count)
        for (peer, link) in links.sorted(by: { $0.key < $1.key }) {
            encoder.put(peer)
            encoder.put(link.roundTrip.level)
            encoder.put(link.relays)
        }
    }
}

/// What an owner tells of one of its servers; owner and name are the document's key.
package struct ServerBody: Hashable, Sendable, Canonical {
    package var title: String?
    package var tags: [String]
    package var state: ServerState
    package var stateReason: String
    package var stateSince: UInt64
    package var lastSuccess: UInt64
    package var revision: String
    package var auth: AuthState
    package var replicaOf: [ReplicaName]
    package var address: ContentHash?
    package var manifest: ContentHash?
    /// Size of the manifest's bytes; 0 without one.
    package var manifestBytes: UInt32

    // Together within the document kind's 4 KiB.
    package static let tagsMax = 32
    package static let replicasMax = 8
    package static let tagMax = 48
    package static let textMax = 256
    package static let reasonMax = 1024

    /// Long titles, tags and reasons are cut, so that no state of a server keeps it from being told.
    package init(_ record: ServerRecord, manifestBytes: Int) {
        title = record.title?.cut(toBytes: Self.textMax)
        tags = record.tags.prefix(Self.tagsMax).map { $0.cut(toBytes: Self.tagMax) }
        state = record.state
        stateReason = record.stateReason.cut(toBytes: Self.reasonMax)
        stateSince = record.stateSince
        lastSuccess = record.lastSuccess
        revision = record.revision.cut(toBytes: Self.tagMax)
        auth = record.auth
        replicaOf = Array(record.replicaOf.prefix(Self.replicasMax))
        address = record.address
        manifest = record.manifest
        self.manifestBytes = record.manifest == nil ? 0 : UInt32(clamping: manifestBytes)
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        title = try decoder.bool("title") ? try decoder.text(max: Self.textMax, "title") : nil
        tags = []
        for _ in 0..<(try decoder.count(max: Self.tagsMax, "tags")) {
            tags.append(try decoder.text(max: Self.tagMax, "tag"))
        }
        guard let state = ServerState(rawValue: try decoder.byte("state")) else { throw .invalid("state") }
        self.state = state
        stateReason = try decoder.text(max: Self.reasonMax, "reason")
        stateSince = try decoder.uint64("time of the state")
        lastSuccess = try decoder.uint64("last success")
        revision = try decoder.text(max: Self.tagMax, "revision")
        guard let auth = AuthState(rawValue: try decoder.byte("auth state")) else {
            throw .invalid("auth state")
        }
        self.auth = auth
        replicaOf = []
        for _ in 0..<(try decoder.count(max: Self.replicasMax, "replicas")) {
            guard let node = Label(try decoder.text(max: Label.lengthMax, "node of a replica")),
                let server = Label(try decoder.text(max: Label.lengthMax, "server of a replica"))
            else { throw .invalid("name of a replica") }
            replicaOf.append(ReplicaName(node: node, server: server))
        }
        address = try decoder.bool("address") ? try decoder.hash("address") : nil
        manifest = try decoder.bool("manifest") ? try decoder.hash("manifest") : nil
        manifestBytes = try decoder.uint32("manifest size")
        guard manifestBytes <= ManifestCodec.bytesMax else {
            throw .tooLong("the manifest", max: ManifestCodec.bytesMax)
        }
        // No manifest is empty; one of no bytes could never be fetched.
        guard (manifest != nil) == (manifestBytes > 0) else { throw .invalid("manifest size") }
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(title != nil)
        if let title { encoder.put(text: title) }
        encoder.put(count: tags.count)
        for tag in tags { encoder.put(text: tag) }
        encoder.put(state.rawValue)
        encoder.put(text: stateReason)
        encoder.put(stateSince)
        encoder.put(lastSuccess)
        encoder.put(text: revision)
        encoder.put(auth.rawValue)
        encoder.put(count: replicaOf.count)
        for name in replicaOf {
            encoder.put(text: name.node.text)
            encoder.put(text: name.server.text)
        }
        encoder.put(address != nil)
        if let address { encoder.put(address) }
        encoder.put(manifest != nil)
        if let manifest { encoder.put(manifest) }
        encoder.put(manifestBytes)
    }

    package func record(_ key: ServerKey) -> ServerRecord {
        ServerRecord(
            key: key, title: title, tags: tags, state: state, stateReason: stateReason,
            stateSince: stateSince, lastSuccess: lastSuccess, revision: revision, auth: auth,
            replicaOf: replicaOf, address: address, manifest: manifest)
    }
}

/// A definition of a virtual server, or its removal.
package struct VirtualServerBody: Hashable, Sendable, Canonical {
    /// One more than what it replaces; the greatest (counter, hash) of a name stands, whoever signed it.
    package var counter: UInt64
    /// Hash of the definition it replaces, so that an edit that saw another one can be shown.
    package var replaces: ContentHash?
    /// Whether the author's configuration says it: nobody else changes it then.
    package var isConfigured: Bool
    /// `nil`: removed.
    package var definition: JSON?

    /// Leaves room for the other fields within the document kind's 64 KiB.
    package static let definitionMax = 64 * 1024 - 64

    package init(counter: UInt64, replaces: ContentHash?, isConfigured: Bool = false, definition: JSON?) {
        self.counter = counter
        self.replaces = replaces
        self.isConfigured = isConfigured
        self.definition = definition
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        counter = try decoder.uint64("counter")
        replaces = try decoder.bool("replaced hash") ? try decoder.hash("replaced hash") : nil
        isConfigured = try decoder.bool("configured")
        definition =
            try decoder.bool("definition")
            ? try decoder.json(max: Self.definitionMax, "definition") : nil
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(counter)
        encoder.put(replaces != nil)
        if let replaces { encoder.put(replaces) }
        encoder.put(isConfigured)
        encoder.put(definition != nil)
        if let definition { encoder.put(bytes: definition.bytes) }
    }

    package var definitionHash: ContentHash {
        definition.map { ContentHash(of: $0.bytes) } ?? ContentHash(of: [])
    }

    /// Whether this one stands when both carry the same name.
    package func wins(over other: VirtualServerBody) -> Bool {
        (counter, definitionHash) > (other.counter, other.definitionHash)
    }
}
