package import Catalog
package import JSONSlice

/// A composite with what its steps' tools are at this moment: what clients see of it, and what each of its calls is bound to.
package struct BoundComposite: Hashable, Sendable {
    /// Apart, since every entry of every list has room for one, and few have one.
    private indirect enum Parts: Hashable, Sendable {
        case parts(CompositeTool<ServerKey>, [Binding], JSON)
    }

    private let parts: Parts

    package var tool: CompositeTool<ServerKey> {
        switch parts {
        case .parts(let tool, _, _): tool
        }
    }

    /// One for each step, in order: calls name the hash of what was looked at, and the owner refuses another.
    package var bindings: [Binding] {
        switch parts {
        case .parts(_, let bindings, _): bindings
        }
    }

    /// As `tools/list` shows it, under the name of ``tool``.
    package var definition: JSON {
        switch parts {
        case .parts(_, _, let definition): definition
        }
    }

    /// - Parameter entries: the tools of the steps, in order.
    init(_ tool: CompositeTool<ServerKey>, entries: [Entry]) {
        let bindings = zip(tool.steps, entries).map { Binding(server: $0.server, entry: $1) }
        var members: [(String, JSON)] = [("name", .string(tool.name))]
        if let title = tool.title { members.append(("title", .string(title))) }
        if let description = tool.description { members.append(("description", .string(description))) }
        members.append(("inputSchema", tool.inputSchema))
        if let schema = tool.outputSchema { members.append(("outputSchema", schema)) }
        members.append(("annotations", Self.annotations(of: tool, entries.map(\.definition["annotations"]))))
        parts = .parts(tool, bindings, .object(members))
    }

    /// What can be said of the whole from what servers say of the steps, where MCP's defaults are the worst.
    private static func annotations(of tool: CompositeTool<ServerKey>, _ hints: [JSON?]) -> JSON {
        let reads = hints.map { $0?["readOnlyHint"]?.bool == true }
        let destroys = hints.map {
            $0?["readOnlyHint"]?.bool != true && $0?["destructiveHint"]?.bool != false
        }
        let repeats = hints.map { $0?["readOnlyHint"]?.bool == true || $0?["idempotentHint"]?.bool == true }
        let changing = zip(tool.steps, reads).filter { !$1 }.map(\.0)
        // Two steps that each do no harm twice may do harm together, and so may one that takes what the first time has changed.
        let isSelfContained =
            changing.count <= 1
            && changing.allSatisfy { step in
                step.pointers.allSatisfy { if case .step = $0.root { false } else { true } }
            }
        // Clients before 2025-06-18 know a tool's title only as an annotation.
        let title = tool.title.map { [("title", JSON.string($0))] } ?? []
        let derived: JSON = [
            "readOnlyHint": .bool(reads.allSatisfy { $0 }), "destructiveHint": .bool(destroys.contains(true)),
            "idempotentHint": .bool(repeats.allSatisfy { $0 } && isSelfContained),
            "openWorldHint": .bool(hints.contains { $0?["openWorldHint"]?.bool != false }),
        ]
        return .object(title + derived.members.map { ($0.key, $0.value) })
    }
}

extension CompositeTool where Server == ServerKey {
    /// Checks it against what the servers of its steps offer, where that is known.
    ///
    /// - Parameter writtenAs: the servers of its steps, as the person who applies it names them.
    func check(
        at path: ConfigPath, in catalog: CatalogSnapshot, writtenAs: [String], nameLengthMax: Int,
        _ problems: inout [DefinitionProblem]
    ) {
        if name.utf8.count > nameLengthMax {
            problems.append(.nameTooLong(at: path.key("composite"), name, lengthMax: nameLengthMax))
        }
        for (step, server) in zip(steps, writtenAs) {
            guard let manifest = catalog.servers[step.server]?.manifest,
                manifest.entry(.tool, named: step.tool) == nil
            else { continue }
            let names = manifest.entries.lazy.filter { $0.kind == .tool }.map(\.name)
            problems.append(
                .unknownEntry(
                    at: path.key("steps").key(step.id).key("call"), .tool, step.tool, server: server,
                    nearest: NearestName.to(step.tool, among: names)))
        }
    }
}
