import Catalog
import Discovery
import Logging
import MCPTransport
import Mesh
import MeshTransport
import Storage

extension MeshSeat {
    /// Takes the seat: joins first where the settings carry a token.
    ///
    /// - Throws: when the token does not let this node in. One that lies in a file (`mesh.join.tokenFile`) is waited for
    ///   by the running node instead: ``UnattendedJoin``.
    static func take(
        identity: NodeIdentity, settings: LaunchSettings, folder: DataFolder, database: NodeDatabase,
        secrets: SecretStore, log: Logger
    ) async throws -> MeshSeat {
        let seat = MeshSeat(
            identity: identity, settings: settings, folder: folder, database: database, secrets: secrets,
            log: log)
        if let text = settings.joinToken {
            try await seat.enter(with: text)
        }
        return seat
    }

    // MARK: At a start

    private func enter(with text: String) async throws {
        let token = try Self.token(from: text)
        if token.mesh == mesh {
            log.notice("This node is already a member of the token's mesh.", metadata: ["mesh.id": "\(mesh)"])
            return
        }
        try await requireAlone()
        try await enter(try await ask(with: token))
    }

    // MARK: While running

    func makeToken(
        roles: Roles, segment: Label, label: Label?, uses: Int, life: Duration
    ) async throws -> String {
        guard self.roles.contains(.issuer) else {
            throw Refusal(
                .forbidden, "this node has no role issuer, so it cannot admit others",
                hint: "make the token on a node that has it; `martlet status` shows a node's roles")
        }
        guard let service else { throw Refusal(.unavailable, "the mesh is just starting on this node") }
        guard service.isIssuer else {
            throw Refusal(
                .unavailable, "the issuer's key cannot be opened: the vault is sealed",
                hint: "`martlet vault unseal` opens it")
        }
        let token = try await service.makeToken(
            roles: roles, segment: segment, label: label, uses: UInt16(clamping: uses), ttl: life)
        guard !token.addresses.isEmpty || settings.configuration.mesh.mdns != .off else {
            throw Refusal(
                .conflict, "this node only dials out and mDNS is off, so nobody could find it with the token",
                hint: "make the token on a node that listens")
        }
        return token.text
    }

    func join(tokenText: String) async throws {
        let token = try Self.token(from: tokenText)
        try await changing {
            guard token.mesh != mesh else {
                throw Refusal(.conflict, "this node is already a member of that mesh, \(mesh)")
            }
            let old = try running()
            try await requireAlone()
            let joined = try await ask(with: token)
            try await between(old) {
                // While this node asked, it may have let somebody in itself.
                try await requireAlone()
                try await enter(joined)
            }
            try await turn(from: old)
        }
    }

    func leave() async throws {
        try await changing {
            guard try await !isAlone() else {
                throw Refusal(.conflict, "this node is a mesh of one; there is nothing to leave")
            }
            let old = try running()
            if old.ownRevocation == nil { try requireOtherIssuer(beside: old.snapshot) }
            let identity = state.withLock { $0.identity }
            // Before the word of leaving, which cannot be taken back: a sealed vault would not take the new keys.
            let membership = try await NodeIdentity.found(
                nodeKey: identity.nodeKey, secrets: secrets, label: identity.membership.enrolment.label,
                segment: settings.configuration.node.segment ?? .defaultSegment)
            // It goes out on links that are still up: the service says goodbye after it.
            try await old.leave()
            try await between(old) { try await change(to: membership, joinedAt: nil) }
            try await turn(from: old)
        }
    }

    // MARK: - One change at a time

    /// Holds the one right to change the membership.
    func changing<Result>(_ body: () async throws -> Result) async throws -> Result {
        let isFirst = state.withLock { state in
            defer { state.isChanging = true }
            return !state.isChanging
        }
        guard isFirst else {
            throw Refusal(
                .conflict, "this node is just joining or leaving a mesh", hint: "wait until that has ended")
        }
        defer { state.withLock { $0.isChanging = false } }
        return try await body()
    }

