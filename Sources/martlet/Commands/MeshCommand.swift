import ArgumentParser
import JSONSlice

struct MeshCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mesh", abstract: "Admit nodes, join a mesh, leave it, end others.",
        subcommands: [
            Invite.self, Join.self, Leave.self, Revoke.self, Issuers.self, RootCommand.self,
        ])

    struct Invite: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "token", abstract: "Make a join token for one more node; shown once.")

        @Option(
            name: .customLong("role"),
            help: "member, entry, operator or issuer; may be repeated (default: member and entry).")
        var roles: [String] = []
        @Option(help: "Segment of the node that joins (default: this node's own).") var segment: String?
        @Option(help: "Name of the node that joins (default: its own choice).") var label: String?
        @Option(help: "How many nodes may join with it.") var uses = 1
        @Option(help: "How long it is good for, e.g. 15m, 24h.") var ttl = "15m"
        @OptionGroup var options: NodeOptions

        func run() async throws {
            guard let life = seconds(from: ttl) else {
                throw ValidationError("--ttl: expected a duration such as 15m or 24h, found \"\(ttl)\"")
            }
            try await options.withNode { node in
                var body: [(String, JSON)] = [("uses", .number(uses)), ("ttlSeconds", .number(life))]
                if !roles.isEmpty { body.append(("roles", .array(roles.map(JSON.string)))) }
                if let segment { body.append(("segment", .string(segment))) }
                if let label { body.append(("label", .string(label))) }
                options.show(try await node.post("/v1/mesh/token", .object(body))) { answer in
                    Terminal.say(answer.words("token"))
                    Terminal.complain(
                        "Good for \(age(seconds: answer.count("expiresInSeconds"))) and \(answer.count("uses")) use(s). On the other host: martlet up --join TOKEN"
                    )
                }
            }
        }
    }

    struct Join: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Join the mesh that made this token.")

        @Argument(help: "The token, @FILE, or - for standard input.") var token: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            let token = try TokenArgument.read(token)
            try await options.withNode { node in
                options.show(try await node.post("/v1/mesh/join", .object([("token", .string(token))]))) {
                    answer in
                    Terminal.say(
                        "Joined mesh \(answer.words("mesh")) as \(answer.words("label")) on segment \(answer.words("segment"))."
                    )
                }
            }
        }
    }

    struct Leave: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Leave the mesh and become a mesh of one again; servers, secrets and keys stay.")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.post("/v1/mesh/leave", .emptyObject)) { answer in
                    Terminal.say("Left. This node is now a mesh of one, \(answer.words("mesh")).")
                }
            }
        }
    }
}
