import JSONSlice
import MCPModel

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

    func fits(_ call: PlainToolCall) -> Bool { call.name == name }
}
