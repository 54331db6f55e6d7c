import Catalog
import MCPModel
import Mesh
import NIOCore

/// The life of one ``OutgoingMeshCall``, on the mesh's loop: carries out what its `CallCourse` decides.
///
/// `@unchecked Sendable`: made and held anywhere, but touched on the loop only.
final class OutgoingCall: @unchecked Sendable {
    /// The owner counts the same time from a little later; its own word on the deadline should win.
    private static let deadlineGrace = TimeAmount.milliseconds(250)

    /// `nil` once its caller has the end of it: whoever still holds this, as those do who tell its owner that nobody waits, does not hold the
    /// message, which may be large.
    private var call: OutgoingMeshCall?
    let owner: NodeID
    private let patience: Duration
    private let hub: MeshHub
    private let started = NIODeadline.now()
    private var sink: CallSink
    private var course: CallCourse
    private var stream: LinkStream?
    private var assembler = RecordAssembler()
    /// Among those of all calls; `nil` before it starts and after its end.
    private var deadline: SharedDeadlines<OutgoingCall>.Number?
    /// What the call is counted as under its present id.
    private var number: UInt64 = 0

    init(_ call: OutgoingMeshCall, ownerName: String, hub: MeshHub, sink: @escaping CallSink) {
        self.call = call
        owner = call.server.owner
        patience = call.request.timeLeft
        self.hub = hub
        self.sink = sink
        course = CallCourse(
            call.request.id, call.request.method, owner: ownerName, server: call.server.name,
            isRepeat: call.isRepeat,
            mayMakeTask: call.request.method == Method.toolsCall
                && TasksExtension.isDeclared(in: call.request.client.capabilities))
    }

    var paramsBytes: Int { call?.request.params.bytes.count ?? 0 }
    /// Whether a link to the owner is wanted now.
    var wantsWay: Bool { course.wantsWay }
    /// Whether nobody waits for it any more, which its owner does not know yet.
    var isAbandoned: Bool { course.isAbandoned }

    func start() {
        deadline = hub.deadlines.enter(self, due: started + TimeAmount(patience) + Self.deadlineGrace)
    }

    func deadlinePassed() {
        deadline = nil
        perform(course.deadlinePassed(patience))
    }

    /// Goes on over a link to the owner.
    func go(on link: LinkHandler) {
        guard course.wantsWay else { return }
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
        perform(course.noWay(obstacle, at: hub.setup.now()))
    }

    func cancel() { perform(course.cancelled()) }

    // MARK: Effects

    private func perform(_ effects: [CallCourse.Effect], on link: LinkHandler? = nil) {
        var isDone = false
        for effect in effects {
            switch effect {
            case .reach(let pause): hub.reach(self, after: pause)
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
        call = nil
        sink = { _ in }
        if let deadline { hub.deadlines.leave(deadline) }
        deadline = nil
        // From version 2 on, the end of this direction says that the answer is here.
        stream?.close()
        stream = nil
    }

    private func send(_ id: CallID, isRepeat: Bool, on link: LinkHandler) {
        guard let call, let hello = link.hello else { return }
        let isNumbered = link.version >= ProtocolVersion.asks
        if isNumbered { number = hub.nextCallNumber(to: owner) }
        let cast = CallHeaderMould.Cast(
            call: id, number: number, timeLeftMS: UInt32(clamping: Int(timeLeft / .milliseconds(1))))
        func header() -> CallHeader {
            self.header(of: call, cast, isRepeat: isRepeat, isNumbered: isNumbered, for: hello)
        }
        let bytes =
            isNumbered && !isRepeat && id == call.request.id
            ? call.moulds?.bytes(of: cast, call, for: hello, from: hub.setup.me, header: header) : nil
        guard let stream = open(.call, bytes ?? header().canonicalBytes, on: link) else { return }
        stream.send(CallRecord.params(call.request.params))
        if !isNumbered { stream.finish() }
    }

    private func header(
        of call: OutgoingMeshCall, _ cast: CallHeaderMould.Cast, isRepeat: Bool, isNumbered: Bool,
        for hello: Hello
    ) -> CallHeader {
        var client = call.request.client
        if call.moulds != nil { client.traceparent = TraceContext(begunBy: call.request.id).traceparent }
        return CallHeader(
            call: cast.call, owner: hello.node, ownerIncarnation: hello.incarnation,
            server: call.server.name, entry: call.entry, method: call.request.method,
            virtualServer: call.virtualServer,
            principal: WirePrincipal(
                issuer: call.issuer, subject: call.subject, entryNode: hub.setup.me),
            timeLeftMS: cast.timeLeftMS, client: client,
            ticket: isNumbered ? CallTicket(number: cast.number, isRepeat: isRepeat) : nil,
            assumedBy: hello.features & Hello.readsAssumed != 0 ? call.assumedBy : nil)
    }

    private func ask(_ id: CallID, on link: LinkHandler) {
        guard let hello = link.hello else { return }
        let header = AskHeader(call: id, number: number, owner: hello.node, ownerLife: hello.life)
        _ = open(.ask, header.canonicalBytes, on: link)
    }

    private var timeLeft: Duration {
        max(.zero, patience - .nanoseconds((NIODeadline.now() - started).nanoseconds))
    }

    private func open(_ kind: StreamKind, _ header: [UInt8], on link: LinkHandler) -> LinkStream? {
        do throws(LinkError) {
            guard let streams = link.streams else { throw .closed }
            let stream = try streams.open(kind, header: header)
            self.stream = stream
            assembler = RecordAssembler()
            stream.reader = self
            return stream
        } catch {
            couldNotOpen(error)
            return nil
        }
    }

    /// Nothing has left, so the course may go on as if there had been no way.
    private func couldNotOpen(_ error: LinkError) {
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

    /// Has no more to do with a stream that answered.
    private func leave(_ stream: LinkStream) {
        stream.close()
        self.stream = nil
    }
}

// MARK: What comes

extension OutgoingCall: StreamReader {
    func received(_ chunk: StreamChunk, on stream: LinkStream) {
        stream.consumed(chunk.bytes.count)
        guard stream === self.stream else { return }
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

    func receivedEnd(of stream: LinkStream) {
        guard stream === self.stream else { return }
        leave(stream)
        perform(course.garbled("ended the call without an answer; it may have run"))
    }

    func broke(_ why: StreamBreak, of stream: LinkStream) {
        guard stream === self.stream else { return }
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
