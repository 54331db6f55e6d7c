import JSONSlice
import MCPModel
import Testing

@testable import Composition

struct CompositeRunTests {
    private static let three = """
        [{"id":"find","call":"a/get","arguments":{"id":"${/input/id}"}},
         {"id":"note","call":"b/add","arguments":{"to":"${/steps/find/structuredContent/owner}"},"timeout":"2s"},
         {"id":"close","call":"a/close","arguments":{"id":"${/input/id}"}}]
        """

    // MARK: Going well

    @Test func `steps run one after the other, with values of the call and of earlier results`() throws {
        var bench = try CompositeBench(Self.three)
        #expect(bench.ids == ["find"])
        #expect(bench.sent[0].params == ["name": "get", "arguments": ["id": "7"]])
        #expect(bench.sent[0].timeout == nil)
        bench.done("find", ["owner": "ann"])
        #expect(bench.ids == ["find", "note"])
        #expect(bench.sent[1].params == ["name": "add", "arguments": ["to": "ann"]])
        #expect(bench.sent[1].timeout == .seconds(2))
        bench.done("note")
        bench.done("close", ["closed": true])
        // Without `result` the last step's is the answer.
        #expect(bench.result?["structuredContent"] == ["closed": true])
        #expect(bench.endings.count == 1)
        #expect(Set(bench.sent.map(\.id)).count == 3)
    }

