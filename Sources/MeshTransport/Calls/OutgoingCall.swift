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
    /// Whether it may have run elsewhere: only what the owner's configuration calls repeatable runs there now.
    package var isRepeat: Bool
    /// Who really asked, where an administrator calls as somebody else.
    package var assumedBy: Caller?
    /// Of a plain call, which begins the trace that it belongs to: the headers of those like it.
    package var moulds: HeaderMoulds?

    package init(
        server: ServerKey, request: CallRequest, entry: CallHeader.SeenEntry? = nil,
        virtualServer: Label? = nil, issuer: String, subject: String, isRepeat: Bool = false,
        assumedBy: Caller? = nil, moulds: HeaderMoulds? = nil
    ) {
        self.moulds = moulds
        self.assumedBy = assumedBy
        self.server = server
        self.request = request
        self.entry = entry
        self.virtualServer = virtualServer
        self.issuer = issuer
        self.subject = subject
        self.isRepeat = isRepeat
    }
}

/// The life of one ``OutgoingMeshCall``, on the mesh's loop: carries out what its `CallCourse` decides.
final class OutgoingCall {
    /// The owner counts the same time from a little later; its own word on the deadline should win.
    private static let deadlineGrace = TimeAmount.milliseconds(250)

    private(set) var call: OutgoingMeshCall
    var owner: NodeID { call.server.owner }
    private let loop: any EventLoop
    private let ownerName: String
    private let started: NIODeadline
    private var sink: CallSink
    private weak var hub: MeshHub?
    private var course: CallCourse
    private var stream: LinkStream?
    private var assembler = RecordAssembler()
    private var deadline: Scheduled<Void>?
    /// What the call is counted as under its present id.
    private var number: UInt64 = 0

    init(
        _ call: OutgoingMeshCall, ownerName: String, hub: MeshHub, sink: @escaping CallSink
    ) {
        self.call = call
        self.ownerName = ownerName
        self.hub = hub
        self.sink = sink
        loop = hub.loop
        started = .now()
        course = CallCourse(
            call.request.id, call.request.method, owner: ownerName, server: call.server.name,
            isRepeat: call.isRepeat,
            mayMakeTask: call.request.method == Method.toolsCall
                && TasksExtension.isDeclared(in: call.request.client.capabilities))
    }

    /// Whether a link to the owner is wanted now.
    var wantsWay: Bool { course.wantsWay }
    /// Whether nobody waits for it any more, which its owner does not know yet.
    var isAbandoned: Bool { course.isAbandoned }

    func start() {
        let wait = TimeAmount(call.request.timeLeft) + Self.deadlineGrace
        deadline = loop.assumeIsolated().scheduleTask(in: wait) { [weak self] in
            guard let self else { return }
            perform(course.deadlinePassed(call.request.timeLeft))
        }
    }

    /// Goes on over a link to the owner.
    func go(on link: LinkHandler) {
        guard course.wantsWay, let hub else { return }
        guard link.streams != nil, let hello = link.hello else {
            return noWay(.noPath("the link closed"))
        }
        var random = SystemRandomNumberGenerator()
        perform(
            course.way(
                life: hello.life, asks: link.version >= ProtocolVersion.asks, at: hub.setup.now(),
                using: &random), on: link)
    }

    func noWay(_ obstacle: CallCourse.Obstacle) {
        guard let hub else { return }
        perform(course.noWay(obstacle, at: hub.setup.now()))
    }

    func cancel() { perform(course.cancelled()) }

    // MARK: Effects

    private func perform(_ effects: [CallCourse.Effect], on link: LinkHandler? = nil) {
        var isDone = false
        for effect in effects {
            switch effect {
            case .reach(let pause): hub?.reach(self, after: pause)
            case .send(let id, let isRepeat): if let link { send(id, isRepeat: isRepeat, on: link) }
            case .ask(let id): if let link { ask(id, on: link) }
            case .stop:
                stream?.reset(.cancelled)
                stream = nil
            case .deliver(let event):
                isDone = event.isFinal
                sink(event)
            }
        }
        guard isDone else { return }
        // Its owner may have to be told for minutes yet that nobody waits, for which neither is needed: they may be large, and many.
        call.request.params = .emptyObject
        sink = { _ in }
        deadline?.cancel()
        deadline = nil
        // From version 2 on, the end of this direction says that the answer is here.
        stream?.close()
        stream = nil
    }

