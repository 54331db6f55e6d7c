package import Catalog

/// Names an entry of one server. By the bytes of its name: `String` would hold canonically equivalent names for one.
package struct PinKey: Hashable, Comparable, Sendable {
    package let kind: EntryKind
    package let name: [UInt8]

    package init(kind: EntryKind, name: some Sequence<UInt8>) {
        self.kind = kind
        self.name = Array(name)
    }

    package init(_ entry: Entry) { self.init(kind: entry.kind, name: entry.name.utf8) }

    package var text: String { String(decoding: name, as: UTF8.self) }

    package static func < (a: Self, b: Self) -> Bool {
        a.kind != b.kind ? a.kind < b.kind : a.name.lexicographicallyPrecedes(b.name)
    }
}

/// What the owner knows of one entry: which definition is approved, and which one waits.
package struct PinnedEntry: Hashable, Sendable {
    /// Why a definition is approved.
    package enum Ground: UInt8, Hashable, Sendable, CaseIterable {
        case firstSight = 1
        case person = 2
        /// `approve: auto`.
        case policy = 3
    }

    /// Approved on this node.
    package var approved: Entry?
    package var ground: Ground
    /// The last one that an operator's statement let through; counts as long as the statement does.
    package var granted: Entry?
    /// Offered, and approved by nobody.
    package var pending: Entry?
    /// Since when it waits, and when it was approved; milliseconds since 1970.
    package var since: Int64
    /// Why it was not approved at first sight, although the policy would have.
    package var likeness: String?

    /// Of its definitions.
    var bytes: Int {
        [approved, granted, pending].reduce(0) { $0 + ($1?.definition.bytes.count ?? 0) }
    }

    package init(
        approved: Entry? = nil, ground: Ground = .firstSight, granted: Entry? = nil, pending: Entry? = nil,
        since: Int64, likeness: String? = nil
    ) {
        self.approved = approved
        self.ground = ground
        self.granted = granted
        self.pending = pending
        self.since = since
        self.likeness = likeness
    }
}

