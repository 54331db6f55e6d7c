import Admin
import ArgumentParser
import JSONSlice

extension CatalogCommand {
    struct SQL: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sql",
            abstract:
                "One read-only SELECT over nodes, links, servers, entries, virtual_servers and statements.",
            discussion:
                "docs/reference/catalog.md lists the columns; so does SELECT sql FROM sqlite_schema.")
        @Argument(help: "The query, SQLite's dialect.") var query: String
        @Option(name: .customLong("where"), help: "Which entries there are, as in catalog search.")
        var selection = ""
        @Option(help: "How many rows at most, up to 10000.") var limit = 1_000
        @OptionGroup var options: NodeOptions

        func run() async throws {
            let body = JSON.object([
                ("sql", .string(query)), ("where", .string(selection)), ("limit", .number(limit)),
            ])
            try await options.withNode { node in
                options.show(try await node.post("/v1/catalog/sql", body)) { answer in
                    let rows = answer.list("rows")
                    guard !rows.isEmpty else { return Terminal.say("No rows.") }
                    var table = Table(answer.list("columns").map { $0.string ?? "" })
                    for row in rows { table.add(row.elements.map(Self.cell)) }
                    Terminal.say(table.isTooWide ? table.renderedAsRecords() : table.rendered())
                    if answer["isCut"]?.bool == true {
                        Terminal.say("… cut here; --limit N shows up to N rows, of 8 MiB in all")
                    }
                }
            }
        }

        private static func cell(_ value: JSON) -> String {
            switch value.kind {
            case .string: value.string ?? ""
            case .null: "-"
            default: value.text
            }
        }
    }
}
