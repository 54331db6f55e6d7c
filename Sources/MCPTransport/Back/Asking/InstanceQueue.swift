/// Where each call runs whose caller can be asked, at a backend whose questions name no call, as a state machine.
///
/// The first connection, number 0, serves everyone: a server that keeps its state in memory keeps it for all. Calls run
/// there side by side until the backend is known to ask. From then on each instance has one of them at a time, so that
/// what is asked can only be that one's; and where calls wait for people, further instances are opened for the others.
/// Calls whose callers cannot be asked are no business of this queue: they run in the first connection at once.
///
/// What a backend that is not known to ask does with an entry that nobody called before is not known either: such a call
/// has a moment to itself (``Limits/trial``), in which those that ask usually do.
struct InstanceQueue: Sendable {
    struct Limits: Hashable, Sendable {
        /// Instances that may be opened because calls wait.
        var usual: Int
        /// Instances that may be opened because calls are suspended.
        var most: Int
        /// Calls that wait; more are refused, as they would wait in vain.
        var waitingMax: Int
        /// How long the first call of an entry is alone with others of its kind.
        var trial: Duration
        /// How long a suspended call may take before others go elsewhere: a program answers at once and its server's state is
        /// in this instance; a person thinks.
        var patience: Duration
        /// How long an instance beside the first is kept without calls.
        var idleMax: Duration
    }

    enum Wake: Hashable, Sendable {
        case trial(call: Int)
        case suspended(call: Int, round: Int)
        case idle(instance: Int)
    }

    enum Refusal: Hashable, Sendable {
        /// As many calls wait as may.
        case crowded
        /// All instances there may be wait for answers of callers.
        case suspended
        /// The instance that was opened for it failed.
        case notOpened
    }

    enum Effect: Hashable, Sendable {
        case start(call: Int, instance: Int)
        case refuse(call: Int, Refusal)
        /// Then call ``opened(_:at:)`` or ``failed(_:at:)``, in the end ``gone(_:at:)``.
        case open(instance: Int)
        case close(instance: Int)
        /// Call ``woke(_:at:)`` then.
        case wake(Wake, in: Duration)
    }

    private struct Instance: Sendable {
        var isOpen = false
        var isEnding = false
        /// Whether somebody will look how long it has been idle.
        var isWatched = false
        var idleSince: ContinuousClock.Instant?
    }

    private struct Running: Sendable {
        var entry: String
        var instance: Int
        var round = 0
        var isSuspended = false
        /// It has been suspended for longer than a program takes to answer.
        var isLong = false
    }

    static let first = 0
    /// Entries that are remembered as having been called: what a manifest can hold.
    static let knownMax = 10_000

    private let limits: Limits
    private var instances = [Self.first: Instance(isOpen: true)]
    private var lastInstance = Self.first
    private var waiting: [(call: Int, entry: String)] = []
    private var running: [Int: Running] = [:]
    private var known: Set<String> = []
    private var trial: Int?
    /// Whether the backend asks; it does not unlearn that.
    private(set) var asks = false

    init(_ limits: Limits) { self.limits = limits }

    var instanceCount: Int { instances.count }
    var waitingCount: Int { waiting.count }

    // MARK: Calls

    /// - Parameter entry: what is called; calls of one entry are taken to ask alike.
    mutating func arrived(_ call: Int, _ entry: String, at now: ContinuousClock.Instant) -> [Effect] {
        guard waiting.count < limits.waitingMax else { return [.refuse(call: call, .crowded)] }
        waiting.append((call, entry))
        return advance(at: now)
    }

    /// Its caller gave up; if it was started, ``ended(_:at:)`` says when its place is free.
    mutating func left(_ call: Int, at now: ContinuousClock.Instant) -> [Effect] {
        guard let place = waiting.firstIndex(where: { $0.call == call }) else { return [] }
        waiting.remove(at: place)
        return advance(at: now)
    }

    /// The backend is done with a call.
    mutating func ended(_ call: Int, at now: ContinuousClock.Instant) -> [Effect] {
        guard let over = running.removeValue(forKey: call) else { return [] }
        if trial == call { endTrial(of: over.entry) }
        return rest(over.instance, at: now) + advance(at: now)
    }

    /// The backend asked while calls were open whose callers can be asked.
    mutating func asked(at now: ContinuousClock.Instant) -> [Effect] {
        guard !asks else { return [] }
        asks = true
        trial = nil
        known = []
        return advance(at: now)
    }

    mutating func suspended(_ call: Int) -> [Effect] {
        guard var over = running[call] else { return [] }
        over.round += 1
        over.isSuspended = true
        running[call] = over
        return [.wake(.suspended(call: call, round: over.round), in: limits.patience)]
    }

    mutating func resumed(_ call: Int) {
        running[call]?.isSuspended = false
        running[call]?.isLong = false
    }

    // MARK: Instances

    mutating func opened(_ instance: Int, at now: ContinuousClock.Instant) -> [Effect] {
        guard instances[instance] != nil else { return [] }
        instances[instance]?.isOpen = true
        let effects = advance(at: now)
        return effects + rest(instance, at: now)
    }

