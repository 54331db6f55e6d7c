import Catalog
package import JSONSlice
package import MCPModel

/// One run of a composite, from its call to its answer, as a state machine: no clock, no I/O, and chance only as a parameter
/// (docs/decisions/0028-composite-tools.md).
///
/// A step's call is sent once. Nothing is started after a step has failed, an outcome is unknown, or the caller has cancelled; what runs
/// then is waited for, since a cancelled call's outcome would be unknown.
package struct CompositeRun: Sendable {
    package enum Effect: Sendable {
        case send(StepCall)
        /// Cancel the running call of this number.
        case cancel(number: Int)
        /// Tell whoever holds this call suspended that nobody comes back for it: send, and cancel at once.
        case withdraw(StepCall)
        case notify(method: String, params: JSON)
        /// End the leg with these `inputRequests`; a later leg goes on with the answers.
        case suspend(inputRequests: JSON)
        case finish(CompositeEnding)
    }

    private enum Phase: Sendable { case running, suspended, over }

    private let composite: BoundComposite
    private let steps: [CompositeStep<ServerKey>]
    private let input: JSON
    private let wantsProgress: Bool
    private let withdrawablePrefix: String

    private var phase = Phase.running
    private var results: [String: JSON] = [:]
    private var bytesOfResults = 0
    /// The stage that runs, its lanes, and the number of steps before it.
    private var stage = 0
    private var lanes: [StepLane] = []
    private var firstOfStage = 0
    private var calls: [Int: OpenStepCall] = [:]
    private var lastNumber = 0
    private var failed: (place: StepPlace, failure: StepFailure)?
    private var unknown: (place: StepPlace, failure: CallFailure)?
    private var log: StepLog
    private var progress: CompositeProgress

    /// - Parameters:
    ///   - input: the arguments of the call.
    ///   - withdrawablePrefix: how a `requestState` begins whose holder understands that its call is withdrawn.
    package init(
        _ composite: BoundComposite, input: JSON, wantsProgress: Bool = false, withdrawablePrefix: String
    ) {
        self.composite = composite
        self.input = input.detached
        self.wantsProgress = wantsProgress
        self.withdrawablePrefix = withdrawablePrefix
        steps = composite.tool.steps
        log = StepLog(steps.map { (id: $0.id, isList: $0.forEach != nil) })
        progress = CompositeProgress(steps.map(\.id))
    }

    /// Whether a call of this number has not ended and waits for nobody.
    package func isRunning(_ number: Int) -> Bool { calls[number].map { $0.wait == nil } ?? false }

    /// Whether nothing more comes of it.
    package var isOver: Bool { phase == .over }

    // MARK: What happens

    package mutating func start(using random: inout some RandomNumberGenerator) -> [Effect] {
        if let problem = CompositeInput.problem(in: input, composite.tool.inputSchema) {
            return over(.failure(CallFailure(.invalidArguments, problem)))
        }
        openStage()
        return advance(using: &random)
    }

    /// Takes an event of a call; one that is not awaited changes nothing.
    package mutating func took(
        _ event: CallEvent, of number: Int, using random: inout some RandomNumberGenerator
    ) -> [Effect] {
        guard phase == .running, let call = calls[number], call.wait == nil else { return [] }
        let place = call.place
        switch event {
        case .notification(let method, let params):
            guard method == Method.progress else { return [.notify(method: method, params: params)] }
            return told(progress.moved(place, by: params))
        case .result(let result)
        where result["resultType"]?.string == "input_required"
            && (result["requestState"] != nil || result["inputRequests"]?.members.isEmpty == false):
            let fits = result.bytes.count <= bytesLeft
            calls[number]?.wait = OpenStepCall.Wait(
                requests: result["inputRequests"]?.detached.members ?? [],
                state: result["requestState"]?.detached, bytes: result.bytes.count)
            guard fits else {
                let effects = withdraw(number, using: &random)
                fail(place, .failure(CallFailure(.tooLarge, "what it asks does not fit: \(Self.bound)")))
                return effects + advance(using: &random)
            }
            return advance(using: &random)
        default: break
        }
        calls[number] = nil
        switch StepOutcome(of: event, timeout: steps[place.step].timeout) {
        case .done(let value): done(place, value)
        case .failed(let failure): fail(place, failure)
        case .unknown(let failure):
            unknown = unknown ?? (place, failure)
            log.note(.unknown, at: place, reason: failure.reason.rawValue)
        }
        return advance(using: &random)
    }

    /// The caller has come back with answers, by the keys under which it was asked.
    package mutating func resumed(
        with responses: [(key: String, value: JSON)], using random: inout some RandomNumberGenerator
    ) -> [Effect] {
        guard phase == .suspended else { return [] }
        phase = .running
        var effects: [Effect] = []
        for (number, call) in calls.sorted(by: { $0.key < $1.key }) {
            guard let wait = call.wait, wait.isAsked else { continue }
            let prefix = key(of: call.place) + "/"
            let own = responses.filter { $0.key.hasPrefix(prefix) }.map {
                (String($0.key.dropFirst(prefix.count)), $0.value.detached)
            }
            // Asked again with the next round, rather than sent without an answer to a server that may take that for one.
            if own.isEmpty, !wait.requests.isEmpty, !isWithdrawable(wait.state) { continue }
            var params = call.params
            if !own.isEmpty { params = params.setting("inputResponses", to: .object(own)) }
            if let state = wait.state { params = params.setting("requestState", to: state) }
            calls[number]?.wait = nil
            effects.append(.send(stepCall(number, call.place, params, using: &random)))
        }
        return effects + advance(using: &random)
    }

    /// Nobody wants the answer any more.
    package mutating func cancelled(using random: inout some RandomNumberGenerator) -> [Effect] {
        guard phase != .over else { return [] }
        var effects = withdrawWaiting(using: &random)
        for (number, call) in calls.sorted(by: { $0.key < $1.key }) {
            log.note(.cancelled, at: call.place)
            effects.append(.cancel(number: number))
        }
        return effects
            + over(.failure(CallFailure(.cancelled, "the caller cancelled it", steps: log.json)))
    }

    // MARK: Going on

    private var isStopping: Bool { failed != nil || unknown != nil }

    private mutating func advance(using random: inout some RandomNumberGenerator) -> [Effect] {
        var effects: [Effect] = []
        while phase == .running {
            if isStopping {
                effects += withdrawWaiting(using: &random)
                return calls.isEmpty ? effects + over(ending) : effects
            }
            guard stage < composite.tool.stages.count else { return effects + over(answer) }
            for lane in lanes.indices { effects += startItems(of: lane, using: &random) }
            if isStopping { continue }
            if lanes.allSatisfy(\.isDone) {
                for lane in lanes { results[steps[lane.step].id] = lane.value }
                firstOfStage += lanes.count
                stage += 1
                openStage()
                continue
            }
            if calls.values.allSatisfy({ $0.wait != nil }) {
                phase = .suspended
                effects.append(.suspend(inputRequests: questions()))
            }
            return effects
        }
        return effects
    }

    /// Makes a lane of each step of the stage; what a `forEach` goes over is known from here on.
    private mutating func openStage() {
        guard stage < composite.tool.stages.count else { return }
        let places = composite.tool.stages[stage].indices.map { StepPlace(step: firstOfStage + $0) }
        lanes = places.map { StepLane(step: $0.step) }
        for (lane, place) in places.enumerated() {
            let step = steps[place.step]
            guard step.when.allSatisfy({ $0.value.isOfItem || $0.holds(in: scope()) }) else {
                log.note(.skipped, at: place)
                lanes[lane].settle(with: .null)
                progress.settled(place.step)
                continue
            }
            guard let pointer = step.forEach else { continue }
            guard let items = pointer.value(in: scope()), items.kind == .array else {
                fail(place, .invalid("forEach: \(pointer) leads to no list"))
                continue
            }
            let elements = items.elements
            guard elements.count <= CompositeLimits.itemsMax else {
                let found = "\(pointer) has \(elements.count) items"
                fail(place, .invalid("forEach: \(found); \(CompositeLimits.itemsMax) are the most"))
                continue
            }
            lanes[lane].items = elements
            if elements.isEmpty { progress.settled(place.step) }
        }
    }

    private mutating func startItems(
        of lane: Int, using random: inout some RandomNumberGenerator
    ) -> [Effect] {
        var effects: [Effect] = []
        let step = steps[lanes[lane].step]
        while !isStopping, let place = lanes[lane].next(concurrency: step.concurrency) {
            let scope = scope(lanes[lane].item(place))
            guard step.when.allSatisfy({ !$0.value.isOfItem || $0.holds(in: scope) }) else {
                log.note(.skipped, at: place)
                settle(place, .null)
                continue
            }
            let arguments: JSON
            do {
                arguments = try step.arguments.filled(from: scope, bytesMax: bytesLeft)
            } catch {
                fail(place, .invalid("arguments: \(error)"))
                continue
            }
            lastNumber += 1
            let params: JSON = ["name": .string(step.tool), "arguments": arguments]
            calls[lastNumber] = OpenStepCall(place: place, params: params)
            let call = stepCall(lastNumber, place, params, using: &random)
            effects += told(progress.started(place, of: lanes[lane].count))
            effects.append(.send(call))
        }
        return effects
    }

    private mutating func stepCall(
        _ number: Int, _ place: StepPlace, _ params: JSON, using random: inout some RandomNumberGenerator
    ) -> StepCall {
        let id = CallID(using: &random)
        log.sent(id, at: place)
        return StepCall(
            number: number, id: id, stepID: steps[place.step].id, binding: composite.bindings[place.step],
            params: params, timeout: steps[place.step].timeout)
    }

    private func scope(_ item: (value: JSON, index: Int)? = nil) -> StepScope {
        StepScope(input: input, results: results, item: item)
    }

    // MARK: Ends of steps

    private mutating func done(_ place: StepPlace, _ value: JSON) {
        guard value.bytes.count <= bytesLeft else {
            let detail = "it ran, and its result does not fit: \(Self.bound)"
            return fail(place, .failure(CallFailure(.tooLarge, detail)))
        }
        bytesOfResults += value.bytes.count
        log.note(.done, at: place)
        settle(place, value.detached)
    }

    private mutating func fail(_ place: StepPlace, _ failure: StepFailure) {
        log.note(.failed, at: place, reason: failure.reason)
        switch steps[place.step].onFailure {
        case .skip: settle(place, .null)
        case .continueWith(let value): settle(place, value)
        case .fail: failed = failed ?? (place, failure)
        }
    }

    private mutating func settle(_ place: StepPlace, _ value: JSON) {
        let lane = place.step - firstOfStage
        lanes[lane].settle(place.item, with: value)
        if lanes[lane].isDone { progress.settled(place.step) } else { progress.settledItem(of: place.step) }
    }

    private func told(_ params: JSON?) -> [Effect] {
        guard wantsProgress, let params else { return [] }
        return [.notify(method: Method.progress, params: params)]
    }

    /// What may still be held: of results, and of the arguments and questions of open calls.
    private var bytesLeft: Int {
        calls.values.reduce(CompositeLimits.bytesMax - bytesOfResults) {
            $0 - $1.params.bytes.count - ($1.wait?.bytes ?? 0)
        }
    }

    private static let bound =
        "a run holds \(CompositeLimits.bytesMax) bytes of what its steps are told and say"

    // MARK: Questions of steps

    private func key(of place: StepPlace) -> String {
        steps[place.step].id + (place.item.map { "/\($0)" } ?? "")
    }

    /// Those of whole calls, as many as one round takes; the others' turn comes with the next.
    private mutating func questions() -> JSON {
        var asked: [(String, JSON)] = []
        for number in calls.keys.sorted() {
            guard let call = calls[number], let wait = call.wait else { continue }
            let fits = asked.count + wait.requests.count <= CompositeLimits.questionsMax
            calls[number]?.wait?.isAsked = fits || asked.isEmpty
            guard fits || asked.isEmpty else { continue }
            asked += wait.requests.map { ("\(key(of: call.place))/\($0.key)", $0.value) }
        }
        return .object(asked)
    }

    private func isWithdrawable(_ state: JSON?) -> Bool {
        state?.string?.hasPrefix(withdrawablePrefix) == true
    }

    private mutating func withdrawWaiting(using random: inout some RandomNumberGenerator) -> [Effect] {
        var effects: [Effect] = []
        for (number, call) in calls.sorted(by: { $0.key < $1.key }) where call.wait != nil {
            effects += withdraw(number, using: &random)
            log.note(.cancelled, at: call.place)
        }
        return effects
    }

    /// Forgets a call that waits, and has whoever holds it told, if that is one who understands.
    private mutating func withdraw(
        _ number: Int, using random: inout some RandomNumberGenerator
    ) -> [Effect] {
        guard let call = calls.removeValue(forKey: number), let state = call.wait?.state,
            isWithdrawable(state)
        else { return [] }
        let params = call.params.setting("requestState", to: state)
        return [.withdraw(stepCall(number, call.place, params, using: &random))]
    }

    // MARK: The end

    private mutating func over(_ ending: CompositeEnding) -> [Effect] {
        phase = .over
        calls = [:]
        results = [:]
        return [.finish(ending)]
    }

    /// Of a run that could not go on.
    private var ending: CompositeEnding {
        if let unknown {
            var failure = unknown.failure
            let done = log.done
            failure.detail =
                "step \(key(of: unknown.place)): \(failure.detail)"
                + (done.isEmpty ? "" : " (done: \(done.joined(separator: ", ")))")
            failure.hint = "look whether it ran before you call again"
            failure.steps = log.json
            return .failure(failure)
        }
        guard let failed else { return answer }
        return failed.failure.ending(
            ofStep: key(of: failed.place), at: composite.bindings[failed.place.step].server, steps: log.json)
    }

    /// Of a run that came to its end.
    private var answer: CompositeEnding {
        guard let template = composite.tool.result else {
            guard let last = steps.last, let value = results[last.id] else {
                return .result(StepOutcome.complete(content: []), of: nil)
            }
            if value["content"]?.kind == .array {
                return .result(
                    value["resultType"] == nil ? value.setting("resultType", to: "complete") : value,
                    of: composite.bindings.last?.server)
            }
            return .result(StepOutcome.result(of: value), of: nil)
        }
        do {
            return .result(
                StepOutcome.result(
                    of: try template.filled(from: scope(), bytesMax: CompositeLimits.bytesMax)), of: nil)
        } catch {
            return .failure(
                CallFailure(
                    .backendProtocol, "all steps are done, but result: \(error)",
                    hint: "`steps` says what ran; the definition is to be mended", steps: log.json))
        }
    }
}
