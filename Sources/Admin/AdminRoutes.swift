import Gateway
import JSONSlice

/// What the admin surface offers: every method and path, and what of the node's face answers it.
struct AdminRoute: Sendable {
    typealias Answer = @Sendable (Node, AdminRequest) async throws -> JSON
    /// Server-sent events: `notice` any number of times, then the returned value as `final`.
    typealias Work =
        @Sendable (Node, AdminRequest, _ notice: @escaping @Sendable (JSON) -> Void) async throws -> JSON

    enum Handler: Sendable {
        /// Asks and changes nothing, so it may be given up at any point.
        case answer(Answer)
        case change(Answer)
        case stream(Work)
        /// Text that is not JSON, with its content type; asks and changes nothing.
        case page(contentType: String, @Sendable (Node) async -> String)
    }

    let method: String
    let pattern: [String]
    let handler: Handler

    init(_ method: String, _ path: String, _ answer: @escaping Answer) {
        self.init(method, path, method == "GET" ? .answer(answer) : .change(answer))
    }

    init(_ method: String, _ path: String, _ handler: Handler) {
        self.method = method
        self.pattern = path.split(separator: "/").map(String.init)
        self.handler = handler
    }

    /// - Returns: what stood at the `{…}`, or `nil` when the path is another's.
    func match(_ segments: [String]) -> [String]? {
        guard segments.count == pattern.count else { return nil }
        var parameters: [String] = []
        for (segment, expected) in zip(segments, pattern) {
            if expected.hasPrefix("{") {
                parameters.append(segment)
            } else if segment != expected {
                return nil
            }
        }
        return parameters
    }

