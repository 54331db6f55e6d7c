/// How soon a backend is listed again because it says that something changed: a few times at once, then at a steady pace (the generic
/// cell rate algorithm of ITU-T I.371). One that always claims changes must not keep us listing; a person who changes one tool
/// after the other shall see each at once.
struct RelistPace {
    /// Listings that are had at once after a quiet time.
    static let burst = 3

    /// The shortest time between two listings in the long run.
    let every: Duration
    /// When the next listing would be due if each had kept the pace.
    private var due: ContinuousClock.Instant

    init(every: Duration, at now: ContinuousClock.Instant) {
        self.every = every
        due = now
    }

    /// Takes the next listing; within any time `t` no more than ``burst`` + `t` / ``every`` begin.
    ///
    /// - Returns: how long to wait before it begins, zero or more.
    mutating func take(at now: ContinuousClock.Instant) -> Duration {
        let start = max(now, due - every * (Self.burst - 1))
        due = max(start, due) + every
        return now.duration(to: start)
    }
}
