import Catalog
import Composition
package import JSONSlice
import MCPModel
import MCPTransport
import Policy

/// Who may do what: rules explained, and keys to the admin surface.
extension Node {
    // MARK: Keys to the admin surface

    /// - Parameter authorization: the header as it came.
    /// - Returns: `nil` for who may not come in.
    package func adminVisitor(authorization: String?) -> AdminVisitor? {
        guard case .bearer(let key) = PresentedCredential(header: authorization) else { return nil }
        return adminKeys.visitor(showing: key)
    }

    package func listAdminKeys() -> JSON { adminKeys.list() }

    package func createAdminKey(name: String, role: String, lifeSeconds: Int?) async throws -> JSON {
        guard !name.isEmpty, name.utf8.count <= 64, name.allSatisfy({ !$0.isNewline }) else {
            throw Refusal(.invalid, "a key's name is one line of 1 to 64 bytes")
        }
        guard let role = AdminRole(rawValue: role) else {
            let words = AdminRole.allCases.map(\.rawValue).joined(separator: ", ")
            throw Refusal(.invalid, "\"\(role)\" is no role at the admin surface; there are \(words)")
        }
        return try await adminKeys.create(name: name, role: role, lifeSeconds: lifeSeconds)
    }

    package func revokeAdminKey(_ key: String) async throws -> JSON { try await adminKeys.revoke(key) }

    // MARK: Rules explained

    /// Whether somebody may see and use an entry at an endpoint of this node, and which rule says so.
    ///
    /// - Parameters:
    ///   - who: as rules write callers, e.g. `key:alice`.
    ///   - claims: what a token would say, by name.
    ///   - server: a virtual server, or one server; `nil`: `/mcp`.
    ///   - arguments: of the call, where rules may ask; `nil`: any.
    package func explainAccess(
        of who: String, claims: [String: [String]], to name: String, at server: String?, arguments: JSON?
    ) throws -> JSON {
        guard let caller = Caller(written: who) else {
            throw Refusal(
                .invalid, "\"\(who)\" names no caller",
                hint: "write key:NAME, basic:NAME, certificate:NAME, local:NAME or jwt:ISSUER#SUBJECT")
        }
        let endpoint = server.map(EndpointName.server) ?? .all
        guard let view = board.view(endpoint) else {
            throw Refusal(.notFound, "no server stands at \(endpoint)", hint: "see `martlet servers list`")
        }
        guard let entry = EntryKind.allCases.lazy.compactMap({ view.entry($0, named: name) }).first else {
            throw Refusal(
                .notFound, "no entry named \(name) at \(endpoint)",
                hint: "`martlet catalog search` shows what is offered")
        }
        let principal =
            caller == .administrator
            ? Principal.administrator
            : Principal(caller, claims: claims, narrowing: door.narrowing(of: caller))
        return AccessReport(
            access: access, principal: principal, endpoint: endpoint, view: view, entry: entry,
            arguments: arguments
        ).json
    }
}
