import Admin
import ArgumentParser
import JSONSlice

extension CatalogCommand {
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One entry, whole: owner, state, definition, and what it was before.")
        @Argument(help: "Its name, as `catalog search` prints it.") var entry: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(
                    try await node.post("/v1/catalog/show", .object([("entry", .string(entry))])), Self.say)
            }
        }

        private static func say(_ answer: JSON) {
            Terminal.say(
                "\(Terminal.bold(answer.words("name")))  \(answer.words("kind"))  \(answer.words("state"))")
            say(
                "server \(answer.words("server")) of node \(answer.words("owner")), there named \(answer.words("original"))"
            )
            let tags = answer.list("tags").compactMap(\.string)
            say(
                "segment \(answer.words("segment")), owner heard \(ago(answer["ageSeconds"]?.int ?? 0))"
                    + (tags.isEmpty ? "" : ", tags \(tags.joined(separator: " "))"))
            if let health = answer["health"] {
                let since = health["sinceSeconds"]?.int.map { " for \(age(seconds: $0))" } ?? ""
                let why = health.words("reason")
                say("that server is \(health.words("state"))\(since)\(why.isEmpty ? "" : ": \(why)")")
            }
            say("definition \(answer.words("hash"))")
            let versions = answer.list("versions")
            for version in versions {
                let learnt = "\(version.words("hash")) learnt \(ago(version.count("learntSecondsAgo")))"
                let gone = version["goneSecondsAgo"]?.int.map { ", gone \(ago($0))" } ?? ""
                let changed = version.list("changed").compactMap(\.string).joined(separator: ", ")
                let what =
                    version["isNew"]?.bool == true
                    ? ": new" : changed.isEmpty ? ": changed" : ": changed \(changed)"
                say("  \(learnt)\(gone)\(what)")
            }
            if let definition = answer["definition"] { Terminal.say(definition.text) }
        }

        private static func say(_ line: String) { Terminal.say(Terminal.wrapped(Terminal.singleLine(line))) }

        private static func ago(_ seconds: Int) -> String {
            seconds < 1 ? "now" : "\(age(seconds: seconds)) ago"
        }
    }

    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Entries that were added, changed or removed, as this node has learnt it.")
        @Option(help: "How far back: 30m, 1h, 7d; at most 30d.") var since = "1h"
        @OptionGroup var options: NodeOptions

        func run() async throws {
            guard let seconds = seconds(from: since) else {
                throw ValidationError(
                    "--since: expected a duration such as 30m, 1h or 7d, found \"\(since)\"")
            }
            try await options.withNode { node in
                let body = JSON.object([("sinceSeconds", .number(seconds))])
                options.show(try await node.post("/v1/catalog/diff", body)) { answer in
                    var table = Table("what", "name", "kind", "owner", "ago", "in it")
                    for entry in answer.list("entries") {
                        table.add(
                            entry.words("what"),
                            entry["name"]?.string ?? "\(entry.words("server"))/\(entry.words("original"))",
                            entry.words("kind"), entry.words("owner"),
                            age(seconds: entry.count("secondsAgo")),
                            entry.list("changed").compactMap(\.string).joined(separator: ", "))
                    }
                    Terminal.say(
                        table.isEmpty ? "No entry differs from what it was \(since) ago." : table.rendered())
                    if answer["isCut"]?.bool == true {
                        Terminal.say(
                            "There are more; these are the newest. A shorter --since leaves older ones out.")
                    }
                }
            }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The catalog as one JSON document on standard output.")
        @Option(
            help: "json: every entry with its definition; server-json: servers, as MCP registries list them.")
        var format = "json"
        @Option(name: .customLong("where"), help: "Which entries, as in catalog search.")
        var selection = ""
        @Option(help: "server-json: what names begin with, your domain reversed (default: local.martlet).")
        var namespace: String?
        @Option(help: "server-json: the URL at which others reach this node's MCP listener.")
        var base: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            var members: [(String, JSON)] = [("format", .string(format)), ("where", .string(selection))]
            if let namespace { members.append(("namespace", .string(namespace))) }
            if let base { members.append(("base", .string(base))) }
            try await options.withNode { node in
                Terminal.data(try await node.post("/v1/catalog/export", .object(members)).text)
            }
        }
    }
}
