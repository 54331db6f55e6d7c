import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import Policy

/// The entry node's decisions on calls.
extension AccessDesk {
    /// Why a call may not be made; `nil`: it may, as far as this node decides.
    ///
    /// - Parameters:
    ///   - view: what the caller is shown at the endpoint.
    ///   - params: as the client sent them.
    ///   - decided: told what was decided, for the call's record.
    func objection(
        to method: String, _ params: JSON, along route: Route, at view: EndpointView, _ passage: Passage,
        decided: (AccessDecision) -> Void = { _ in }
    ) -> CallFailure? {
        guard !isOpen(to: passage.subject.principal) else { return nil }
        if let composite = route.composite {
            let standing = standing(of: passage.subject)
            guard !standing.isFree, !mayRun(composite, through: passage.virtualServer, standing) else {
                return nil
            }
            return view.unknown(.tool, composite.tool.name).failure
        }
        // Tasks lead to servers of which something may be seen, and are answered to whose they are.
        guard let (kind, entry) = Self.entry(of: method, route) else { return nil }
        let target = target(of: route.server, kind, entry, through: passage.virtualServer)
        let decision = decide(
            .use(of: kind), target, by: passage.subject, arguments: route.params["arguments"] ?? .emptyObject)
        decided(decision)
        guard !decision.isAllowed else { return nil }
        let said =
            params["name"]?.string ?? params["uri"]?.string ?? params["ref"]?["name"]?.string
            ?? params["ref"]?["uri"]?.string ?? entry
        guard decide(.see, target, by: passage.subject, arguments: .emptyObject).isAllowed else {
            return view.unknown(kind, said).failure
        }
        return denial(of: decision, said, to: passage.subject)
    }

    /// The same of one step of a composite, which is a call of a real tool like any other.
    func objection(
        toStep binding: Binding, _ arguments: JSON, _ passage: Passage,
        decided: (AccessDecision) -> Void = { _ in }
    ) -> CallFailure? {
        let target = target(binding, through: passage.virtualServer)
        let decision = decide(.call, target, by: passage.subject, arguments: arguments)
        decided(decision)
        return decision.isAllowed ? nil : denial(of: decision, binding.entry, to: passage.subject)
    }

    private func denial(of decision: AccessDecision, _ entry: String, to subject: AccessSubject)
        -> CallFailure
    {
        let principal = subject.principal
        let who = principal.caller.written
        // Who may change the rules, or asks as somebody else, may know them.
        let mayKnow = principal.role == .admin || principal.assumedBy != nil
        return CallFailure(
            .denied, "\(who) may not use \(entry) here",
            hint: mayKnow
                ? "\(decision.reason); `martlet auth can-call \(who) \(entry)` shows every rule"
                : "ask whoever runs this node; `martlet auth can-call` says why", isUnsent: true)
    }

    /// What a request is about; `nil` for one about no entry.
    static func entry(of method: String, _ route: Route) -> (EntryKind, String)? {
        if let binding = route.binding { return (binding.kind, binding.entry) }
        return entry(of: method, route.params)
    }

    /// The same by the server's own names.
    static func entry(of method: String, _ params: JSON) -> (EntryKind, String)? {
        let named = { (kind: EntryKind, name: JSON?) in name?.string.map { (kind, $0) } }
        return switch method {
        case Method.toolsCall: named(.tool, params["name"])
        case Method.promptsGet: named(.prompt, params["name"])
        case Method.resourcesRead, Method.resourcesSubscribe, Method.resourcesUnsubscribe:
            named(.resource, params["uri"])
        case Method.completionComplete:
            params["ref"].flatMap { CompletionSubject(of: $0) }.map { ($0.entry.kind, $0.entry.name) }
        default: nil
        }
    }
}

/// What needs a record first.
extension AccessDesk {
    /// Whether a rule of this node that allows a call wants a record of it on stable storage before it goes out.
    func requiresRecord(
        of method: String, _ address: EntryAddress, through virtualServer: Label?, by subject: AccessSubject,
        arguments: JSON
    ) -> Bool {
        guard wantsRecords, RecordDemands.methods.contains(method) else { return false }
        let standing = standing(of: subject)
        guard !standing.isFree else { return false }
        return rules.requireRecord(
            of: .use(of: address.kind),
            target(of: address.server, address.kind, address.name, through: virtualServer), standing,
            arguments: arguments)
    }
}

