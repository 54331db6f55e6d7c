import Admin
import ArgumentParser
import JSONSlice

struct Servers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The MCP servers that this node fronts.",
        subcommands: [
            List.self, Show.self, Add.self, Import.self, Remove.self, Test.self, Recheck.self,
            Found.self, Accept.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "All servers of the mesh, this node's own first.")
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.get("/v1/servers")) { StatusPage.servers($0.list("servers")) }
            }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Front one more server.",
            discussion: """
                martlet servers add sample
                martlet servers add time -- mcp-server-time --local-timezone UTC
                martlet servers add github --url https://api.example.com/mcp --bearer github-token
                """)

        @Argument(help: "Its name: [a-z0-9-], at most 32 characters.") var name: String
        @Argument(parsing: .postTerminator, help: "Command and arguments of a stdio server, after --.")
        var command: [String] = []
        @Option(help: "Address of a Streamable HTTP server.") var url: String?
        @Option(
            name: .customLong("env"),
            help: "NAME=VALUE for a stdio server; ${secret:NAME} takes a value from the vault.")
        var environment: [String] = []
        @Option(name: .customLong("header"), help: "NAME: VALUE for an HTTP server; ${secret:NAME} as above.")
        var headers: [String] = []
        @Option(help: "Name of the secret that is its bearer token.") var bearer: String?
        @Option(
            name: .customLong("query"), help: "NAME=SECRET: a key that is sent as a parameter of the query.")
        var queryKey: String?
        @Option(help: "What its authorization server calls this node (OAuth client credentials).")
        var clientID: String?
        @Option(help: "Name of the secret that this node and the authorization server share.")
        var clientSecret: String?
        @Option(help: "Name of the secret that is this node's private key, in PEM.") var clientKey: String?
        @Option(help: "The authorization server, as it spells itself: nobody else is shown secret or key.")
        var issuer: String?
        @Option(name: .customLong("scope"), help: "A scope to ask for; may be repeated.") var scopes:
            [String] = []
        @Option(name: .customLong("tag"), help: "A word to find it by; may be repeated.") var tags: [String] =
            []
        @Flag(help: "Keep it on this node: no other node hears of it.") var local = false
        @OptionGroup var options: NodeOptions

        func run() async throws {
            let definition: JSON
            if name == "sample" && command.isEmpty && url == nil {
                // The server inside this binary; the node knows `martlet` as itself wherever it is installed.
                definition = .object([("command", "martlet"), ("args", ["sample-server"])])
            } else {
                definition = try self.definition()
            }
            try await options.withNode { node in
                let body = JSON.object([("name", .string(name)), ("definition", definition)])
                options.show(try await node.post("/v1/servers", body)) { answer in
                    let server = answer["server"] ?? .emptyObject
                    Terminal.say(
                        Terminal.singleLine(
                            "\(server.words("name")): \(server.words("state")) \(server.words("reason"))"))
                    if server.words("state") == "up" {
                        Terminal.say("\(server.count("tools")) tools; try: martlet catalog search \(name)")
                    } else {
                        LastLines.print(server)
                    }
                }
            }
        }

        private func definition() throws -> JSON {
            var members: [(String, JSON)] = []
            if let url {
                guard command.isEmpty else {
                    throw ValidationError("give either --url or a command after --, not both")
                }
                members.append(("url", .string(url)))
            } else if let program = command.first {
                members.append(("command", .string(program)))
                members.append(("args", .array(command.dropFirst().map(JSON.string))))
            } else {
                throw ValidationError(
                    "give --url URL, or a command after --, e.g. martlet servers add time -- mcp-server-time")
            }
            let env = try environment.map { try Self.split($0, at: "=", option: "--env") }
            if !env.isEmpty { members.append(("env", .object(env.map { ($0, .string($1)) }))) }
            let fields = try headers.map { try Self.split($0, at: ":", option: "--header") }
            if !fields.isEmpty { members.append(("headers", .object(fields.map { ($0, .string($1)) }))) }
            if let bearer {
                members.append(("auth", .object([("bearer", .object([("secret", .string(bearer))]))])))
            }
            if let auth = try otherAuth() { members.append(("auth", auth)) }
            if !tags.isEmpty { members.append(("tags", .array(tags.map(JSON.string)))) }
            if local { members.append(("export", false)) }
            return .object(members)
        }

        /// A credential that is no bearer token, if one is given.
        private func otherAuth() throws -> JSON? {
            let isClient =
                clientID != nil || clientSecret != nil || clientKey != nil || issuer != nil || !scopes.isEmpty
            guard [bearer != nil, queryKey != nil, isClient].filter({ $0 }).count <= 1 else {
                throw ValidationError(
                    "give one of --bearer, --query and --client-id; a server takes one credential")
            }
            if let queryKey {
                let (name, secret) = try Self.split(queryKey, at: "=", option: "--query")
                return ["query": ["name": .string(name), "secret": .string(secret)]]
            }
            guard isClient else { return nil }
            let named = [
                ("clientId", clientID), ("secret", clientSecret), ("key", clientKey), ("issuer", issuer),
            ]
            var members = named.compactMap { name, value in value.map { (name, JSON.string($0)) } }
            if !scopes.isEmpty { members.append(("scopes", .array(scopes.map(JSON.string)))) }
            return ["clientCredentials": .object(members)]
        }

        private static func split(_ text: String, at mark: Character, option: String) throws -> (
            String, String
        ) {
            guard let index = text.firstIndex(of: mark), index != text.startIndex else {
                throw ValidationError("\(option): expected NAME\(mark)VALUE, found \"\(text)\"")
            }
            return (
                String(text[..<index]), String(text[text.index(after: index)...].drop(while: { $0 == " " }))
            )
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take over the servers of a desktop client's mcp.json, as it is.")

        @Argument(help: "The file.") var file: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            let text = try InputFile.text(at: file)
            try await options.withNode { node in
                let answer = try await node.post("/v1/servers/import", .object([("document", .string(text))]))
                options.show(answer, ImportReport.print)
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Stop fronting a server of this node.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.delete(AdminClient.path("v1", "servers", name))) { _ in
                    Terminal.say("\(name) removed.")
                }
            }
        }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask a server of this node for its lists now, and say what came back.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                let answer = try await node.post(
                    AdminClient.path("v1", "servers", name, "test"), .emptyObject)
                let server = answer["server"] ?? .emptyObject
                options.show(answer) { _ in
                    StatusPage.servers([server])
                    LastLines.print(server)
                }
                if server.words("state") != "up" { throw ExitCode.failure }
            }
        }
    }
}

/// What a server's process last wrote besides messages of MCP.
enum LastLines {
    static func print(_ server: JSON) {
        let lines = server.list("stderr")
        guard !lines.isEmpty else { return }
        Terminal.say("\nLast lines of its standard error, and of its output where they were no messages")
        for line in lines { Terminal.say("  " + Terminal.singleLine(line.string ?? "")) }
    }
}

/// What became of each server of an imported file.
enum ImportReport {
    static func print(_ answer: JSON) {
        for item in answer.list("servers") {
            Terminal.say("  \(item.words("name")): \(Terminal.singleLine(item.words("outcome")))")
        }
        for item in answer.list("secrets") {
            Terminal.say(
                "  \(item.words("where")) looks like a credential and is now the secret \(item.words("secret"))"
            )
        }
        for item in answer.list("problems") { Terminal.say("  ! \(Terminal.singleLine(item.string ?? ""))") }
    }
}
