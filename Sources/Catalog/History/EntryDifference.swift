/// How an entry differs from what it was at some time before.
package struct EntryDifference: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case added, changed, removed
    }

    package var address: EntryAddress
    package var kind: Kind
    /// When this node learnt of the last of what made it so.
    package var at: Int64
    /// Of a changed one.
    package var members: [String]

    package init(_ address: EntryAddress, _ kind: Kind, at: Int64, members: [String] = []) {
        self.address = address
        self.kind = kind
        self.at = at
        self.members = members
    }

    /// What differs between a time and now; what changed and is again as it was does not.
    ///
    /// - Parameter versions: all that are known of each entry that anything happened to since.
    /// - Returns: in the order of addresses.
    package static func since(_ time: Int64, _ versions: [EntryVersion]) -> [EntryDifference] {
        let byEntry = Dictionary(grouping: versions, by: \.address)
        return byEntry.keys.sorted().compactMap { address in
            (byEntry[address]?.sorted { $0.learnt < $1.learnt }).flatMap { one(address, $0, since: time) }
        }
    }

    private static func one(
        _ address: EntryAddress, _ versions: [EntryVersion], since time: Int64
    ) -> EntryDifference? {
        guard let last = versions.last else { return nil }
        let later = versions.filter { $0.learnt >= time }
        let atTime = versions.last { $0.learnt < time && ($0.gone.map { $0 >= time } ?? true) }
        // A version that took another's place says that there was one, also where that is forgotten.
        let wasThere = atTime != nil || later.first.map { !$0.isNew } ?? false
        switch (wasThere, last.gone == nil) {
        case (false, true): return EntryDifference(address, .added, at: last.learnt)
        case (true, false): return EntryDifference(address, .removed, at: last.gone ?? last.learnt)
        case (true, true) where atTime?.hash != last.hash:
            let members = Set(later.flatMap(\.changed)).sorted()
            return EntryDifference(address, .changed, at: last.learnt, members: members)
        case (true, true), (false, false): return nil
        }
    }
}
