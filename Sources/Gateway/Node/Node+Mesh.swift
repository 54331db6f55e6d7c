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
            ("token", .string(text)), ("mesh", .string(seat.mesh.description)), ("roles", .string(given.description)),
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
    }

    private func optionalLabel(_ text: String?, _ what: String) throws(Refusal) -> Label? {
        guard let text else { return nil }
        guard let label = Label(text) else {
            throw Refusal(.invalid, "--\(what): \"\(text)\" is not a-z, 0-9 and single - between them, at most \(Label.lengthMax)")
        }
        return label
    }
}
