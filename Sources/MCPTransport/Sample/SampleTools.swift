import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// The tools of the sample server.
struct SampleTools: Sendable {
    /// Together with ``delayMax``: no countdown lasts longer than ten minutes.
    static let stepsMax = 60
    static let delayMax = 10_000

    let now: @Sendable () -> Int64
    let loop: any EventLoop

    func call(_ params: JSON, _ client: ClientFacts, _ sink: @escaping CallSink) -> CallHandle {
        let arguments = params["arguments"] ?? .emptyObject
        switch params["name"]?.string {
        case "echo":
            guard let text = arguments["text"]?.string else {
                return wrong("echo needs text, a string", sink)
            }
            sink(Self.answer(text, ["text": .string(text)]))
        case "add":
            guard let a = arguments["a"]?.double, let b = arguments["b"]?.double, (a + b).isFinite else {
                return wrong("add needs a and b, two numbers with a finite sum", sink)
            }
            let sum = Self.number(a + b)
            sink(Self.answer(sum.text, ["sum": sum]))
        case "now":
            let time = UTC.text(now())
            sink(Self.answer(time, ["now": .string(time)]))
        case "countdown":
            return countdown(arguments, sink)
        case "confirm":
            confirm(arguments, params, sink)
        default:
            sink(.error(RPCError.invalidParams("no such tool").json))
        }
        return .finished
    }

    private func wrong(_ what: String, _ sink: CallSink) -> CallHandle {
        sink(
            .result([
                "resultType": "complete", "content": [["type": "text", "text": .string(what)]],
                "isError": true,
            ]))
        return .finished
    }

    private static func answer(_ text: String, _ structured: JSON? = nil) -> CallEvent {
        let result: JSON = [
            "resultType": "complete", "content": [["type": "text", "text": .string(text)]],
        ]
        return .result(structured.map { result.setting("structuredContent", to: $0) } ?? result)
    }

    /// `3`, not `3.0`, where nothing is lost by it.
    private static func number(_ value: Double) -> JSON {
        Int(exactly: value).map { .number($0) } ?? .number(value)
    }

    // MARK: countdown

    private func countdown(_ arguments: JSON, _ sink: @escaping CallSink) -> CallHandle {
        let steps = arguments["steps"].map(\.int) ?? 3
        let delay = arguments["delayMs"].map(\.int) ?? 1_000
        guard let steps, let delay, (1...Self.stepsMax).contains(steps), (0...Self.delayMax).contains(delay)
        else {
            return wrong(
                "steps must be an integer from 1 to \(Self.stepsMax), delayMs one from 0 to \(Self.delayMax)",
                sink)
        }
        let run = Countdown(steps: steps, delay: .milliseconds(Int64(delay)), loop: loop, sink: sink)
        run.step(0)
        return CallHandle { run.cancel() }
    }

    // MARK: confirm

    private func confirm(_ arguments: JSON, _ params: JSON, _ sink: CallSink) {
        guard let question = arguments["question"]?.string else {
            _ = wrong("confirm needs question, a string", sink)
            return
        }
        guard let answer = params["inputResponses"]?["confirm"] else {
            let form: JSON = [
                "type": "object",
                "properties": ["ok": ["type": "boolean", "title": "OK?", "description": "Whether to go on"]],
                "required": ["ok"],
            ]
            let request: JSON = [
                "method": .string(Method.elicitationCreate),
                "params": ["mode": "form", "message": .string(question), "requestedSchema": form],
            ]
            // Nothing but the question has to survive until the answer, and the retry repeats it.
            sink(.result(["resultType": "input_required", "inputRequests": ["confirm": request]]))
            return
        }
        switch (answer["action"]?.string, answer["content"]?["ok"]?.bool) {
        case ("accept", true?): sink(Self.answer("The user confirmed."))
        case ("accept", false?): sink(Self.answer("The user said no."))
        case ("decline", _): sink(Self.answer("The user declined to answer."))
        case ("cancel", _): sink(Self.answer("The user cancelled."))
        default: sink(.error(RPCError.invalidParams("the answer to confirm must hold ok, a boolean").json))
        }
    }
}

/// One countdown that runs.
private final class Countdown: Sendable {
    private let steps: Int
    private let delay: TimeAmount
    private let loop: any EventLoop
    private let sink: CallSink
    private let isOver = Mutex(false)

    init(steps: Int, delay: TimeAmount, loop: any EventLoop, sink: @escaping CallSink) {
        self.steps = steps
        self.delay = delay
        self.loop = loop
        self.sink = sink
    }

    func step(_ done: Int) {
        guard !isOver.withLock({ $0 }) else { return }
        guard done < steps else {
            guard end() else { return }
            let text = "Counted down from \(steps)."
            return sink(
                .result(["resultType": "complete", "content": [["type": "text", "text": .string(text)]]]))
        }
        if done > 0 {
            sink(
                .notification(
                    method: Method.progress,
                    params: [
                        "progress": .number(done), "total": .number(steps),
                        "message": .string("\(steps - done) to go"),
                    ]))
        }
        loop.scheduleTask(in: delay) { self.step(done + 1) }
    }

    func cancel() {
        if end() { sink(.failure(CallFailure(.cancelled, "the countdown was cancelled"))) }
    }

    /// - Returns: whether this was the end, and not an earlier one.
    private func end() -> Bool {
        isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
    }
}

/// The time of day in UTC.
enum UTC {
    /// `2026-07-28T12:34:56Z`, in the Gregorian calendar (days to civil date after Hinnant,
    /// "chrono-Compatible Low-Level Date Algorithms").
    static func text(_ secondsSince1970: Int64) -> String {
        let days = secondsSince1970.floorDivided(by: 86_400)
        let second = secondsSince1970 - days * 86_400
        let shifted = days + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return "\(padded(year, 4))-\(padded(month))-\(padded(day))"
            + "T\(padded(second / 3_600)):\(padded(second / 60 % 60)):\(padded(second % 60))Z"
    }

    private static func padded(_ number: Int64, _ width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
