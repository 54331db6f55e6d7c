import JSONSlice

/// One call of a step: which step of the composite, counted from 0, and under `forEach` which item.
struct StepPlace: Hashable, Sendable {
    var step: Int
    var item: Int?

    init(step: Int, item: Int? = nil) {
        self.step = step
        self.item = item
    }
}

/// A step of the stage that runs: what of it has been begun, and what has come of it.
struct StepLane: Sendable {
    let step: Int
    /// Under `forEach`.
    var items: [JSON]?
    private var begun = 0
    private var values: [Int: JSON] = [:]
    /// Of a step that is over as a whole.
    private var whole: JSON?

    init(step: Int) { self.step = step }

    /// How many calls it may become.
    var count: Int { items?.count ?? 1 }
    var isDone: Bool { whole != nil || values.count == count }

    /// What the pointers of other steps find.
    var value: JSON {
        if let whole { return whole }
        guard let items else { return values[0] ?? .null }
        return .array(items.indices.map { values[$0] ?? .null })
    }

    /// The next call to begin; `nil` when there is none, or as many are open as may.
    mutating func next(concurrency: Int) -> StepPlace? {
        guard whole == nil, begun < count, begun - values.count < concurrency else { return nil }
        defer { begun += 1 }
        return StepPlace(step: step, item: items == nil ? nil : begun)
    }

    func item(_ place: StepPlace) -> (value: JSON, index: Int)? {
        guard let items, let item = place.item else { return nil }
        return (items[item], item)
    }

    mutating func settle(_ item: Int?, with value: JSON) {
        if items != nil, item == nil { whole = value } else { values[item ?? 0] = value }
    }

    mutating func settle(with value: JSON) { whole = value }
}

extension StepPointer {
    /// Whether it leads into one item of a list.
    var isOfItem: Bool { root == .item || root == .index }
}
