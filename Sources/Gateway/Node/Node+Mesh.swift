import Catalog
package import JSONSlice

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
        if given.contains(.issuer) {
            throw Refusal(
                .unavailable, "tokens for further issuers are not supported yet",
                hint: "leave the role out; the first node issues all tokens")
        }
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
        try await seat.join(tokenText: token)
        try await afterMeshChange()
        return .object([
            ("mesh", .string(seat.mesh.description)), ("label", .string(seat.label.text)),
            ("segment", .string(seat.segment.text)), ("roles", .string(seat.roles.description)),
        ])
    }

    package func leave() async throws -> JSON {
        try await seat.leave()
        try await afterMeshChange()
        return .object([("mesh", .string(seat.mesh.description)), ("label", .string(seat.label.text))])
    }

    /// What this node tells a mesh, told to the new one.
    private func afterMeshChange() async throws {
        await supervisor.publishAll()
        try await virtualServers.restoreAfterMeshChange()
        await showOwnServers()
    }

    /// Waits until the catalog shows this node's servers as they are, so that an answer is not ahead of what a client finds.
    func showOwnServers() async {
        let deadline = ContinuousClock.now + Self.shownMax
        let own = await supervisor.books.filter { $0.manifest != nil }.map {
            ($0.definition.name, $0.manifest)
        }
        while ContinuousClock.now < deadline {
            let snapshot = board.snapshot
            let isShown = own.allSatisfy { name, manifest in
                snapshot.servers[ServerKey(owner: snapshot.me, name: name)]?.manifest == manifest
            }
            if isShown { return }
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
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
