import Audit
import Catalog
import Composition
import JSONSlice
import MCPModel
import Policy
import Synchronization

/// What is known of a call before its end.
struct CallFacts: Sendable {
    /// What a call is about: by the name that may be written, and by the real one.
    struct Entry: Sendable {
        var kind: EntryKind
        var name: String
        var real: String
    }

    var end: AuditRecord.End
    var call: CallID
    var parent: CallID?
    var trace: String
    var caller: Caller
    var assumedBy: Caller?
    var entryNode: NodeID
    var virtualServer: Label?
    var server: ServerKey?
    var method: String
    var entry: Entry?
    var definition: ContentHash?
    var isComposite = false
    var isAllowed = true
    var rule: String?
    var isIntended = false
    /// As they go to the server.
    var arguments: ArraySlice<UInt8>?

    init(
        end: AuditRecord.End, call: CallID, trace: String, caller: Caller, entryNode: NodeID, method: String
    ) {
        self.end = end
        self.call = call
        self.trace = trace
        self.caller = caller
        self.entryNode = entryNode
        self.method = method
    }

    /// A composite runs at its entry node.
    var owner: NodeID? { server?.owner ?? (isComposite ? entryNode : nil) }

    /// Notes what the params say of what is called.
    ///
    /// - Parameter isListed: whether the entry stands in a list. A URI that does not is made by its caller, with what a template has
    ///   for arguments in it: only its scheme is written, and its digest in the arguments' place.
    mutating func note(_ entry: (EntryKind, String)?, _ params: JSON, isListed: Bool) {
        arguments = (params["arguments"] ?? params["argument"] ?? params["inputResponses"])?.bytes
        guard let (kind, name) = entry else {
            self.entry = nil
            return
        }
        self.entry = Entry(kind: kind, name: name, real: name)
        guard kind == .resource || kind == .resourceTemplate, !isListed else { return }
        let scheme = name.prefix { $0 != ":" && $0 != "/" }.prefix(32)
        self.entry?.name = name.contains(":") ? "\(scheme):…" : "…"
        if kind == .resource { arguments = params["uri"]?.bytes }
    }
}

extension CallFacts {
    /// The real entry behind the name that the caller used.
    mutating func found(_ route: Route, through virtualServer: Label?) {
        self.virtualServer = virtualServer
        if let composite = route.composite {
            isComposite = true
            return note((.tool, composite.tool.name), route.params, isListed: true)
        }
        server = route.server
        definition = route.binding?.hash
        note(AccessDesk.entry(of: method, route), route.params, isListed: route.binding != nil)
    }

    /// What this node's rules say.
    mutating func decided(_ decision: AccessDecision) {
        isAllowed = decision.isAllowed
        rule = decision.rule
    }
}

/// What is known of every call of one caller to one tool, before it is made.
final class StandingFacts: Sendable {
    let facts: CallFacts
    /// As of the catalog's version and the way to the owner: names of nodes may change, and so may ways.
    private let mould = Mutex<(version: UInt64, path: [String], mould: RecordMould)?>(nil)

    init(_ facts: CallFacts) { self.facts = facts }

    /// Used by the log's thread alone.
    ///
    /// - Parameter path: of a call to another node; of others it is always the same.
    func mould(at version: UInt64, along path: [String], make: () -> RecordMould) -> RecordMould {
        if let known = mould.withLock({ $0 }), known.version == version, known.path == path {
            return known.mould
        }
        let made = make()
        mould.withLock { $0 = (version, path, made) }
        return made
    }

    func facts(of call: CallID) -> CallFacts {
        var facts = facts
        facts.call = call
        facts.trace = TraceContext(begunBy: call).trace
        return facts
    }
}

/// One call on its way through this node, until its end is recorded: once, whichever end comes first.
final class CallTrail: Sendable {
    private struct State {
        var facts: CallFacts
        var isOver = false
        /// Whether one intent lies on stable storage: there may be several, one for each replica that it is sent to.
        var hasIntent = false
    }

