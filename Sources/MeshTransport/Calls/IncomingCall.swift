import JSONSlice
import MCPModel
import Mesh
import NIOCore

/// The owner's side of one call from the mesh, on the mesh's loop.
///
/// A call that runs does not end with its stream: it goes on for as long as the hub's `CallJournal` allows, and whoever
/// asks for it gets the rest on the stream of the question. It is stopped when its caller cancels, when nobody asks for
/// it, or when its entry node has started again.
final class IncomingCall {
    /// Params follow their call's header at once; the greatest take this long at 17 Mbit/s.
    private static let paramsMax = Duration.seconds(30)

    private enum Phase {
        case reading
        case running
        case over
    }

    private let header: ArrivedHeader
    /// `nil`: a peer of version 1, whose calls end with their streams.
    private let caller: CallJournal.Caller?
    private let budget: ParamsBudget
    private let hub: MeshHub
    /// Which is to learn how such calls can go the short way, where it does not know.
    private weak var learner: LinkHandler?
    /// None while the caller's node is to come back.
    private var stream: LinkStream?
    private var assembler = RecordAssembler()
    private var phase = Phase.reading
    private var key: CallJournal.Key?
    private var handle: CallHandle?
    /// Of the budget.
    private var bytesHeld = 0
    private var paramsDeadline: Scheduled<Void>?

    init(
        _ header: ArrivedHeader, from caller: CallJournal.Caller?, on stream: LinkStream,
        of link: LinkHandler,
        hub: MeshHub
    ) {
        self.header = header
        self.caller = caller
        budget = link.paramsBudget
        self.stream = stream
        self.hub = hub
        if case .read = header { learner = link }
    }

    private var loop: any EventLoop { hub.loop }

    /// From here on the stream holds it; and the hub, by its key, while it runs.
    func start() {
        hub.noteBegun(self)
        stream?.reader = self
    }

    func limitReading() {
        guard case .reading = phase else { return }
        let wait = min(Self.paramsMax, header.timeLeft)
        paramsDeadline = loop.assumeIsolated().scheduleTask(in: TimeAmount(wait)) { [weak self] in
            self?.giveUp(.deadlineExceeded, "the params of the call did not arrive within \(wait)")
        }
    }

    /// Answers a call that goes no further.
    static func refuse(_ failure: CallFailure, on stream: LinkStream) {
        stream.send(.failure(failure))
        stream.close()
    }

    // MARK: Streams

    /// Whether it has gone on on the stream of a question.
    private(set) var isAttached = false

    /// Goes on on the stream of whoever asked.
    func attach(_ new: LinkStream) {
        guard case .running = phase else { return new.reset(.internalError) }
        isAttached = true
        let old = stream
        stream = new
        // Its end may not be noticed here yet.
        old?.reset(.goingAway, "the call is asked for on another link")
        new.reader = self
        new.send(CallRecord.standing(.running))
    }

    // MARK: Running

    /// No more is waited for, and what was held is let go.
    private func assembled() {
        paramsDeadline?.cancel()
        paramsDeadline = nil
        budget.giveBack(bytesHeld)
        bytesHeld = 0
        assembler = RecordAssembler()
    }

    /// Ends a call that was not dispatched.
    ///
    /// - Parameter isUnsent: whether it is sure that it was not at an earlier time either.
    private func giveUp(_ reason: Reason, _ detail: String, isUnsent: Bool = true) {
        guard case .reading = phase else { return }
        let stream = stream
        end()
        guard let stream else { return }
        Self.refuse(
            CallFailure(reason, detail, node: hub.setup.name, callID: header.call, isUnsent: isUnsent),
            on: stream)
    }

    private func admit(_ params: JSON) {
        if let caller, let ticket = header.ticket {
            do throws(CallJournal.Refusal) {
                let key = try hub.journal.arrived(
                    header.call, number: ticket.number, from: caller, at: hub.setup.now())
                self.key = key
                hub.incoming[key] = self
            } catch {
                return giveUp(.limited, "\(error); it was not run", isUnsent: error == .full)
            }
        }
        phase = .running
        if let pass = header.pass, start(params, by: pass) { return }
        let header = header.whole
        let call = IncomingMeshCall(
            server: header.server,
            request: CallRequest(
                id: header.call, method: header.method, params: params, client: header.client,
                caller: Caller(issuer: header.principal.issuer, subject: header.principal.subject),
                timeLeft: self.header.timeLeft),
            entry: header.entry, virtualServer: header.virtualServer, principal: header.principal,
            isRepeat: header.ticket?.isRepeat ?? false, assumedBy: header.assumedBy)
        learner?.knownCalls.learn(header) { hub.setup.pass(call) }
        dispatch(call, hub.setup.serve)
    }

