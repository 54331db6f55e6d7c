import Catalog
import Composition
package import JSONSlice
import Mesh
import Policy
import Storage

/// What a person decides on what may be called: here, and through the mesh where this node's role reaches that far.
extension Node {
    /// How long an answer waits for this node to show what was decided; it counts all the same.
    private static let seenMax = Duration.seconds(2)
    /// Statements that one command makes; who approves more does it at the owner, where none is needed.
    private static let statementsMax = 100

    // MARK: Quarantine

    /// - Parameter isHere: this node only, whatever its role.
    package func quarantine(_ text: String, reason: String, isHere: Bool) async throws -> JSON {
        let targets = try await targetLookup().targets(text)
        var reaches: [Hold.Reach] = []
        for target in targets { reaches.append(try await quarantine(target, reason, isHere: isHere)) }
        let lookup = await targetLookup()
        return .object([
            (
                "quarantined",
                .array(
                    zip(targets, reaches).map { target, reach in
                        .object([
                            (
                                "target",
                                .string(ServerSpelling.text(target, in: lookup.snapshot, lookup.nodes))
                            ),
                            ("reach", .string(reach.word)), ("note", .string(note(on: target, reach))),
                        ])
                    })
            )
        ])
    }

    private func quarantine(
        _ target: StatementTarget, _ reason: String, isHere: Bool
    ) async throws -> Hold.Reach {
        let isOwn = target.owner == seat.id
        let isOperator = seat.roles.contains(.operator)
        let mayBeTold = try await mayBeTold(target)
        guard !isHere, mayBeTold, isOwn || isOperator else {
            try await holdHere(target, reason)
            return .here
        }
        do {
            try await seat.running().say(.quarantine(target), reason: reason, wall: WallTime.now().seconds)
        } catch let problem as PublishProblem {
            throw Refusal(.conflict, "the mesh does not take the quarantine: \(problem)")
        }
        await seen { $0.holds.exactly(target).contains { $0.signer == self.seat.id && $0.reach != .here } }
        return isOperator ? .mesh : .owner
    }

    private func note(on target: StatementTarget, _ reach: Hold.Reach) -> String {
        switch reach {
        case .mesh: "on every node, until it is released by name"
        case .owner: "on every node, said by this one as its owner"
        case .here where target.owner == seat.id:
            "at this node, its owner, which refuses all calls; other nodes go on listing it"
        case .here:
            "for callers of this node only"
                + (seat.roles.contains(.operator)
                    ? "" : ": it has no role operator, with which it would hold everywhere")
        }
    }

    /// Whether everybody may read what a target is called: the name of a server for some nodes only is no one else's business.
    func mayBeTold(_ target: StatementTarget) async throws -> Bool {
        guard let server = target.server else { return true }
        if server.owner == seat.id {
            guard let definition = await supervisor.book(server.name)?.definition else { return false }
            return ServerAudience(of: definition, in: settings.configuration.mesh) == .everyone
        }
        return try await !seat.running().isScoped(server)
    }

    /// Changes the mesh; this node's quarantines in the old one go on for its own callers without a gap. The seat puts them on disk
    /// with the change: where there was none, nothing is left of it here either.
    func keepingOwnQuarantines(_ change: () async throws -> Void) async throws {
        let holds = board.snapshot.holds
        let own = holds.all.filter { hold in
            hold.signer == seat.id && hold.reach != .here
                && !holds.exactly(hold.target).contains { $0.reach == .here }
        }
        for hold in own {
            assembly.hold(
                Hold(
                    target: hold.target, signer: hold.signer, reach: .here, reason: hold.reason, at: hold.at))
        }
        do {
            try await change()
        } catch {
            // What cannot be read is held.
            if let kept = try? await LocalHoldShelf(database).all(signer: seat.id).map(\.target) {
                for hold in own where !kept.contains(hold.target) { assembly.releaseHere(hold.target) }
            }
            throw error
        }
    }

    private func holdHere(_ target: StatementTarget, _ reason: String) async throws {
        let hold = Hold(
            target: target, signer: seat.id, reach: .here,
            reason: reason.shortened(toBytes: StatementBody.reasonMax),
            at: WallTime.now().seconds)
        try await LocalHoldShelf(database).save(hold)
        assembly.hold(hold)
    }

    // MARK: Release