    private let recorder: CallRecorder
    private let start: ContinuousClock.Instant
    private let state: Mutex<State>

    /// - Parameters:
    ///   - start: when the call began.
    ///   - isBegun: whether it is counted among the open calls already.
    init(
        _ recorder: CallRecorder, _ facts: CallFacts, from start: ContinuousClock.Instant = .now,
        isBegun: Bool = false
    ) {
        self.recorder = recorder
        self.start = start
        if !isBegun { recorder.metrics.begun(facts.end) }
        state = Mutex(State(facts: facts))
    }

    /// The real entry behind the name that the caller used.
    func found(_ route: Route, through virtualServer: Label?) {
        state.withLock { $0.facts.found(route, through: virtualServer) }
    }

    /// The call of a composite's step.
    func step(_ request: CallRequest, _ binding: Binding) -> CallTrail {
        var facts = state.withLock { $0.facts }
        facts.parent = facts.call
        facts.call = request.id
        facts.isComposite = false
        facts.server = binding.server
        facts.method = request.method
        facts.definition = binding.hash
        facts.isAllowed = true
        facts.rule = nil
        facts.isIntended = false
        facts.note((binding.kind, binding.entry), request.params, isListed: true)
        return CallTrail(recorder, facts)
    }

    /// What this node's rules say.
    func decided(_ decision: AccessDecision) {
        state.withLock { $0.facts.decided(decision) }
    }

    /// The rules keep a composite from its caller: it, or one of its steps.
    func hidden() {
        state.withLock { state in
            state.facts.isAllowed = false
            state.facts.rule = Denial.Rule.hiddenByRules.rawValue
        }
    }

    /// What ``OwnerPolicy`` says. Where it speaks for the rules, the one that they named is the rule.
    func refused(_ denial: Denial) {
        state.withLock { state in
            state.facts.isAllowed = false
            switch denial.rule {
            case .deniedByRules, .hiddenByRules: state.facts.rule = state.facts.rule ?? denial.rule.rawValue
            default: state.facts.rule = denial.rule.rawValue
            }
        }
    }

    /// Puts on stable storage that the call is about to go out.
    ///
    /// - Parameter done: told when it is there, or why it is not.
    func intend(_ done: @escaping @Sendable (String?) -> Void) {
        let facts = state.withLock { state in
            defer { state.facts.isIntended = true }
            return state.facts
        }
        recorder.intend(facts) { [self] trouble in
            state.withLock { state in
                if trouble == nil { state.hasIntent = true }
                state.facts.isIntended = state.hasIntent
            }
            done(trouble)
        }
    }

    /// The server that it is sent to: another than the one that was named, where there are replicas.
    func went(to server: ServerKey) {
        state.withLock { state in
            if !state.facts.isComposite { state.facts.server = server }
        }
    }

    // MARK: The end

    func sink(_ sink: @escaping CallSink) -> CallSink {
        { event in
            if event.isFinal { self.end(event) }
            sink(event)
        }
    }

    func handle(_ handle: CallHandle) -> CallHandle {
        CallHandle {
            self.end(nil)
            handle.cancel()
        }
    }

    private func end(_ event: CallEvent?) {
        let elapsed = start.duration(to: .now)
        let facts: CallFacts? = state.withLock { state in
            guard !state.isOver else { return nil }
            state.isOver = true
            // Whoever still holds this, such as a log whose disk hangs, does not hold the message.
            defer { state.facts.arguments = nil }
            return state.facts
        }
        if let facts { recorder.ended(facts, event, after: elapsed) }
    }
}

extension AccessDecision {
    /// In one word, for records; `nil` where there is no rule.
    var rule: String? {
        switch self {
        case .open: nil
        case .allowed(let rule), .refused(.rule(let rule)): rule
        case .refused(.noRule): "no_rule"
        case .refused(.credential): "credential"
        }
    }
}
