package import JSONSlice
package import MCPModel

/// The bounds of a node's subscriptions, each with its reason.
package struct SubscriptionLimits: Hashable, Sendable {
    /// Subscriptions upstream at once, however many clients share each: half of the calls that an owner lets one
    /// node have at once (`CallJournal`), so that other calls always find a place.
    package var subscriptionsMax = 512
    /// Wishes of clients at once, over all of them; each costs a few hundred bytes.
    package var watchersMax = 16_384
    /// How long one call upstream is used before the next takes its place.
    package var lease = ResourceSubscription.lease
    /// How long a client waits for the word of a server that is slow to give it; after that it is told that its wish
    /// stands, and hears of updates once it does.
    package var settleMax: Duration = .seconds(5)
    /// The first wait before a subscription that broke is opened again; each failure doubles it.
    package var backoffMin: Duration = .seconds(1)
    package var backoffMax: Duration = .seconds(60)
    /// A subscription that stood for this long has earned a fresh start of the waits.
    package var steadyAfter: Duration = .seconds(60)
    /// Updates of one resource within this time of one that was told are told as one, at its end.
    package var burstWindow: Duration = .milliseconds(100)
    /// Different resources below one subscription that are remembered within a burst; above it the burst is told as one
    /// update of what was subscribed.
    package var burstURIsMax = 64

    package init() {}
    package static let standard = SubscriptionLimits()
}

