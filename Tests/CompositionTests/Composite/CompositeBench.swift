import Catalog
import Composition
import JSONSlice
import MCPModel
import MartletTestKit

/// One run of a composite with somebody at its edge who answers its calls by hand.
struct CompositeBench {
    static let prefix = "held."

    private var run: CompositeRun
    private var random: SplitMix64
    /// Every call that was sent, in order.
    private(set) var sent: [StepCall] = []
    private(set) var cancelled: [Int] = []
    private(set) var withdrawn: [StepCall] = []
    private(set) var notified: [(method: String, params: JSON)] = []
    private(set) var questions: JSON?
    private(set) var endings: [CompositeEnding] = []
    /// Calls that nobody has answered yet.
    private(set) var open: [StepCall] = []

    /// - Parameter steps: an item's `steps`; every tool that they call is there.
    init(_ steps: String, more: String = "", input: JSON = ["id": "7"], seed: UInt64 = 1) throws {
        try self.init(
            #"{"use":[{"composite":"c","steps":\#(steps)\#(more)}]}"#.json, input: input, seed: seed)
    }

    init(_ definition: JSON, input: JSON = ["id": "7"], seed: UInt64 = 1) throws {
        let written = try VirtualServerDefinition(json: definition)
        var mesh = SampleMesh()
        var tools: [String: [String]] = [:]
        for case .composite(let composite) in written.use {
            for step in composite.steps { tools[step.server.reference, default: []].append(step.tool) }
        }
        for (server, names) in tools { mesh.addServer(server, Set(names).sorted().map { .tool($0) }) }
        let view = mesh.view(.virtual(try written.resolve(against: mesh.catalog)))
        guard let composite = view.list(.tool).first?.composite else { throw BenchError() }
        run = CompositeRun(
            composite, input: input, wantsProgress: true, withdrawablePrefix: Self.prefix)
        random = SplitMix64(seed: seed)
        take(run.start(using: &random))
    }

    var ids: [String] { sent.map(\.stepID) }
    var ending: CompositeEnding? { endings.last }

    /// The result that the run ended with.
    var result: JSON? { if case .result(let result, _)? = ending { result } else { nil } }
    var failure: CallFailure? { if case .failure(let failure)? = ending { failure } else { nil } }
    var error: JSON? { if case .error(let error)? = ending { error } else { nil } }

    /// What is said to have become of each step.
    var outcomes: [String: String] {
        let steps =
            failure?.steps ?? error?["data"]?["steps"] ?? result?["_meta"]?["martlet/steps"] ?? .emptyArray
        return Dictionary(
            steps.elements.map { ($0["id"]?.string ?? "", $0["outcome"]?.string ?? "") }
        ) { first, _ in first }
    }

    /// Answers the oldest open call of a step, or one that is chosen.
    mutating func answer(_ id: String, _ event: CallEvent) {
        guard let place = open.firstIndex(where: { $0.stepID == id }) else { return }
        answer(at: place, event)
    }

    mutating func answer(at place: Int, _ event: CallEvent) {
        let call = event.isFinal ? open.remove(at: place) : open[place]
        take(run.took(event, of: call.number, using: &random))
    }

    /// Says something of a call that is over already.
    mutating func late(_ call: StepCall, _ event: CallEvent) {
        take(run.took(event, of: call.number, using: &random))
    }

    mutating func done(_ id: String, _ structured: JSON = ["ok": true]) {
        answer(id, .result(["resultType": "complete", "content": [], "structuredContent": structured]))
    }

    mutating func resume(_ responses: JSON = [:]) {
        questions = nil
        take(run.resumed(with: responses.members, using: &random))
    }

    mutating func cancel() { take(run.cancelled(using: &random)) }

    private mutating func take(_ effects: [CompositeRun.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let call):
                sent.append(call)
                open.append(call)
            case .cancel(let number): cancelled.append(number)
            case .withdraw(let call): withdrawn.append(call)
            case .notify(let method, let params): notified.append((method, params))
            case .suspend(let inputRequests): questions = inputRequests
            case .finish(let ending): endings.append(ending)
            }
        }
    }

    struct BenchError: Error {}
}

extension CallEvent {
    static func toolError(_ text: String) -> CallEvent {
        .result([
            "resultType": "complete", "isError": true,
            "content": [["type": "text", "text": .string(text)]],
        ])
    }

    static func asks(_ keys: String..., state: String? = "held.1") -> CallEvent {
        let requests = JSON.object(keys.map { ($0, ["method": "elicitation/create"]) })
        let result: JSON = ["resultType": "input_required", "inputRequests": requests]
        return .result(state.map { result.setting("requestState", to: .string($0)) } ?? result)
    }

    static func fails(_ reason: Reason, _ detail: String = "so it is") -> CallEvent {
        .failure(CallFailure(reason, detail))
    }
}