    /// Ends the quarantines of exactly this target that this node may end, and tells which stand all the same.
    package func release(_ text: String, reason: String) async throws -> JSON {
        let targets = try await targetLookup().targets(text)
        var ended: [Hold] = []
        for target in targets {
            let local = board.snapshot.holds.exactly(target).filter { $0.reach == .here }
            if !local.isEmpty {
                try await LocalHoldShelf(database).remove(target)
                assembly.releaseHere(target)
                ended += local
            }
            do {
                let said = try await seat.running().release(
                    target, reason: reason, wall: WallTime.now().seconds)
                ended += said
                let words = Set(said.compactMap(\.word))
                await seen {
                    $0.holds.exactly(target).allSatisfy { $0.word.map { !words.contains($0) } ?? true }
                }
            } catch let problem as PublishProblem {
                throw Refusal(.conflict, "the mesh does not take the release: \(problem)")
            }
        }
        let lookup = await targetLookup()
        let holds = lookup.snapshot.holds
        let left = targets.flatMap { holds.exactly($0) }
        // What covers the target and was not named.
        let above = Set(
            targets.flatMap { target -> [StatementTarget] in
                switch target {
                case .node: []
                case .server(let server): [.node(server.owner)]
                case .entry(let address): [.server(address.server), .node(address.server.owner)]
                }
            })
        let covering = above.sorted().flatMap { holds.exactly($0) }
        guard !ended.isEmpty || !left.isEmpty || !covering.isEmpty else {
            throw Refusal(
                .notFound, "no quarantine of \(text) stands", hint: "`martlet review` shows those that do")
        }
        return .object([
            ("released", .array(ended.map { Self.report($0, lookup) })),
            (
                "standing",
                .array(
                    (left + covering).map { hold in
                        Self.report(hold, lookup).setting(
                            "why", to: .string(why(hold, isCovering: above.contains(hold.target))))
                    })
            ),
        ])
    }

    private func why(_ hold: Hold, isCovering: Bool) -> String {
        if isCovering { return "it holds more than that; release what it names" }
        switch hold.reach {
        case .owner: return "its owner said it, and lifts it"
        case .mesh: return "an operator said it: release it on a node with role operator"
        case .here: return "it holds on this node"
        }
    }

    // MARK: Approve

    /// - Parameters:
    ///   - pin: the beginning of what `review` shows as the pin of the definition; of one entry.
    ///   - isForMesh: says it to the mesh too, where the entry is this node's own.
    ///   - isUndone: takes back what this node said to the mesh.
    package func approve(
        _ text: String, reason: String, pin: String?, isForMesh: Bool, isUndone: Bool
    ) async throws -> JSON {
        let lookup = await targetLookup()
        let targets = try lookup.targets(text)
        if isUndone { return try await takeBackApproval(of: targets, lookup) }
        var approved: [(address: EntryAddress, pin: Pin, reach: Hold.Reach)] = []
        for target in targets where target.owner == seat.id {
            for (address, pin) in try await approveOwn(target, pin: pin) {
                approved.append((address, pin, .owner))
            }
        }
        let told = targets.filter { $0.owner != seat.id || isForMesh }
        if !told.isEmpty {
            for (address, pin) in try await approveForMesh(told, reason, pin: pin) {
                approved.removeAll { $0.address == address && $0.pin == pin }
                approved.append((address, pin, .mesh))
            }
        }
        guard !approved.isEmpty else {
            throw Refusal(
                .conflict, "nothing of \(text) waits\(pin.map { " under the pin \($0)" } ?? "")",
                hint: "`martlet review` shows what waits")
        }
        return .object([
            (
                "approved",
                .array(
                    approved.map { item in
                        .object([
                            (
                                "target",
                                .string(
                                    ServerSpelling.text(.of(item.address), in: lookup.snapshot, lookup.nodes))
                            ),
                            ("pin", .string(item.pin.description)), ("reach", .string(item.reach.word)),
                        ])
                    })
            )
        ])
    }

