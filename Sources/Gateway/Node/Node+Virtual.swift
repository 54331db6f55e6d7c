import Catalog
import Composition
package import JSONSlice
import MCPTransport

extension Node {
    package func listVirtualServers() async -> JSON {
        .object([("virtualServers", .array(virtualServerReports().map(\.summary)))])
    }

    package func showVirtualServer(named name: String) async throws -> JSON {
        guard let report = virtualServerReports().first(where: { $0.record.name.text == name }) else {
            throw Refusal(
                .notFound, "no virtual server named \(name)", hint: "`martlet virtual list` shows them")
        }
        return report.whole
    }

    package func applyVirtualServers(yaml: String, source: String) async throws -> JSON {
        let applied = try await virtualServers.apply(yaml: yaml, source: source)
        let reports = virtualServerReports()
        return .object([
            (
                "applied",
                .array(
                    applied.map { item in
                        let report = reports.first { $0.record.name == item.name }
                        var answer = (report?.summary ?? .object([("name", .string(item.name.text))]))
                            .setting("outcome", to: .string(item.outcome))
                        if let note = item.note { answer = answer.setting("note", to: .string(note)) }
                        return answer
                    })
            )
        ])
    }

    package func removeVirtualServer(named name: String) async throws -> JSON {
        guard let label = Label(name) else { throw Refusal(.notFound, "no virtual server named \(name)") }
        try await virtualServers.remove(label)
        return .object([("removed", .string(name))])
    }

    // MARK: -

    func virtualServerReports() -> [VirtualServerReport] {
        guard let catalog = catalogReport() else { return [] }
        return board.snapshot.virtualServers.values.sorted { $0.name < $1.name }.map { record in
            VirtualServerReport(
                record: record, view: board.view(.server(record.name.text)), catalog: catalog,
                endpoint: "\(mcpURL)/servers/\(record.name)/mcp")
        }
    }
}
