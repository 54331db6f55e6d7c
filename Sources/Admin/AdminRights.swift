import MCPModel

/// Which role each route needs: all of them, in one place.
enum AdminRights {
    /// A route that stands in no line here is for administrators alone, and a test asks for the line.
    static func role(for route: AdminRoute) -> AdminRole {
        needed["\(route.method) /\(route.pattern.joined(separator: "/"))"] ?? .admin
    }

    static let needed: [String: AdminRole] = [
        // Who scrapes has a key of its own: it shows which servers there are, and how they fare.
        "GET /metrics": .viewer,
        "GET /v1/status": .viewer,
        "GET /v1/peers": .viewer,
        "GET /v1/peers/{name}/path": .viewer,
        "POST /v1/peers/{name}/ping": .viewer,
        "GET /v1/doctor": .viewer,

        // Who belongs to the mesh.
        "POST /v1/mesh/token": .admin,
        "POST /v1/mesh/join": .admin,
        "POST /v1/mesh/leave": .admin,
        "POST /v1/mesh/revoke": .admin,
        "GET /v1/mesh/issuers": .viewer,
        "POST /v1/mesh/root/export": .admin,
        "POST /v1/mesh/root/remove": .admin,
        "POST /v1/mesh/root/import": .admin,

        // A server may be a command: whoever adds one runs programs as the node's user.
        "GET /v1/servers": .viewer,
        "POST /v1/servers": .admin,
        "POST /v1/servers/import": .admin,
        "GET /v1/found": .viewer,
        "POST /v1/found/{name}/accept": .editor,
        "POST /v1/servers/recheck": .editor,
        "GET /v1/servers/{name}": .viewer,
        "DELETE /v1/servers/{name}": .editor,
        "POST /v1/servers/{name}/test": .editor,

        "POST /v1/catalog/search": .viewer,
        "POST /v1/catalog/sql": .viewer,
        "POST /v1/catalog/diff": .viewer,
        "POST /v1/catalog/export": .viewer,
        "POST /v1/catalog/show": .viewer,
        "POST /v1/catalog/why": .viewer,
        // As somebody else only with role admin; `Node` sees to that.
        "POST /v1/call": .editor,

        "GET /v1/virtual": .viewer,
        "POST /v1/virtual": .editor,
        "POST /v1/virtual/diff": .viewer,
        "GET /v1/virtual/{name}/history": .viewer,
        "POST /v1/virtual/{name}/diff": .viewer,
        "POST /v1/virtual/{name}/rollback": .editor,
        "GET /v1/virtual/{name}": .viewer,
        "DELETE /v1/virtual/{name}": .editor,

        // What a server offers, and what the whole mesh may use of it.
        "GET /v1/review": .viewer,
        "POST /v1/approve": .editor,
        "POST /v1/quarantine": .editor,
        "POST /v1/release": .editor,
        "POST /v1/limit": .editor,
        "POST /v1/unlimit": .editor,

        "GET /v1/secrets": .viewer,
        "PUT /v1/secrets/{name}": .admin,
        "DELETE /v1/secrets/{name}": .admin,
        "POST /v1/secrets/{name}/rotate": .admin,

        "GET /v1/vault": .viewer,
        "POST /v1/vault/unseal": .admin,
        "POST /v1/vault/rekey": .admin,
        "PUT /v1/vault/slots/{form}": .admin,
        "DELETE /v1/vault/slots/{form}": .admin,
        // Whoever has a backup and its passphrase has every secret.
        "POST /v1/vault/backup": .admin,
        "POST /v1/vault/restore": .admin,
        "POST /v1/vault/accept": .admin,

        // Who called what; values are in them only where the configuration names the entry.
        "GET /v1/records": .viewer,
        // Of other nodes only for administrators.
        "GET /v1/trace/{id}": .viewer,
        "GET /v1/records/follow": .viewer,

        "POST /v1/auth/can-call": .viewer,
        "GET /v1/admin-tokens": .admin,
        "POST /v1/admin-tokens": .admin,
        "DELETE /v1/admin-tokens/{key}": .admin,
        "GET /v1/tokens": .viewer,
        "POST /v1/tokens": .admin,
        "DELETE /v1/tokens/{key}": .admin,
    ]
}
