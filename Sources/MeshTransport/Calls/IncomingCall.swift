package import Catalog
package import MCPModel
package import Mesh
import NIOCore

/// A call that another node's caller makes to a server of this node, checked as far as the mesh goes: whose
/// word it is, for whom, and that it is meant for this life of this node. Rules and pins are the gateway's.
package struct IncomingMeshCall: Sendable {
    package var server: Label
    package var request: CallRequest
    package var entry: CallHeader.SeenEntry?
    package var virtualServer: Label?
    /// Who is calling; its entry node is the peer that the link proved.
    package var principal: WirePrincipal
}

extension WirePrincipal {
    /// A node calling in its own name, as every member may.
    package static func node(_ id: NodeID) -> WirePrincipal {
        WirePrincipal(issuer: nodeIssuer, subject: id.description, entryNode: id)
    }

    package static let nodeIssuer = "node"
}

/// What the mesh checks of a call before the gateway sees it.
enum CallAdmission {
    /// - Parameters:
    ///   - roles: what the peer's enrolment lets it do; `nil` while we do not know it.
    static func check(
        _ header: CallHeader, from peer: NodeID, roles: Roles?, me: NodeID, incarnation: UInt64
    ) throws(CallFailure) {
        guard header.owner == me else {
            throw CallFailure(.ownerUnreachable, "the call is for \(header.owner), this is \(me)")
        }
        guard header.ownerIncarnation == incarnation else {
            throw CallFailure(
                .ownerUnreachable,
                "the call is for life \(header.ownerIncarnation) of this node, which is now in \(incarnation)"
            )
        }
        guard header.principal.entryNode == peer else {
            throw CallFailure(
                .denied, "\(peer) passes on a call that came in at \(header.principal.entryNode)")
        }
        guard let roles else {
            throw CallFailure(.notConfirmed, "the enrolment of \(peer) has not arrived here yet; try again")
        }
        guard roles.contains(.member) else { throw CallFailure(.denied, "\(peer) is no member") }
        guard roles.contains(.entry) || header.principal == .node(peer) else {
            throw CallFailure(
                .denied, "\(peer) has no role entry, so it may not call for others",
                hint: "enrol it with `martlet mesh token --role entry`")
        }
    }
}

/// What all calls of one link hold together of params that are not whole yet.
///
/// Credit bounds what is under way, not what has arrived: a peer could begin thousands of calls and end none.
final class ParamsBudget {
    /// Two records of the greatest size.
    static let bytesMax = 2 * RecordAssembler.recordMax

    private var bytes = 0

    func take(_ count: Int) -> Bool {
        guard bytes + count <= Self.bytesMax else { return false }
        bytes += count
        return true
    }

    func giveBack(_ count: Int) { bytes -= count }
}

/// The owner's side of one call from the mesh, on the mesh's loop.
final class IncomingCall {
    /// Params follow their call's header at once; the greatest take this long at 17 Mbit/s.
    private static let paramsMax = Duration.seconds(30)

    private let stream: LinkStream
    private let header: CallHeader
    private let nodeName: String
    private let loop: any EventLoop
    private let serve: @Sendable (IncomingMeshCall, @escaping CallSink) -> CallHandle
    private var assembler = RecordAssembler()
    private var handle: CallHandle?
    private var isOver = false
    private let budget: ParamsBudget
    /// Of the budget.
    private var bytesHeld = 0
    private var paramsDeadline: Scheduled<Void>?
    private var keepsItself: IncomingCall?

    init(
        _ header: CallHeader, on stream: LinkStream, within budget: ParamsBudget, nodeName: String,
        loop: any EventLoop,
        serve: @escaping @Sendable (IncomingMeshCall, @escaping CallSink) -> CallHandle
    ) {
        self.header = header
        self.budget = budget
        self.stream = stream
        self.nodeName = nodeName
        self.loop = loop
        self.serve = serve
    }

