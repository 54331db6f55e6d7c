import JSONSlice
import MCPModel
import Synchronization

/// The short way of calls in a session with one and the same head: what those that went the long way have shown of the session, and of
/// their tools.
///
/// Their heads name no tool, so one head is that of several tools' calls.
final class SessionPass: Sendable {
    /// Tools whose calls have heads of one length, and are called in turn.
    private static let toolsMax = 4

    let name: String
    let scope: SessionScope
    /// Whether the session's client can be asked for something in the middle of a call: a server may want to do that in a session of its
    /// own (decision 17).
    let canBeAsked: Bool
    private let passes = Mutex<[(tool: JSON, pass: ShortPass)]>([])

    init(_ name: String, _ scope: SessionScope, canBeAsked: Bool) {
        self.name = name
        self.scope = scope
        self.canBeAsked = canBeAsked
    }

    /// The call that a body is, and the pass of its tool; a pass that is not good any more is let go of.
    ///
    /// - Parameter client: whose session it is.
    func call(in body: [UInt8], limits: JSONLimits, of client: ClientFacts) -> (PlainToolCall, ShortPass)? {
        let passes = passes.withLock { $0 }
        for (_, pass) in passes {
            guard let call = pass.knownCall(in: body, limits: limits) else { continue }
            return isGood(pass) ? (call, pass) : nil
        }
        guard let document = try? JSON(validating: body[...], limits: limits),
            let call = PlainToolCall(document, inSessionOf: client),
            let pass = passes.first(where: { $0.tool == call.name })?.pass, isGood(pass)
        else { return nil }
        pass.learnFrame(of: call, document)
        return (call, pass)
    }

    private func isGood(_ pass: ShortPass) -> Bool {
        if pass.isGood { return true }
        passes.withLock { $0.removeAll { $0.pass === pass } }
        return false
    }

    /// Whether a tool has no pass yet, and there is room for one.
    ///
    /// - Parameter tool: its name, as a JSON string.
    func lacks(_ tool: JSON) -> Bool {
        passes.withLock { passes in
            passes.removeAll { !$0.pass.isGood }
            return passes.count < Self.toolsMax && !passes.contains { $0.tool == tool }
        }
    }

    func keep(_ pass: ShortPass, of tool: JSON) { passes.withLock { $0.append((tool, pass)) } }
}