    private func send(_ id: CallID, isRepeat: Bool, on link: LinkHandler) {
        guard let hub, let hello = link.hello else { return }
        let isNumbered = link.version >= ProtocolVersion.asks
        if isNumbered { number = hub.nextCallNumber(to: owner) }
        let timeLeftMS = UInt32(clamping: Int(timeLeft / .milliseconds(1)))
        let header = { [call, number] in
            var client = call.request.client
            if call.moulds != nil {
                client.traceparent = TraceContext(begunBy: call.request.id).traceparent
            }
            return CallHeader(
                call: id, owner: hello.node, ownerIncarnation: hello.incarnation,
                server: call.server.name, entry: call.entry, method: call.request.method,
                virtualServer: call.virtualServer,
                principal: WirePrincipal(
                    issuer: call.issuer, subject: call.subject, entryNode: hub.setup.me),
                timeLeftMS: timeLeftMS, client: client,
                ticket: isNumbered ? CallTicket(number: number, isRepeat: isRepeat) : nil,
                assumedBy: hello.features & Hello.readsAssumed != 0 ? call.assumedBy : nil)
        }
        let bytes =
            isNumbered && !isRepeat && id == call.request.id
            ? call.moulds?.bytes(
                of: CallHeaderMould.Cast(call: id, number: number, timeLeftMS: timeLeftMS),
                call, for: hello, from: hub.setup.me, header: header) : nil
        guard let stream = open(.call, bytes ?? header().canonicalBytes, on: link) else { return }
        stream.send(CallRecord.params(call.request.params))
        if !isNumbered { stream.finish() }
    }

    private func ask(_ id: CallID, on link: LinkHandler) {
        guard let hello = link.hello else { return }
        let header = AskHeader(call: id, number: number, owner: hello.node, ownerLife: hello.life)
        _ = open(.ask, header.canonicalBytes, on: link)
    }

    private var timeLeft: Duration {
        max(.zero, call.request.timeLeft - .nanoseconds((NIODeadline.now() - started).nanoseconds))
    }

    private func open(_ kind: StreamKind, _ header: [UInt8], on link: LinkHandler) -> LinkStream? {
        do throws(LinkError) {
            guard let streams = link.streams else { throw .closed }
            let stream = try streams.open(kind, header: header)
            self.stream = stream
            assembler = RecordAssembler()
            // The stream keeps this call alive until it is over.
            stream.reader = StreamReader(
                data: { self.received($0, on: stream) }, end: { self.ended(stream) },
                broken: { self.broke($0, stream) })
            return stream
        } catch {
            couldNotOpen(error)
            return nil
        }
    }

    /// Nothing has left, so the course may go on as if there had been no way.
    private func couldNotOpen(_ error: LinkError) {
        guard let hub else { return }
        let now = hub.setup.now()
        course.notOpened()
        let obstacle: CallCourse.Obstacle =
            switch error {
            case .headerTooLarge: .tooLarge(error.description)
            case .tooManyStreams: .limited(error.description)
            default: .noPath(error.description)
            }
        perform(course.noWay(obstacle, at: now))
    }

    // MARK: What comes

    private func received(_ chunk: StreamChunk, on stream: LinkStream) {
        stream.consumed(chunk.bytes.count)
        guard stream === self.stream, let hub else { return }
        do {
            guard let record = try assembler.take(kind: chunk.kind, isLast: chunk.isLast, chunk.bytes) else {
                return
            }
            if case .standing(let standing) = record {
                guard stream.kind == .ask else { throw WireError.invalid("a standing that nobody asked for") }
                var random = SystemRandomNumberGenerator()
                if standing != .running { leave(stream) }
                return perform(course.answered(standing, at: hub.setup.now(), using: &random))
            }
            guard let event = record.event else {
                throw WireError.invalid("a record that only callers send")
            }
            perform(course.heard(event))
        } catch {
            stream.reset(.protocolError)
            self.stream = nil
            perform(course.garbled("answered in a way that cannot be read: \(error)"))
        }
    }

    /// Has no more to do with a stream that answered.
    private func leave(_ stream: LinkStream) {
        stream.close()
        self.stream = nil
    }

    private func ended(_ stream: LinkStream) {
        guard stream === self.stream else { return }
        leave(stream)
        perform(course.garbled("ended the call without an answer; it may have run"))
    }

    private func broke(_ why: StreamBreak, _ stream: LinkStream) {
        guard stream === self.stream, let hub else { return }
        self.stream = nil
        let kind: CallCourse.Break =
            switch why {
            case .resetByUs(.overflow, let text): .overflow(text)
            // Said before anything was dispatched: places are counted when the stream opens.
            case .reset(.limited, let text): .limited(text)
            case .reset(.refused, let text): .refused(text)
            default: .lost("\(why)")
            }
        perform(course.broke(kind, at: hub.setup.now()))
    }
}
