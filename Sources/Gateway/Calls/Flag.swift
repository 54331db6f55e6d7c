import Synchronization

/// Raised once, by whoever is first, and never lowered.
final class Flag: Sendable {
    private let state = Atomic(false)

    var isRaised: Bool { state.load(ordering: .acquiring) }

    /// - Returns: whether this raised it.
    @discardableResult
    func raise() -> Bool { !state.exchange(true, ordering: .acquiringAndReleasing) }
}
