import Catalog
import JSONSlice
import MCPModel
import Mesh
import NIOCore

/// What was sent and what came, over the breaks of links (docs/decisions/0015-calls-at-most-once.md).
extension MeshHub {
    /// Calls of one owner whose stream broke, or that wait between two attempts to reach it; for each the caller's own
    /// connection is held as well, and a link carries no more.
    static let pursuedMax = 2 * StreamMultiplexer.streamsMax
    /// Of these, calls that nobody waits for any more: they must leave room for those that somebody does.
    static let pursuedForNobodyMax = pursuedMax / 4
    /// The time for the cancelling of a task that nobody knows of; nobody waits for that either.
    static let abandonMax = Duration.seconds(30)

    // MARK: At the entry node

    /// Counts the calls to one owner; the owner tells by the numbers what it has forgotten.
    func nextCallNumber(to owner: NodeID) -> UInt64 {
        let number = (callNumbers[owner] ?? 0) + 1
        callNumbers[owner] = number
        return number
    }

    /// Looks for a way to the call's owner, after a pause or as soon as a link to it is up.
    func reach(_ call: OutgoingCall, after pause: Duration) {
        guard pause > .zero else {
            // In the next turn: whoever reads the stream that brought us here still holds it.
            return loop.assumeIsolated().execute { [weak self] in self?.dispatch(call) }
        }
        let owner = call.owner
        guard !isStopping else { return call.noWay(.shuttingDown) }
        let limit = call.isAbandoned ? Self.pursuedForNobodyMax : Self.pursuedMax
        var pursuit = pursued[owner] ?? Pursuit()
        guard pursuit.calls.count < limit else {
            return call.noWay(.final("\(limit) calls wait for a way to that node already"))
        }
        pursuit.calls.append(PursuedCall(call: call, due: .now() + TimeAmount(pause)))
        wait(pursuit, for: owner)
    }

    /// Sees to it that the first of them that is due is tried again then.
    private func wait(_ pursuit: Pursuit, for owner: NodeID) {
        pursuit.timer?.cancel()
        guard let due = pursuit.calls.map(\.due).min() else {
            pursued[owner] = nil
            return
        }
        var pursuit = pursuit
        pursuit.timer = loop.assumeIsolated().scheduleTask(deadline: due) { [weak self] in
            self?.resumeDue(of: owner)
        }
        pursued[owner] = pursuit
    }

    /// A direct link to the node is up.
    func resumePursuit(of owner: NodeID) {
        guard let pursuit = pursued.removeValue(forKey: owner) else { return }
        pursuit.timer?.cancel()
        for pursued in pursuit.calls { dispatch(pursued.call) }
    }

    /// The time has come to try again for some of the calls.
    private func resumeDue(of owner: NodeID) {
        guard var pursuit = pursued[owner] else { return }
        let now = NIODeadline.now()
        let due = pursuit.calls.filter { $0.due <= now }
        pursuit.calls.removeAll { $0.due <= now }
        wait(pursuit, for: owner)
        for pursued in due { dispatch(pursued.call) }
    }

    func endPursuits() {
        let all = pursued.values
        pursued = [:]
        for pursuit in all {
            pursuit.timer?.cancel()
            for pursued in pursuit.calls { pursued.call.noWay(.shuttingDown) }
        }
    }

    // MARK: At the owner

    /// Whose calls come on a link; `nil` for a peer of version 1, whose calls cannot be asked for.
    func caller(on link: LinkHandler) -> CallJournal.Caller? {
        guard let hello = link.hello, link.version >= ProtocolVersion.asks else { return nil }
        return CallJournal.Caller(node: hello.node, incarnation: hello.incarnation, life: hello.life)
    }

    /// To be told of each link that is up, before any of its streams.
    func noteCaller(on link: LinkHandler) {
        guard let caller = caller(on: link) else { return }
        let remains = journal.greeted(caller)
        for key in remains.running { incoming.removeValue(forKey: key)?.stop() }
        for task in remains.tasks { abandon(task) }
    }

    func askArrived(_ stream: LinkStream, header bytes: [UInt8], on link: LinkHandler) {
        guard let caller = caller(on: link) else { return stream.reset(.protocolError) }
        let header: AskHeader
        do {
            header = try AskHeader(canonical: bytes)
        } catch {
            return stream.reset(.protocolError, "the question's header cannot be read: \(error)")
        }
        guard header.owner == setup.me, header.ownerLife == life else {
            stream.send(CallRecord.standing(.otherLife))
            return stream.close()
        }
        let key = CallJournal.Key(of: caller, number: header.number)
        switch journal.asked(header.call, number: header.number, by: caller, at: setup.now()) {
        case .done(let event): answer(event, of: key, on: stream)
        case .standing(.running):
            // The journal and this table change together, in one turn of the loop.
            incoming[key]?.attach(stream)
        case .standing(let standing):
            stream.send(CallRecord.standing(standing))
            stream.close()
        }
    }

    /// Sends a call's final event, and waits for the end of the other direction, which says that it has arrived.
    func answer(_ event: CallEvent, of key: CallJournal.Key, on stream: LinkStream) {
        stream.reader = AnswerReceipt(of: key, at: self)
        stream.send(CallRecord(event))
        stream.finish()
    }

    /// Has a task cancelled of which nobody knows: the answer that names it reached no caller.
    func abandon(_ task: AnsweredTask) {
        guard !isStopping else { return }
        var random = SystemRandomNumberGenerator()
        _ = setup.serve(
            IncomingMeshCall(
                server: task.server,
                request: CallRequest(
                    id: CallID(using: &random), method: Method.tasksCancel,
                    params: ["taskId": .string(task.id)],
                    client: ClientFacts(capabilities: TasksExtension.required),
                    caller: Caller(issuer: task.principal.issuer, subject: task.principal.subject),
                    timeLeft: Self.abandonMax),
                principal: task.principal, isForNobody: true)
        ) { _ in }
    }

    /// Forgets what is old, and stops what nobody has asked for.
    func sweepJournal(at now: Instant) {
        for key in journal.sweep(at: now) { incoming[key]?.giveUpOnCaller() }
    }
}

/// Calls that wait between two attempts to reach their owner.
struct Pursuit {
    var calls: [PursuedCall] = []
    /// Runs out when the first of them is due.
    var timer: Scheduled<Void>?
}

struct PursuedCall {
    let call: OutgoingCall
    let due: NIODeadline
}

extension CallCourse.Obstacle {
    static let shuttingDown = Self.final("this node is shutting down")
}