    @Test(arguments: [
        (#""done with ${/input/id}""#, "done with 7", nil as JSON?),
        (
            #"{"id":"${/input/id}","sum":"${/steps/a/structuredContent/sum}"}"#, #"{"id":"7","sum":1.50}"#,
            #"{"id":"7","sum":1.50}"#.json
        ),
        (#"["${/steps/a/structuredContent/sum}"]"#, "[1.50]", "[1.50]".json),
    ])
    func `a result is made of what the template says`(template: String, text: String, value: JSON?) throws {
        var bench = try CompositeBench(#"[{"id":"a","call":"s/t"}]"#, more: #","result":\#(template)"#)
        bench.done("a", #"{"sum":1.50}"#.json)
        #expect(bench.result?["resultType"]?.string == "complete")
        #expect(bench.result?["content"]?[0]?["text"]?.string == text)
        #expect(bench.result?["structuredContent"] == value)
    }

    @Test func `steps of one block run at the same time, and what follows waits for all`() throws {
        var bench = try CompositeBench(
            """
            [{"parallel":[{"id":"a","call":"s/t"},{"id":"b","call":"s/t"}]},
             {"id":"c","call":"s/t","arguments":{"a":"${/steps/a/structuredContent}","b":"${/steps/b/structuredContent}"}}]
            """)
        #expect(bench.ids == ["a", "b"])
        bench.done("b", ["n": 2])
        #expect(bench.ids == ["a", "b"])
        bench.done("a", ["n": 1])
        #expect(bench.sent.last?.params["arguments"] == ["a": ["n": 1], "b": ["n": 2]])
    }

    @Test func `forEach calls once for each item, so many at a time, and keeps the order`() throws {
        var bench = try CompositeBench(
            #"[{"id":"each","call":"s/t","forEach":"/input/items","concurrency":2,"arguments":{"v":"${/item}","i":"${/index}"}}]"#,
            more: #","result":{"all":"${/steps/each}"}"#, input: ["items": ["x", "y", "z"]])
        #expect(
            bench.sent.map { $0.params["arguments"]?.text } == [#"{"v":"x","i":0}"#, #"{"v":"y","i":1}"#])
        bench.answer(at: 1, .result(["content": [], "n": 1]))
        #expect(bench.sent.count == 3)
        bench.answer(at: 1, .result(["content": [], "n": 2]))
        bench.answer(at: 0, .result(["content": [], "n": 0]))
        #expect(bench.result?["structuredContent"]?["all"]?.elements.map { $0["n"]?.int } == [0, 1, 2])
    }

    @Test func `forEach over nothing goes on at once`() throws {
        let bench = try CompositeBench(
            #"[{"id":"each","call":"s/t","forEach":"/input/items"},{"id":"last","call":"s/t","arguments":{"n":"${/steps/each}"}}]"#,
            input: ["items": []])
        #expect(bench.sent.map { $0.params["arguments"]?.text } == [#"{"n":[]}"#])
    }

    @Test func `a step whose condition does not hold is left out`() throws {
        var bench = try CompositeBench(
            """
            [{"id":"a","call":"s/t","when":{"value":"/input/go","is":true}},
             {"id":"each","call":"s/t","forEach":"/input/items","when":{"value":"/item","above":1},"arguments":{"v":"${/item}"}},
             {"id":"list","call":"s/t","forEach":"/input/missing","when":{"value":"/input/missing","exists":true}}]
            """, more: #","result":{"a":"${/steps/a}","each":"${/steps/each}","list":"${/steps/list}"}"#,
            input: ["go": false, "items": [1, 2]])
        #expect(bench.sent.map { $0.params["arguments"]?.text } == [#"{"v":2}"#])
        bench.answer("each", .result(["content": []]))
        #expect(
            bench.result?["structuredContent"]?.text
                == #"{"a":null,"each":[null,{"content":[]}],"list":null}"#)
    }

    // MARK: Failures

    @Test(arguments: [
        CallEvent.toolError("no such owner"), .error(["code": -32050, "message": "no", "data": ["k": 1]]),
        .fails(.deadlineExceeded), .fails(.denied), .result(["resultType": "task", "taskId": "t"]),
        .result(["resultType": "input_required"]),
    ])
    func `nothing is started after a step that failed, and the answer names it`(event: CallEvent) throws {
        var bench = try CompositeBench(Self.three)
        bench.done("find", ["owner": "ann"])
        bench.answer("note", event)
        #expect(bench.ids == ["find", "note"] && bench.endings.count == 1)
        #expect(bench.outcomes == ["find": "done", "note": "failed", "close": "not_run"])
        switch event {
        case .error:
            #expect(bench.error?["message"]?.string == "step note: no")
            #expect(bench.error?["code"]?.int == -32050)
            #expect(bench.error?["data"]?["k"]?.int == 1 && bench.error?["data"]?["step"]?.string == "note")
        case .result(let result) where result["isError"] != nil:
            #expect(bench.result?["isError"]?.bool == true)
            #expect(
                bench.result?["content"]?.elements.map { $0["text"]?.string } == [
                    "step note failed:", "no such owner",
                ])
        default:
            #expect(bench.failure?.detail.hasPrefix("step note: ") == true)
            #expect(bench.failure?.reason != .outcomeUnknown)
        }
    }

    @Test func `each call is named by the id that its owner knows`() throws {
        var bench = try CompositeBench(Self.three)
        bench.done("find", ["owner": "ann"])
        bench.answer("note", .fails(.denied))
        #expect(
            bench.failure?.steps?.elements.map { $0["callId"]?.string } == [
                bench.sent[0].id.description, bench.sent[1].id.description, nil,
            ])
    }

    @Test func `a pointer that leads nowhere fails its step before it is sent`() throws {
        var bench = try CompositeBench(Self.three)
        bench.done("find", ["someone": "else"])
        #expect(bench.ids == ["find"])
        #expect(bench.failure?.reason == .invalidArguments)
        #expect(
            bench.failure?.detail.contains("${/steps/find/structuredContent/owner} leads nowhere") == true)
    }

    @Test(arguments: [
        #"[{"parallel":[{"id":"a","call":"s/t","arguments":{"x":"${/input/none}"}},{"id":"b","call":"s/t"}]}]"#,
        #"[{"id":"a","call":"s/t","forEach":"/input/items","concurrency":2,"arguments":{"x":"${/item/id}"}}]"#,
    ])
    func `nor is anything that would begin at the same time`(steps: String) throws {
        let bench = try CompositeBench(
            steps, more: #","result":"ok""#, input: ["items": [["no": 1], ["id": 2], ["id": 3]]])
        #expect(bench.sent.isEmpty && bench.failure?.reason == .invalidArguments)
    }

    @Test(arguments: [
        ("skip", "null"),
        (#"{"continueWith":{"structuredContent":{"sum":0}}}"#, #"{"structuredContent":{"sum":0}}"#),
    ])
    func `a step may be gone on without`(onFailure: String, value: String) throws {
        let word = onFailure.hasPrefix("{") ? onFailure : "\"\(onFailure)\""
        for event in [CallEvent.toolError("x"), .error(["code": 1]), .fails(.deadlineExceeded)] {
            var bench = try CompositeBench(
                #"[{"id":"a","call":"s/t","onFailure":\#(word)},{"id":"b","call":"s/t","arguments":{"a":"${/steps/a}"}}]"#
            )
            bench.answer("a", event)
            #expect(bench.sent.last?.params["arguments"]?["a"]?.text == value)
        }
    }

    @Test(arguments: ["fail", "skip"])
    func `an unknown outcome ends the run whatever the step says of failures`(onFailure: String) throws {
        var bench = try CompositeBench(
            #"[{"id":"a","call":"s/t"},{"id":"b","call":"s/t","onFailure":"\#(onFailure)"},{"id":"c","call":"s/t"}]"#
        )
        bench.done("a")
        bench.answer("b", .fails(.outcomeUnknown, "the way broke"))
        #expect(bench.ids == ["a", "b"])
        #expect(bench.failure?.reason == .outcomeUnknown)
        #expect(bench.failure?.detail == "step b: the way broke (done: a)")
        #expect(bench.outcomes == ["a": "done", "b": "unknown", "c": "not_run"])
    }

    @Test func `what runs beside a failed step is waited for, and its unknown outcome is the answer`() throws
    {
        let steps =
            #"[{"parallel":[{"id":"a","call":"s/t"},{"id":"b","call":"s/t"}]},{"id":"c","call":"s/t"}]"#
        var bench = try CompositeBench(steps)
        bench.answer("a", .fails(.denied))
        #expect(bench.endings.isEmpty && bench.cancelled.isEmpty)
        bench.done("b")
        #expect(bench.failure?.reason == .denied)
        #expect(bench.outcomes == ["a": "failed", "b": "done", "c": "not_run"])

        var unknown = try CompositeBench(steps)
        unknown.answer("a", .fails(.denied))
        unknown.answer("b", .fails(.outcomeUnknown))
        #expect(unknown.failure?.reason == .outcomeUnknown)
        #expect(unknown.outcomes == ["a": "failed", "b": "unknown", "c": "not_run"])
    }

    @Test func `no further item is begun after one has failed`() throws {
        var bench = try CompositeBench(
            #"[{"id":"each","call":"s/t","forEach":"/input/items","concurrency":2}]"#,
            more: #","result":"ok""#, input: ["items": [1, 2, 3, 4]])
        bench.answer(at: 0, .toolError("x"))
        bench.answer(at: 0, .result(["content": []]))
        #expect(bench.sent.count == 2)
        let items = bench.result?["_meta"]?["martlet/steps"]?[0]?["items"]
        #expect(items?.elements.map { $0["outcome"]?.string } == ["failed", "done"])
        #expect(bench.result?["content"]?[0]?["text"]?.string == "step each/0 failed:")
    }

    @Test(arguments: [
        (#"{"id":7}"#, "id: must be string, is 7"),
        ("{}", "lacks id (string)"),
        ("[]", "arguments must be an object"),
    ])
    func `a slip in the arguments is told before the first step`(input: String, problem: String) throws {
        let bench = try CompositeBench(
            """
            {"use":[{"composite":"c","inputSchema":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]},
            "steps":[{"id":"a","call":"s/t"}]}]}
            """.json, input: input.json)
        #expect(bench.sent.isEmpty)
        #expect(bench.failure?.reason == .invalidArguments && bench.failure?.detail == problem)
    }

    @Test func `a run keeps so many bytes of results at most, and a list has so many items`() throws {
        let half = String(repeating: "x", count: CompositeLimits.bytesMax / 2)
        var bench = try CompositeBench(
            #"[{"id":"a","call":"s/t"},{"id":"b","call":"s/t"},{"id":"c","call":"s/t"}]"#)
        bench.done("a", ["x": .string(half)])
        bench.done("b", ["x": .string(half)])
        #expect(bench.failure?.reason == .tooLarge && bench.ids == ["a", "b"])

        var asking = try CompositeBench(#"[{"id":"a","call":"s/t"}]"#)
        asking.answer("a", .asks(half, half + "2"))
        #expect(asking.failure?.reason == .tooLarge && asking.withdrawn.map(\.stepID) == ["a"])

        let items = JSON.array((0...CompositeLimits.itemsMax).map { JSON.number($0) })
        let long = try CompositeBench(
            #"[{"id":"each","call":"s/t","forEach":"/input/items"}]"#, more: #","result":"ok""#,
            input: ["items": items])
        #expect(
            long.sent.isEmpty
                && long.failure?.detail == "step each: forEach: /input/items has 65 items; 64 are the most")
    }

    @Test func `what is heard of a call that is over changes nothing`() throws {
        var bench = try CompositeBench(Self.three)
        let first = bench.sent[0]
        bench.done("find", ["owner": "ann"])
        bench.late(first, .result(["content": []]))
        bench.late(first, .fails(.outcomeUnknown))
        #expect(bench.ids == ["find", "note"] && bench.endings.isEmpty)
    }

    @Test func `what is heard of a call that waits for its caller changes nothing`() throws {
        var bench = try CompositeBench(
            #"[{"parallel":[{"id":"a","call":"s/t"},{"id":"b","call":"s/t"}]}]"#, more: #","result":"ok""#)
        let first = bench.sent[0]
        bench.answer("a", .asks("q"))
        bench.late(first, .result(["content": []]))
        bench.late(first, .fails(.outcomeUnknown))
        bench.done("b")
        #expect(bench.questions?.members.map(\.key) == ["a/q"] && bench.endings.isEmpty)
    }

    @Test func `whoever cancels ends what runs, and nothing else is begun`() throws {
        var bench = try CompositeBench(
            #"[{"parallel":[{"id":"a","call":"s/t"},{"id":"b","call":"s/t"}]},{"id":"c","call":"s/t"}]"#)
        bench.done("a")
        bench.cancel()
        #expect(bench.cancelled == [bench.sent[1].number])
        #expect(bench.failure?.reason == .cancelled)
        #expect(bench.outcomes == ["a": "done", "b": "cancelled", "c": "not_run"])
        bench.done("b")
        bench.cancel()
        #expect(bench.sent.count == 2 && bench.endings.count == 1)
    }

    // MARK: Progress

    @Test func `progress names the step, and grows with every word`() throws {
        var bench = try CompositeBench(
            #"[{"id":"a","call":"s/t"},{"parallel":[{"id":"b","call":"s/t"},{"id":"c","call":"s/t"}]}]"#,
            more: #","result":"ok""#)
        bench.answer(
            "a",
            .notification(method: Method.progress, params: ["progress": 1, "total": 2, "message": "half"]))
        bench.answer("a", .notification(method: Method.progress, params: ["progress": 1.5]))
        bench.answer("a", .notification(method: Method.message, params: ["level": "info"]))
        bench.done("a")
        bench.answer("c", .notification(method: Method.progress, params: ["progress": 5, "total": 5]))
        bench.done("b")
        bench.done("c")
        let progress = bench.notified.filter { $0.method == Method.progress }.map(\.params)
        #expect(
            progress.compactMap { $0["message"]?.string } == [
                "a (step 1 of 3)", "a: half", "a", "b (step 2 of 3)", "c (step 3 of 3)", "c",
            ])
        let values = progress.compactMap { $0["progress"]?.double }
        #expect(values.count == 6 && zip(values, values.dropFirst()).allSatisfy { $0 < $1 })
        #expect(values.allSatisfy { $0 < 3 } && progress.allSatisfy { $0["total"]?.int == 3 })
        #expect(bench.notified.filter { $0.method == Method.message }.count == 1)
    }

    // MARK: Questions

    @Test func `a step that asks suspends the run, and goes on with the answers to its own questions`() throws
    {
        var bench = try CompositeBench(Self.three)
        bench.done("find", ["owner": "ann"])
        bench.answer("note", .asks("elicitation-1"))
        #expect(bench.questions?.members.map(\.key) == ["note/elicitation-1"])
        bench.resume(["note/elicitation-1": ["action": "accept"], "find/x": ["action": "accept"]])
        let retry = try #require(bench.sent.last)
        #expect(retry.number == bench.sent[1].number && retry.id != bench.sent[1].id)
        #expect(
            retry.params == [
                "name": "add", "arguments": ["to": "ann"],
                "inputResponses": ["elicitation-1": ["action": "accept"]], "requestState": "held.1",
            ])
        bench.done("note")
        bench.done("close")
        #expect(bench.result != nil)
    }

    @Test func `a run is suspended once nothing else can go on`() throws {
        var bench = try CompositeBench(
            """
            [{"parallel":[{"id":"a","call":"s/t"},{"id":"b","call":"s/t"},
              {"id":"each","call":"s/t","forEach":"/input/items"}]}]
            """, more: #","result":"ok""#, input: ["items": [1, 2]])
        bench.answer("a", .asks("q", state: "another server's"))
        #expect(bench.questions == nil)
        bench.answer("each", .asks("q"))
        #expect(bench.questions == nil)
        bench.done("b")
        #expect(bench.questions?.members.map(\.key) == ["a/q", "each/0/q"])
        // What nobody answered is asked again; whoever could take silence for an answer is not called.
        bench.resume()
        #expect(bench.ids == ["a", "b", "each", "each"])
        bench.done("each")
        #expect(bench.ids == ["a", "b", "each", "each", "each"])
        bench.done("each")
        #expect(bench.questions?.members.map(\.key) == ["a/q"])
        bench.resume(["a/q": [:]])
        bench.done("a")
        #expect(bench.result != nil)
    }

    @Test func `no more is asked at once than a legacy client is asked`() throws {
        var bench = try CompositeBench(
            #"[{"id":"each","call":"s/t","forEach":"/input/items","concurrency":8}]"#,
            more: #","result":"ok""#, input: ["items": [1, 2, 3, 4, 5]])
        for _ in 0..<5 { bench.answer("each", .asks("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")) }
        #expect(bench.questions?.members.count == 30)
        bench.resume(.object((bench.questions?.members ?? []).map { ($0.key, [:]) }))
        #expect(bench.open.count == 3 && bench.questions == nil)
        for _ in 0..<3 { bench.done("each") }
        #expect(bench.questions?.members.first?.key == "each/3/1" && bench.questions?.members.count == 20)
    }

    @Test func `what waits is withdrawn when a step beside it fails, or the caller cancels`() throws {
        let steps =
            #"[{"parallel":[{"id":"a","call":"s/t"},{"id":"b","call":"s/t"},{"id":"c","call":"s/t"}]}]"#
        var bench = try CompositeBench(steps, more: #","result":"ok""#)
        bench.answer("a", .asks("q"))
        bench.answer("b", .asks("q", state: "another server's"))
        bench.answer("c", .toolError("x"))
        #expect(bench.withdrawn.map(\.stepID) == ["a"])
        #expect(bench.withdrawn[0].params["requestState"] == "held.1")
        #expect(bench.outcomes == ["a": "cancelled", "b": "cancelled", "c": "failed"])
        #expect(bench.questions == nil)

        var other = try CompositeBench(steps, more: #","result":"ok""#)
        other.answer("a", .asks("q"))
        other.done("b")
        other.done("c")
        #expect(other.questions != nil)
        other.cancel()
        #expect(other.withdrawn.map(\.stepID) == ["a"] && other.failure?.reason == .cancelled)
        other.resume(["a/q": [:]])
        #expect(other.sent.count == 3)
    }
}
