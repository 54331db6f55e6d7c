import Synchronization

/// What the sessions of one front keep for clients that come back, all together (``FrontLimits/replayTotalMax``).
final class ReplayTotal: Sendable {
    private let bytesMax: Int
    private let shareMax: Int
    private let held = Atomic(0)

    init(_ limits: FrontLimits) {
        bytesMax = limits.replayTotalMax
        shareMax = limits.replayShareMax
    }

    var bytesHeld: Int { held.load(ordering: .relaxed) }

    func add(_ count: Int) { if count != 0 { held.add(count, ordering: .relaxed) } }

    /// What a session may keep that wants to keep so many bytes more; `nil`: as much as it likes.
    func share(with more: Int) -> Int? { bytesHeld + more > bytesMax ? shareMax : nil }
}