    private func approveOwn(
        _ target: StatementTarget, pin: String?
    ) async throws -> [(EntryAddress, Pin)] {
        var done: [(EntryAddress, Pin)] = []
        let waiting = await pins.waiting.filter { item in
            let key = ServerKey(owner: seat.id, name: item.server)
            let address = EntryAddress(server: key, kind: item.key.kind, name: item.key.text)
            return target == .node(seat.id) || target == .server(key) || target == .of(address)
        }
        for (server, items) in Dictionary(grouping: waiting, by: \.server).sorted(by: { $0.key < $1.key }) {
            for item in items {
                guard let pending = item.pinned.pending else { continue }
                // What was looked at is what is approved, whatever the server offers by now.
                let found = Pin(of: pending)
                if let pin, !Self.isMeant(found, by: pin) { continue }
                if try await pins.approve([item.key], of: server, pin: found).isEmpty { continue }
                done.append(
                    (
                        EntryAddress(
                            server: ServerKey(owner: seat.id, name: server), kind: item.key.kind,
                            name: item.key.text), found
                    ))
            }
            await judgeAgain(server)
        }
        if !done.isEmpty { await showOwnServers() }
        return done
    }

    private func approveForMesh(
        _ targets: [StatementTarget], _ reason: String, pin: String?
    ) async throws -> [(EntryAddress, Pin)] {
        guard seat.roles.contains(.operator) else {
            throw Refusal(
                .forbidden, "this node has no role operator, so it approves only what its own servers offer",
                hint: "approve it at its owner, or on a node that has the role (`martlet peers`)")
        }
        let snapshot = board.snapshot
        var chosen: [(EntryAddress, Pin)] = []
        for target in targets {
            for (key, known) in snapshot.servers.sorted(by: { $0.key < $1.key })
            where target == .node(key.owner) || target.server == key {
                guard let manifest = known.manifest else { continue }
                var entries = manifest.pending
                if case .entry(let address) = target {
                    let isMeant = { (entry: Entry) in
                        EntryAddress(server: key, kind: entry.kind, name: entry.name).noted == address
                    }
                    entries = entries.filter(isMeant)
                    // What is listed can be approved by name: definitions of virtual servers may ask for that.
                    if entries.isEmpty { entries = manifest.entries.filter(isMeant) }
                }
                for entry in entries {
                    let found = Pin(of: entry)
                    if let pin, !Self.isMeant(found, by: pin) { continue }
                    chosen.append((EntryAddress(server: key, kind: entry.kind, name: entry.name), found))
                }
                if !chosen.isEmpty, try await !mayBeTold(.server(key)) {
                    throw Refusal(
                        .forbidden, "\(key.name) is for some nodes only, and a statement is read by all",
                        hint: "approve it at its owner")
                }
            }
        }
        guard chosen.count <= Self.statementsMax else {
            throw Refusal(
                .invalid,
                "that are \(chosen.count) entries, at most \(Self.statementsMax) are approved by one command",
                hint: "approve the server at its owner, which needs no statement")
        }
        for (address, pin) in chosen {
            do {
                try await seat.running().say(
                    .approve(address, pin), reason: reason, wall: WallTime.now().seconds)
            } catch let problem as PublishProblem {
                throw Refusal(.conflict, "the mesh does not take the approval: \(problem)")
            }
        }
        await seen { snapshot in chosen.allSatisfy { snapshot.approvals.contains($0.0, $0.1) } }
        await followApprovals()
        return chosen
    }

    private func takeBackApproval(of targets: [StatementTarget], _ lookup: TargetLookup) async throws -> JSON
    {
        let mine = board.snapshot.approvals.all.filter { approval in
            approval.signer == seat.id
                && targets.contains { target in
                    target == .entry(approval.address) || target == .server(approval.address.server)
                        || target == .node(approval.address.server.owner)
                }
        }
        guard !mine.isEmpty else {
            throw Refusal(.notFound, "this node has said no approval of that to the mesh")
        }
        for approval in mine {
            try await seat.running().takeBack(.approve, .entry(approval.address))
        }
        await seen { snapshot in !snapshot.approvals.all.contains { mine.contains($0) } }
        await followApprovals()
        return .object([
            (
                "takenBack",
                .array(
                    mine.map {
                        .string(ServerSpelling.text(.entry($0.address), in: lookup.snapshot, lookup.nodes))
                    })
            )
        ])
    }

    /// A pin is named by its beginning, long enough not to be another's.
    private static func isMeant(_ pin: Pin, by text: String) -> Bool {
        text.count >= 4 && pin.description.hasPrefix(text.lowercased())
    }

    func seen(_ condition: (CatalogSnapshot) -> Bool) async {
        let deadline = ContinuousClock.now + Self.seenMax
        while ContinuousClock.now < deadline, !condition(board.snapshot) {
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
        }
    }
}
