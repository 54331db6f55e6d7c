package import Catalog
package import MCPModel
package import Mesh

/// Calls of one entry node to one owner, in virtual time, while links break and nodes die.
///
/// What decides is the product's own: a ``CallCourse`` for each call, the owner's ``CallJournal``. What is made here is
/// the world: links that lose, delay or still deliver what was sent before they broke, ends that notice at different
/// times, an owner that is starved, and a backend that counts how often each call ran.
package final class SimulatedCalls {
    package struct Faults: Sendable {
        /// Chances a second.
        package var cuts = 0.0
        package var ownerKills = 0.0
        package var entryKills = 0.0
        package var pauses = 0.0
        /// Of one call.
        package var cancels = 0.0
        package var isRepeatable = false
        package var speaksOldVersion = false
        package var limits = CallJournal.Limits()

        package init() {}
    }

    package enum Outcome: Hashable, Sendable {
        case ok
        case failed(Reason)
        case unknown(Reason)
        /// The entry node died; nobody waits.
        case gone
    }

    package struct Fate: Sendable {
        package var outcome: Outcome?
        package var endings = 0
        package var runs = 0
        package var method = Method.toolsCall
    }

    private enum Message {
        case call(stream: Int, index: Int, CallID, CallTicket)
        case ask(stream: Int, CallID, number: UInt64, life: UInt64)
        case stop(stream: Int)
        case acknowledge(stream: Int)
        case event(stream: Int, CallEvent)
        case standing(stream: Int, CallStanding)
        case end(stream: Int)
    }

    /// One link or circuit between the two nodes.
    private struct Way {
        var entryLife: UInt64
        var ownerLife: UInt64
        var isUpAtEntry = true
        var isUpAtOwner = true
        var lastToOwner = Instant.zero
        var lastToEntry = Instant.zero
        /// From a break on: nothing more gets through, or it comes late.
        var losesToOwner = false
        var losesToEntry = false
        var stalledUntil = Instant.zero
        /// At the owner: which call a stream belongs to.
        var calls: [Int: CallJournal.Key] = [:]
        /// At the entry node.
        var streams: [Int: Int] = [:]
    }

    private struct Running {
        var index: Int
        var way: Int?
        var stream: Int
        var isStopped = false
    }

    private struct Caller {
        var course: CallCourse
        var way: Int?
        var stream = 0
        var number: UInt64 = 0
    }

    private enum Event {
        case begin(Int)
        case reach(Int, life: UInt64)
        case opened(life: UInt64)
        case toOwner(way: Int, Message)
        case toEntry(way: Int, Message)
        case brokeAtEntry(Int)
        case brokeAtOwner(Int)
        case runs(CallJournal.Key, life: UInt64)
        case ends(CallJournal.Key, life: UInt64)
        case deadline(Int, life: UInt64)
        case cancel(Int, life: UInt64)
        case sweep
        case second
    }

    package private(set) var now = Instant.zero
    package private(set) var fates: [Fate]
    package private(set) var asked = 0
    package private(set) var fenced = 0
    package private(set) var attached = 0

    private let faults: Faults
    private let deadline: Duration
    private var random: SplitMix64
    private var queue = EventQueue<Event>()
    private var ways: [Way] = []
    private var current: Int?
    private var isOpening = false
    private var waiting: [Int] = []
    private var callers: [Int: Caller] = [:]
    private var entryLife: UInt64 = 1
    private var entryIncarnation: UInt64 = 1
    private var numbers: UInt64 = 0
    private var streams = 0
    private var ownerLife: UInt64 = 1
    private var journal: CallJournal
    private var running: [CallJournal.Key: Running] = [:]
    private var cutUntil = Instant.zero
    private var ownerDownUntil = Instant.zero
    private var pausedUntil = Instant.zero
    private let faultsUntil: Instant
    private let entry = NodeID(high: 1, low: 1)
    private let owner = NodeID(high: 2, low: 2)

    /// - Parameters:
    ///   - calls: begun at random moments within `time`.
    ///   - deadline: what each caller waits.
    package init(
        seed: UInt64, calls: Int, within time: Duration = .seconds(20), deadline: Duration = .seconds(90),
        _ faults: Faults
    ) {
        random = SplitMix64(seed: seed)
        self.faults = faults
        self.deadline = deadline
        fates = Array(repeating: Fate(), count: calls)
        journal = CallJournal(faults.limits)
        faultsUntil = Instant.zero + time
        for index in 0..<calls {
            if faults.isRepeatable, index.isMultiple(of: 3) { fates[index].method = Method.resourcesRead }
            queue.plan(.begin(index), at: Instant.zero + between(.zero, time))
        }
        queue.plan(.second, at: .zero)
        queue.plan(.sweep, at: Instant.zero + .seconds(5))
    }

    /// Runs until every call has ended, or long after each should have.
    package func run() {
        let end = faultsUntil + deadline + .seconds(5)
        while let (time, event) = queue.takeNext(), time <= end {
            now = time
            take(event)
        }
    }

    /// How a reason (docs/reference/errors.md) counts: did it run?
    package static func outcome(_ event: CallEvent) -> Outcome {
        switch event {
        case .result, .error: .ok
        case .failure(let failure):
            switch failure.reason {
            case .outcomeUnknown, .deadlineExceeded, .cancelled: .unknown(failure.reason)
            default: .failed(failure.reason)
            }
        case .notification: .gone
        }
    }

    // MARK: The world

    private func take(_ event: Event) {
        switch event {
        case .begin(let index): begin(index)
        case .reach(let index, let life): if life == entryLife { reach(index) }
        case .opened(let life): opened(life)
        case .toOwner(let way, let message): arrive(message, way)
        case .toEntry(let way, let message):
            if let late = stall(way) { return queue.plan(event, at: late) }
            if !ways[way].losesToEntry, ways[way].isUpAtEntry { hear(message, way) }
        case .brokeAtEntry(let way): breakAtEntry(way)
        case .brokeAtOwner(let way): breakAtOwner(way)
        case .runs(let key, let life): runs(key, life)
        case .ends(let key, let life): if life == ownerLife { ends(key, .result([:])) }
        case .deadline(let index, let life):
            if life == entryLife { act(index) { $0.deadlinePassed(self.deadline) } }
        case .cancel(let index, let life): if life == entryLife { act(index) { $0.cancelled() } }
        case .sweep:
            for key in journal.sweep(at: now) { giveUp(key) }
            queue.plan(.sweep, at: now + .seconds(5))
        case .second: second()
        }
    }

    private func second() {
        guard now < faultsUntil else { return }
        queue.plan(.second, at: now + .seconds(1))
        if chance(faults.cuts) { cut(for: between(.zero, .seconds(6))) }
        if chance(faults.ownerKills) { killOwner() }
        if chance(faults.entryKills) { killEntry() }
        if chance(faults.pauses) { pausedUntil = now + between(.zero, .seconds(40)) }
    }

    private func cut(for time: Duration) {
        cutUntil = max(cutUntil, now + time)
        for way in ways.indices where ways[way].isUpAtEntry || ways[way].isUpAtOwner {
            ways[way].losesToOwner = ways[way].losesToOwner || Bool.random(using: &random)
            ways[way].losesToEntry = ways[way].losesToEntry || Bool.random(using: &random)
            ways[way].stalledUntil = now + between(.zero, .seconds(8))
            queue.plan(.brokeAtEntry(way), at: now + between(.zero, .seconds(3)))
            queue.plan(.brokeAtOwner(way), at: now + between(.zero, .seconds(12)))
        }
    }

    private func killOwner() {
        ownerLife += 1
        journal = CallJournal(faults.limits)
        running = [:]
        ownerDownUntil = now + between(.zero, .seconds(4))
        pausedUntil = .zero
        for way in ways.indices {
            ways[way].isUpAtOwner = false
            queue.plan(.brokeAtEntry(way), at: now + between(.zero, .seconds(3)))
        }
    }

    private func killEntry() {
        for index in callers.keys where fates[index].outcome == nil { fates[index].outcome = .gone }
        callers = [:]
        waiting = []
        isOpening = false
        entryLife += 1
        entryIncarnation += 1
        numbers = 0
        current = nil
        for way in ways.indices {
            ways[way].isUpAtEntry = false
            queue.plan(.brokeAtOwner(way), at: now + between(.zero, .seconds(12)))
        }
    }

    private func stall(_ way: Int) -> Instant? { ways[way].stalledUntil > now ? ways[way].stalledUntil : nil }

    private func send(_ message: Message, toOwnerOn way: Int) {
        let arrival = max(ways[way].lastToOwner, now + between(.milliseconds(1), .milliseconds(40)))
        ways[way].lastToOwner = arrival
        queue.plan(.toOwner(way: way, message), at: arrival)
    }

    private func send(_ message: Message, toEntryOn way: Int) {
        let arrival = max(ways[way].lastToEntry, now + between(.milliseconds(1), .milliseconds(40)))
        ways[way].lastToEntry = arrival
        queue.plan(.toEntry(way: way, message), at: arrival)
    }

    private func between(_ least: Duration, _ most: Duration) -> Duration {
        least + (most - least) * Int.random(in: 0...1000, using: &random) / 1000
    }

    private func chance(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &random) < probability
    }

    // MARK: The entry node

    private func begin(_ index: Int) {
        let id = CallID(using: &random)
        callers[index] = Caller(course: CallCourse(id, fates[index].method, owner: "owner", server: "tools"))
        queue.plan(.deadline(index, life: entryLife), at: now + deadline)
        if chance(faults.cancels) {
            queue.plan(.cancel(index, life: entryLife), at: now + between(.zero, .seconds(5)))
        }
        reach(index)
    }

    private func reach(_ index: Int) {
        guard let caller = callers[index], caller.course.wantsWay else { return }
        if let current { return go(index, current) }
        let isReachable = cutUntil <= now && ownerDownUntil <= now && pausedUntil <= now
        guard isReachable || isOpening else {
            return act(index) { $0.noWay(.noPath("cut"), at: self.now) }
        }
        waiting.append(index)
        guard !isOpening else { return }
        isOpening = true
        queue.plan(.opened(life: entryLife), at: now + .milliseconds(30))
    }

    private func opened(_ life: UInt64) {
        guard life == entryLife, isOpening else { return }
        isOpening = false
        let calls = waiting
        waiting = []
        guard cutUntil <= now, ownerDownUntil <= now, pausedUntil <= now else {
            for index in calls { act(index) { $0.noWay(.noPath("cut"), at: self.now) } }
            return
        }
        ways.append(Way(entryLife: entryLife, ownerLife: ownerLife))
        current = ways.count - 1
        let caller = CallJournal.Caller(node: entry, incarnation: entryIncarnation, life: entryLife)
        for key in journal.greeted(caller).running { running[key]?.isStopped = true }
        for index in calls { go(index, ways.count - 1) }
    }

    private func go(_ index: Int, _ way: Int) {
        guard callers[index]?.course.wantsWay == true else { return }
        act(index, on: way) {
            $0.way(
                life: self.ways[way].ownerLife, asks: !self.faults.speaksOldVersion, at: self.now, using: &$1)
        }
    }

    private func act(_ index: Int, on way: Int? = nil, _ body: (inout CallCourse) -> [CallCourse.Effect]) {
        act(index, on: way) { course, _ in body(&course) }
    }

    private func act(
        _ index: Int, on way: Int? = nil, _ body: (inout CallCourse, inout SplitMix64) -> [CallCourse.Effect]
    ) {
        guard var caller = callers[index] else { return }
        let effects = body(&caller.course, &random)
        callers[index] = caller
        for effect in effects { perform(effect, index, way) }
    }

    private func perform(_ effect: CallCourse.Effect, _ index: Int, _ way: Int?) {
        switch effect {
        case .reach(let pause): queue.plan(.reach(index, life: entryLife), at: now + pause)
        case .send(let id, let isRepeat):
            guard let way else { return }
            numbers += 1
            callers[index]?.number = numbers
            open(index, way)
            send(
                .call(
                    stream: streams, index: index, id, CallTicket(number: numbers, isRepeat: isRepeat)),
                toOwnerOn: way)
        case .ask(let id):
            guard let way else { return }
            asked += 1
            open(index, way)
            send(
                .ask(
                    stream: streams, id, number: callers[index]?.number ?? 0, life: ways[way].ownerLife),
                toOwnerOn: way)
        case .stop:
            guard let caller = callers[index], let way = caller.way else { return }
            send(.stop(stream: caller.stream), toOwnerOn: way)
            leave(index)
        case .deliver(let event):
            guard event.isFinal else { return }
            fates[index].endings += 1
            fates[index].outcome = Self.outcome(event)
            guard let caller = callers[index], let way = caller.way else { return }
            if case .failure(let failure) = event,
                failure.reason == .cancelled || failure.reason == .deadlineExceeded
            {
                return  // what tells the owner follows
            }
            send(.acknowledge(stream: caller.stream), toOwnerOn: way)
            leave(index)
        }
    }

    private func open(_ index: Int, _ way: Int) {
        streams += 1
        callers[index]?.way = way
        callers[index]?.stream = streams
        ways[way].streams[streams] = index
    }

    private func leave(_ index: Int) {
        guard let caller = callers[index], let way = caller.way else { return }
        ways[way].streams[caller.stream] = nil
        callers[index]?.way = nil
    }

    private func hear(_ message: Message, _ way: Int) {
        switch message {
        case .event(let stream, let event):
            if let index = ways[way].streams[stream] { act(index) { $0.heard(event) } }
        case .standing(let stream, let standing):
            guard let index = ways[way].streams[stream] else { return }
            if standing == .running { attached += 1 } else { leave(index) }
            if standing == .notSeen { fenced += 1 }
            act(index) { $0.answered(standing, at: self.now, using: &$1) }
        case .end(let stream):
            guard let index = ways[way].streams[stream] else { return }
            leave(index)
            act(index) { $0.broke(.lost("reset"), at: self.now) }
        case .call, .ask, .stop, .acknowledge: break
        }
    }

    private func breakAtEntry(_ way: Int) {
        guard ways[way].isUpAtEntry else { return }
        ways[way].isUpAtEntry = false
        if current == way { current = nil }
        let broken = ways[way].streams.sorted { $0.key < $1.key }
        ways[way].streams = [:]
        for (_, index) in broken {
            callers[index]?.way = nil
            act(index) { $0.broke(.lost("down"), at: self.now) }
        }
    }

    // MARK: The owner

    private func arrive(_ message: Message, _ way: Int) {
        guard ways[way].ownerLife == ownerLife, ways[way].isUpAtOwner, !ways[way].losesToOwner else { return }
        // A starved owner reads everything late, also what came on links that are long gone.
        let late = max(pausedUntil, stall(way) ?? .zero)
        if late > now { return queue.plan(.toOwner(way: way, message), at: late) }
        let caller = CallJournal.Caller(
            node: entry, incarnation: ways[way].entryLife, life: ways[way].entryLife)
        switch message {
        case .call(let stream, let index, let id, let ticket): admit(stream, index, id, ticket, caller, way)
        case .ask(let stream, let id, let number, let life):
            guard life == ownerLife else {
                return send(.standing(stream: stream, .otherLife), toEntryOn: way)
            }
            let key = CallJournal.Key(of: caller, number: number)
            switch journal.asked(id, number: number, by: caller, at: now) {
            case .done(let event):
                ways[way].calls[stream] = key
                send(.event(stream: stream, event), toEntryOn: way)
            case .standing(let standing):
                if standing == .running { attach(key, stream, way) }
                send(.standing(stream: stream, standing), toEntryOn: way)
            }
        case .stop(let stream):
            guard let key = ways[way].calls.removeValue(forKey: stream) else { return }
            running[key]?.isStopped = true
            journal.acknowledged(key)
        case .acknowledge(let stream):
            if let key = ways[way].calls.removeValue(forKey: stream) { journal.acknowledged(key) }
        case .event, .standing, .end: break
        }
    }

    private func attach(_ key: CallJournal.Key, _ stream: Int, _ way: Int) {
        if let old = running[key], let oldWay = old.way { ways[oldWay].calls[old.stream] = nil }
        running[key]?.way = way
        running[key]?.stream = stream
        ways[way].calls[stream] = key
    }

    private func admit(
        _ stream: Int, _ index: Int, _ id: CallID, _ ticket: CallTicket, _ caller: CallJournal.Caller,
        _ way: Int
    ) {
        do throws(CallJournal.Refusal) {
            let key = try journal.arrived(id, number: ticket.number, from: caller, at: now)
            ways[way].calls[stream] = key
            running[key] = Running(index: index, way: way, stream: stream)
            if ticket.isRepeat, !faults.isRepeatable {
                ends(key, .failure(CallFailure(.outcomeUnknown, "it may have run")))
            } else if chance(0.05) {
                ends(key, .failure(CallFailure(.backendUnavailable, "it is down")))
            } else {
                queue.plan(.runs(key, life: ownerLife), at: now + between(.zero, .milliseconds(200)))
            }
        } catch {
            send(.event(stream: stream, .failure(CallFailure(.limited, "\(error)"))), toEntryOn: way)
        }
    }

    private func runs(_ key: CallJournal.Key, _ life: UInt64) {
        guard life == ownerLife, let call = running[key], !call.isStopped else { return }
        fates[call.index].runs += 1
        if let way = call.way {
            send(
                .event(stream: call.stream, .notification(method: Method.progress, params: [:])),
                toEntryOn: way)
        }
        queue.plan(.ends(key, life: life), at: now + between(.zero, .seconds(4)))
    }

    private func ends(_ key: CallJournal.Key, _ event: CallEvent) {
        guard let call = running.removeValue(forKey: key), !call.isStopped else { return }
        journal.ended(key, event, at: now)
        if let way = call.way { send(.event(stream: call.stream, event), toEntryOn: way) }
    }

    private func giveUp(_ key: CallJournal.Key) {
        guard running[key] != nil else { return }
        ends(key, .failure(CallFailure(.outcomeUnknown, "nobody asked")))
    }

    private func breakAtOwner(_ way: Int) {
        guard ways[way].isUpAtOwner else { return }
        ways[way].isUpAtOwner = false
        for (stream, key) in ways[way].calls.sorted(by: { $0.key < $1.key })
        where running[key]?.way == way && running[key]?.stream == stream {
            running[key]?.way = nil
            journal.lost(key, at: now)
        }
        ways[way].calls = [:]
    }
}
