import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import MCPTransport

/// The two decisions together, under random schedules: which call runs where, and which is asked.
struct AskerScheduleTests {
    @Test(arguments: 0..<100 as Range<UInt64>)
    func `no caller is ever asked what another's call asks, and every call comes to its end`(seed: UInt64) {
        var world = AskerWorld(seed: seed)
        world.run(steps: 300)
        #expect(world.strayed == [], "replay with seed \(seed)")
        world.drain()
        #expect(world.stuck == [], "replay with seed \(seed)")
        #expect(world.strayed == [] && world.instancesMost <= 4)
    }

    @Test func `the schedules that are tried suspend, hold, queue and refuse`() {
        var seen: Set<String> = []
        for seed in 0..<100 as Range<UInt64> {
            var world = AskerWorld(seed: seed)
            world.run(steps: 300)
            world.drain()
            seen.formUnion(world.seen)
        }
        #expect(
            seen.isSuperset(of: [
                "given", "held", "undecided", "waited", "opened", "crowded", "suspended", "ghost",
                "asked at once by two",
            ]))
    }
}

/// A backend that asks, its callers, and nothing real: virtual time, and chance from a seed.
///
/// The backend keeps to what can be expected of one: a call waits for the answers to what it asks before it ends, and one
/// that was cancelled asks no more once the grace is over.
private struct AskerWorld {
    private enum Phase: Equatable {
        case waiting
        case running(instance: Int)
        /// Cancelled; the backend has not seen it yet.
        case ghost(instance: Int)
    }

    private struct Call {
        var phase: Phase
        var canBeAsked: Bool
        /// Questions that the backend asked in it and has no answer to.
        var open: Set<Int> = []
        /// Those its caller sees.
        var seen: Set<Int> = []
        var questionsLeft: Int
        var isSuspended = false
    }

    private static let form = DeclaredCapabilities(of: ["elicitation": [:]], at: .v2025_11_25)
    private static let hold = Duration.seconds(10)
    private static let grace = Duration.seconds(2)

    private var random: SplitMix64
    /// How seldom callers answer.
    private let thinking: Int
    private var now = ContinuousClock.now
    private var queue: InstanceQueue
    private var channels: [Int: AskerSearch] = [0: AskerSearch(timeMax: hold)]
    private var opening: Set<Int> = []
    /// Those that are not over.
    private var calls: [Int: Call] = [:]
    private var lastNumber = 0
    /// What asks, by question.
    private var causes: [Int: (call: Int, instance: Int)] = [:]
    private var timers: [(at: ContinuousClock.Instant, what: Timer)] = []

    private enum Timer {
        case wake(InstanceQueue.Wake)
        case look(instance: Int)
        case ghost(call: Int)
    }