/// One server's definitions as its owner pins them: what was approved stays listed, what differs from it waits.
///
/// It forgets nothing while its server is configured: an entry that goes and comes back changed is a changed one. What is stored
/// are definitions, never pins, so that a pin is always made from what it pins.
package struct PinBook: Hashable, Sendable {
    /// What a judgement asks of the rest of the node.
    package struct Questions {
        /// Whether an operator's statement approves a definition.
        package var isGranted: (Entry) -> Bool
        /// What an entry that is seen for the first time could be mistaken for, in words.
        package var likeness: (Entry) -> String?

        package init(
            isGranted: @escaping (Entry) -> Bool = { _ in false },
            likeness: @escaping (Entry) -> String? = { _ in nil }
        ) {
            self.isGranted = isGranted
            self.likeness = likeness
        }
    }

    /// What is remembered of one server, gone entries included: twice what it may list. Beyond that nothing is forgotten, and
    /// nothing new is approved at first sight; else a server could make its owner forget by offering very much.
    package static let rememberedMax = 2 * Manifest.entriesMax

    /// The definitions of these, together: twice what a manifest may be.
    package static let rememberedBytesMax = 64 * 1024 * 1024

    package private(set) var entries: [PinKey: PinnedEntry]
    private var bytes: Int

    package init(_ entries: [PinKey: PinnedEntry] = [:]) {
        self.entries = entries
        bytes = entries.values.reduce(0) { $0 + $1.bytes }
    }

    /// - Returns: whether there was room for it.
    private mutating func remember(_ record: PinnedEntry?, as key: PinKey) -> Bool {
        let growth = (record?.bytes ?? 0) - (entries[key]?.bytes ?? 0)
        guard growth <= 0 || bytes + growth <= Self.rememberedBytesMax else { return false }
        bytes += growth
        entries[key] = record
        return true
    }

    /// Holds what a server offers now against what was approved.
    ///
    /// - Returns: what is to be listed, what waits beside it, and whose record changed.
    /// - Complexity: O(entries), and O(bytes log bytes) of those whose definitions differ from the approved ones.
    package mutating func judge(
        _ offered: Manifest, under policy: ApprovalPolicy, asking questions: Questions = Questions(),
        at now: Int64
    ) -> (listing: Manifest, changed: Set<PinKey>) {
        var listed: [Entry] = []
        var pending: [Entry] = []
        var changed: Set<PinKey> = []
        var seen: [PinKey: Entry] = [:]
        var asOffered: Set<PinKey> = []
        for entry in offered.entries {
            let key = PinKey(entry)
            // What a server lists twice, it has once: the first is judged, and another than that would be called in its stead.
            if let first = seen[key] {
                if first.hash == entry.hash, asOffered.contains(key) { listed.append(entry) }
                continue
            }
            seen[key] = entry
            let before = entries[key]
            let (after, shown) = Self.judged(
                entry, before, under: policy,
                mayRemember: entries.count < Self.rememberedMax
                    && bytes + entry.definition.bytes.count <= Self.rememberedBytesMax,
                asking: questions, at: now)
            if after != before, remember(after, as: key) { changed.insert(key) }
            if let shown { listed.append(shown) }
            if shown?.hash == entry.hash { asOffered.insert(key) } else { pending.append(entry) }
        }
        // What waited and is offered no more waits for nothing.
        for (key, entry) in entries where entry.pending != nil && seen[key] == nil {
            var record = entry
            record.pending = nil
            if remember(record, as: key) { changed.insert(key) }
        }
        let listing = Manifest(
            entries: listed, pending: pending, instructions: offered.instructions,
            capabilities: offered.capabilities, serverInfo: offered.serverInfo)
        return (listing, changed)
    }

    private static func judged(
        _ entry: Entry, _ before: PinnedEntry?, under policy: ApprovalPolicy, mayRemember: Bool,
        asking questions: Questions, at now: Int64
    ) -> (record: PinnedEntry?, shown: Entry?) {
        guard var record = before else {
            guard mayRemember else { return (nil, policy == .auto ? entry : nil) }
            if policy == .auto {
                return (PinnedEntry(approved: entry, ground: .policy, since: now), entry)
            }
            if questions.isGranted(entry) { return (PinnedEntry(granted: entry, since: now), entry) }
            let likeness = policy == .pinned ? questions.likeness(entry) : nil
            if policy == .pinned, likeness == nil {
                return (PinnedEntry(approved: entry, ground: .firstSight, since: now), entry)
            }
            return (PinnedEntry(pending: entry, since: now, likeness: likeness), nil)
        }
        if isSame(record.approved, entry) {
            record.pending = nil
            // To the byte as it is offered now: what a pin does not cover may change.
            return (record, entry)
        }
        if policy == .auto {
            return (PinnedEntry(approved: entry, ground: .policy, since: now), entry)
        }
        if questions.isGranted(entry) {
            if !isSame(record.granted, entry) {
                record.granted = entry
                record.since = now
            }
            record.pending = nil
            return (record, entry)
        }
        if !isSame(record.pending, entry) {
            record.pending = entry
            record.since = now
        }
        let granted = record.granted.flatMap { questions.isGranted($0) ? $0 : nil }
        return (record, granted ?? record.approved)
    }

    private static func isSame(_ a: Entry?, _ b: Entry) -> Bool {
        guard let a else { return false }
        return a.hash == b.hash || Pin(of: a) == Pin(of: b)
    }

    // MARK: What a person does

    /// What waits now, in order.
    package var waiting: [(key: PinKey, entry: PinnedEntry)] {
        entries.filter { $0.value.pending != nil }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Approves what waits of an entry.
    ///
    /// - Parameter pin: which one; another that waits by now is not approved.
    /// - Returns: whether it was.
    package mutating func approve(_ key: PinKey, _ pin: Pin? = nil, at now: Int64) -> Bool {
        guard let pending = entries[key]?.pending, pin.map({ $0 == Pin(of: pending) }) ?? true else {
            return false
        }
        return remember(PinnedEntry(approved: pending, ground: .person, since: now), as: key)
    }
}
