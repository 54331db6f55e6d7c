import Catalog
import Composition
import JSONSlice

/// The catalog in the shape in which MCP registries list servers: a `ServerList` of the registry API, whose elements are
/// `server.json` documents of 2025-12-11 (modelcontextprotocol/registry, docs/reference). Each is reached at this node.
struct ServerJSON {
    static let schema = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
    /// Of description and title, in characters.
    private static let textMax = 100
    private static let versionMax = 255

    /// What stands before the `/` of each name: whoever publishes puts their own domain, reversed.
    let namespace: String
    /// Where this node's MCP surface is reached, without a `/` at the end.
    let base: String
    let report: CatalogReport

    /// - Returns: `nil` for a namespace that no name may begin with.
    init?(_ report: CatalogReport, namespace: String, base: String) {
        let isLegal = namespace.unicodeScalars.allSatisfy { scalar in
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", ".", "-": true
            default: false
            }
        }
        guard isLegal, (1...100).contains(namespace.utf8.count) else { return nil }
        self.report = report
        self.namespace = namespace
        self.base = base
    }

    /// - Parameters:
    ///   - isChosen: servers with an entry of these.
    ///   - view: what stands at a virtual server's endpoint.
    func list(_ isChosen: (ServerKey) -> Bool, _ view: (Label) -> EndpointView?) -> JSON {
        let own = report.snapshot.serversInOrder.filter { isChosen($0.record.key) }.map(server)
        let composed = report.snapshot.virtualServers.values.sorted { $0.name < $1.name }.compactMap {
            record in
            view(record.name).flatMap { view -> JSON? in
                let entries = EntryKind.allCases.flatMap { view.list($0) }
                return entries.contains { isChosen($0.binding.server) } ? virtual(record, view) : nil
            }
        }
        return .object([
            ("servers", .array((own + composed).map { JSON.object([("server", $0)]) })),
            ("metadata", .object([("count", .number(own.count + composed.count))])),
        ])
    }

    private func server(_ known: CatalogSnapshot.KnownServer) -> JSON {
        let key = known.record.key
        let node = report.nodes[key.owner]
        let info = known.manifest?.serverInfo
        let tools = known.manifest?.entries.count { $0.kind == .tool } ?? 0
        let said = [info?["description"]?.string, known.manifest?.instructions].compactMap { $0 }
        return document(
            name: "\(node)--\(key.name)",
            description: said.compactMap(Self.firstLine).first
                ?? "\(key.name) on node \(node): \(tools) tools.",
            title: known.record.title ?? info?["title"]?.string,
            version: Self.exact(info?["version"]?.string) ?? "0.0.0", path: "\(node)--\(key.name)",
            more: [
                ("node", .string(node)), ("state", .string(report.state(of: key))),
                ("tags", .array(known.record.tags.map(JSON.string))),
            ])
    }

    private func virtual(_ record: VirtualServerRecord, _ view: EndpointView) -> JSON {
        let count = view.list(.tool).count
        let author = report.nodes[record.author]
        let definition = try? ResolvedDefinition(json: record.definition)
        let said = [definition?.description, definition?.instructions].compactMap { $0 }
        return document(
            name: record.name.text,
            description: said.compactMap(Self.firstLine).first
                ?? "\(record.name), composed on node \(author): \(count) tools.",
            title: view.title, version: "\(record.counter).0.0", path: record.name.text,
            more: [("node", .string(author)), ("composed", true)])
    }

    private func document(
        name: String, description: String, title: String?, version: String, path: String,
        more: [(String, JSON)]
    ) -> JSON {
        var members: [(String, JSON)] = [
            ("$schema", .string(Self.schema)), ("name", .string("\(namespace)/\(name)")),
            ("description", .string(Self.cut(description))),
        ]
        if let title = title.flatMap(Self.firstLine) { members.append(("title", .string(Self.cut(title)))) }
        members.append(("version", .string(version)))
        members.append(
            (
                "remotes",
                [
                    .object([
                        ("type", "streamable-http"), ("url", .string("\(base)/servers/\(path)/mcp")),
                    ])
                ]
            ))
        members.append(
            ("_meta", .object([("io.modelcontextprotocol.registry/publisher-provided", .object(more))])))
        return .object(members)
    }

    /// `nil` for a text without words.
    private static func firstLine(_ text: String) -> String? {
        let line = text.split(whereSeparator: \.isNewline).lazy.map { line in
            line.drop { $0.isWhitespace || $0 == "#" }
        }.first { !$0.isEmpty }
        return line.map(String.init)
    }

    private static func cut(_ text: String) -> String {
        text.unicodeScalars.count <= textMax
            ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(textMax - 1))) + "…"
    }

    /// A version that is one: the format refuses ranges and `latest`.
    private static func exact(_ version: String?) -> String? {
        guard let version, (1...versionMax).contains(version.utf8.count), version != "latest",
            !version.contains(where: { "^~<>=*| ".contains($0) }),
            !version.split(separator: ".").contains(where: { $0 == "x" || $0 == "X" })
        else { return nil }
        return version
    }
}