    mutating func failed(_ instance: Int, at now: ContinuousClock.Instant) -> [Effect] {
        guard instances.removeValue(forKey: instance) != nil else { return [] }
        // One call for each attempt: so this comes to an end, and whoever is told can call again.
        let refused = waiting.isEmpty ? nil : waiting.removeFirst()
        return (refused.map { [.refuse(call: $0.call, .notOpened)] } ?? []) + advance(at: now)
    }

    mutating func gone(_ instance: Int, at now: ContinuousClock.Instant) -> [Effect] {
        guard instance != Self.first, instances.removeValue(forKey: instance) != nil else { return [] }
        return advance(at: now)
    }

    /// No further call goes to that instance; those that run may end.
    mutating func ending(_ instance: Int) {
        if instance != Self.first { instances[instance]?.isEnding = true }
    }

    /// All instances but the first are to end as soon as their calls have: what they were opened with is out of date.
    mutating func retire() -> [Effect] {
        let others = instances.keys.filter { $0 != Self.first }.sorted()
        return others.flatMap { instance -> [Effect] in
            guard instances[instance]?.isEnding == false else { return [] }
            instances[instance]?.isEnding = true
            return isBusy(instance) ? [] : [.close(instance: instance)]
        }
    }

    // MARK: Time

    mutating func woke(_ wake: Wake, at now: ContinuousClock.Instant) -> [Effect] {
        switch wake {
        case .trial(let call):
            guard trial == call, let entry = running[call]?.entry else { return [] }
            endTrial(of: entry)
        case .suspended(let call, let round):
            guard running[call]?.isSuspended == true, running[call]?.round == round else { return [] }
            running[call]?.isLong = true
        case .idle(let instance):
            guard let idle = instances[instance], !idle.isEnding else { return [] }
            guard !isBusy(instance), let since = idle.idleSince else {
                instances[instance]?.isWatched = false
                return []
            }
            let rest = limits.idleMax - since.duration(to: now)
            guard rest <= .zero else { return [.wake(wake, in: rest)] }
            instances[instance]?.isEnding = true
            return [.close(instance: instance)]
        }
        return advance(at: now)
    }

    // MARK: -

    private mutating func advance(at now: ContinuousClock.Instant) -> [Effect] {
        asks ? advanceOneByOne() : advanceTogether()
    }

    private mutating func advanceTogether() -> [Effect] {
        var effects: [Effect] = []
        var rest: [(call: Int, entry: String)] = []
        for (call, entry) in waiting {
            let isKnown = known.contains(entry) || known.count >= Self.knownMax
            guard isKnown || trial == nil else {
                rest.append((call, entry))
                continue
            }
            start(call, entry, in: Self.first, &effects)
            guard !isKnown else { continue }
            trial = call
            effects.append(.wake(.trial(call: call), in: limits.trial))
        }
        waiting = rest
        return effects
    }

    private mutating func advanceOneByOne() -> [Effect] {
        var effects: [Effect] = []
        while let next = waiting.first, let free = freeInstance {
            waiting.removeFirst()
            start(next.call, next.entry, in: free, &effects)
        }
        while instances.values.lazy.filter({ !$0.isOpen && !$0.isEnding }).count < waiting.count,
            instances.count < countAllowed
        {
            lastInstance += 1
            instances[lastInstance] = Instance()
            effects.append(.open(instance: lastInstance))
        }
        // Only people could bring them on.
        if instances.count == longSuspended.count, instances.count >= countAllowed {
            effects += waiting.map { .refuse(call: $0.call, .suspended) }
            waiting = []
        }
        return effects
    }

    private mutating func start(_ call: Int, _ entry: String, in instance: Int, _ effects: inout [Effect]) {
        running[call] = Running(entry: entry, instance: instance)
        effects.append(.start(call: call, instance: instance))
    }

    private var freeInstance: Int? {
        instances.filter { $0.value.isOpen && !$0.value.isEnding && !isBusy($0.key) }.keys.min()
    }

    private func isBusy(_ instance: Int) -> Bool { running.values.contains { $0.instance == instance } }

    /// Those that wait for people, and for nothing else.
    private var longSuspended: Set<Int> {
        var suspended: Set<Int> = []
        for instance in instances.keys {
            let calls = running.values.filter { $0.instance == instance }
            if !calls.isEmpty, calls.allSatisfy(\.isLong) { suspended.insert(instance) }
        }
        return suspended
    }

    /// As many that work as usual, and no more in all than may be.
    private var countAllowed: Int {
        max(limits.usual, min(limits.most, limits.usual + longSuspended.count))
    }

    private mutating func endTrial(of entry: String) {
        known.insert(entry)
        trial = nil
    }

    /// An instance may have nothing to do now.
    private mutating func rest(_ instance: Int, at now: ContinuousClock.Instant) -> [Effect] {
        guard instance != Self.first, var idle = instances[instance], idle.isOpen, !isBusy(instance) else {
            return []
        }
        if idle.isEnding { return [.close(instance: instance)] }
        idle.idleSince = now
        let isWatched = idle.isWatched
        idle.isWatched = true
        instances[instance] = idle
        return isWatched ? [] : [.wake(.idle(instance: instance), in: limits.idleMax)]
    }
}
