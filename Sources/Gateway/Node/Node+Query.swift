import Catalog
import Composition
package import JSONSlice
import Storage

/// Questions to the catalog beyond a search: SQL.
extension Node {
    /// Runs one read-only query over the catalog as this node knows it.
    ///
    /// - Parameters:
    ///   - selection: what of the entries there is, as `where` says it; empty: all.
    ///   - rowsMax: how many rows the answer has at most.
    package func queryCatalog(sql: String, where selection: String, rowsMax: Int) async throws -> JSON {
        let chosen = try Self.selection(selection)
        guard let report = catalogReport() else {
            throw Refusal(.unavailable, "the catalog is not ready yet")
        }
        let mesh = try seat.running()
        let board = board
        let tables = CatalogTables(
            report: report, sight: .everything, links: await mesh.listedLinks,
            revocations: Array(mesh.revocations.all.values), decisions: mesh.statements,
            view: { board.view(.server($0.text)) },
            now: seat.now())
        var limits = QueryLimits.standard
        limits.rowsMax = rowsMax
        do {
            let query = ReadOnlyQuery(sql, over: tables.all(selecting: chosen), limits: limits)
            return try await queries.run(query).json
        } catch let error as QueryError {
            if case .busy = error { throw Refusal(.unavailable, "\(error)") }
            throw Refusal(.invalid, "\(error)")
        }
    }

    /// - Returns: `nil` for an empty text, which chooses everything.
    static func selection(_ text: String) throws(Refusal) -> Selection? {
        guard text.contains(where: { !$0.isWhitespace }) else { return nil }
        do {
            return try Selection(text)
        } catch {
            throw Refusal(
                .invalid, "\(error)", hint: "docs/reference/catalog.md has the grammar and the columns")
        }
    }
}

extension QueryResult {
    fileprivate var json: JSON {
        .object([
            ("columns", .array(columns.map(JSON.string))),
            ("rows", .array(rows.map { .array($0.map(\.json)) })), ("isCut", .bool(isCut)),
        ])
    }
}

extension QueryValue {
    fileprivate var json: JSON {
        switch self {
        case .null: .null
        case .integer(let number): .number(Int(number))
        case .real(let number): number.isFinite ? .number(number) : .string("\(number)")
        case .text(let text): .string(text)
        }
    }
}
