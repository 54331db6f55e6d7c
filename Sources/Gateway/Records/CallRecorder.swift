import Audit
import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import MeshTransport
import Policy
import Storage
import Synchronization

/// Sees to it that of each call that ends at this node there is one record (docs/decisions/0036-call-records.md), and that it is
/// counted.
///
/// Where a call begins a ``CallTrail`` is begun, and what the way of the call learns is noted on it; at its end the trail
/// is handed to the log. Texts, labels and the path are made on the log's thread, not on the call's.
final class CallRecorder: Sendable {
    /// `nil`: `audit.records` is off, and calls are only counted.
    private let log: RecordLog?
    let metrics = CallMetrics()
    private let values: [EntryPattern]
    private let access: AccessDesk
    private let board: CatalogBoard
    private let path: @Sendable (ServerKey?) -> [String]
    private let atDoor = Atomic<Int>(0)

    /// - Parameters:
    ///   - values: entries whose arguments and results may be kept.
    ///   - path: labels of the nodes that a call to a server crosses, this one first.
    init(
        _ log: RecordLog?, values: [EntryPattern], access: AccessDesk, board: CatalogBoard,
        path: @escaping @Sendable (ServerKey?) -> [String]
    ) {
        self.log = log
        self.values = values
        self.access = access
        self.board = board
        self.path = path
    }

    /// Whether a request is a call. A listen is none: it may last for days, and asks for nothing.
    private static func isCall(_ method: String) -> Bool { method != Method.subscriptionsListen }

    // MARK: Beginning

    /// - Returns: the call with the trace that it belongs to, and its trail; `nil` for what is no call.
    func begin(_ call: EndpointCall, _ id: CallID) -> (EndpointCall, CallTrail)? {
        guard Self.isCall(call.method) else { return nil }
        var call = call
        let trace = call.client.traceparent.flatMap(TraceContext.init) ?? TraceContext(begunBy: id)
        call.client.traceparent = trace.traceparent
        var facts = CallFacts(
            end: .entry, call: id, trace: trace.trace, caller: call.caller, entryNode: board.me,
            method: call.method)
        facts.assumedBy = call.principal.assumedBy
        facts.note(AccessDesk.entry(of: call.method, call.params), call.params, isListed: false)
        return (call, CallTrail(self, facts))
    }

    /// A call that another node passes on.
    func begin(_ call: IncomingMeshCall) -> CallTrail? {
        let request = call.request
        guard Self.isCall(request.method) else { return nil }
        let trace = request.client.traceparent.flatMap(TraceContext.init) ?? TraceContext(begunBy: request.id)
        var facts = CallFacts(
            end: .owner, call: request.id, trace: trace.trace, caller: request.caller,
            entryNode: call.principal.entryNode, method: request.method)
        facts.assumedBy = call.assumedBy
        facts.virtualServer = call.virtualServer
        facts.server = ServerKey(owner: board.me, name: call.server)
        facts.definition = call.entry?.hash
        facts.note(
            AccessDesk.entry(of: request.method, request.params), request.params, isListed: call.entry != nil)
        return CallTrail(self, facts)
    }

    // MARK: The door

    /// Somebody was refused before it was clear what he wanted. That is counted and not recorded: it costs its sender nothing, and
    /// whoever may write a record that easily writes the real ones out of the log.
    func refusedAtDoor() { atDoor.add(1, ordering: .relaxed) }

    var refusalsAtDoor: Int { atDoor.load(ordering: .relaxed) }

    // MARK: Before it goes out

    /// - Parameter done: told, on a thread of the log's, when a record of what is known lies on stable storage, or why it does not.
    func intend(_ facts: CallFacts, _ done: @escaping @Sendable (String?) -> Void) {
        guard let log else { return done("this node writes no records (audit.records: off)") }
        let at = WallTime.now()
        let arguments = facts.arguments
        var known = facts
        known.arguments = nil
        let facts = known
        log.intend(
            RecordLog.Intent(
                record: {
                    self.record(
                        of: facts, .open, (arguments: arguments?.count ?? 0, result: 0), at: at, after: .zero)
                }, arguments: arguments, done: done))
    }

    // MARK: Ending

    /// - Parameter event: the final one; `nil`: its caller wanted no answer any more.
    func ended(_ facts: CallFacts, _ event: CallEvent?, after elapsed: Duration) {
        var (facts, ending) = (facts, CallEnding(event))
        metrics.ended(
            facts, facts.isAllowed ? ending.outcome : .refused, ending.reason, after: elapsed,
            isKnown: { board.snapshot.servers[$0] != nil })
        guard let log else { return }
        let at = WallTime.now()
        let (arguments, result) = (facts.arguments, ending.result)
        // What is held until the log's thread has it is the log's to count, and nobody else's to hold.
        facts.arguments = nil
        ending.result = nil
        let (known, end) = (facts, ending)
        let bytes = (arguments: arguments?.count ?? 0, result: result?.count ?? 0)
        var keep: (@Sendable () -> Bool)?
        if !values.isEmpty { keep = { self.mayKeepValues(of: known) } }
        log.take(
            RecordLog.Ended(
                record: { self.record(of: known, end, bytes, at: at, after: elapsed) },
                arguments: arguments, result: result, keep: keep))
    }

