import Catalog
import Composition
package import JSONSlice
import Policy
import Storage

/// What waits for a person, and what is held back.
extension Node {
    /// Look-alikes that are told of; who has more reads these first.
    private static let lookAlikesMax = 100

    /// All that `martlet review` shows.
    package func review() async -> JSON {
        let snapshot = board.snapshot
        let lookup = await targetLookup()
        var waiting: [JSON] = []
        var budget = WordBudget()
        for item in await pins.waiting {
            let address = EntryAddress(
                server: ServerKey(owner: snapshot.me, name: item.server), kind: item.key.kind,
                name: item.key.text)
            guard let pending = item.pinned.pending else { continue }
            waiting.append(
                Self.report(
                    pending, address, approved: item.pinned.granted ?? item.pinned.approved,
                    likeness: item.pinned.likeness, since: item.pinned.since, lookup, &budget))
        }
        for known in snapshot.serversInOrder where known.record.key.owner != snapshot.me {
            for pending in known.manifest?.pending ?? [] {
                let address = EntryAddress(
                    server: known.record.key, kind: pending.kind, name: pending.name)
                waiting.append(
                    Self.report(
                        pending, address, approved: known.manifest?.entry(pending.kind, named: pending.name),
                        likeness: nil, since: nil, lookup, &budget))
            }
        }
        return .object([
            ("waiting", .array(waiting)),
            (
                "quarantined",
                .array(snapshot.holds.all.sorted(by: Self.inOrder).map { Self.report($0, lookup) })
            ),
            ("limited", .array(snapshot.limits.all.map { Self.report($0, lookup) })),
            ("lookAlikes", .array(lookAlikes(lookup).map { Self.report($0, lookup) })),
        ])
    }

    /// Lines of `status`: what waits, what looks like something else, what is held back.
    func reviewLines() async -> [String] {
        let snapshot = board.snapshot
        var lines: [String] = []
        let own = Dictionary(grouping: await pins.waiting, by: \.server)
        for (server, items) in own.sorted(by: { $0.key < $1.key }) {
            let changed = items.count { $0.pinned.approved != nil || $0.pinned.granted != nil }
            let alike = items.count { $0.pinned.likeness != nil }
            let parts = [
                changed == 0 ? nil : "\(changed) changed",
                changed == items.count ? nil : "\(items.count - changed) new",
                alike == 0 ? nil : "\(alike) named like another's",
            ].compactMap(\.self)
            lines.append(
                "\(items.count) of what server \(server) offers wait for approval (\(parts.joined(separator: ", "))): martlet review"
            )
        }
        for (server, trouble) in await pins.troubles.sorted(by: { $0.key < $1.key }) {
            lines.append(
                "what server \(server) offers now could not be pinned, and is not listed: \(trouble)")
        }
        if seat.roles.contains(.operator) {
            let others = snapshot.servers.filter { $0.key.owner != snapshot.me }.reduce(0) {
                $0 + ($1.value.manifest?.pending.count ?? 0)
            }
            if others > 0 {
                lines.append("\(others) of what other nodes' servers offer wait for approval: martlet review")
            }
        }
        let alike = PinDesk.likenesses(in: snapshot).pairs(max: Self.lookAlikesMax).count
        if alike > 0 {
            lines.append(
                "\(alike) pairs of entries of different servers have names that look the same: martlet review"
            )
        }
        if !snapshot.holds.isEmpty {
            let count = snapshot.holds.all.count
            lines.append("\(count) \(count == 1 ? "quarantine stands" : "quarantines stand"): martlet review")
        }
        if !snapshot.limits.isEmpty {
            let count = snapshot.limits.all.count
            lines.append(
                "\(count) \(count == 1 ? "limit by an operator stands" : "limits by operators stand"): martlet review"
            )
        }
        return lines
    }

    /// Judges anew what this node's servers offer, when operators' approvals have changed.
    func followApprovals() async {
        let approvals = board.snapshot.approvals
        guard followed.withLock({ $0 != approvals }) else { return }
        for name in await supervisor.names.sorted() { await judgeAgain(name) }
        // What failed is tried again with the next look.
        guard await pins.troubles.isEmpty else { return }
        followed.withLock { $0 = approvals }
    }

