import ArgumentParser
import JSONSlice

struct CatalogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catalog", abstract: "What the whole mesh offers.",
        subcommands: [Search.self, Show.self, Diff.self, Why.self, Export.self, SQL.self])

    struct Search: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Entries that the words mean, name or share words with, best first; all when there are none.")
        @Argument(help: "What it should do, in your words, or a name.") var words: [String] = []
        @Option(
            name: .customLong("where"),
            help: "Of these only, as in \"'readonly' IN tags AND segment = 'plant-a'\".")
        var selection = ""
        @Option(help: "How many at most.") var limit = 50
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                let body = JSON.object([
                    ("query", .string(words.joined(separator: " "))), ("where", .string(selection)),
                    ("limit", .number(limit)),
                ])
                options.show(try await node.post("/v1/catalog/search", body)) { answer in
                    let isRanked = !words.isEmpty
                    var table =
                        isRanked
                        ? Table("name", "owner", "state", "why", "what it does")
                        : Table("name", "kind", "owner", "state", "what it does")
                    for entry in answer.list("entries") {
                        let (name, owner, state) = (
                            entry.words("name"), entry.words("owner"), entry.words("state")
                        )
                        if isRanked {
                            table.add(
                                name, owner, state, CatalogCommand.why(entry), entry.words("description"))
                        } else {
                            table.add(name, entry.words("kind"), owner, state, entry.words("description"))
                        }
                    }
                    if let remark = answer["meaning"]?.string {
                        Terminal.say(Terminal.singleLine("By meaning: \(remark)"))
                    }
                    if table.isEmpty {
                        Terminal.say(
                            "Nothing found; `martlet catalog search` without words and --where lists everything."
                        )
                    } else {
                        Terminal.say(table.rendered())
                        let more = answer.count("total") - answer.list("entries").count
                        if more > 0 {
                            Terminal.say("… and \(more) more; --limit \(answer.count("total")) shows all")
                        }
                    }
                }
            }
        }
    }

    /// Why a search found an entry, in a few words.
    fileprivate static func why(_ entry: JSON) -> String {
        if entry["isNamed"]?.bool == true { return "its name" }
        let words = entry.list("words").compactMap(\.string)
        let meaning = "meaning \(entry["similarity"]?.double ?? 0)"
        return words.isEmpty ? meaning : words.joined(separator: ", ")
    }
}
