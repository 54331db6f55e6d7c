import JSONSlice

/// How far a run is: steps that are over, and a part of each that runs. MCP wants it to grow with every notification, so what
/// would not is not told.
struct CompositeProgress: Sendable {
    /// In parts of a step; one less than all of them is the most a step has before it is over.
    private static let whole = 10_000
    /// What beginning counts, so that it can be told.
    private static let beginning = 100

    private let ids: [String]
    private var parts: [Int]
    private var counts: [Int]
    private var over: [Int]
    private var lastTold = -1

    init(_ ids: [String]) {
        self.ids = ids
        parts = ids.map { _ in 0 }
        counts = ids.map { _ in 1 }
        over = ids.map { _ in 0 }
    }

    /// - Returns: params of a notification without token; `nil` when there is nothing to tell.
    mutating func started(_ place: StepPlace, of count: Int) -> JSON? {
        counts[place.step] = max(1, count)
        raise(place.step, to: max(Self.beginning, parts[place.step] + 1))
        let item = place.item.map { ", item \($0 + 1) of \(count)" } ?? ""
        return told("\(ids[place.step])\(item) (step \(place.step + 1) of \(ids.count))")
    }

    /// A step's own word on its progress, which moves it where it is one call and says how much there is.
    mutating func moved(_ place: StepPlace, by params: JSON) -> JSON? {
        let step = place.step
        if counts[step] == 1, let value = params["progress"]?.double, let total = params["total"]?.double,
            total > 0
        {
            raise(step, to: Self.part(min(max(value / total, 0), 1)))
        }
        if sum <= lastTold { raise(step, to: parts[step] + 1) }
        let item = place.item.map { ", item \($0 + 1) of \(counts[step])" } ?? ""
        return told("\(ids[step])\(item)" + (params["message"]?.string.map { ": \($0)" } ?? ""))
    }

    /// One item of a step is over; told with what begins next.
    mutating func settledItem(of step: Int) {
        over[step] += 1
        raise(step, to: Self.part(Double(over[step]) / Double(counts[step])))
    }

    /// A step is over; told with what begins next.
    mutating func settled(_ step: Int) { parts[step] = Self.whole }

    /// Of a step that runs.
    private static func part(_ share: Double) -> Int {
        beginning + Int(share * Double(whole - 1 - beginning))
    }

    private var sum: Int { parts.reduce(0, +) }

    private mutating func raise(_ step: Int, to part: Int) {
        guard parts[step] < Self.whole else { return }
        parts[step] = max(parts[step], min(part, Self.whole - 1))
    }

    private mutating func told(_ message: String) -> JSON? {
        guard sum > lastTold else { return nil }
        lastTold = sum
        return [
            "progress": .number(Double(sum) / Double(Self.whole)), "total": .number(ids.count),
            "message": .string(message),
        ]
    }
}
