import Catalog
import Composition
package import JSONSlice

extension Node {
    /// Of an answer; what is read at once by those who take it has to fit what they take.
    static let exportBytesMax = 48 * 1024 * 1024

    /// The catalog as one document.
    ///
    /// - Parameters:
    ///   - format: `json`, or `server-json` for MCP registries.
    ///   - selection: what of it, as `where` says it; empty: all.
    ///   - namespace: of names in `server-json`.
    ///   - base: where others reach this node's MCP surface; `nil`: where it listens.
    package func exportCatalog(
        format: String, where selection: String, namespace: String?, base: String?
    ) async throws -> JSON {
        let chosen = try Self.selection(selection)
        guard let report = catalogReport() else {
            throw Refusal(.unavailable, "the catalog is not ready yet")
        }
        let rows = CatalogRows(report, now: seat.now())
        let entries = report.entries.filter { entry in chosen.map { rows.chooses($0, entry) } ?? true }
        switch format {
        case "json": return try whole(entries, rows, report)
        case "server-json":
            let servers = Set(entries.map(\.binding.server))
            let (namespace, board) = (namespace ?? "local.martlet", board)
            let base = base ?? mcpURL
            guard base.hasPrefix("http://") || base.hasPrefix("https://"),
                !base.contains(where: \.isWhitespace)
            else {
                throw Refusal(
                    .invalid, "base: expected a URL such as https://gw.example.net, found \"\(base)\"")
            }
            guard
                let list = ServerJSON(
                    report, namespace: namespace, base: base.hasSuffix("/") ? String(base.dropLast()) : base)
            else {
                throw Refusal(
                    .invalid,
                    "namespace: expected a reversed domain such as net.example, of letters, digits, . and -, found \"\(namespace)\""
                )
            }
            return list.list({ chosen == nil || servers.contains($0) }) { board.view(.server($0.text)) }
        default:
            throw Refusal(.invalid, "format: expected json or server-json, found \"\(format)\"")
        }
    }

    private func whole(_ entries: [ListedEntry], _ rows: CatalogRows, _ report: CatalogReport) throws -> JSON
    {
        var bytes = 0
        var list: [JSON] = []
        for entry in entries {
            guard let row = rows.row(of: entry) else { continue }
            let columns = SelectionColumn.allCases.map { ($0.rawValue, row.value($0).json) }
            let item = JSON.object(
                columns + [
                    ("hash", .string(entry.binding.hash.description)), ("definition", entry.definition),
                ])
            bytes += item.bytes.count
            guard bytes <= Self.exportBytesMax else {
                throw Refusal(
                    .invalid,
                    "the catalog has more than \(Self.exportBytesMax >> 20) MiB, the most one export has",
                    hint: "export it in parts with --where, by segment or by server")
            }
            list.append(item)
        }
        return .object([
            ("node", .string(seat.label.text)), ("mesh", .string(seat.mesh.description)),
            ("entries", .array(list)),
            ("virtualServers", .array(virtualServerReports().map(\.summary))),
        ])
    }
}
