import Composition
package import JSONSlice

extension NodeConfiguration {
    /// The normal form: every setting, those at their default too. It holds what the file holds, also a credential that a person
    /// wrote into it, so it is shown nowhere.
    package var json: JSON {
        var node: [(String, JSON)] = []
        if let name = self.node.name { node.append(("name", .string(name.text))) }
        if let segment = self.node.segment { node.append(("segment", .string(segment.text))) }
        if let data = self.node.data { node.append(("data", .string(data))) }
        var mcp = JSON.string(listen.mcp.description)
        if let tls = listen.mcpTLS { mcp = ["address": mcp, "tls": tls.json] }
        var admin = JSON.string(listen.admin.description)
        if let tls = listen.adminTLS { admin = ["address": admin, "tls": tls.json] }
        var all: [(String, JSON)] = [
            ("node", .object(node)),
            (
                "listen",
                [
                    "mcp": mcp, "admin": admin,
                    "mesh": .string(listen.mesh?.description ?? "none"),
                    "hosts": .array(listen.hosts.map(JSON.string)),
                ]
            ),
            ("names", ["max": .number(nameLengthMax)]),
            ("mesh", mesh.json),
            ("limits", limits.json),
            ("search", search.json),
            ("servers", .object(servers.map { ($0.name.text, $0.json) })),
            ("virtualServers", .object(virtualServers.map { ($0.name.text, $0.definition.json) })),
        ]
        if let auth = auth.json { all.append(("auth", auth)) }
        if vault != .standard { all.append(("vault", vault.json)) }
        if audit != .standard { all.append(("audit", audit.json)) }
        if !access.isEmpty { all.append(("access", access.json)) }
        return .object(all)
    }
}

extension MeshSettings {
    fileprivate var json: JSON {
        var members: [(String, JSON)] = [
            ("seeds", .array(seeds.map { .string($0.description) })),
            ("mdns", .string(mdns.rawValue)),
        ]
        if let joinTokenFile { members.append(("join", ["tokenFile": .string(joinTokenFile)])) }
        members.append(("advertise", .array(advertise.map { .string($0.description) })))
        members.append(("relay", .bool(relay)))
        members.append(("export", .array(export.map { .string($0.pattern) })))
        return .object(members)
    }
}