/// Who watches which resource, and the one call upstream that each resource has, as a state machine without clock or
/// I/O: ``Effect`` says what to do, ``SubscriptionHub`` does it.
///
/// - Note: `Key` names a resource across the mesh: its server, and the server's own URI.
package struct SubscriptionBook<Key: Hashable & Sendable>: Sendable {
    package typealias Instant = ContinuousClock.Instant

    package enum Effect: Hashable, Sendable {
        /// Start a call upstream; its events go to ``take(_:of:at:chance:)``.
        case open(call: Int, Key)
        /// Cancel that call.
        case close(call: Int)
        /// The wish of a watcher is honoured, or refused and forgotten. Comes once for each.
        case settle(watcher: Int, RPCError?)
        /// Tell watchers, in the server's own terms.
        case tell(watchers: [Int], JSON)
        /// When ``wake(_:at:chance:)`` is to be called for that key is another time now: ``nextLook(at:)``.
        case look(Key)
    }

    private struct Entry: Sendable {
        let uri: String
        /// Watchers that were told that their wish is honoured, and those that wait for a word.
        var settled: Set<Int> = []
        var waiting: Set<Int> = []
        var settleBy: Instant?
        /// The acknowledged call.
        var current: (call: Int, since: Instant, renewAt: Instant)?
        /// The call that is not acknowledged yet: the first, or the successor.
        var opening: Int?
        var retryAt: Instant?
        var backoff: Backoff
        /// Whether there was a time without an acknowledged call since somebody was told that there is one.
        var hasMissed = false
        /// Until then updates are held back.
        var quietUntil: Instant?
        var held: [(uri: String, params: JSON)] = []
        var lookAt: Instant?

        var nextLook: Instant? {
            [
                waiting.isEmpty ? nil : settleBy, opening == nil ? current?.renewAt ?? retryAt : nil,
                held.isEmpty ? nil : quietUntil,
            ].compactMap { $0 }.min()
        }
    }

    private let limits: SubscriptionLimits
    private var entries: [Key: Entry] = [:]
    private var calls: [Int: Key] = [:]
    private var watchers: [Int: Key] = [:]
    private var lastNumber = 0

    package init(limits: SubscriptionLimits = .standard) { self.limits = limits }

    /// Resources that are subscribed upstream.
    package var count: Int { entries.count }
    package var watcherCount: Int { watchers.count }
    /// Whether a call is still of use.
    package func isOpen(_ call: Int) -> Bool { calls[call] != nil }
    /// When something is due for a resource next; `nil`: nothing is.
    package func nextLook(at key: Key) -> Instant? { entries[key]?.lookAt }

    // MARK: Watchers

    /// Takes in the wish of one more watcher.
    ///
    /// - Returns: the watcher's number; `nil` when there are as many as may be.
    package mutating func watch(
        _ key: Key, uri: String, at now: Instant
    ) -> (watcher: Int, effects: [Effect])? {
        guard watchers.count < limits.watchersMax,
            entries[key] != nil || entries.count < limits.subscriptionsMax
        else { return nil }
        var entry =
            entries[key]
            ?? Entry(uri: uri, backoff: Backoff(from: limits.backoffMin, to: limits.backoffMax))
        let watcher = nextNumber()
        watchers[watcher] = key
        var effects: [Effect] = []
        if entry.current != nil || !entry.settled.isEmpty {
            entry.settled.insert(watcher)
            effects.append(.settle(watcher: watcher, nil))
        } else {
            entry.waiting.insert(watcher)
            entry.settleBy = entry.settleBy ?? now + limits.settleMax
            if entry.opening == nil { effects.append(open(key, &entry)) }
        }
        return (watcher, effects + keep(entry, at: key))
    }

    /// A watcher has gone. With the last, the subscription ends.
    package mutating func unwatch(_ watcher: Int) -> [Effect] {
        guard let key = watchers.removeValue(forKey: watcher), var entry = entries[key] else { return [] }
        entry.settled.remove(watcher)
        entry.waiting.remove(watcher)
        return keep(entry, at: key)
    }

    // MARK: Calls

    /// Takes an event of a call.
    ///
    /// - Parameter chance: 0 to 1, for the jitter of waits.
    package mutating func take(
        _ event: CallEvent, of call: Int, at now: Instant, chance: Double
    ) -> [Effect] {
        guard let key = calls[call], var entry = entries[key] else { return [] }
        var effects: [Effect] = []
        switch event {
        case .notification(Method.subscriptionsAcknowledged, let params) where call == entry.opening:
            effects =
                ResourceSubscription.uris(in: params).isEmpty
                ? [.close(call: call)]
                    + openingFailed(
                        &entry, .error(RPCError.unknownResource(uri: entry.uri).json), at: now, chance)
                : acknowledged(call, &entry, at: now)
            if entry.current?.call != call { calls[call] = nil }
        case .notification(Method.resourcesUpdated, let params):
            effects = updated(params, &entry, at: now)
        case .notification: break
        case .result, .error, .failure:
            calls[call] = nil
            effects =
                call == entry.opening
                ? openingFailed(&entry, event, at: now, chance) : ended(&entry, at: now, chance)
        }
        return effects + keep(entry, at: key)
    }

    private mutating func acknowledged(_ call: Int, _ entry: inout Entry, at now: Instant) -> [Effect] {
        var effects: [Effect] = []
        if let old = entry.current {
            calls[old.call] = nil
            effects.append(.close(call: old.call))
        }
        entry.current = (call, since: now, renewAt: now + limits.lease)
        entry.opening = nil
        effects += settleAll(&entry)
        if entry.hasMissed {
            entry.hasMissed = false
            effects += updated(ResourceSubscription.updated(uri: entry.uri), &entry, at: now)
        }
        return effects
    }

    private mutating func openingFailed(
        _ entry: inout Entry, _ event: CallEvent, at now: Instant, _ chance: Double
    ) -> [Effect] {
        entry.opening = nil
        let wait = now + entry.backoff.next(chance: chance)
        var effects: [Effect] = []
        if let refusal = Self.refusal(event, of: entry.uri) {
            for watcher in entry.waiting.sorted() {
                watchers[watcher] = nil
                effects.append(.settle(watcher: watcher, refusal))
            }
            entry.waiting = []
        } else {
            effects = settleAll(&entry)
        }
        if entry.current != nil {
            entry.current?.renewAt = wait
        } else {
            entry.hasMissed = true
            entry.retryAt = wait
        }
        return effects
    }

    private func ended(_ entry: inout Entry, at now: Instant, _ chance: Double) -> [Effect] {
        guard let current = entry.current else { return [] }
        if current.since.duration(to: now) >= limits.steadyAfter { entry.backoff.reset() }
        entry.current = nil
        entry.hasMissed = true
        if entry.opening == nil { entry.retryAt = now + entry.backoff.next(chance: chance) }
        return []
    }

    /// Why a subscription cannot be; `nil`: it may still come to be, the way is only broken now.
    private static func refusal(_ event: CallEvent, of uri: String) -> RPCError? {
        switch event {
        case .error(let error): return RPCError(reading: error)
        case .failure(let failure):
            switch failure.reason {
            case .unknownEntry, .denied, .pendingApproval, .quarantined, .blockedByGuardrail, .tooLarge,
                .invalidArguments, .unsupportedInEra:
                return CallFailureCode.error(of: failure, uri: uri)
            case .ownerUnreachable, .noPath, .notConfirmed, .backendUnavailable, .backendProtocol,
                .backendAuth, .deadlineExceeded, .outcomeUnknown, .limited, .cancelled, .sealed:
                return nil
            }
        case .notification, .result: return nil
        }
    }

    // MARK: Updates

    private func updated(_ params: JSON, _ entry: inout Entry, at now: Instant) -> [Effect] {
        guard let quietUntil = entry.quietUntil, quietUntil > now else {
            entry.quietUntil = now + limits.burstWindow
            return tell(params, entry)
        }
        let uri = params["uri"]?.string ?? entry.uri
        if let place = entry.held.firstIndex(where: { $0.uri == uri }) {
            entry.held[place].params = params
        } else if entry.held.count < limits.burstURIsMax {
            entry.held.append((uri, params))
        } else {
            entry.held = [(entry.uri, ResourceSubscription.updated(uri: entry.uri))]
        }
        return []
    }

    private func tell(_ params: JSON, _ entry: Entry) -> [Effect] {
        entry.settled.isEmpty ? [] : [.tell(watchers: entry.settled.sorted(), params)]
    }

    // MARK: Time

    /// Does what is due for one resource.
    package mutating func wake(_ key: Key, at now: Instant, chance: Double) -> [Effect] {
        guard var entry = entries[key] else { return [] }
        entry.lookAt = nil
        var effects: [Effect] = []
        if let settleBy = entry.settleBy, settleBy <= now, !entry.waiting.isEmpty {
            effects += settleAll(&entry)
            if entry.current == nil { entry.hasMissed = true }
        }
        if entry.opening == nil, let due = entry.current?.renewAt ?? entry.retryAt, due <= now {
            effects.append(open(key, &entry))
        }
        if let quietUntil = entry.quietUntil, quietUntil <= now, !entry.held.isEmpty {
            effects += entry.held.flatMap { tell($0.params, entry) }
            entry.held = []
            entry.quietUntil = now + limits.burstWindow
        }
        return effects + keep(entry, at: key)
    }

    // MARK: -

    private mutating func nextNumber() -> Int {
        lastNumber += 1
        return lastNumber
    }

    private mutating func open(_ key: Key, _ entry: inout Entry) -> Effect {
        let call = nextNumber()
        calls[call] = key
        entry.opening = call
        entry.retryAt = nil
        return .open(call: call, key)
    }

    private func settleAll(_ entry: inout Entry) -> [Effect] {
        let waiting = entry.waiting.sorted()
        entry.settled.formUnion(waiting)
        entry.waiting = []
        entry.settleBy = nil
        return waiting.map { .settle(watcher: $0, nil) }
    }

    /// Puts an entry back, or ends it if nobody watches any more.
    private mutating func keep(_ entry: Entry, at key: Key) -> [Effect] {
        guard entry.settled.isEmpty, entry.waiting.isEmpty else {
            var entry = entry
            let look = entry.nextLook
            let isNews = look != entry.lookAt
            entry.lookAt = look
            entries[key] = entry
            return isNews ? [.look(key)] : []
        }
        entries[key] = nil
        let open = [entry.current?.call, entry.opening].compactMap { $0 }
        for call in open { calls[call] = nil }
        return open.map { .close(call: $0) } + (entry.lookAt == nil ? [] : [.look(key)])
    }
}