    func start() {
        keepsItself = self  // until the call is over: nothing else holds it
        let wait = min(Self.paramsMax, .milliseconds(Int64(header.timeLeftMS)))
        paramsDeadline = loop.assumeIsolated().scheduleTask(in: TimeAmount(wait)) { [weak self] in
            self?.giveUp(.deadlineExceeded, "the params of the call did not arrive within \(wait)")
        }
        stream.reader = StreamReader(
            data: { [weak self] in self?.received($0) },
            end: { [weak self] in self?.callerDone() },
            broken: { [weak self] _ in self?.callerGone() })
    }

    /// Answers a call that goes no further.
    static func refuse(_ failure: CallFailure, on stream: LinkStream) {
        stream.send(.failure(failure))
        stream.close()
    }

    private func received(_ chunk: StreamChunk) {
        stream.consumed(chunk.bytes.count)
        guard handle == nil, !isOver else {
            return stream.reset(.protocolError, "more than one record of params")
        }
        guard budget.take(chunk.bytes.count) else {
            return giveUp(
                .limited,
                "calls of this link hold \(ParamsBudget.bytesMax) bytes of incomplete params already")
        }
        bytesHeld += chunk.bytes.count
        do {
            guard let record = try assembler.take(kind: chunk.kind, isLast: chunk.isLast, chunk.bytes) else {
                return
            }
            guard case .params(let params) = record else { throw WireError.invalid("the first record") }
            assembled()
            dispatch(
                IncomingMeshCall(
                    server: header.server,
                    request: CallRequest(
                        id: header.call, method: header.method, params: params, client: header.client,
                        caller: Caller(issuer: header.principal.issuer, subject: header.principal.subject),
                        timeLeft: .milliseconds(Int64(header.timeLeftMS))),
                    entry: header.entry, virtualServer: header.virtualServer, principal: header.principal))
        } catch {
            giveUp(.invalidArguments, "the params of the call cannot be read: \(error)")
        }
    }

    /// No more is waited for, and what was held is let go.
    private func assembled() {
        paramsDeadline?.cancel()
        paramsDeadline = nil
        budget.giveBack(bytesHeld)
        bytesHeld = 0
        assembler = RecordAssembler()
    }

    /// Ends a call that was not dispatched.
    private func giveUp(_ reason: Reason, _ detail: String) {
        guard handle == nil, !isOver else { return }
        isOver = true
        assembled()
        Self.refuse(CallFailure(reason, detail, node: nodeName, callID: header.call), on: stream)
        keepsItself = nil
    }

    private func dispatch(_ call: IncomingMeshCall) {
        let loop = loop
        // Only ever taken out of its wrapping on the loop that it came from.
        let bound = NIOLoopBound(self, eventLoop: loop)
        let handle = serve(call) { event in
            if loop.inEventLoop {
                bound.value.answer(event)
            } else {
                loop.execute { bound.value.answer(event) }
            }
        }
        if !isOver { self.handle = handle }
    }

    private func answer(_ event: CallEvent) {
        guard !isOver else { return }
        if event.bytesCount > RecordAssembler.recordMax {
            // What is too large to be told of on the way is no reason to end the call.
            guard event.isFinal else { return }
            stream.send(
                .failure(
                    CallFailure(
                        .tooLarge,
                        "the answer has more than the \(RecordAssembler.recordMax) bytes that go from node to node",
                        node: nodeName, callID: header.call)))
        } else {
            stream.send(CallRecord(event))
        }
        guard event.isFinal else { return }
        isOver = true
        handle = nil
        stream.close()
        keepsItself = nil
    }

    /// The end of the caller's direction comes right after its params; before them it means there are none.
    private func callerDone() {
        guard handle == nil, !isOver else { return }
        callerGone()
        stream.reset(.protocolError, "a call without params")
    }

    private func callerGone() {
        guard !isOver else { return }
        isOver = true
        assembled()
        handle?.cancel()
        handle = nil
        keepsItself = nil
    }
}

extension CallEvent {
    /// Of the JSON in it; a record's own bytes come on top and are few.
    fileprivate var bytesCount: Int {
        switch self {
        case .notification(let method, let params): method.utf8.count + params.bytes.count + 8
        case .result(let json), .error(let json): json.bytes.count
        case .failure: 0
        }
    }
}
