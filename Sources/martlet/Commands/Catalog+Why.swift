import Admin
import ArgumentParser
import JSONSlice

extension CatalogCommand {
    struct Why: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Which rule chose, renamed, hid or replaced an entry, and what else is the same.")
        @Argument(help: "Its name on /mcp, or NODE--SERVER/ENTRY.") var entry: String
        @Option(name: .customLong("in"), help: "One virtual server, whose name for the entry may be given.")
        var virtualServer: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            var body: [(String, JSON)] = [("entry", .string(entry))]
            if let virtualServer { body.append(("virtualServer", .string(virtualServer))) }
            try await options.withNode { node in
                options.show(try await node.post("/v1/catalog/why", .object(body))) { answer in
                    Terminal.say(
                        "\(Terminal.bold(Terminal.singleLine(answer.words("entry"))))  \(answer.words("kind")) of \(answer.words("server")) on \(answer.words("owner")), \(answer.words("state"))"
                    )
                    for endpoint in answer.list("endpoints") {
                        let name = endpoint["name"]?.string.map { "shows it as \($0)" } ?? "does not show it"
                        Terminal.say("\(endpoint.words("endpoint")) \(Terminal.singleLine(name))")
                        for reason in endpoint.list("reasons") {
                            Terminal.say("  \(Terminal.singleLine(reason.string ?? ""))")
                        }
                    }
                    guard !answer.list("replicas").isEmpty else { return }
                    Terminal.say("the same backend, by any of:")
                    for replica in answer.list("replicas") {
                        let mark = replica["isInLine"]?.bool == true ? ", gets the next call" : ""
                        Terminal.say("  \(replica.words("server"))  \(replica.words("state"))\(mark)")
                    }
                }
            }
        }
    }
}
