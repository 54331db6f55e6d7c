package import JSONSlice

/// One thing in which two definitions of a virtual server differ, in the words of their normal form.
package struct DefinitionDifference: Hashable, Sendable {
    /// `title`, or an item of `use` by what it chooses: `use: tool github/create_issue`.
    package let place: String
    /// `nil`: not there.
    package let old: JSON?
    package let new: JSON?

    package init(at place: String, old: JSON?, new: JSON?) {
        self.place = place
        self.old = old
        self.new = new
    }

    /// - Parameters: definitions in the normal form of ``VirtualServer``; `nil`: none.
    /// - Returns: in the order in which definitions are written; empty when they are the same.
    /// - Complexity: O(members + uses²)
    package static func between(_ old: JSON?, _ new: JSON?) -> [DefinitionDifference] {
        let (old, new) = (old ?? .emptyObject, new ?? .emptyObject)
        var found: [DefinitionDifference] = []
        for key in keys(old, new) {
            if key == "use" {
                found += uses(old["use"]?.elements ?? [], new["use"]?.elements ?? [])
            } else if old[key] != new[key] {
                found.append(DefinitionDifference(at: key, old: old[key], new: new[key]))
            }
        }
        return found
    }

    /// Items are known by what they choose, so that one that moved is not one that went and another that came.
    private static func uses(_ old: [JSON], _ new: [JSON]) -> [DefinitionDifference] {
        var found: [DefinitionDifference] = []
        var left = old
        var kept: [(old: JSON, new: JSON)] = []
        for item in new {
            let place = left.firstIndex(of: item) ?? left.firstIndex { choice(of: $0) == choice(of: item) }
            if let place {
                kept.append((left.remove(at: place), item))
            } else {
                found.append(DefinitionDifference(at: name(of: item), old: nil, new: item))
            }
        }
        for (before, after) in kept {
            for key in keys(before, after) where before[key] != after[key] {
                found.append(
                    DefinitionDifference(at: "\(name(of: after)).\(key)", old: before[key], new: after[key]))
            }
        }
        found += left.map { DefinitionDifference(at: name(of: $0), old: $0, new: nil) }
        let order = kept.map(\.old)
        if order != old.filter({ order.contains($0) }) {
            found.append(DefinitionDifference(at: "use: order", old: names(of: old), new: names(of: new)))
        }
        return found
    }

    private static func keys(_ old: JSON, _ new: JSON) -> [String] {
        var keys = new.members.map(\.key)
        keys += old.members.map(\.key).filter { new[$0] == nil }
        return keys
    }

    /// The first member of an item says what it chooses, in the normal form.
    private static func choice(of item: JSON) -> String {
        guard let first = item.members.first else { return "" }
        return "\(first.key) \(first.value.string ?? first.value.text)"
    }

    private static func name(of item: JSON) -> String { "use: \(choice(of: item))" }
    private static func names(of items: [JSON]) -> JSON { .array(items.map { .string(choice(of: $0)) }) }
}
