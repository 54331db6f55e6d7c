package import MCPModel

/// A session belongs to the caller who opened it, at the endpoint where it was opened; to another, its id is
/// as good as none.
package struct SessionScope: Hashable, Sendable {
    package var endpoint: EndpointName
    package var caller: Caller

    package init(endpoint: EndpointName, caller: Caller) {
        self.endpoint = endpoint
        self.caller = caller
    }
}

/// One request, once its sender may speak: where it came in, and as whom.
struct Visit: Sendable {
    let endpoint: EndpointName
    let principal: Principal
    /// See ``FrontDoor``.
    let place: String?

    var scope: SessionScope { SessionScope(endpoint: endpoint, caller: principal.caller) }
}

/// Who holds which legacy session: bounded, forgetting first what was silent longest.
package struct SessionTable<Session: Sendable>: Sendable {
    private struct Slot: Sendable {
        var scope: SessionScope
        var session: Session
        var heardAt: ContinuousClock.Instant
    }

    private let countMax: Int
    private let idleMax: Duration
    private var slots: [String: Slot] = [:]

    package init(countMax: Int, idleMax: Duration) {
        self.countMax = countMax
        self.idleMax = idleMax
    }

    package var count: Int { slots.count }
    package var all: [Session] { slots.values.map(\.session) }

    /// Takes a session in.
    ///
    /// - Returns: those that had to make room: when the table is full, the one silent longest among those that
    ///   `isBusy` does not hold back; `nil` when all are busy, and the new one was not taken.
    /// - Complexity: O(1), O(*n*) when full.
    package mutating func insert(
        _ session: Session, id: String, scope: SessionScope, at now: ContinuousClock.Instant,
        isBusy: (Session) -> Bool
    ) -> [Session]? {
        var evicted: [Session] = []
        if slots.count >= countMax {
            // Without a copy of thousands of slots.
            var oldest: (key: String, value: Slot)?
            for slot in slots {
                if let oldest, oldest.value.heardAt <= slot.value.heardAt { continue }
                if !isBusy(slot.value.session) { oldest = slot }
            }
            guard let oldest else { return nil }
            evicted.append(oldest.value.session)
            slots[oldest.key] = nil
        }
        slots[id] = Slot(scope: scope, session: session, heardAt: now)
        return evicted
    }

    /// Looks a session up and counts it as heard.
    package mutating func use(_ id: String, scope: SessionScope, at now: ContinuousClock.Instant) -> Session?
    {
        guard let slot = slots[id], slot.scope == scope else { return nil }
        slots[id]?.heardAt = now
        return slot.session
    }

    package mutating func remove(_ id: String, scope: SessionScope) -> Session? {
        guard let slot = slots[id], slot.scope == scope else { return nil }
        slots[id] = nil
        return slot.session
    }

    /// Removes whatever was silent too long and is not busy.
    package mutating func expire(at now: ContinuousClock.Instant, isBusy: (Session) -> Bool) -> [Session] {
        let gone = slots.filter { $0.value.heardAt.duration(to: now) > idleMax && !isBusy($0.value.session) }
        for id in gone.keys { slots[id] = nil }
        return gone.values.map(\.session)
    }

    package mutating func removeAll() -> [Session] {
        defer { slots = [:] }
        return all
    }
}
