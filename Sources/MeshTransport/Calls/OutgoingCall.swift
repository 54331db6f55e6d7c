package import Catalog
package import MCPModel
package import Mesh
import NIOCore

/// A call to a server that another node owns.
package struct OutgoingMeshCall: Sendable {
    /// Owner and server; the owner is another node.
    package var server: ServerKey
    package var request: CallRequest
    /// The entry that the caller saw; the owner refuses when it has changed.
    package var entry: CallHeader.SeenEntry?
    package var virtualServer: Label?
    /// Who is calling, as this node knows the caller: who vouches, and for whom.
    package var issuer: String
    package var subject: String

    package init(
        server: ServerKey, request: CallRequest, entry: CallHeader.SeenEntry? = nil,
        virtualServer: Label? = nil, issuer: String, subject: String
    ) {
        self.server = server
        self.request = request
        self.entry = entry
        self.virtualServer = virtualServer
        self.issuer = issuer
        self.subject = subject
    }
}

/// The life of one ``OutgoingMeshCall``, on the mesh's loop.
///
/// It is sent once, ever. If the link breaks after that, nobody here can know whether it ran, and the caller
/// hears `outcome_unknown`; asking the owner afterwards (mesh-design §6: `ask`, fence) is not built yet.
final class OutgoingCall {
    private enum Phase {
        case waiting
        case sent(LinkStream)
        case over
    }

    /// The owner counts the same time from a little later; its own word on the deadline should win.
    private static let deadlineGrace = TimeAmount.milliseconds(250)

    let call: OutgoingMeshCall
    private let loop: any EventLoop
    private let me: NodeID
    private let ownerName: String
    private let started: NIODeadline
    private let sink: CallSink
    private var phase = Phase.waiting
    private var assembler = RecordAssembler()
    private var deadline: Scheduled<Void>?
    /// Circuits tried so far; only before the call is sent.
    var attempts = 0

    init(
        _ call: OutgoingMeshCall, me: NodeID, ownerName: String, loop: any EventLoop, sink: @escaping CallSink
    ) {
        self.call = call
        self.me = me
        self.ownerName = ownerName
        self.loop = loop
        self.sink = sink
        started = .now()
    }

    var isOver: Bool { if case .over = phase { true } else { false } }
    var isWaiting: Bool { if case .waiting = phase { true } else { false } }

    func start() {
        let wait = TimeAmount(call.request.timeLeft) + Self.deadlineGrace
        deadline = loop.assumeIsolated().scheduleTask(in: wait) { [weak self] in self?.deadlinePassed() }
    }

    /// Sends the call over a link to its owner.
    func send(on link: LinkHandler) {
        guard isWaiting else { return }
        guard call.request.params.bytes.count <= RecordAssembler.recordMax else {
            return fail(
                .tooLarge,
                "the call has more than the \(RecordAssembler.recordMax) bytes that go from node to node")
        }
        guard let streams = link.streams, let hello = link.hello else {
            return fail(.noPath, "the link to \(ownerName) closed before the call was sent")
        }
        let elapsed = Duration.nanoseconds((NIODeadline.now() - started).nanoseconds)
        let left = max(.zero, call.request.timeLeft - elapsed)
        let header = CallHeader(
            call: call.request.id, owner: hello.node, ownerIncarnation: hello.incarnation,
            server: call.server.name, entry: call.entry, method: call.request.method,
            virtualServer: call.virtualServer,
            principal: WirePrincipal(issuer: call.issuer, subject: call.subject, entryNode: me),
            timeLeftMS: UInt32(clamping: Int(left / .milliseconds(1))), client: call.request.client)
        do throws(LinkError) {
            let stream = try streams.open(.call, header: header.canonicalBytes)
            phase = .sent(stream)
            // The stream keeps this call alive until it is over.
            stream.reader = StreamReader(
                data: { self.received($0) }, end: { self.ended() }, broken: { self.broke($0) })
            stream.send(CallRecord.params(call.request.params))
            stream.finish()
        } catch {
            if case .headerTooLarge = error {
                fail(.tooLarge, error.description)
            } else {
                fail(.limited, error.description)
            }
        }
    }

    func cancel() { abandon(.cancelled, "the caller cancelled the call") }

    /// Ends the call here and tells the owner to stop.
    private func abandon(_ reason: Reason, _ detail: String, _ code: ResetCode = .cancelled) {
        let stream: LinkStream? = if case .sent(let stream) = phase { stream } else { nil }
        fail(reason, detail)
        stream?.reset(code)
    }

    func fail(_ reason: Reason, _ detail: String, hint: String? = nil) {
        finish(.failure(CallFailure(reason, detail, hint: hint, node: ownerName, callID: call.request.id)))
    }

    private func received(_ chunk: StreamChunk) {
        guard case .sent(let stream) = phase else { return }
        stream.consumed(chunk.bytes.count)
        do {
            guard let record = try assembler.take(kind: chunk.kind, isLast: chunk.isLast, chunk.bytes) else {
                return
            }
            guard let event = record.event else {
                throw WireError.invalid("a record that only callers send")
            }
            if event.isFinal { finish(event) } else { sink(event) }
        } catch {
            abandon(
                .outcomeUnknown, "\(ownerName) answered in a way that cannot be read: \(error)",
                .protocolError)
        }
    }

    private func ended() {
        fail(.outcomeUnknown, "\(ownerName) ended the call without an answer; it may have run")
    }

    private func broke(_ why: StreamBreak) {
        guard case .sent = phase else { return }
        switch why {
        // The params did not fit, so nothing of them left.
        case .resetByUs(.overflow, let text): fail(.limited, "the link to \(ownerName) is too busy: \(text)")
        // Said before anything was dispatched: places are counted when the stream opens.
        case .reset(.limited, let text): fail(.limited, "\(ownerName) takes no more calls now: \(text)")
        case .reset(.refused, let text): fail(.denied, "\(ownerName) refused the call: \(text)")
        default:
            fail(
                .outcomeUnknown,
                "the call to \(ownerName) broke off (\(why)) after it was sent; it may have run",
                hint: "check at the owner before you try again")
        }
    }

    private func deadlinePassed() {
        abandon(.deadlineExceeded, "no answer from \(ownerName) in \(call.request.timeLeft)")
    }

    private func finish(_ event: CallEvent) {
        guard !isOver else { return }
        if case .sent(let stream) = phase { stream.close() }
        phase = .over
        deadline?.cancel()
        deadline = nil
        sink(event)
    }
}
