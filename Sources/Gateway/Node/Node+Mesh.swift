import Catalog
import Composition
import FoundationEssentials
package import JSONSlice
import Mesh
import MeshTransport

extension Node {
    /// Makes a join token; needs role issuer.
    package func invite(
        roles: [String], segment: String?, label: String?, uses: Int, lifeSeconds: Int
    ) async throws -> JSON {
        var given: Roles = roles.isEmpty ? .ordinary : []
        for name in roles {
            guard let role = Roles(named: name) else {
                throw Refusal(.invalid, "\"\(name)\" is no role", hint: "member, entry, operator or issuer")
            }
            given.formUnion(role)
        }
        // Here, rather than when somebody comes with it.
        if given.contains(.issuer) { _ = try seat.root(for: "makes issuers") }
        guard given.contains(.member) else {
            throw Refusal(.invalid, "a node without role member could do nothing", hint: "add --role member")
        }
        let text = try await seat.makeToken(
            roles: given, segment: try optionalLabel(segment, "segment") ?? seat.segment,
            label: try optionalLabel(label, "label"), uses: uses, life: .seconds(lifeSeconds))
        return .object([
            ("token", .string(text)), ("mesh", .string(seat.mesh.description)),
            ("roles", .string(given.description)),
            ("uses", .number(uses)), ("expiresInSeconds", .number(lifeSeconds)),
        ])
    }

    package func join(token: String) async throws -> JSON {
        try await keepingOwnQuarantines { try await seat.join(tokenText: token) }
        try await afterMeshChange()
        return .object([
            ("mesh", .string(seat.mesh.description)), ("label", .string(seat.label.text)),
            ("segment", .string(seat.segment.text)), ("roles", .string(seat.roles.description)),
        ])
    }

    package func leave() async throws -> JSON {
        try await keepingOwnQuarantines { try await seat.leave() }
        try await afterMeshChange()
        return .object([("mesh", .string(seat.mesh.description)), ("label", .string(seat.label.text))])
    }

    /// Ends a node; an issuer only where the root's key is.
    ///
    /// - Parameter keeping: of an issuer that the root has revoked: enrolments by it, as ``KeptEnrolment`` writes them, that stand
    ///   after all.
    package func revoke(
        node name: String, reason: String, dropping: [String], keeping: [String] = []
    ) async throws -> JSON {
        let names = NodeNames(board.snapshot)
        func find(_ name: String) throws(Refusal) -> NodeID {
            guard let node = names.node(name) else {
                throw Refusal(
                    .notFound, "no node named \(name) is known here",
                    hint:
                        "`martlet peers` lists them; one that was never seen here goes by its id of 26 characters"
                )
            }
            return node
        }
        let target = try find(name)
        let revoked: MeshSeat.Revoked
        if keeping.isEmpty {
            revoked = try await seat.revoke(
                target, reason: reason,
                dropping: Set(try dropping.map { name throws(Refusal) in try find(name) }))
        } else {
            guard dropping.isEmpty, reason.isEmpty else {
                throw Refusal(
                    .invalid,
                    "--keep corrects what was said before; --drop and --reason belong to the revocation itself",
                    hint: "a node that should go all the same is revoked by itself: martlet mesh revoke NODE")
            }
            let kept = try keeping.map { text throws(Refusal) in
                guard let kept = KeptEnrolment(text) else {
                    throw Refusal(
                        .invalid,
                        "--keep: \"\(text)\" is not NODE:SERIAL, a node's id of 26 characters and its enrolment's number",
                        hint:
                            "`martlet status` on the node that was dropped says them, as did the command that revoked its issuer"
                    )
                }
                return kept
            }
            revoked = try await seat.correct(revocationOf: target, keeping: Set(kept))
        }
        return .object([
            ("node", .string(target.description)), ("label", .string(names[target])),
            ("by", .string(revoked.byRoot ? "the root" : seat.label.text)),
            ("isCorrection", .bool(!keeping.isEmpty)),
            ("keeps", .array(revoked.keeps.map { .string(names[$0]) })),
            ("ends", .array(revoked.ends.map { .string($0.description) })),
        ])
    }

