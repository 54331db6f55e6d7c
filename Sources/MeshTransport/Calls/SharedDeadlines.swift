import NIOCore

/// Things under way, such as calls, and when each has taken too long: one timer for all of them, which nearly none of them lives to see.
/// Lives on one event loop.
final class SharedDeadlines<Item> {
    /// Names one among them.
    typealias Number = UInt64

    /// What is due may wait so long: deadlines close to one another are looked at together.
    static var lookEvery: TimeAmount { .milliseconds(20) }

    private let loop: any EventLoop
    private let passed: (Item) -> Void
    private var waiting: [Number: (item: Item, due: NIODeadline)] = [:]
    private var last: Number = 0
    private var timer: Scheduled<Void>?
    private var nextLook = NIODeadline.distantFuture

    /// - Parameter passed: called with each whose deadline has come, which is none of them any more; of several in the order in which they
    ///   entered.
    init(on loop: any EventLoop, passed: @escaping (Item) -> Void) {
        self.loop = loop
        self.passed = passed
    }

    var count: Int { waiting.count }

    /// - Complexity: O(1), like ``leave(_:)``.
    func enter(_ item: Item, due: NIODeadline) -> Number {
        last += 1
        waiting[last] = (item, due)
        if due < nextLook { look(at: due) }
        return last
    }

    func leave(_ number: Number) { waiting[number] = nil }

    private func look(at next: NIODeadline) {
        timer?.cancel()
        nextLook = next
        timer = loop.assumeIsolated().scheduleTask(deadline: next) { [weak self] in self?.look() }
    }

    /// - Complexity: O(those under way)
    private func look() {
        let now = loop.now
        nextLook = .distantFuture
        let due = waiting.filter { $0.value.due <= now }.sorted { $0.key < $1.key }
        for (number, _) in due { waiting[number] = nil }
        if let next = waiting.values.lazy.map(\.due).min() { look(at: max(next, now + Self.lookEvery)) }
        for (_, one) in due { passed(one.item) }
    }
}
