/// A value that was found out, and is good for so long.
struct Perishable<Value: Sendable>: Sendable {
    let life: Duration
    private var kept: (value: Value, since: ContinuousClock.Instant)?

    init(life: Duration) { self.life = life }

    /// What is still good; `nil`: nothing.
    func value(at now: ContinuousClock.Instant) -> Value? {
        kept.flatMap { $0.since.duration(to: now) < life ? $0.value : nil }
    }

    /// Keeps what was found out, where what is kept is not good any more: to use a value makes it no younger.
    mutating func keep(_ value: Value, at now: ContinuousClock.Instant) {
        if self.value(at: now) == nil { kept = (value, now) }
    }

    mutating func drop() { kept = nil }
}
