package import Catalog
package import JSONSlice

/// One thing in which what a server offers differs from what was approved, as far as a pin covers it.
package struct DefinitionChange: Hashable, Sendable {
    /// `description`, `inputSchema.properties.to`, `annotations.readOnlyHint`.
    package let place: String
    /// `nil`: not there.
    package let old: JSON?
    package let new: JSON?
    /// Where both are texts.
    package let words: [WordDifference]

    /// A person reads no more.
    package static let changesMax = 100

    /// - Parameters:
    ///   - old: `nil`: nothing was approved yet; all that is offered is told.
    ///   - budget: for comparing words, of all that one answer compares.
    /// - Complexity: O(bytes), and what is taken of the budget.
    package static func between(
        _ old: Entry?, _ new: Entry, within budget: inout WordBudget
    ) -> [DefinitionChange] {
        var found: [DefinitionChange] = []
        for member in new.kind.pinnedMembers {
            compare(old?.definition[member], new.definition[member], at: member, depth: 0, &found, &budget)
        }
        return Array(found.prefix(changesMax))
    }

    /// Below, an object is told as a whole.
    private static let depthMax = 16

    private static func compare(
        _ old: JSON?, _ new: JSON?, at place: String, depth: Int, _ found: inout [DefinitionChange],
        _ budget: inout WordBudget
    ) {
        guard found.count < changesMax, !isSame(old, new) else { return }
        if let old, let new, old.kind == .object, new.kind == .object, depth < depthMax {
            var keys = old.members.map(\.key)
            let known = Set(keys.map { Array($0.utf8) })
            keys += new.members.map(\.key).filter { !known.contains(Array($0.utf8)) }
            for key in keys {
                compare(
                    old[key], new[key], at: "\(place).\(Revealed.text(key))", depth: depth + 1, &found,
                    &budget)
            }
            return
        }
        var words: [WordDifference] = []
        if let before = old?.string, let after = new?.string {
            words = WordDifference.between(before, after, within: &budget)
        }
        found.append(DefinitionChange(place: place, old: old, new: new, words: words))
    }

    private static func isSame(_ a: JSON?, _ b: JSON?) -> Bool {
        guard let a, let b else { return a == nil && b == nil }
        if a == b { return true }
        guard let one = a.canonical, let two = b.canonical, one.isExact, two.isExact else { return false }
        return one.bytes == two.bytes
    }

    private init(place: String, old: JSON?, new: JSON?, words: [WordDifference]) {
        self.place = place
        self.old = old
        self.new = new
        self.words = words
    }
}
