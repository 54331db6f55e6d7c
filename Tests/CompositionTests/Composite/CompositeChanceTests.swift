import JSONSlice
import MCPModel
import MartletTestKit
import Testing

@testable import Composition

/// Any composite, with its steps answering in any order and in any way.
struct CompositeChanceTests {
    /// One step's call, as a server sees it.
    private struct Sending: Hashable {
        let step: String
        let index: String
    }

    private static func step(_ id: String, earlier: [String], using random: inout SplitMix64) -> String {
        var members = [#""id":"\#(id)""#, #""call":"s/t""#]
        let isList = Int.random(in: 0..<4, using: &random) == 0
        var arguments = isList ? #""i":"${/index}""# : #""i":"-""#
        if isList {
            members.append(#""forEach":"/input/items""#)
            members.append(#""concurrency":\#(Int.random(in: 1...3, using: &random))"#)
        }
        if let other = earlier.randomElement(using: &random) {
            arguments += #","o":"${/steps/\#(other)?}""#
            if Int.random(in: 0..<4, using: &random) == 0 {
                members.append(#""when":{"value":"/steps/\#(other)","exists":true}"#)
            }
        }
        members.append(#""arguments":{\#(arguments)}"#)
        let word = ["\"fail\"", "\"skip\"", #"{"continueWith":{"x":1}}"#].randomElement(using: &random)
        members.append(#""onFailure":\#(word ?? "\"fail\"")"#)
        return "{\(members.joined(separator: ","))}"
    }

    private static func steps(using random: inout SplitMix64) -> String {
        var earlier: [String] = []
        let stages = (0..<Int.random(in: 1...4, using: &random)).map { stage -> String in
            let ids = (0..<Int.random(in: 1...3, using: &random)).map { "s\(stage)x\($0)" }
            let steps = ids.map { step($0, earlier: earlier, using: &random) }
            earlier += ids
            return steps.count == 1 ? steps[0] : #"{"parallel":[\#(steps.joined(separator: ","))]}"#
        }
        return "[\(stages.joined(separator: ","))]"
    }

    private static func event(using random: inout SplitMix64) -> CallEvent {
        switch Int.random(in: 0..<12, using: &random) {
        case 0: .toolError("x")
        case 1: .fails(.backendUnavailable)
        case 2: .fails(.outcomeUnknown)
        case 3, 4: .asks("q", state: Bool.random(using: &random) ? "held.1" : "other")
        case 5: .notification(method: Method.progress, params: ["progress": 1])
        default: .result(["resultType": "complete", "content": []])
        }
    }

    @Test(arguments: UInt64(1)...400)
    func `a run sends each call once, nothing after its end is decided, and always ends with one answer`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let steps = Self.steps(using: &random)
        var bench = try CompositeBench(
            steps, more: #","result":"ok""#, input: ["items": [1, 2, 3]], seed: seed)
        let failing = Set(
            steps.json.elements.flatMap { $0["parallel"]?.elements ?? [$0] }
                .filter { $0["onFailure"]?.string == "fail" }.compactMap { $0["id"]?.string })
        var firstNumbers: [Sending: Int] = [:]
        var retries = 0
        var seen = 0
        var sentWhenDecided: Int?
        for turn in 0..<1_000 where bench.endings.isEmpty {
            if bench.questions != nil {
                #expect(bench.open.isEmpty, "a run is suspended when nothing runs; seed \(seed)")
                if Int.random(in: 0..<20, using: &random) == 0 {
                    bench.cancel()
                } else {
                    let answers = (bench.questions?.members ?? []).map { ($0.key, JSON.emptyObject) }
                    bench.resume(.object(answers))
                    retries += 1
                }
            } else {
                try #require(!bench.open.isEmpty, "stuck at turn \(turn); seed \(seed)")
                let place = Int.random(in: bench.open.indices, using: &random)
                let event = Self.event(using: &random)
                let isFatal =
                    switch event {
                    case .failure(let failure) where failure.reason == .outcomeUnknown: true
                    case .failure: failing.contains(bench.open[place].stepID)
                    case .result(let result) where result["isError"] != nil:
                        failing.contains(bench.open[place].stepID)
                    default: false
                    }
                bench.answer(at: place, event)
                if isFatal, sentWhenDecided == nil { sentWhenDecided = bench.sent.count }
                if Int.random(in: 0..<60, using: &random) == 0 { bench.cancel() }
            }
            for call in bench.sent.dropFirst(seen) {
                let index = call.params["arguments"]?["i"]?.text ?? ""
                let sending = Sending(step: call.stepID, index: index)
                if call.params["requestState"] == nil {
                    #expect(firstNumbers[sending] == nil, "\(sending) was sent twice; seed \(seed)")
                    firstNumbers[sending] = call.number
                } else {
                    #expect(firstNumbers[sending] == call.number, "a retry is of a call; seed \(seed)")
                }
            }
            seen = bench.sent.count
            if let sentWhenDecided { #expect(bench.sent.count == sentWhenDecided, "seed \(seed)") }
        }
        #expect(bench.endings.count == 1, "seed \(seed)")
        let sent = bench.sent.count
        bench.cancel()
        bench.resume()
        for call in bench.open { bench.late(call, .result(["content": []])) }
        #expect(bench.sent.count == sent && bench.endings.count == 1, "seed \(seed)")
        #expect(Set(bench.sent.map(\.id)).count == sent, "an id is sent once, ever; seed \(seed)")
        let values = bench.notified.compactMap { $0.params["progress"]?.double }
        #expect(zip(values, values.dropFirst()).allSatisfy { $0 < $1 }, "progress grows; seed \(seed)")
    }
}
