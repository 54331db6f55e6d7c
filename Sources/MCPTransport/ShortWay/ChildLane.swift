import JSONSlice
import MCPModel
import NIOCore

/// Carries calls over the pipes of a child, of either era, whose answers come on the channel that all requests share.
final class ChildLane: LaneCarrier {
    let limits: MessageLimits
    /// Not where its server may ask callers for something in the middle of a call: those who can be asked are served elsewhere.
    let takesAnyCaller: Bool
    private let link: StdioLink
    private let revision: ProtocolRevision
    /// The backend's own name of the tool, as a JSON string.
    private let name: JSON

    init(_ backend: Backend, _ link: StdioLink, _ revision: ProtocolRevision, name: JSON) {
        self.link = link
        self.revision = revision
        self.name = name
        limits = backend.limits.message
        takesAnyCaller = revision.era == .modern || backend.asking == nil
    }

    func takes(_ capabilities: JSON) -> Bool {
        takesAnyCaller || capabilities == ("{}" as StaticString)
            || DeclaredCapabilities(of: capabilities, at: revision) == .none
    }

    func send(
        _ call: PlainToolCall, _ number: Int, begunBy id: CallID, on loop: any EventLoop, patience: Duration,
        for user: any LaneUser
    ) -> LaneHold? {
        let message = call.message(number: number, name: name, begunBy: id, in: revision.era)
        return link.send(
            line: message.onOneLine, number, due: .now() + TimeAmount(patience), for: user)
    }

    var unsent: LaneEvent { .line(.fault(link.closed)) }

    /// The channel itself knows whose answers are out.
    func leave(_ number: Int) {}

    func answer(_ result: JSON) -> PlainToolAnswer? {
        revision.era == .modern
            ? PlainToolAnswer(result: result)
            : PlainToolAnswer(
                result: EraBridge.modernResult(fromLegacy: result, method: Method.toolsCall))
    }

    func error(_ error: JSON, of call: PlainToolCall) -> JSON? {
        guard revision.era == .legacy else { return error }
        let modern = EraBridge.modernAnswer(
            fromLegacy: .error(error), method: Method.toolsCall, params: call.params,
            capabilities: call.capabilities)
        return if case .error(let shown) = modern { shown } else { nil }
    }
}