    func judgeAgain(_ name: Label) async {
        guard let listing = await pins.judgeAgain(name) else { return }
        await supervisor.show(listing, of: name)
    }

    func targetLookup() async -> TargetLookup {
        let snapshot = board.snapshot
        let waiting = await pins.waiting.map {
            EntryAddress(
                server: ServerKey(owner: snapshot.me, name: $0.server), kind: $0.key.kind, name: $0.key.text)
        }
        return TargetLookup(
            snapshot: snapshot, nodes: NodeNames(snapshot), view: board.view(.all),
            nameLengthMax: settings.configuration.nameLengthMax, waiting: waiting)
    }

    // MARK: Reports

    private func lookAlikes(_ lookup: TargetLookup) -> [LookAlike] {
        PinDesk.likenesses(in: lookup.snapshot).pairs(max: Self.lookAlikesMax)
    }

    private static func inOrder(_ a: Hold, _ b: Hold) -> Bool { (a.target, a.signer) < (b.target, b.signer) }

    private static func report(
        _ pending: Entry, _ address: EntryAddress, approved: Entry?, likeness: String?, since: Int64?,
        _ lookup: TargetLookup, _ budget: inout WordBudget
    ) -> JSON {
        var members: [(String, JSON)] = [
            ("target", .string(ServerSpelling.text(.of(address), in: lookup.snapshot, lookup.nodes))),
            ("name", .string(lookup.called(address))), ("kind", .string(address.kind.description)),
            ("entry", .string(Revealed.text(address.name))),
            ("server", .string(address.server.name.text)),
            ("owner", .string(lookup.nodes[address.server.owner])),
            ("own", .bool(address.server.owner == lookup.snapshot.me)),
            ("state", .string(approved == nil ? "new" : "changed")),
            ("pin", .string(Pin(of: pending).description)),
        ]
        if let approved { members.append(("approvedPin", .string(Pin(of: approved).description))) }
        if let since {
            members.append(
                (
                    "sinceSeconds",
                    .number(max(0, Int(clamping: (WallTime.now().milliseconds - since) / 1_000)))
                ))
        }
        if let likeness { members.append(("likeness", .string(Revealed.text(likeness)))) }
        members.append(
            ("changes", .array(DefinitionChange.between(approved, pending, within: &budget).map(report))))
        return .object(members)
    }

    private static func report(_ change: DefinitionChange) -> JSON {
        var members: [(String, JSON)] = [("place", .string(change.place))]
        if let old = change.old { members.append(("old", old)) }
        if let new = change.new { members.append(("new", new)) }
        if !change.words.isEmpty {
            members.append(
                (
                    "words",
                    .array(
                        change.words.map {
                            .object([("kind", .string($0.kind.rawValue)), ("text", .string($0.text))])
                        })
                ))
        }
        return .object(members)
    }

    static func report(_ hold: Hold, _ lookup: TargetLookup) -> JSON {
        .object([
            ("target", .string(ServerSpelling.text(hold.target, in: lookup.snapshot, lookup.nodes))),
            ("by", .string(lookup.nodes[hold.signer])), ("byId", .string(hold.signer.description)),
            ("reach", .string(hold.reach.word)), ("reason", .string(hold.reason)),
            ("at", .number(Int(clamping: hold.at))),
        ])
    }

    static func report(_ limit: StatedLimit, _ lookup: TargetLookup) -> JSON {
        .object([
            ("target", .string(ServerSpelling.text(limit.target, in: lookup.snapshot, lookup.nodes))),
            ("by", .string(lookup.nodes[limit.signer])), ("byId", .string(limit.signer.description)),
            ("allowance", .string(limit.allowance.text)), ("reason", .string(limit.reason)),
            ("at", .number(Int(clamping: limit.at))),
        ])
    }

    private static func report(_ pair: LookAlike, _ lookup: TargetLookup) -> JSON {
        let spelled = { (address: EntryAddress) in
            JSON.string(Revealed.text(ServerSpelling.text(.of(address), in: lookup.snapshot, lookup.nodes)))
        }
        return .object([("entry", spelled(pair.entry)), ("other", spelled(pair.other))])
    }
}

extension Hold.Reach {
    /// In answers and tables.
    var word: String {
        switch self {
        case .here: "here"
        case .owner: "owner"
        case .mesh: "mesh"
        }
    }
}
