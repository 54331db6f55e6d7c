import Catalog
package import MCPModel
import Mesh
import NIOCore

extension MeshService {
    /// Calls a server that another node owns: over a direct link, or through a circuit along the known path.
    ///
    /// Ends at once with `owner_unreachable` when no path leads there. Once the call has been sent, a link that
    /// breaks does not end it: the owner is asked what became of it as soon as it is reached again (`CallCourse`), and
    /// only if nobody can know does it end as `outcome_unknown`. May be called from any thread and never waits; the
    /// sink is called on the mesh's loop, or here when the call ends at once.
    package nonisolated func call(_ call: OutgoingMeshCall, _ sink: @escaping CallSink) -> CallHandle {
        let owner = board.owner(call.server.owner)
        if let failure = Self.atOnce(call, owner, at: now()) {
            sink(.failure(failure))
            return .finished
        }
        let (hub, loop) = (hub, loop)
        let outgoing = OutgoingCall(
            call, ownerName: owner?.label.text ?? call.server.owner.description, hub: hub, sink: sink)
        loop.executeNow { hub.place(outgoing) }
        return CallHandle { loop.executeNow { outgoing.cancel() } }
    }

    /// What is known without asking anybody.
    private static func atOnce(
        _ call: OutgoingMeshCall, _ node: MeshBoard.Owner?, at now: Instant
    ) -> CallFailure? {
        let id = call.request.id
        guard let node else {
            return CallFailure(
                .ownerUnreachable,
                "node \(call.server.owner), which owns \(call.server.name), is not known here",
                hint: "martlet peers", callID: id, isUnsent: true)
        }
        guard call.request.params.bytes.count <= RecordAssembler.recordMax else {
            return CallFailure(
                .tooLarge,
                "the call carries \(call.request.params.bytes.count) bytes, at most \(RecordAssembler.recordMax) fit",
                callID: id, isUnsent: true)
        }
        // Whoever was revoked while this node was down must not be called.
        guard node.isConfirmed || node.reachability == .me else {
            return CallFailure(
                .notConfirmed,
                "what \(node.label) offers is known from before this node's start, and no peer has confirmed it yet",
                hint: "try again in a few seconds", callID: id, isUnsent: true)
        }
        switch node.reachability {
        case .reachable: return nil
        case .unreachable(let since):
            let seconds = Int((now - since) / .seconds(1))
            return CallFailure(
                .ownerUnreachable,
                "\(node.label), which owns \(call.server.name), has been unreachable for \(seconds) s",
                hint: "martlet peers", callID: id, isUnsent: true)
        case .me:
            return CallFailure(
                .unknownEntry, "\(call.server) is this node's own; it is not called through the mesh",
                callID: id, isUnsent: true)
        }
    }
}

extension EventLoop {
    /// Runs at once when already on the loop: a call then stays in one turn of it.
    func executeNow(_ body: @escaping @Sendable () -> Void) {
        if inEventLoop { body() } else { execute(body) }
    }
}