    private(set) var strayed: [Int] = []
    private(set) var seen: Set<String> = []
    private(set) var instancesMost = 1

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        thinking = Bool.random(using: &random) ? 1 : 20
        queue = InstanceQueue(
            InstanceQueue.Limits(
                usual: Int.random(in: 1...2, using: &random), most: 4, waitingMax: 5,
                trial: .milliseconds(250), patience: .seconds(1), idleMax: .seconds(60)))
    }

    /// Calls that never came to an end.
    var stuck: [Int] { living }

    mutating func run(steps: Int) {
        for _ in 0..<steps {
            pass(.milliseconds(Int.random(in: 0...400, using: &random)))
            step(isDraining: false)
        }
    }

    /// Nothing new comes; what runs goes on until it is over.
    mutating func drain() {
        for _ in 0..<20_000 where !calls.isEmpty {
            pass(.milliseconds(Int.random(in: 0...400, using: &random)))
            step(isDraining: true)
        }
    }

    private mutating func step(isDraining: Bool) {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<2 where !isDraining: begin(canBeAsked: true)
        case 2 where !isDraining: begin(canBeAsked: false)
        case 3..<5: ask()
        case 5..<7: if isDraining || Int.random(in: 0..<thinking, using: &random) == 0 { answer() }
        case 7: if let instance = opening.sorted().randomElement(using: &random) { open(instance) }
        case 8: if !isDraining || Bool.random(using: &random) { cancel() }
        default: end()
        }
    }

    // MARK: Callers

    private mutating func begin(canBeAsked: Bool) {
        lastNumber += 1
        let number = lastNumber
        calls[number] = Call(
            phase: .waiting, canBeAsked: canBeAsked, questionsLeft: Int.random(in: 0...3, using: &random))
        if canBeAsked {
            follow(queue.arrived(number, "tool-\(number % 3)", at: now))
            if calls[number]?.phase == .waiting { seen.insert("waited") }
        } else {
            start(number, in: 0)
        }
    }

    private mutating func answer() {
        let asked = calls.filter { !$0.value.seen.isEmpty }.keys.sorted()
        guard let number = asked.randomElement(using: &random),
            let question = calls[number]?.seen.sorted().randomElement(using: &random)
        else { return }
        calls[number]?.seen.remove(question)
        close(question)
        if calls[number]?.seen.isEmpty == true, calls[number]?.isSuspended == true {
            calls[number]?.isSuspended = false
            queue.resumed(number)
        }
    }

    private mutating func cancel() {
        guard let number = living.randomElement(using: &random), let call = calls[number] else { return }
        switch call.phase {
        case .waiting:
            calls[number] = nil
            follow(queue.left(number, at: now))
        case .running(let instance):
            seen.insert("ghost")
            calls[number]?.phase = .ghost(instance: instance)
            channels[instance]?.cancelled(number)
            // What it was asked is answered as nobody will.
            for question in call.seen { close(question) }
            calls[number]?.seen = []
            timers.append((now + Self.grace, .ghost(call: number)))
        case .ghost: break
        }
    }

    // MARK: The backend

    private mutating func ask() {
        let able = calls.filter { call in
            switch call.value.phase {
            case .running, .ghost: call.value.questionsLeft > 0
            case .waiting: false
            }
        }
        guard let number = able.keys.sorted().randomElement(using: &random), let instance = place(of: number)
        else { return }
        calls[number]?.questionsLeft -= 1
        lastNumber += 1
        let question = lastNumber
        calls[number]?.open.insert(question)
        causes[question] = (number, instance)
        let isNews = channels[instance]?.canAsk == true
        let others = calls.filter {
            $0.key != number && place(of: $0.key) == instance && !$0.value.open.isEmpty
        }
        if !others.isEmpty { seen.insert("asked at once by two") }
        let effects =
            channels[instance]?.asked(
                BackendQuestion(id: RPCID(question), method: Method.elicitationCreate, params: nil), at: now)
            ?? []
        if isNews { follow(queue.asked(at: now)) }
        take(effects, instance)
    }

    /// A call that waits for nothing is done; one that was cancelled, whatever it waited for.
    private mutating func end() {
        let done = living.filter { number in
            switch calls[number]?.phase {
            case .running: calls[number]?.open.isEmpty == true
            case .ghost: true
            case .waiting, nil: false
            }
        }
        if let number = done.randomElement(using: &random) { finish(number) }
    }

    private mutating func finish(_ number: Int) {
        guard let instance = place(of: number) else { return }
        let canBeAsked = calls[number]?.canBeAsked == true
        calls[number] = nil
        if canBeAsked { follow(queue.ended(number, at: now)) }
        take(channels[instance]?.ended(number) ?? [], instance)
    }

    // MARK: The gateway

    private mutating func start(_ number: Int, in instance: Int) {
        calls[number]?.phase = .running(instance: instance)
        channels[instance]?.began(number, calls[number]?.canBeAsked == true ? Self.form : .none)
    }

    private mutating func open(_ instance: Int) {
        opening.remove(instance)
        guard Int.random(in: 0..<8, using: &random) > 0 else {
            return follow(queue.failed(instance, at: now))
        }
        seen.insert("opened")
        channels[instance] = AskerSearch(timeMax: Self.hold)
        follow(queue.opened(instance, at: now))
    }

    private mutating func follow(_ effects: [InstanceQueue.Effect]) {
        for effect in effects {
            switch effect {
            case .start(let call, let instance): start(call, in: instance)
            case .refuse(let call, let why):
                calls[call] = nil
                seen.insert("\(why)")
            case .open(let instance):
                opening.insert(instance)
                instancesMost = max(instancesMost, queue.instanceCount)
            case .close(let instance):
                channels[instance] = nil
                follow(queue.gone(instance, at: now))
            case .wake(let wake, let time): timers.append((now + time, .wake(wake)))
            }
        }
    }

    private mutating func take(_ effects: [AskerSearch.Effect], _ instance: Int) {
        for effect in effects {
            switch effect {
            case .look(let time):
                seen.insert("held")
                timers.append((now + time, .look(instance: instance)))
            case .refuse(let question, let error):
                if error.message.contains("nobody can tell") { seen.insert("undecided") }
                close(question.id.json.int ?? 0)
            case .give(let question, let number):
                let id = question.id.json.int ?? 0
                if causes[id]?.call != number { strayed.append(id) }
                guard case .running = calls[number]?.phase else {
                    close(id)
                    continue
                }
                seen.insert("given")
                calls[number]?.seen.insert(id)
                if calls[number]?.isSuspended == false {
                    calls[number]?.isSuspended = true
                    follow(queue.suspended(number))
                }
            }
        }
    }

    /// The backend has an answer.
    private mutating func close(_ question: Int) {
        if let cause = causes[question]?.call { calls[cause]?.open.remove(question) }
    }

    // MARK: Time

    private mutating func pass(_ time: Duration) {
        let then = now + time
        while let next = timers.indices.min(by: { timers[$0].at < timers[$1].at }), timers[next].at <= then {
            let (at, what) = timers.remove(at: next)
            now = at
            switch what {
            case .wake(let wake): follow(queue.woke(wake, at: now))
            case .look(let instance): take(channels[instance]?.expire(at: now) ?? [], instance)
            case .ghost(let number):
                // By now the backend has seen that it was cancelled, and has stopped.
                guard case .ghost = calls[number]?.phase else { continue }
                calls[number]?.open = []
                finish(number)
            }
        }
        now = then
    }

    private func place(of number: Int) -> Int? {
        switch calls[number]?.phase {
        case .running(let instance), .ghost(let instance): instance
        case .waiting, nil: nil
        }
    }

    private var living: [Int] { calls.keys.sorted() }
}
