import Synchronization

/// Tallies by key, each made once and kept for good, up to a bound; found without a lock.
///
/// A binary tree by the bits of the key's hash, to which is only ever added: so any thread reads it while another adds.
final class TallyTable<Key: Hashable & Sendable>: Sendable {
    private final class Knot: Sendable {
        let key: Key
        let hash: UInt
        let tally = CallTally()
        let left = AtomicLazyReference<Knot>()
        let right = AtomicLazyReference<Knot>()

        init(_ key: Key, _ hash: UInt) {
            self.key = key
            self.hash = hash
        }
    }

    private let countMax: Int
    private let count = Atomic<Int>(0)
    private let root = AtomicLazyReference<Knot>()
    /// Counts for whatever comes when the table is full.
    let overflow = CallTally()

    init(countMax: Int) { self.countMax = countMax }

    /// - Parameter isKnown: whether a key that has no tally yet is to have one.
    /// - Returns: `nil` for a key that has none and is to have none.
    /// - Complexity: O(log *n*) for *n* keys, and no allocation for one that was seen before.
    func tally(of key: Key, isKnown: (Key) -> Bool) -> CallTally? {
        let hash = UInt(bitPattern: key.hashValue)
        guard var knot = root.load() else {
            return made(key, hash, isKnown: isKnown) { root.storeIfNil($0) }
        }
        var bits = hash
        while true {
            if knot.hash == hash, knot.key == key { return knot.tally }
            let (isLeft, here) = (bits & 1 == 0, knot)
            bits >>= 1
            guard let next = isLeft ? here.left.load() : here.right.load() else {
                return made(key, hash, isKnown: isKnown) {
                    isLeft ? here.left.storeIfNil($0) : here.right.storeIfNil($0)
                }
            }
            knot = next
        }
    }

    /// - Parameter store: puts it where there was nothing, and says what is there now.
    private func made(_ key: Key, _ hash: UInt, isKnown: (Key) -> Bool, store: (Knot) -> Knot) -> CallTally? {
        guard isKnown(key) else { return nil }
        guard count.add(1, ordering: .relaxed).newValue <= countMax else {
            count.subtract(1, ordering: .relaxed)
            return overflow
        }
        let fresh = Knot(key, hash)
        let stored = store(fresh)
        if stored === fresh { return fresh.tally }
        count.subtract(1, ordering: .relaxed)
        // Another thread was here first, perhaps with another key.
        return stored.key == key ? stored.tally : tally(of: key, isKnown: isKnown)
    }

    /// In no order.
    var all: [(key: Key, tally: CallTally)] {
        var found: [(key: Key, tally: CallTally)] = []
        var open = [root.load()].compactMap { $0 }
        while let knot = open.popLast() {
            found.append((knot.key, knot.tally))
            open += [knot.left.load(), knot.right.load()].compactMap { $0 }
        }
        return found
    }
}
