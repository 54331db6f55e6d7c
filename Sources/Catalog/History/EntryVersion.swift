import JSONSlice

/// Names an entry for good.
package struct EntryAddress: Hashable, Comparable, Sendable {
    /// Of a name in the history. Those of tools are far shorter; a resource's is a URI of up to 256 KiB.
    package static let notedBytesMax = 512

    package let server: ServerKey
    package let kind: EntryKind
    /// Its server's own name for it.
    package let name: String

    package init(server: ServerKey, kind: EntryKind, name: String) {
        self.server = server
        self.kind = kind
        self.name = name
    }

    /// How the history calls it: a name of more than ``notedBytesMax`` is cut, and its hash says which one it was.
    package var noted: EntryAddress {
        guard name.utf8.count > Self.notedBytesMax else { return self }
        let mark = "…" + Base32.encode(ContentHash(of: name.utf8).bytes)
        return EntryAddress(
            server: server, kind: kind,
            name: name.shortened(toBytes: Self.notedBytesMax - mark.utf8.count) + mark)
    }

    package static func < (a: Self, b: Self) -> Bool {
        (a.server, a.kind, a.name) < (b.server, b.kind, b.name)
    }
}

/// One definition of an entry, for as long as this node knew it to be the entry's.
package struct EntryVersion: Hashable, Sendable {
    package var address: EntryAddress
    package var hash: ContentHash
    /// When this node learnt it, and when it learnt that it is no more; milliseconds since 1970 on this node's clock.
    package var learnt: Int64
    package var gone: Int64?
    /// Whether there was no such entry before; else it took another definition's place.
    package var isNew: Bool
    /// Members of the definition that differ from the one before; empty also when that one was not at hand any more.
    package var changed: [String]

    package init(
        _ address: EntryAddress, hash: ContentHash, learnt: Int64, gone: Int64? = nil, isNew: Bool,
        changed: [String] = []
    ) {
        self.address = address
        self.hash = hash
        self.learnt = learnt
        self.gone = gone
        self.isNew = isNew
        self.changed = changed
    }
}

/// What became of one entry.
package enum EntryStep: Hashable, Sendable {
    case added(EntryAddress, ContentHash)
    case changed(EntryAddress, ContentHash, members: [String])
    case removed(EntryAddress)

    package var address: EntryAddress {
        switch self {
        case .added(let address, _), .changed(let address, _, _), .removed(let address): address
        }
    }

    /// Members that are named of one change: who reads more, compares the definitions.
    package static let membersMax = 16
    /// Of the name of one of them: MCP's are shorter, a server may invent longer ones.
    package static let memberBytesMax = 64

    /// From what was known of a server to what it offers now.
    ///
    /// - Parameters:
    ///   - known: definitions by address, as it is noted.
    ///   - older: the entries that `known` was noted of, where they are still at hand; they tell what changed.
    /// - Complexity: O(entries), and O(bytes) of those changed
    package static func from(
        _ known: [EntryAddress: ContentHash], _ older: [Entry], to entries: [Entry], of server: ServerKey
    ) -> [EntryStep] {
        var steps: [EntryStep] = []
        var gone = known
        var seen: Set<EntryAddress> = []
        lazy var before = Dictionary(
            older.map { (EntryAddress(server: server, kind: $0.kind, name: $0.name).noted, $0) }
        ) { first, _ in first }
        for entry in entries {
            let address = EntryAddress(server: server, kind: entry.kind, name: entry.name).noted
            // What a server lists twice, it has once.
            guard seen.insert(address).inserted else { continue }
            guard let hash = gone.removeValue(forKey: address) else {
                steps.append(.added(address, entry.hash))
                continue
            }
            guard hash != entry.hash else { continue }
            let old = before[address].flatMap { $0.hash == hash ? $0.definition : nil }
            steps.append(
                .changed(address, entry.hash, members: old.map { differing($0, entry.definition) } ?? []))
        }
        return steps + gone.keys.sorted().map { .removed($0) }
    }

    private static func differing(_ a: JSON, _ b: JSON) -> [String] {
        let keys = Set(a.members.map(\.key)).union(b.members.map(\.key))
        return keys.filter { a[$0] != b[$0] }.sorted().prefix(membersMax).map {
            $0.shortened(toBytes: memberBytesMax)
        }
    }
}

extension String {
    /// Its first characters, so many bytes at most.
    package func shortened(toBytes max: Int) -> String {
        guard utf8.count > max else { return self }
        let end = utf8.index(utf8.startIndex, offsetBy: max)
        return String(unicodeScalars[..<end])
    }
}
