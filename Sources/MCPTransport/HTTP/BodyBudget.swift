import Synchronization

/// How many bytes of requests all connections of one listener hold together. May be used from any thread.
final class BodyBudget: Sendable {
    private let max: Int
    private let taken = Atomic(0)

    init(max: Int) { self.max = max }

    /// - Returns: `false` when there is no room for so many more; then nothing was taken.
    func take(_ count: Int) -> Bool {
        let now = taken.add(count, ordering: .relaxed).newValue
        guard now > max else { return true }
        giveBack(count)
        return false
    }

    func giveBack(_ count: Int) {
        if count > 0 { taken.subtract(count, ordering: .relaxed) }
    }
}
