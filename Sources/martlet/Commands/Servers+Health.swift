import Admin
import ArgumentParser
import JSONSlice

extension Servers {
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One server, whole: how it fares, since when, and when it last answered.")
        @Argument(help: "Its name; another node's is NODE--SERVER.") var name: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                let answer = try await node.get(AdminClient.path("v1", "servers", name))
                let server = answer["server"] ?? .emptyObject
                options.show(answer) { _ in
                    ServerPage.print(server)
                    LastLines.print(server)
                }
            }
        }
    }

    struct Recheck: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have servers of this node asked now, without waiting for what they say.")
        @Argument(help: "One of them; all when none is named.") var name: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                let body = JSON.object(name.map { [("name", .string($0))] } ?? [])
                options.show(try await node.post("/v1/servers/recheck", body)) { answer in
                    let names = answer.list("asked").compactMap(\.string)
                    Terminal.say(
                        names.isEmpty
                            ? "This node fronts no server."
                            : "Asked: \(names.joined(separator: ", ")); `martlet servers list` shows what they say."
                    )
                }
            }
        }
    }
}

/// One server as text.
private enum ServerPage {
    static func print(_ server: JSON) {
        let since = server["sinceSeconds"]?.int.map { " for \(age(seconds: $0))" } ?? ""
        Terminal.say(
            "\(Terminal.bold(server.words("name"))) of node \(server.words("owner")): \(server.words("state"))\(since)"
        )
        if !server.words("reason").isEmpty {
            Terminal.say(Terminal.wrapped("  " + Terminal.singleLine(server.words("reason"))))
        }
        if let last = server["lastSuccessSeconds"]?.int {
            Terminal.say("  last answered \(age(seconds: last)) ago")
        }
        let kinds = ["tools", "resources", "templates", "prompts"].map { "\(server.count($0)) \($0)" }
        Terminal.say("  \(kinds.joined(separator: ", "))")
        if !server.words("revision").isEmpty { Terminal.say("  speaks \(server.words("revision"))") }
        if !server.words("definedBy").isEmpty { Terminal.say("  defined by \(server.words("definedBy"))") }
        for replica in server.list("replicas") {
            let holds = replica["holds"]?.bool == true
            Terminal.say(
                "  \(holds ? "replica of" : "no replica of") \(replica.words("of"))"
                    + (holds ? "" : ": \(replica.words("why"))"))
        }
        if let definition = server["definition"] { Terminal.say("  \(definition.text)") }
        for remark in server.list("remarks") {
            Terminal.say(Terminal.wrapped("  ! " + Terminal.singleLine(remark.string ?? "")))
        }
    }
}
