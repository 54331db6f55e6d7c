import MCPModel

/// The calls of one backend that wait for their callers to come back: bounded in number and in time, and each
/// resumed once.
///
/// An entry's id is new for every round, so a retry that was used cannot be used again.
struct SuspensionBook<Call: Sendable>: Sendable {
    private struct Entry: Sendable {
        var call: Call
        var expiry: ContinuousClock.Instant
    }

    private let countMax: Int
    private var entries: [CallID: Entry] = [:]

    init(countMax: Int) { self.countMax = countMax }

    var count: Int { entries.count }

    /// - Returns: `false` when as many calls wait as may.
    mutating func suspend(_ call: Call, as id: CallID, until expiry: ContinuousClock.Instant) -> Bool {
        guard entries.count < countMax else { return false }
        entries[id] = Entry(call: call, expiry: expiry)
        return true
    }

    /// The call of that id; it is not in the book any more then. `nil`: it never was, is too late, or was
    /// resumed before.
    mutating func resume(_ id: CallID, at now: ContinuousClock.Instant) -> Call? {
        guard let entry = entries[id], entry.expiry > now else { return nil }
        entries[id] = nil
        return entry.call
    }

    /// Takes the call of that id out if its time is over.
    mutating func expire(_ id: CallID, at now: ContinuousClock.Instant) -> Call? {
        guard let entry = entries[id], entry.expiry <= now else { return nil }
        entries[id] = nil
        return entry.call
    }

    /// Takes all out: the backend is gone for good.
    mutating func empty() -> [Call] {
        defer { entries = [:] }
        return entries.values.map(\.call)
    }
}
