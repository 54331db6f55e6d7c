import NIOCore

/// The calls of this node that are under way, and when each has taken too long: one timer for all of them, which nearly none of them lives
/// to see. Lives on the mesh's loop.
final class CallDeadlines {
    /// Names a call among them.
    typealias Place = UInt64

    /// What is due may wait so long: calls with deadlines close to one another are looked at together.
    static let lookEvery = TimeAmount.milliseconds(20)

    private let loop: any EventLoop
    private var waiting: [Place: (call: OutgoingCall, due: NIODeadline)] = [:]
    private var last: Place = 0
    private var timer: Scheduled<Void>?
    private var nextLook = NIODeadline.distantFuture

    init(on loop: any EventLoop) { self.loop = loop }

    /// - Complexity: O(1), like ``leave(_:)``.
    func enter(_ call: OutgoingCall, due: NIODeadline) -> Place {
        last += 1
        waiting[last] = (call, due)
        if due < nextLook { look(at: due) }
        return last
    }

    func leave(_ place: Place) { waiting[place] = nil }

    private func look(at next: NIODeadline) {
        timer?.cancel()
        nextLook = next
        timer = loop.assumeIsolated().scheduleTask(deadline: next) { [weak self] in self?.look() }
    }

    /// - Complexity: O(calls under way), at most once each ``lookEvery``.
    private func look() {
        let now = NIODeadline.now()
        nextLook = .distantFuture
        let due = waiting.filter { $0.value.due <= now }
        for place in due.keys { waiting[place] = nil }
        if let next = waiting.values.lazy.map(\.due).min() { look(at: max(next, now + Self.lookEvery)) }
        for (call, _) in due.values { call.deadlinePassed() }
    }
}
