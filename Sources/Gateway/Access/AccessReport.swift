import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import Policy

/// What this node's rules say of one caller and one entry, step by step: for `martlet auth can-call`.
struct AccessReport {
    let access: AccessDesk
    let principal: Principal
    let endpoint: EndpointName
    /// All of the endpoint.
    let view: EndpointView
    let entry: ListedEntry
    let arguments: JSON?

    private var subject: AccessSubject { access.subject(principal) }
    private var virtualServer: Label? { AccessDesk.virtualServer(at: endpoint, view) }

    var json: JSON {
        let visible = access.view(endpoint, for: principal)
        let isSeen = visible?.entry(entry.binding.kind, named: entry.name) != nil
        let parts = entry.composite?.bindings ?? [entry.binding]
        let targets = parts.map { access.target($0, through: virtualServer) }
        let decisions = targets.map {
            access.decide(.use(of: $0.kind), $0, by: subject, arguments: arguments ?? .emptyObject)
        }
        let isAllowed = isSeen && decisions.allSatisfy(\.isAllowed)
        var members: [(String, JSON)] = [
            ("who", .string(principal.caller.written)), ("entry", .string(entry.name)),
            ("kind", .string(entry.binding.kind.description)), ("endpoint", .string(endpoint.description)),
            ("allowed", .bool(isAllowed)), ("seen", .bool(isSeen)),
        ]
        if let team = teams { members.append(("teams", team)) }
        members.append(("door", .string(doorText(visible))))
        members.append(
            (
                "parts",
                .array(
                    zip(zip(targets, decisions), parts).map { part($0.0, $0.1, stated: statedLimits(on: $1)) }
                )
            ))
        members.append(("notes", .array(notes(parts).map(JSON.string))))
        return .object(members)
    }

    private var teams: JSON? {
        let names = access.rules.teams.filter { $0.contains(principal) }.map { JSON.string($0.name.text) }
        return names.isEmpty ? nil : .array(names)
    }

    /// Whether the endpoint is there for this caller at all.
    private func doorText(_ visible: EndpointView?) -> String {
        guard visible == nil else { return "\(endpoint) is open to this caller" }
        if case .virtual(let definition) = view.endpoint, !definition.access.isEmpty,
            !access.rules.includes(principal, in: definition.access)
        {
            let whom = definition.access.map(\.description).joined(separator: ", ")
            return "\(endpoint) is for \(whom); for others it is as if it did not exist"
        }
        return "nothing at \(endpoint) may be seen, so it is as if it did not exist"
    }

    private func part(_ target: AccessTarget, _ decision: AccessDecision, stated: [JSON]) -> JSON {
        let verb = AccessVerb.use(of: target.kind)
        let rules = access.rules.explain(verb, target, by: subject, arguments: arguments)
        let seen = access.decide(.see, target, by: subject, arguments: .emptyObject)
        return .object([
            ("server", .string(target.servers.last ?? "")), ("name", .string(target.entry)),
            ("verb", .string(verb.rawValue)), ("allowed", .bool(decision.isAllowed)),
            ("decision", .string(decision.reason)), ("see", .string(seen.reason)),
            ("rules", .array(rules.map(Self.rule))), ("limits", .array(limits(on: target) + stated)),
        ])
    }

    private static func rule(_ rule: ExplainedRule) -> JSON {
        var members: [(String, JSON)] = [
            ("name", .string(rule.name)), ("effect", .string(rule.effect.rawValue)),
            ("applies", .bool(rule.misfit == nil)),
        ]
        if let misfit = rule.misfit { members.append(("why", .string(misfit))) }
        if !rule.openConditions.isEmpty {
            members.append(("if", .array(rule.openConditions.map { .string($0.description) })))
        }
        return .object(members)
    }

    private func limits(on target: AccessTarget) -> [JSON] {
        let time = access.now()
        return access.rules.limits(on: target, by: subject).map { place in
            let limit = access.rules.limits[place]
            let left = access.book.withLock {
                $0.left(of: place, for: principal.caller, from: subject.place?.node, at: time)
            }
            var members: [(String, JSON)] = [("name", .string(limit.name))]
            if let rate = limit.rate {
                members.append(("rate", .string(rate.text)))
                if let calls = left?.calls { members.append(("left", .number(calls))) }
            }
            if let concurrency = limit.concurrency {
                members.append(("concurrency", .number(concurrency)))
                members.append(("running", .number(left?.running ?? 0)))
            }
            if limit.isShared { members.append(("shared", true)) }
            return .object(members)
        }
    }

    /// What operators let the entry be called, by all together.
    private func statedLimits(on binding: Binding) -> [JSON] {
        let (snapshot, names, time) = (access.board.snapshot, access.board.names, access.now())
        let address = EntryAddress(server: binding.server, kind: binding.kind, name: binding.entry)
        return Glass.limits(on: address, in: snapshot).map { limit in
            let left = access.book.withLock { $0.left(of: limit, at: time) }
            let target = ServerSpelling.text(limit.target, in: snapshot, names)
            var members: [(String, JSON)] = [
                ("name", .string("by operator \(names[limit.signer]) on \(target)"))
            ]
            if let rate = limit.allowance.rate {
                members.append(("rate", .string(rate.text)))
                if let calls = left.calls { members.append(("left", .number(calls))) }
            }
            if let concurrency = limit.allowance.concurrency {
                members.append(("concurrency", .number(concurrency)))
                members.append(("running", .number(left.running)))
            }
            members.append(("shared", true))
            return .object(members)
        }
    }

    private func notes(_ parts: [Binding]) -> [String] {
        var notes: [String] = []
        let others = Set(parts.map(\.server.owner)).subtracting([access.board.me])
        for owner in others.map({ access.board.names[$0] }).sorted() {
            notes.append("\(owner) owns it and decides again, by its own rules and limits")
        }
        if principal.role == .admin {
            notes.append("whoever holds this node's admin token is not held by its rules")
        }
        if principal.narrowing != nil {
            notes.append("the key was made for less than everything: `martlet token list`")
        }
        if arguments == nil, access.rules.rules.contains(where: { !$0.conditions.isEmpty }) {
            notes.append("rules ask for arguments; give some with --args")
        }
        return notes
    }
}