    /// - Returns: whether it goes the short way.
    private func start(_ params: JSON, by pass: MeshPass) -> Bool {
        let loop = loop
        let bound = NIOLoopBound(self, eventLoop: loop)
        let call = MeshPass.Call(
            id: header.call, params: params, timeLeft: header.timeLeft, loop: loop)
        let handle = pass.start(call) { answer in
            switch answer {
            case .plain(let result): bound.value.answer(plain: result)
            case .event(let event): loop.executeNow { bound.value.answer(event) }
            }
        }
        guard let handle else { return false }
        if case .running = phase { self.handle = handle }
        return true
    }

    private func dispatch(
        _ call: IncomingMeshCall, _ serve: @Sendable (IncomingMeshCall, @escaping CallSink) -> CallHandle
    ) {
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
        if case .running = phase { self.handle = handle }
    }

    /// A complete result, on the loop, of a call that went the short way.
    private func answer(plain result: JSON) {
        guard case .running = phase, result.bytes.count <= RecordAssembler.recordMax else {
            return answer(.result(result))
        }
        deliver(.result(result), naming: nil)
    }

    private func answer(_ event: CallEvent) {
        let task = AnsweredTask(in: event, from: header.server, for: header.principal)
        guard case .running = phase else {
            // Stopped while this was on its way from the backend, which therefore was told nothing of that.
            if let task { hub.abandon(task) }
            return
        }
        var event = event
        if event.bytesCount > RecordAssembler.recordMax {
            // What is too large to be told of on the way is no reason to end the call.
            guard event.isFinal else { return }
            event = .failure(
                CallFailure(
                    .tooLarge,
                    "the answer has more than the \(RecordAssembler.recordMax) bytes that go from node to node",
                    node: hub.setup.name, callID: header.call))
        }
        // While the caller's node is away, progress and logs have nowhere to go.
        guard event.isFinal else {
            stream?.send(CallRecord(event))
            return
        }
        deliver(event, naming: task)
    }

    private func deliver(_ event: CallEvent, naming task: AnsweredTask?) {
        let stream = stream
        if let key {
            hub.journal.ended(key, event, naming: task, at: hub.setup.now())
            end()
            if let stream { hub.answer(event, of: key, on: stream) }
        } else {
            end()
            stream?.send(CallRecord(event))
            stream?.close()
        }
    }

    // MARK: Ending

    /// The caller wants no answer any more, and none is kept.
    func stop() {
        guard case .running = phase else { return end() }
        let handle = handle
        if let key { hub.journal.acknowledged(key) }
        end()
        handle?.cancel()
    }

    /// Nobody has asked for it: the backend is told to stop, and whoever still asks hears that.
    func giveUpOnCaller() {
        guard case .running = phase, let key else { return }
        let handle = handle
        hub.journal.ended(
            key,
            .failure(
                CallFailure(
                    .outcomeUnknown,
                    "its caller's node was away for more than \(CallJournal.Limits().orphanMax), so the call was stopped half way",
                    node: hub.setup.name, callID: header.call)), at: hub.setup.now())
        end()
        handle?.cancel()
    }

    private func end() {
        if case .over = phase { return }
        phase = .over
        assembled()
        stream = nil
        handle = nil
        if let key { hub.incoming[key] = nil }
    }
}

// MARK: What comes

extension IncomingCall: StreamReader {
    func received(_ chunk: StreamChunk, on stream: LinkStream) {
        stream.consumed(chunk.bytes.count)
        if case .over = phase { return }
        guard case .reading = phase else {
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
            admit(params)
        } catch {
            giveUp(.invalidArguments, "the params of the call cannot be read: \(error)")
        }
    }

    /// The end of the caller's direction: with version 1 it comes right after the params, later it says that the answer
    /// has arrived. Before the params it means that there are none.
    func receivedEnd(of stream: LinkStream) {
        guard case .reading = phase else { return }
        end()
        stream.reset(.protocolError, "a call without params")
    }

    func broke(_ why: StreamBreak, of broken: LinkStream) {
        guard broken === stream else { return }
        switch (phase, why) {
        case (.over, _): break
        case (.reading, _): end()
        case (.running, .linkDown), (.running, .resetByUs(.overflow, _)):
            guard let key else { return stop() }
            stream = nil
            hub.journal.lost(key, at: hub.setup.now())
        case (.running, _): stop()  // the caller wants no answer any more, or broke the rules
        }
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
