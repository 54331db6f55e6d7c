import JSONSlice
import MCPModel
import Synchronization

/// The short way of requests with one and the same head: what a call that went the long way has shown of its caller, its endpoint and
/// its tool.
///
/// All that a head says was checked then, against a body that named the same tool.
final class ShortPass: Sendable {
    let visit: Visit
    let description: EndpointDescription
    let accepts: AcceptedTypes
    let tool: ToolPass
    /// Whether the caller would be let in as then.
    private let admits: @Sendable () -> Bool
    /// The tool's name, as a JSON string.
    private let name: JSON
    let answers = KnownAnswers()
    /// Of the last call that had to be read.
    private let frame = Mutex<CallFrame?>(nil)

    init(
        _ visit: Visit, _ description: EndpointDescription, _ accepts: AcceptedTypes, _ tool: ToolPass,
        name: JSON,
        admits: @escaping @Sendable () -> Bool
    ) {
        self.visit = visit
        self.description = description
        self.accepts = accepts
        self.tool = tool
        self.name = name
        self.admits = admits
    }

    var isGood: Bool { admits() && tool.isGood() }

    /// The call of this tool that a body is; `nil`: it is something else.
    func call(in body: [UInt8], limits: JSONLimits) -> PlainToolCall? {
        if let call = knownCall(in: body, limits: limits) { return call }
        guard let document = try? JSON(validating: body[...], limits: limits),
            let call = PlainToolCall(document), call.name == name
        else { return nil }
        learnFrame(of: call, document)
        return call
    }

    /// The call that a body is whose frame is known.
    func knownCall(in body: [UInt8], limits: JSONLimits) -> PlainToolCall? {
        frame.withLock { $0 }?.call(in: body, limits: limits)
    }

    /// - Parameter document: what the call was read from.
    func learnFrame(of call: PlainToolCall, _ document: JSON) {
        if let known = CallFrame(document, call) { frame.withLock { $0 = known } }
    }
}
