import Catalog
import MCPModel
import MCPTransport
import MeshTransport

/// Where calls of other nodes arrive: this node owns the server, so here is the last word on each.
///
/// The transport has already checked that the peer may name the caller it names. Here: may this server be called from
/// other nodes at all, is it asked for what callers ask for, and is it the definition that the caller saw?
struct OwnerDesk: Sendable {
    /// All that other nodes may ask of a server. Whatever else a session has (its handshake, its log level) is between
    /// this node and the server. A listen is about one resource (``ResourceSubscription``); lists travel as documents.
    static let methods: Set<String> = [
        Method.toolsCall, Method.promptsGet, Method.resourcesRead, Method.completionComplete, Method.tasksGet,
        Method.tasksUpdate, Method.tasksCancel, Method.subscriptionsListen,
    ]

    let local: LocalServers
    let label: @Sendable () -> String
    /// Whether the mesh may know of a server (`mesh.export`, `servers.NAME.export`).
    let isShared: @Sendable (Label) -> Bool

    func serve(_ call: IncomingMeshCall, _ sink: @escaping CallSink) -> CallHandle {
        let node = label()
        let named: CallSink = { event in
            guard case .failure(var failure) = event else { return sink(event) }
            failure.node = failure.node ?? node
            sink(.failure(failure))
        }
        // A server that is not shared is, to others, one that does not exist: its name is nobody's business.
        guard isShared(call.server) else {
            named(
                .failure(
                    CallFailure(
                        .unknownEntry, "\(node) has no server named \(call.server)", callID: call.request.id))
            )
            return .finished
        }
        guard Self.methods.contains(call.request.method) else {
            named(
                .failure(
                    CallFailure(
                        .denied, "\(call.request.method) does not go from node to node",
                        hint: "other nodes may ask for \(Self.methods.sorted().joined(separator: ", "))",
                        callID: call.request.id)))
            return .finished
        }
        if call.isRepeat, !local.isRepeatable(call.request, at: call.server) {
            let tool = Self.entry(of: call.request) ?? "…"
            named(
                .failure(
                    CallFailure(
                        .outcomeUnknown,
                        "the link broke after the call was sent, and \(node) cannot know whether it ran",
                        hint: "look whether it ran before you call again; servers.\(call.server).tools: "
                            + "{\"\(tool)\": {repeatable: true}} at \(node) would let it be sent again",
                        callID: call.request.id)))
            return .finished
        }
        if let seen = call.entry, let entry = Self.entry(of: call.request),
            local.definition(of: seen.kind, entry, at: call.server) != seen.hash
        {
            named(
                .failure(
                    CallFailure(
                        .notConfirmed,
                        "the definition of this entry has changed since the caller's node last heard of it",
                        hint: "list again, and call again", callID: call.request.id)))
            return .finished
        }
        return local.call(call.server, call.request, named)
    }

    /// The server's own name for what a request is about.
    private static func entry(of request: CallRequest) -> String? {
        switch request.method {
        case Method.toolsCall, Method.promptsGet: request.params["name"]?.string
        case Method.resourcesRead: request.params["uri"]?.string
        default: nil
        }
    }
}