    /// Ends a service and does something before the next one starts: nothing is written or admitted meanwhile.
    func between(_ old: MeshService, _ body: () async throws -> Void) async throws {
        state.withLock { $0.isHeld = true }
        defer { state.withLock { $0.isHeld = false } }
        old.stop()
        let deadline = ContinuousClock.now + Self.turnMax
        while service === old {
            guard ContinuousClock.now < deadline else {
                throw Refusal(
                    .unavailable, "the mesh did not stop within \(Self.turnMax)", hint: "restart the node")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        try await body()
    }

    func running() throws(Refusal) -> MeshService {
        guard let service else { throw Refusal(.unavailable, "the mesh is just starting on this node") }
        return service
    }

    // MARK: -

    /// Whether this node never admitted anybody and is in nobody's mesh.
    func isAlone() async throws -> Bool {
        guard enrolment.issuer == id else { return false }
        guard try await MetaShelf(database).get(.joinedAt) == nil else { return false }
        // Whoever got an answer is a member, though it may not have shown itself yet.
        guard try await !JoinTokenShelf(database).hasAnswers() else { return false }
        return try await DocumentShelf(database).loadAll().allSatisfy { $0.key.origin == id }
    }

    /// Whoever is left behind without an issuer can admit nobody, and ends when its certificates do.
    private func requireOtherIssuer(beside snapshot: CatalogSnapshot) throws(Refusal) {
        let others = snapshot.nodes.filter { $0.key != id }
        guard roles.contains(.issuer), !others.isEmpty else { return }
        guard !others.contains(where: { $0.value.roles.contains(.issuer) }) else {
            guard holdsRoot else { return }
            throw Refusal(
                .conflict,
                "the root's key of mesh \(mesh) lies in this node's vault and would go with it: nobody could make or revoke issuers any more",
                hint:
                    "`martlet mesh root export --remove` here, and `martlet mesh root import` on an issuer that stays"
            )
        }
        throw Refusal(
            .conflict,
            "this node is the only issuer of mesh \(mesh): leaving would end admission for the \(others.count) "
                + "other nodes, and their certificates could not be renewed",
            hint:
                "hand over first: `martlet mesh root export --remove` here, `martlet mesh root import` on the node that follows"
        )
    }

    private func requireAlone() async throws {
        guard try await isAlone() else {
            throw Refusal(
                .conflict, "this node is in mesh \(mesh) with others; meshes never merge",
                hint: "`martlet mesh leave` first, then join")
        }
    }

    /// Asks the token's issuer to be let in; changes nothing here.
    private func ask(with token: JoinToken) async throws -> Entry {
        let attempt = try attempt(with: token)
        return try await search(for: token) { found in
            do {
                let joined = try await MeshJoin.join(
                    attempt, found: found, floor: SoftwareVersion.date, group: EventLoops.shared,
                    log: self.log)
                guard joined.enrolment.roles.contains(.issuer) else { return Entry(joined: joined) }
                // The enrolment is the ticket to what makes an issuer.
                let issuer = try await NewIssuer(
                    joined: joined, floor: SoftwareVersion.date, group: EventLoops.shared
                ) { why in
                    self.log.notice(
                        "Let in, but not yet as issuer; asking again.", metadata: ["reason": "\(why)"])
                }
                return Entry(joined: joined, issuer: issuer)
            } catch let failure as JoinError {
                throw Refusal(
                    .failed, "this node was let in, but not as issuer: \(failure)",
                    hint: "make the token on the node that holds the root's key: `martlet mesh issuers`")
            } catch let failure as JoinFailure {
                throw Refusal(
                    .failed, "\(failure)",
                    hint: "`martlet mesh token` on a node of the mesh makes another token")
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                throw Refusal(
                    .failed, "this node was let in, and then the way broke: \(error)",
                    hint: "the token is good for this node still, while it runs: try again with it")
            }
        }
    }

    /// What is asked with a token; the same when the same is asked again.
    private func attempt(with token: JoinToken) throws -> JoinAttempt {
        let (last, nodeKey) = state.withLock { ($0.attempt, $0.identity.nodeKey) }
        if let last, last.token == token, last.nodeKey.rawRepresentation == nodeKey.rawRepresentation {
            return last
        }
        let attempt = try JoinAttempt(token: token, nodeKey: nodeKey, label: settings.ownLabel)
        state.withLock { $0.attempt = attempt }
        return attempt
    }

    /// What a join gave.
    struct Entry: Sendable {
        var joined: JoinedCredentials
        /// Where the token was for an issuer.
        var issuer: NewIssuer?
    }

    private func enter(_ entry: Entry) async throws {
        let joined = entry.joined
        let membership = Membership(
            leafKey: (entry.issuer?.credentials ?? joined.credentials).leafKey,
            chain: (entry.issuer?.credentials ?? joined.credentials).chain, root: joined.credentials.root,
            enrolment: entry.issuer?.enrolment ?? joined.enrolment,
            issuing: entry.issuer?.authority.intermediate.bytes)
        if let issuer = entry.issuer {
            // Before the membership that needs it.
            try await secrets.set(
                AuthorityKeys(of: joined.enrolment.mesh).issuer,
                to: issuer.authority.key.rawRepresentation.secret(), kind: .own, at: WallTime.now())
        }
        try await change(to: membership, joinedAt: joined.address)
        state.withLock { $0.attempt = nil }
        if let segment = settings.configuration.node.segment, segment != joined.enrolment.segment {
            log.warning(
                "The token puts this node on another segment than its configuration.",
                metadata: ["node.segment": "\(segment)", "enrolled": "\(joined.enrolment.segment)"])
        }
        log.notice(
            "Joined.",
            metadata: [
                "mesh.id": "\(joined.enrolment.mesh)", "label": "\(joined.enrolment.label)",
                "roles": "\(joined.enrolment.roles)", "mesh.address": "\(joined.address)",
            ])
    }

    /// Runs a join with mDNS looking for nodes of the token's mesh meanwhile.
    private func search<Result: Sendable>(
        for token: JoinToken,
        _ body: @escaping @Sendable (_ found: @escaping @Sendable () -> [String]) async throws -> Result
    ) async throws -> Result {
        let running = state.withLock { $0.discovery }
        let own = running == nil ? makeDiscovery() : nil
        let discovery = running ?? own
        let found: @Sendable () -> [String] = {
            discovery?.now.sightings.filter { $0.mesh == token.mesh }.map(\.address.description) ?? []
        }
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            if let own {
                group.addTask {
                    await own.run()
                    return nil
                }
            }
            group.addTask { try await body(found) }
            while let outcome = try await group.next() {
                guard let outcome else { continue }
                group.cancelAll()
                return outcome
            }
            throw CancellationError()
        }
    }

    /// Makes another membership this node's: on disk first, then in memory. No service may run meanwhile.
    ///
    /// A crash in the middle leaves what belongs to the old mesh; the new one takes none of it for its own.
    private func change(to membership: Membership, joinedAt address: String?) async throws {
        let old = mesh
        try await keepOwnQuarantines()
        try keep(membership)
        try await DocumentShelf(database).removeAll()
        try await JoinTokenShelf(database).removeAll()
        try await StatementShelf(database).removeAll()
        try await ScopedShelf(database).removeAll()
        try await VaultWitnessShelf(database).removeAll()
        try await MetaShelf(database).set([.joinedAt: address.map { Array($0.utf8) }])
        // The keys of a mesh that it has left are good for nothing any more.
        let keys = AuthorityKeys(of: old)
        for key in [keys.root, keys.issuer] where secrets.contains(key) {
            do {
                try await secrets.remove(key)
            } catch {
                log.warning(
                    "A key of the mesh that was left stays in the vault.",
                    metadata: ["mesh.id": "\(old)", "reason": "\(error)"])
            }
        }
    }

    /// This node's quarantines in the mesh that it leaves go on for its own callers. Before anything is forgotten: they are lost with
    /// the statements.
    func keepOwnQuarantines() async throws {
        var statements: [Statement] = []
        var revoked: Set<NodeID> = []
        for bytes in try await StatementShelf(database).loadAll() {
            if let statement = try? Statement.decode(bytes) {
                statements.append(statement)
            } else if let revocation = try? Revocation.decode(bytes) {
                revoked.insert(revocation.target)
            }
        }
        var released: Set<ReleasedWord> = []
        for statement in statements where !revoked.contains(statement.origin) {
            if case .release(_, let words)? = statement.body?.decision { released.formUnion(words) }
        }
        let holds = LocalHoldShelf(database)
        let held = Set(try await holds.all(signer: id).map(\.target))
        for statement in statements where statement.origin == id {
            guard let body = statement.body, case .quarantine(let target) = body.decision,
                !held.contains(target),
                !released.contains(ReleasedWord(signer: id, word: statement.hash))
            else { continue }
            try await holds.save(
                Hold(target: target, signer: id, reach: .here, reason: body.reason, at: body.at))
        }
    }

    /// Waits for the service of the new mesh.
    func turn(from old: MeshService) async throws {
        let deadline = ContinuousClock.now + Self.turnMax
        while true {
            if let now = service, now !== old {
                try await now.started()
                return
            }
            guard ContinuousClock.now < deadline else {
                throw Refusal(
                    .unavailable, "the mesh did not start again within \(Self.turnMax)",
                    hint: "restart the node")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private static func token(from text: String) throws(Refusal) -> JoinToken {
        do {
            return try JoinToken(text: text)
        } catch {
            throw Refusal(
                .invalid, "the join token cannot be used: \(error)",
                hint: "`martlet mesh token` on a node of the mesh makes one")
        }
    }
}
