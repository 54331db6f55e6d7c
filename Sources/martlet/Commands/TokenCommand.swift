import Admin
import ArgumentParser
import JSONSlice

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Callers' API keys for this node's MCP listener.",
        subcommands: [Create.self, List.self, Revoke.self], defaultSubcommand: List.self)

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a key; shown once, stored hashed.")
        @Option(
            name: .customLong("admin"), help: "A key to the admin surface instead: viewer, editor or admin.")
        var role: String?
        @Argument(help: "Who calls with it.") var name: String
        @Option(help: "How long it is good for, e.g. 12h, 90d (default: until revoked).") var ttl: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            var body: [(String, JSON)] = [("name", .string(name))]
            if let ttl {
                guard let life = seconds(from: ttl) else {
                    throw ValidationError("--ttl: expected a duration such as 12h or 90d, found \"\(ttl)\"")
                }
                body.append(("ttlSeconds", .number(life)))
            }
            if let role { return try await createAdminKey(role, body) }
            try await options.withNode { node in
                options.show(try await node.post("/v1/tokens", .object(body))) { answer in
                    Terminal.say(answer.words("token"))
                    Terminal.complain("Shown once. Clients send it as: Authorization: Bearer TOKEN")
                }
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The keys that exist; never the keys themselves.")
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.get("/v1/tokens")) { answer in
                    var table = Table("id", "name", "made", "expires", "last used")
                    for item in answer.list("tokens") {
                        table.add(
                            item.words("id"), item.words("name"), age(seconds: item.count("ageSeconds")),
                            item["expiresInSeconds"]?.int.map {
                                $0 <= 0 ? "expired" : "in \(age(seconds: $0))"
                            } ?? "never",
                            item["lastUsedSeconds"]?.int.map { age(seconds: $0) } ?? "never")
                    }
                    let none =
                        answer["needsKey"]?.bool == true
                        ? "None, so nobody may call; `martlet token create NAME` makes one."
                        : "None; MCP without a key works on loopback only."
                    Terminal.say(table.isEmpty ? none : table.rendered())
                }
                if !options.json { showAdminKeys(try await node.get("/v1/admin-tokens")) }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a key at once.")
        @Argument(help: "Its id or name.") var key: String
        @Flag(name: .customLong("admin"), help: "A key to the admin surface.") var isAdminKey = false
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                let answer =
                    isAdminKey
                    ? try await node.delete(AdminClient.path("v1", "admin-tokens", key))
                    : try await node.delete(AdminClient.path("v1", "tokens", key))
                options.show(answer) { _ in Terminal.say("\(key) revoked.") }
            }
        }
    }
}
