import Catalog
import Composition
package import JSONSlice

extension Node {
    /// Why an entry is where it is, and called as it is called; and where else the same can be had.
    ///
    /// - Parameters:
    ///   - name: what it is called on `/mcp` or, with `virtualServer`, there; or `SERVER/ENTRY`, `NODE--SERVER/ENTRY`.
    ///   - virtualServer: whose client asks; `nil`: all of them are told of.
    package func explain(_ name: String, at virtualServer: String?) async throws -> JSON {
        guard let report = catalogReport() else {
            throw Refusal(.unavailable, "the catalog is not ready yet")
        }
        let snapshot = report.snapshot
        var virtuals = snapshot.virtualServers.values.sorted { $0.name < $1.name }
        if let virtualServer {
            virtuals = virtuals.filter { $0.name.text == virtualServer }
            guard !virtuals.isEmpty else {
                throw Refusal(
                    .notFound, "no virtual server named \(virtualServer)",
                    hint: "`martlet virtual list` shows them")
            }
        }
        if let answer = explainComposite(name, in: report, virtuals) { return answer }
        guard let address = address(of: name, in: report, virtuals, isNamed: virtualServer != nil) else {
            throw Refusal(
                .notFound, "no entry named \(name)",
                hint: "`martlet catalog search` shows what is offered; NODE--SERVER/ENTRY names one for good")
        }
        var endpoints: [JSON] = []
        if virtualServer == nil {
            let trace = EntryTrace.atWholeMesh(
                address, in: report.view, snapshot, nameLengthMax: settings.configuration.nameLengthMax)
            endpoints.append(trace.json(at: "/mcp"))
        }
        for record in virtuals {
            guard let view = board.view(.server(record.name.text)),
                let definition = try? ResolvedDefinition(json: record.definition)
            else { continue }
            let trace =
                EntryTrace.at(definition, address, in: view, snapshot)
                ?? (virtualServer == nil
                    ? nil : EntryTrace(name: nil, reasons: ["nothing in its use is about this entry"]))
            if let trace { endpoints.append(trace.json(at: "/servers/\(record.name)/mcp")) }
        }
        return .object([
            ("kind", .string(address.kind.description)), ("entry", .string(address.name)),
            ("server", .string(address.server.name.text)),
            ("owner", .string(report.nodes[address.server.owner])),
            (
                "state",
                .string(
                    snapshot.holds.on(address) == nil
                        ? report.state(of: address.server) : CatalogReport.quarantined)
            ), ("endpoints", .array(endpoints)),
            ("replicas", replicas(of: address.server, report)),
        ])
    }

    // MARK: -

    /// A composite is of no server: its definition declares it.
    private func explainComposite(
        _ name: String, in report: CatalogReport, _ virtuals: [VirtualServerRecord]
    ) -> JSON? {
        guard report.entry(named: name) == nil else { return nil }
        for record in virtuals {
            guard let view = board.view(.server(record.name.text)),
                let entry = view.entry(.tool, named: name), let composite = entry.composite,
                let definition = try? ResolvedDefinition(json: record.definition)
            else { continue }
            let declared = definition.use.firstIndex {
                if case .composite(let tool) = $0 { tool.name == composite.tool.name } else { false }
            }
            guard let place = declared else { continue }
            let steps = composite.tool.steps.map { step in
                "step \(step.id) calls \(step.tool) of \(report.nodes[step.server.owner])--\(step.server.name), \(report.state(of: step.server))"
            }
            let trace = EntryTrace(
                name: entry.name, reasons: ["use[\(place)] declares it, a composite"] + steps)
            return .object([
                ("kind", "composite"), ("entry", .string(composite.tool.name)),
                ("server", .string(record.name.text)),
                ("owner", .string(report.nodes[report.snapshot.me])),
                ("state", .string(report.state(of: entry))),
                ("endpoints", .array([trace.json(at: "/servers/\(record.name)/mcp")])),
                ("replicas", .emptyArray),
            ])
        }
        return nil
    }

    private func address(
        of name: String, in report: CatalogReport, _ virtuals: [VirtualServerRecord], isNamed: Bool
    ) -> EntryAddress? {
        if !isNamed, let entry = report.entry(named: name) { return entry.binding.entryAddress }
        for record in virtuals {
            guard let view = board.view(.server(record.name.text)) else { continue }
            for kind in EntryKind.allCases {
                if let entry = view.entry(kind, named: name) { return entry.binding.entryAddress }
            }
        }
        if let entry = report.entry(named: name) { return entry.binding.entryAddress }
        guard let slash = name.firstIndex(of: "/"), let server = ServerName(reference: String(name[..<slash]))
        else { return nil }
        let owner = server.node.map { report.nodes.node($0.text) } ?? report.snapshot.me
        guard let owner else { return nil }
        let key = ServerKey(owner: owner, name: server.server)
        let entry = String(name[name.index(after: slash)...])
        let known = report.snapshot.servers[key]?.manifest?.entries.first { $0.name == entry }
        return known.map { EntryAddress(server: key, kind: $0.kind, name: $0.name) }
    }

    /// The servers that are the same backend, and which of them calls go to at this moment.
    private func replicas(of server: ServerKey, _ report: CatalogReport) -> JSON {
        guard let (others, snapshot) = board.replicas(of: server) else { return .emptyArray }
        let all = [server] + others
        let inLine = router.replicasInLine(among: all, in: snapshot)
        return .array(
            all.map { key in
                .object([
                    ("server", .string("\(report.nodes[key.owner])--\(key.name)")),
                    ("state", .string(report.ownState(of: key))), ("isInLine", .bool(inLine.contains(key))),
                ])
            })
    }
}

extension EntryTrace {
    fileprivate func json(at endpoint: String) -> JSON {
        .object([
            ("endpoint", .string(endpoint)), ("name", name.map(JSON.string) ?? .null),
            ("reasons", .array(reasons.map(JSON.string))),
        ])
    }
}

extension Binding {
    /// In full, where ``address`` is as the history notes it.
    fileprivate var entryAddress: EntryAddress { EntryAddress(server: server, kind: kind, name: entry) }
}
