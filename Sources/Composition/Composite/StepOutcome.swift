package import Catalog
package import JSONSlice
package import MCPModel

/// One call that a run wants made.
package struct StepCall: Sendable {
    /// Counts the calls of one run; a retry of a suspended one keeps its number.
    package let number: Int
    /// Another at each sending.
    package let id: CallID
    package let stepID: String
    package let binding: Binding
    /// Of `tools/call`, in the server's own terms.
    package let params: JSON
    /// `nil`: as long as the composite's own call has.
    package let timeout: Duration?
}

/// How a run answers its caller.
package enum CompositeEnding: Sendable {
    /// - `of`: the server in whose terms resources are named in it; `nil` where none are.
    case result(JSON, of: ServerKey?)
    /// A server's own JSON-RPC error, with the step named in it.
    case error(JSON)
    case failure(CallFailure)
}

/// How a call of a step ended.
enum StepOutcome {
    case done(JSON)
    case failed(StepFailure)
    case unknown(CallFailure)

    /// - Parameter event: a final one.
    init(of event: CallEvent, timeout: Duration?) {
        switch event {
        case .result(let result) where result["resultType"]?.string == TasksExtension.resultType:
            let failure = CallFailure(
                .backendProtocol, "it answered with a task, which a step cannot wait for")
            self = .failed(.failure(failure))
        case .result(let result) where result["resultType"]?.string == "input_required":
            let failure = CallFailure(.backendProtocol, "it wants input but does not say which")
            self = .failed(.failure(failure))
        case .result(let result):
            self = result["isError"]?.bool == true ? .failed(.tool(result)) : .done(result)
        case .error(let error): self = .failed(.error(error))
        case .failure(let failure) where failure.reason == .outcomeUnknown: self = .unknown(failure)
        case .failure(var failure):
            if failure.reason == .deadlineExceeded, let timeout {
                failure.detail += " (the step's timeout is \(DurationText.spell(timeout)))"
            }
            self = .failed(.failure(failure))
        case .notification: self = .failed(.invalid("a notification ended it"))
        }
    }

    static func complete(content: [JSON]) -> JSON {
        ["resultType": "complete", "content": .array(content)]
    }

    /// The result that a value of a definition is made into.
    static func result(of value: JSON) -> JSON {
        if value.isNull { return complete(content: []) }
        let text = complete(content: [["type": "text", "text": .string(value.string ?? value.text)]])
        return value.kind == .string ? text : text.setting("structuredContent", to: value)
    }
}

/// Why a step is not done, in the form in which it was said.
enum StepFailure: Sendable {
    /// A result with `isError`.
    case tool(JSON)
    case error(JSON)
    case failure(CallFailure)

    /// Before anything was sent.
    static func invalid(_ detail: String) -> StepFailure {
        .failure(CallFailure(.invalidArguments, detail, isUnsent: true))
    }

    /// One word for the list of steps.
    var reason: String {
        switch self {
        case .tool: "is_error"
        case .error: "server_error"
        case .failure(let failure): failure.reason.rawValue
        }
    }

    /// The same as the composite's own, with the step named.
    func ending(ofStep step: String, at server: ServerKey, steps: JSON) -> CompositeEnding {
        switch self {
        case .tool(let result):
            let note: JSON = ["type": "text", "text": .string("step \(step) failed:")]
            let meta = result["_meta"].flatMap { $0.kind == .object ? $0 : nil } ?? .emptyObject
            return .result(
                result.setting("content", to: .array([note] + (result["content"]?.elements ?? [])))
                    .setting("_meta", to: meta.setting(Self.metaKey, to: steps)), of: server)
        case .error(let error):
            let message = error["message"]?.string ?? "no message"
            let data = error["data"] ?? .emptyObject
            let named = data.kind == .object ? data : ["data": data]
            return .error(
                error.setting("message", to: .string("step \(step): \(message)"))
                    .setting("data", to: named.setting("step", to: .string(step)).setting("steps", to: steps))
            )
        case .failure(var failure):
            failure.detail = "step \(step): \(failure.detail)"
            failure.steps = steps
            // Others have run.
            failure.isUnsent = false
            return .failure(failure)
        }
    }

    /// Where a result that a step's tool calls an error says what became of the steps.
    static let metaKey = "martlet/steps"
}