/// What can be said of calls beforehand.
extension AccessDesk {
    /// What is decided about every use of an entry, whatever the arguments: open or allowed. `nil`: it is refused, or depends on the
    /// arguments.
    func standingDecision(on binding: Binding, _ passage: Passage) -> AccessDecision? {
        guard !isOpen(to: passage.subject.principal) else { return .open }
        let standing = standing(of: passage.subject)
        guard !standing.isFree else { return .open }
        let ruling = rules.ruling(
            standing, .use(of: binding.kind), target(binding, through: passage.virtualServer))
        guard case .settled(let decision) = ruling, decision.isAllowed else { return nil }
        return decision
    }

    /// Whether no use of an entry is counted, and none wants a record first, whatever the arguments.
    func isUncounted(_ binding: Binding, _ passage: Passage) -> Bool {
        let address = EntryAddress(server: binding.server, kind: binding.kind, name: binding.entry)
        let target = target(binding, through: passage.virtualServer)
        return Glass.limits(on: address, in: board.snapshot).isEmpty
            && (rules.limits.isEmpty || rules.limits(on: target, by: passage.subject).isEmpty)
            && !(wantsRecords
                && rules.mayRequireRecord(
                    of: .use(of: binding.kind), target, standing(of: passage.subject)))
    }
}

/// What of calls is counted.
extension AccessDesk {
    private static let countedMethods: Set<String> = [
        Method.toolsCall, Method.promptsGet, Method.resourcesRead,
    ]

    /// Lets a call in, or says when it is worth another try.
    ///
    /// - Returns: to be given to ``leave(_:)`` when the call is over.
    func enter(
        _ method: String, _ address: EntryAddress, through virtualServer: Label?, by subject: AccessSubject
    ) -> Result<LimitBook.Place, CallFailure> {
        guard Self.countedMethods.contains(method) else { return .success(.none) }
        let stated = Glass.limits(on: address, in: board.snapshot)
        let places =
            rules.limits.isEmpty
            ? []
            : rules.limits(
                on: target(of: address.server, address.kind, address.name, through: virtualServer),
                by: subject)
        guard !places.isEmpty || !stated.isEmpty else { return .success(.none) }
        let time = now()
        let entered = book.withLock {
            $0.enter(places, stated, as: subject.principal.caller, from: subject.place?.node, at: time)
        }
        switch entered {
        case .success(let place): return .success(place)
        case .failure(let excess):
            let wait = excess.wait.map { "again in \(Self.spell($0))" } ?? "again when one of them is over"
            let (said, rule) = words(on: excess.limit, subject.principal.caller)
            return .failure(
                CallFailure(
                    .limited, said, hint: wait, isUnsent: true, retryAfter: excess.wait, rule: rule))
        }
    }

    private func words(on limit: LimitExcess.Name, _ caller: Caller) -> (said: String, rule: String) {
        switch limit {
        case .configured(let name): return ("\(caller.written) has reached the limit \(name)", name)
        case .stated(let limit):
            let names = board.names
            let target = ServerSpelling.text(limit.target, in: board.snapshot, names)
            let reason = limit.reason.isEmpty ? "" : " (\(limit.reason))"
            return (
                "\(target) is called as often as the operator \(names[limit.signer]) lets it be, \(limit.allowance.text)\(reason)",
                "limit on \(target)"
            )
        }
    }

    func leave(_ place: LimitBook.Place) {
        guard place != .none else { return }
        book.withLock { $0.leave(place) }
    }

    /// Rounded up: before that there is no use in trying.
    private static func spell(_ wait: Duration) -> String {
        let milliseconds = Int((wait / .milliseconds(1)).rounded(.up))
        return milliseconds < 1_000 ? "\(milliseconds) ms" : "\((milliseconds + 999) / 1_000) s"
    }
}
