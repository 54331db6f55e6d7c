import Admin
import ArgumentParser
import JSONSlice

struct Virtual: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Virtual servers: chosen entries of any servers under one name.",
        subcommands: [
            List.self, Show.self, Apply.self, Diff.self, History.self, Rollback.self, Remove.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "All virtual servers of the mesh.")
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.get("/v1/virtual")) { answer in
                    var table = Table("name", "entries", "by", "endpoint", "title")
                    for item in answer.list("virtualServers") {
                        table.add(
                            item.words("name"), "\(item.count("entries"))", item.words("author"),
                            item.words("endpoint"), item.words("title"))
                    }
                    Terminal.say(
                        table.isEmpty ? "None; `martlet virtual apply -f FILE` makes one." : table.rendered())
                }
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Exactly what a client of it lists, and where each entry comes from.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.get(AdminClient.path("v1", "virtual", name))) { answer in
                    Terminal.say(
                        "\(Terminal.bold(answer.words("name")))  \(Terminal.singleLine(answer.words("title")))  by \(answer.words("author")), version \(answer.count("counter"))"
                    )
                    Terminal.say(answer.words("endpoint"))
                    let access = answer["definition"]?.list("access").compactMap(\.string) ?? []
                    if !access.isEmpty {
                        Terminal.say("For \(Terminal.singleLine(access.joined(separator: ", "))) only.")
                    }
                    var table = Table("name", "kind", "from", "state", "description")
                    for entry in answer.list("entries") {
                        table.add(
                            entry.words("name"), entry.words("kind"), entry.words("from"),
                            entry.words("state"),
                            entry.words("description"))
                    }
                    if !table.isEmpty { Terminal.say(table.rendered()) }
                    if answer.words("mode") == "search" {
                        Terminal.say("Clients are listed search_tools and call_tool, and find these by them.")
                    }
                    for lost in answer.list("overruled") {
                        Terminal.say(
                            "! the word of \(Terminal.singleLine(lost.string ?? "")) was overruled by one that had not seen it: `martlet virtual history \(name)`"
                        )
                    }
                    for problem in answer.list("problems") {
                        Terminal.say("! \(Terminal.singleLine(problem.string ?? ""))")
                    }
                }
            }
        }
    }

    struct Apply: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Define or change virtual servers from YAML; served by every node if this one has role operator."
        )
        @Option(name: .shortAndLong, help: "The YAML file; - for standard input.") var file: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            let text = file == "-" ? try InputFile.standardInput() : try InputFile.text(at: file)
            try await options.withNode { node in
                options.show(
                    try await node.post(
                        "/v1/virtual", .object([("yaml", .string(text)), ("source", .string(file))]))
                ) { answer in
                    for item in answer.list("applied") {
                        Terminal.say(
                            "\(item.words("name")): \(item.words("outcome")), \(item.count("entries")) entries, \(item.words("endpoint"))"
                        )
                        if let note = item["note"]?.string { Terminal.say("  \(note)") }
                    }
                }
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a virtual server back.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.delete(AdminClient.path("v1", "virtual", name))) { _ in
                    Terminal.say("\(name) removed.")
                }
            }
        }
    }
}