    static let all: [AdminRoute] = [
        AdminRoute(
            "GET", "/metrics", .page(contentType: Node.metricsContentType) { node in await node.metrics() }),

        AdminRoute("GET", "/v1/status") { node, _ in await node.status() },
        AdminRoute("GET", "/v1/peers") { node, _ in await node.peers() },
        AdminRoute("GET", "/v1/peers/{name}/path") { node, request in
            try await node.path(to: request.parameters[0])
        },
        AdminRoute(
            "POST", "/v1/peers/{name}/ping",
            .answer { node, request in try await node.ping(request.parameters[0]) }),
        AdminRoute("GET", "/v1/doctor") { node, _ in await node.examine() },

        AdminRoute("POST", "/v1/mesh/token") { node, request in
            let roles = (request.body["roles"]?.elements ?? []).compactMap(\.string)
            return try await node.invite(
                roles: roles, segment: request.body["segment"]?.string, label: request.body["label"]?.string,
                uses: try request.count("uses", default: 1, in: 1...1_000),
                lifeSeconds: try request.count("ttlSeconds", default: 900, in: 1...604_800))
        },
        AdminRoute("POST", "/v1/mesh/join") { node, request in
            try await node.join(token: try request.text("token"))
        },
        AdminRoute("POST", "/v1/mesh/leave") { node, _ in try await node.leave() },
        AdminRoute("POST", "/v1/mesh/revoke") { node, request in
            try await node.revoke(
                node: try request.text("node"), reason: request.body["reason"]?.string ?? "",
                dropping: (request.body["drop"]?.elements ?? []).compactMap(\.string),
                keeping: (request.body["keep"]?.elements ?? []).compactMap(\.string))
        },
        AdminRoute("GET", "/v1/mesh/issuers") { node, _ in try await node.issuers() },
        // Not GET: what it answers is a secret, and nothing may keep or repeat it.
        AdminRoute("POST", "/v1/mesh/root/export") { node, _ in try node.exportRoot() },
        AdminRoute("POST", "/v1/mesh/root/remove") { node, request in
            try await node.removeRoot(shown: try request.text("root"))
        },
        AdminRoute("POST", "/v1/mesh/root/import") { node, request in
            try await node.importRoot(try request.text("root"))
        },

        AdminRoute("GET", "/v1/servers") { node, _ in await node.listServers() },
        AdminRoute("POST", "/v1/servers") { node, request in
            guard let definition = request.body["definition"], definition.kind == .object else {
                throw Refusal(
                    .invalid,
                    "the body lacks \"definition\", an object such as {\"command\": …} or {\"url\": …}")
            }
            return try await node.addServer(named: try request.text("name"), definition: definition)
        },
        AdminRoute("POST", "/v1/servers/import") { node, request in
            try await node.importServers(document: try request.text("document"))
        },
        AdminRoute("GET", "/v1/found") { node, _ in await node.listFoundServers() },
        AdminRoute("POST", "/v1/found/{name}/accept") { node, request in
            try await node.acceptServer(
                named: request.parameters[0], as: request.body["as"]?.string,
                bearer: request.body["bearer"]?.string)
        },
        AdminRoute("POST", "/v1/servers/recheck") { node, request in
            try await node.recheckServers(named: request.body["name"]?.string)
        },
        AdminRoute("GET", "/v1/servers/{name}") { node, request in
            try await node.showServer(named: request.parameters[0])
        },
        AdminRoute("DELETE", "/v1/servers/{name}") { node, request in
            try await node.removeServer(named: request.parameters[0])
        },
        AdminRoute(
            "POST", "/v1/servers/{name}/test",
            .answer { node, request in
                try await node.testServer(named: request.parameters[0])
            }),

        AdminRoute(
            "POST", "/v1/catalog/search",
            .answer { node, request in
                try await node.searchCatalog(
                    query: request.body["query"]?.string ?? "",
                    where: try request.textIfAny("where") ?? "",
                    limit: try request.count("limit", default: 50, in: 1...10_000))
            }),
        AdminRoute(
            "POST", "/v1/catalog/sql",
            .answer { node, request in
                try await node.queryCatalog(
                    sql: try request.text("sql"), where: try request.textIfAny("where") ?? "",
                    rowsMax: try request.count("limit", default: 1_000, in: 1...10_000))
            }),
        AdminRoute(
            "POST", "/v1/catalog/diff",
            .answer { node, request in
                try await node.catalogDifferences(
                    sinceSeconds: try request.count("sinceSeconds", default: 3_600, in: 1...2_592_000))
            }),
        AdminRoute(
            "POST", "/v1/catalog/export",
            .answer { node, request in
                try await node.exportCatalog(
                    format: try request.textIfAny("format") ?? "json",
                    where: try request.textIfAny("where") ?? "",
                    namespace: try request.textIfAny("namespace"), base: try request.textIfAny("base"))
            }),
        AdminRoute(
            "POST", "/v1/catalog/show",
            .answer { node, request in
                try await node.showEntry(named: try request.text("entry"))
            }),
        AdminRoute(
            "POST", "/v1/catalog/why",
            .answer { node, request in
                try await node.explain(
                    try request.text("entry"), at: try request.textIfAny("virtualServer"))
            }),
        AdminRoute(
            "POST", "/v1/call",
            .stream { node, request, notice in
                try await node.callTool(
                    named: try request.text("entry"), server: request.body["server"]?.string,
                    arguments: request.body["arguments"] ?? .emptyObject, by: request.visitor,
                    as: try request.textIfAny("as"), notice: notice)
            }),

        AdminRoute("GET", "/v1/virtual") { node, _ in await node.listVirtualServers() },
        AdminRoute("POST", "/v1/virtual") { node, request in
            try await node.applyVirtualServers(
                yaml: try request.text("yaml"), source: request.body["source"]?.string ?? "the request")
        },
        AdminRoute(
            "POST", "/v1/virtual/diff",
            .answer { node, request in
                try await node.compareVirtualServers(
                    yaml: try request.text("yaml"), source: request.body["source"]?.string ?? "the request")
            }),
        AdminRoute("GET", "/v1/virtual/{name}/history") { node, request in
            try await node.virtualHistory(of: request.parameters[0])
        },
        AdminRoute(
            "POST", "/v1/virtual/{name}/diff",
            .answer { node, request in
                try await node.virtualDifferences(
                    of: request.parameters[0], from: try request.textIfAny("from"),
                    to: try request.textIfAny("to"))
            }),
        AdminRoute("POST", "/v1/virtual/{name}/rollback") { node, request in
            try await node.rollBackVirtualServer(
                named: request.parameters[0], to: try request.textIfAny("to"))
        },
        AdminRoute("GET", "/v1/virtual/{name}") { node, request in
            try await node.showVirtualServer(named: request.parameters[0])
        },
        AdminRoute("DELETE", "/v1/virtual/{name}") { node, request in
            try await node.removeVirtualServer(named: request.parameters[0])
        },

        AdminRoute("GET", "/v1/review") { node, _ in await node.review() },
        AdminRoute("POST", "/v1/approve") { node, request in
            try await node.approve(
                try request.text("target"), reason: request.body["reason"]?.string ?? "",
                pin: try request.textIfAny("pin"), isForMesh: request.body["mesh"]?.bool ?? false,
                isUndone: request.body["undo"]?.bool ?? false)
        },
        AdminRoute("POST", "/v1/quarantine") { node, request in
            try await node.quarantine(
                try request.text("target"), reason: request.body["reason"]?.string ?? "",
                isHere: request.body["here"]?.bool ?? false)
        },
        AdminRoute("POST", "/v1/release") { node, request in
            try await node.release(
                try request.text("target"), reason: request.body["reason"]?.string ?? "")
        },
        AdminRoute("POST", "/v1/limit") { node, request in
            try await node.limit(
                try request.text("target"), rate: try request.textIfAny("rate"),
                concurrency: request.body["concurrency"]?.int,
                reason: request.body["reason"]?.string ?? "")
        },
        AdminRoute("POST", "/v1/unlimit") { node, request in
            try await node.releaseLimits(
                try request.text("target"), reason: request.body["reason"]?.string ?? "")
        },

        AdminRoute("GET", "/v1/secrets") { node, _ in try await node.listSecrets() },
        AdminRoute("PUT", "/v1/secrets/{name}") { node, request in
            try await node.setSecret(named: request.parameters[0], value: try request.text("value"))
        },
        AdminRoute("DELETE", "/v1/secrets/{name}") { node, request in
            try await node.removeSecret(named: request.parameters[0])
        },

        AdminRoute("POST", "/v1/secrets/{name}/rotate") { node, request in
            if request.body["end"]?.bool == true {
                return try await node.endRotation(of: request.parameters[0])
            }
            return try await node.rotateSecret(
                named: request.parameters[0], value: try request.text("value"))
        },

        AdminRoute("GET", "/v1/vault") { node, _ in node.vaultStatus() },
        AdminRoute("POST", "/v1/vault/unseal") { node, request in
            try await node.unsealVault(passphrase: try request.textIfAny("passphrase"))
        },
        AdminRoute("POST", "/v1/vault/rekey") { node, request in
            try await node.rekeyVault(
                root: request.body["root"]?.bool ?? false, passphrase: try request.textIfAny("passphrase"))
        },
        AdminRoute("PUT", "/v1/vault/slots/{form}") { node, request in
            try await node.setVaultSlot(
                request.parameters[0], passphrase: try request.textIfAny("passphrase"))
        },
        AdminRoute("DELETE", "/v1/vault/slots/{form}") { node, request in
            try await node.removeVaultSlot(request.parameters[0])
        },
        // Not GET: nothing may keep or repeat what it answers.
        AdminRoute("POST", "/v1/vault/backup") { node, request in
            try await node.backUpVault(passphrase: try request.textIfAny("passphrase"))
        },
        AdminRoute("POST", "/v1/vault/restore") { node, request in
            try await node.restoreVault(
                backup: try request.text("backup"), passphrase: try request.textIfAny("passphrase"),
                keyFile: try request.textIfAny("keyFile"),
                overwrites: request.body["overwrite"]?.bool ?? false)
        },
        AdminRoute("POST", "/v1/vault/accept") { node, _ in try await node.acceptVault() },

        AdminRoute(
            "POST", "/v1/auth/can-call",
            .answer { node, request in
                let claims = (request.body["claims"]?.members ?? []).map { name, value in
                    (
                        name,
                        value.kind == .array
                            ? value.elements.compactMap(\.string) : [value.string].compactMap { $0 }
                    )
                }
                return try node.explainAccess(
                    of: try request.text("who"), claims: Dictionary(claims, uniquingKeysWith: +),
                    to: try request.text("entry"), at: try request.textIfAny("server"),
                    arguments: request.body["arguments"])
            }),
        AdminRoute("GET", "/v1/admin-tokens") { node, _ in node.listAdminKeys() },
        AdminRoute("POST", "/v1/admin-tokens") { node, request in
            let life = try request.count("ttlSeconds", default: 0, in: 0...315_360_000)
            return try await node.createAdminKey(
                name: try request.text("name"), role: try request.text("role"),
                lifeSeconds: life == 0 ? nil : life)
        },
        AdminRoute("DELETE", "/v1/admin-tokens/{key}") { node, request in
            try await node.revokeAdminKey(request.parameters[0])
        },

        AdminRoute("GET", "/v1/tokens") { node, _ in try await node.listCallerKeys() },
        AdminRoute("POST", "/v1/tokens") { node, request in
            let life = try request.count("ttlSeconds", default: 0, in: 0...315_360_000)
            return try await node.createCallerKey(
                name: try request.text("name"), lifeSeconds: life == 0 ? nil : life,
                servers: try request.texts("servers"), entries: try request.texts("entries"))
        },
        AdminRoute("DELETE", "/v1/tokens/{key}") { node, request in
            try await node.revokeCallerKey(request.parameters[0])
        },

        AdminRoute("GET", "/v1/trace/{id}") { node, request in
            try await node.traceRecords(request.parameters[0], by: request.visitor)
        },
        AdminRoute("GET", "/v1/records") { node, request in try await node.listRecords(request.query) },
        AdminRoute(
            "GET", "/v1/records/follow",
            .stream { node, request, notice in
                try await node.followRecords(request.query, notice: notice)
            }),
    ]
}
