import Admin
import ArgumentParser
import JSONSlice

extension Virtual {
    struct History: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "All that this node knows to have been said of a virtual server.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.get(AdminClient.path("v1", "virtual", name, "history"))) {
                    answer in
                    var table = Table("version", "hash", "by", "learnt", "", "")
                    for version in answer.list("versions") {
                        let marks = [
                            version["isRemoval"]?.bool == true ? "removed" : nil,
                            version["isConfigured"]?.bool == true ? "from its configuration" : nil,
                        ]
                        table.add(
                            "\(version.count("version"))", String(version.words("hash").prefix(8)),
                            version.words("author"), age(seconds: version.count("learntSecondsAgo")),
                            version.words("standing"), marks.compactMap(\.self).joined(separator: ", "))
                    }
                    Terminal.say(table.rendered())
                    if answer.list("versions").contains(where: { $0.words("standing") == "overruled" }) {
                        Terminal.say(
                            "overruled: its author and that of the one that counted instead had not seen each other's; `martlet virtual diff \(name) --from HASH` shows what was lost"
                        )
                    }
                }
            }
        }
    }

    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What two versions of a virtual server differ in, or what a file would change.",
            discussion: "Versions are given by number, or by the first characters of their hash.")
        @Argument(help: "Its name; not with --file.") var name: String?
        @Option(help: "The older version (default: what the newer one replaced).") var from: String?
        @Option(help: "The newer version (default: the one that counts).") var to: String?
        @Option(name: .shortAndLong, help: "A YAML file to compare with what counts; - for standard input.")
        var file: String?
        @OptionGroup var options: NodeOptions

        func validate() throws {
            guard (name == nil) != (file == nil) else {
                throw ValidationError("give the name of a virtual server, or --file")
            }
            guard file == nil || (from == nil && to == nil) else {
                throw ValidationError("--from and --to go with a name, not with --file")
            }
        }

        func run() async throws {
            guard let name else { return try await compareFile() }
            let body = [("from", from), ("to", to)].compactMap { key, text in
                text.map { (key, JSON.string($0)) }
            }
            try await options.withNode { node in
                options.show(
                    try await node.post(AdminClient.path("v1", "virtual", name, "diff"), .object(body))
                ) { answer in
                    let old = answer["from"]?.string ?? "nothing"
                    Terminal.say("\(Terminal.bold(name))  \(old) → \(answer.words("to"))")
                    Self.show(answer)
                }
            }
        }

        private func compareFile() async throws {
            guard let file else { return }
            let text = file == "-" ? try InputFile.standardInput() : try InputFile.text(at: file)
            try await options.withNode { node in
                options.show(
                    try await node.post(
                        "/v1/virtual/diff", .object([("yaml", .string(text)), ("source", .string(file))]))
                ) { answer in
                    for item in answer.list("virtualServers") {
                        Terminal.say(Terminal.bold(item.words("name")))
                        Self.show(item)
                    }
                }
            }
        }

        private static func show(_ answer: JSON) {
            let members = answer.list("definition")
            guard !members.isEmpty else { return Terminal.say("  no difference") }
            for member in members {
                Terminal.say("  \(Terminal.singleLine(member.words("place")))")
                if let old = member["old"] {
                    Terminal.say("    - \(Terminal.singleLine(old.string ?? old.text))")
                }
                if let new = member["new"] {
                    Terminal.say("    + \(Terminal.singleLine(new.string ?? new.text))")
                }
            }
            for (key, mark) in [("added", "+"), ("removed", "-"), ("changed", "~")] {
                for name in answer.list(key) {
                    Terminal.say("  clients see  \(mark) \(Terminal.singleLine(name.string ?? ""))")
                }
            }
        }
    }

    struct Rollback: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an earlier version of a virtual server count again, as a new one.")
        @Argument(help: "Its name.") var name: String
        @Option(help: "Number of the version, or the first characters of its hash (default: the one before).")
        var to: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(
                    try await node.post(
                        AdminClient.path("v1", "virtual", name, "rollback"),
                        .object(to.map { [("to", .string($0))] } ?? []))
                ) { answer in
                    Terminal.say(
                        "\(name): \(answer.words("outcome")), as it was in version \(answer.words("to")); now version \(answer.count("counter")), \(answer.count("entries")) entries"
                    )
                    if let note = answer["note"]?.string { Terminal.say("  \(note)") }
                }
            }
        }
    }
}