    /// Who admits, renews and revokes.
    package func issuers() async throws -> JSON {
        let bodies = try await seat.running().nodeBodies
        let snapshot = board.snapshot
        let names = NodeNames(snapshot)
        let issuers = bodies.filter {
            $0.value.enrolment.roles.contains(.issuer) && $0.value.standing == .present
        }
        let list = issuers.keys.sorted { names[$0] < names[$1] }.map { id -> JSON in
            let isMe = id == seat.id
            var members: [(String, JSON)] = [
                ("node", .string(id.description)), ("label", .string(names[id])),
                ("enrolled", .number(bodies.count { $0.value.enrolment.issuer == id && $0.key != id })),
            ]
            let isReachable = snapshot.nodes[id]?.isReachable ?? false
            members.append(("state", .string(isMe ? "this node" : isReachable ? "reachable" : "unreachable")))
            if isMe {
                members.append(("holdsRoot", .bool(seat.holdsRoot)))
                if let end = seat.authorityEnd {
                    members.append(
                        ("certificateDaysLeft", .number(max(0, Int(end.timeIntervalSinceNow / 86_400)))))
                }
            }
            return .object(members)
        }
        let book = try seat.running().revocations
        let revoked = book.all.values.filter { $0.signer == nil }.sorted { $0.target < $1.target }
        return .object([
            ("issuers", .array(list)),
            (
                "revoked",
                .array(
                    revoked.map { word in
                        .object([
                            ("node", .string(word.target.description)), ("reason", .string(word.reason)),
                            (
                                "keeps",
                                .array(
                                    (book.rootTerms(of: word.target)?.enrolments ?? []).sorted()
                                        .map { .string($0.description) })
                            ),
                        ])
                    })
            ),
        ])
    }

    /// The root's key as one line of text. Whoever has it owns the mesh.
    package func exportRoot() throws -> JSON {
        .object([("root", .string(try seat.exportRoot())), ("mesh", .string(seat.mesh.description))])
    }

    /// Takes the root's key out of the vault.
    package func removeRoot(shown text: String) async throws -> JSON {
        try await seat.removeRoot(shown: text)
        return .object([("mesh", .string(seat.mesh.description))])
    }

    /// Puts the root's key into the vault, and makes this node an issuer.
    package func importRoot(_ text: String) async throws -> JSON {
        let hasBecomeIssuer = try await seat.importRoot(text)
        if hasBecomeIssuer { try await afterMeshChange() }
        return .object([
            ("mesh", .string(seat.mesh.description)), ("becameIssuer", .bool(hasBecomeIssuer)),
            ("roles", .string(seat.roles.description)),
        ])
    }

    /// What this node tells a mesh, told to the new one.
    func afterMeshChange() async throws {
        await supervisor.publishAll()
        try await virtualServers.restoreAfterMeshChange()
        await showOwnServers()
    }

    /// Waits until the catalog shows this node's servers as they are, so that an answer is not ahead of what a client finds.
    func showOwnServers() async {
        let deadline = ContinuousClock.now + Self.shownMax
        let books = await supervisor.books
        while ContinuousClock.now < deadline {
            if Self.shows(books, board.snapshot) { return }
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
        }
    }

    /// Whether the catalog has the lists of this node's servers as these say.
    static func shows(_ books: [ServerBook], _ snapshot: CatalogSnapshot) -> Bool {
        books.allSatisfy { book in
            guard let manifest = book.manifest else { return true }
            let key = ServerKey(owner: snapshot.me, name: book.definition.name)
            return snapshot.servers[key]?.manifest == manifest
        }
    }

    /// How long an answer waits for that; it is true all the same.
    private static let shownMax = Duration.seconds(2)

    private func optionalLabel(_ text: String?, _ what: String) throws(Refusal) -> Label? {
        guard let text else { return nil }
        guard let label = Label(text) else {
            throw Refusal(
                .invalid,
                "--\(what): \"\(text)\" is not a-z, 0-9 and single - between them, at most \(Label.lengthMax)"
            )
        }
        return label
    }
}