    /// A call that went the short way.
    ///
    /// - Parameter standing: what is known of every such call.
    func ended(_ standing: StandingFacts, _ end: ShortTool.End) {
        var ending = CallEnding(end)
        metrics.ended(
            standing.facts, ending.outcome, ending.reason, after: end.elapsed,
            isKnown: { board.snapshot.servers[$0] != nil })
        guard let log else { return }
        let at = WallTime.now()
        let (id, elapsed, result) = (end.id, end.elapsed, ending.result)
        // The log's own to hold.
        ending.result = nil
        let known = ending
        let bytes = (arguments: end.arguments?.count ?? 0, result: result?.count ?? 0)
        guard values.isEmpty, id.low != 0 else {
            let keep: @Sendable () -> Bool = { self.mayKeepValues(of: standing.facts) }
            return log.take(
                RecordLog.Ended(
                    record: {
                        self.record(of: standing.facts(of: id), known, bytes, at: at, after: elapsed)
                    }, arguments: end.arguments, result: result, keep: keep))
        }
        log.take(
            RecordLog.Ended(
                line: { arguments, result in
                    self.mould(of: standing).line(
                        RecordMould.Cast(
                            at: at.milliseconds, call: (id.high, id.low), outcome: known.outcome,
                            reason: known.reason?.rawValue, bytes: bytes,
                            microseconds: Int(elapsed / .microseconds(1))), arguments: arguments,
                        result: result)
                }, arguments: end.arguments, result: result, ofMessage: end.answerBytes))
    }

    private func mould(of standing: StandingFacts) -> RecordMould {
        let facts = standing.facts
        let isFar = facts.end == .entry && facts.server?.owner != board.me
        return standing.mould(at: board.version, along: isFar ? path(facts.server) : []) {
            RecordMould(
                record(
                    of: facts, CallEnding(outcome: .ok), (0, 0), at: WallTime(milliseconds: 0),
                    after: .zero))
        }
    }

    private func record(
        of facts: CallFacts, _ ending: CallEnding, _ bytes: (arguments: Int, result: Int), at: WallTime,
        after elapsed: Duration
    ) -> AuditRecord {
        let names = board.names
        func node(_ id: NodeID) -> AuditRecord.Node { AuditRecord.Node(label: names[id], id: id.description) }
        var record = AuditRecord(
            at: at.milliseconds, end: facts.end, call: facts.call.description, trace: facts.trace,
            principal: facts.caller.written, entryNode: node(facts.entryNode), method: facts.method,
            outcome: facts.isAllowed ? ending.outcome : .refused)
        record.parent = facts.parent?.description
        record.assumedBy = facts.assumedBy?.written
        record.virtualServer = facts.virtualServer?.text
        record.owner = facts.owner.map(node)
        record.server = facts.server?.name.text
        record.entry = facts.entry?.name
        record.definition = facts.definition.map { Hexadecimal.text(of: $0.bytes) }
        // What leads nowhere is not let through, whatever the rules would say of it.
        let isLost = facts.owner == nil && record.outcome == .refused
        record.isAllowed = facts.isAllowed && ending.rule == nil && !isLost
        record.rule = ending.rule ?? facts.rule
        record.isIntended = facts.isIntended
        record.reason = ending.reason?.rawValue
        record.answer = ending.answer
        record.argumentsBytes = bytes.arguments
        record.resultBytes = bytes.result
        record.microseconds = Int(elapsed / .microseconds(1))
        if facts.end == .entry { record.path = path(facts.isComposite ? nil : facts.server) }
        return record
    }

    private func mayKeepValues(of facts: CallFacts) -> Bool {
        guard let server = facts.server, let entry = facts.entry else { return false }
        let target = access.target(of: server, entry.kind, entry.real, through: facts.virtualServer)
        return values.contains { $0.matches(target) }
    }
}

/// What the end of a call says of it.
private struct CallEnding: Sendable {
    var outcome: AuditRecord.Outcome
    var reason: Reason?
    /// Of this node, that refused.
    var rule: String?
    var answer: String?
    var result: ArraySlice<UInt8>?

    /// Of a call that is only about to go out.
    static let open = CallEnding(outcome: .unknown)

    init(outcome: AuditRecord.Outcome) { self.outcome = outcome }

    /// Of a call that went the short way.
    init(_ end: ShortTool.End) {
        guard let answer = end.answer else {
            self.init(end.refusal)
            return
        }
        self.init(outcome: answer.isError ? .error : .ok)
        result = answer.result
    }

    /// - Complexity: O(bytes of the result), once over its members
    init(_ event: CallEvent?) {
        switch event {
        case nil: outcome = .cancelled
        case .notification: outcome = .unknown
        case .error(let error):
            outcome = .error
            result = error.bytes
        case .result(let json):
            outcome = json["isError"]?.bool == true ? .error : .ok
            if let type = json["resultType"]?.string, type != "complete" { answer = type }
            result = json.bytes
        case .failure(let failure):
            reason = failure.reason
            rule = failure.rule
            outcome = failure.reason.outcome
        }
    }
}

extension Reason {
    /// What a call has come to that was ended for this reason.
    fileprivate var outcome: AuditRecord.Outcome {
        switch self {
        case .unknownEntry, .notConfirmed, .denied, .pendingApproval, .quarantined, .limited,
            .blockedByGuardrail,
            .invalidArguments, .sealed, .unsupportedInEra:
            .refused
        case .outcomeUnknown: .unknown
        case .cancelled: .cancelled
        case .ownerUnreachable, .noPath, .backendUnavailable, .backendProtocol, .backendAuth,
            .deadlineExceeded,
            .tooLarge:
            .failed
        }
    }
}
