import Admin
import ArgumentParser
import JSONSlice

extension Servers {
    struct Found: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "MCP servers that mDNS shows on this node's segments; none is dialled before it is accepted.")
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.get("/v1/found")) { answer in
                    let found = answer.list("found")
                    guard !found.isEmpty else {
                        return Terminal.say(Terminal.wrapped("None; mDNS is \(answer.words("mdns"))."))
                    }
                    var table = Table("name", "service", "address", "segment", "first seen", "state", "why")
                    for server in found {
                        let interfaces = server.list("interfaces").compactMap(\.string).joined(
                            separator: ", ")
                        table.add(
                            server.words("name"), Terminal.singleLine(server.words("service")),
                            server.words("address"), "\(server.words("segment")) (\(interfaces))",
                            age(seconds: server.count("firstSeenSeconds")), server.words("state"),
                            server.words("why"))
                    }
                    Terminal.say(table.rendered())
                }
            }
        }
    }

    struct Accept: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Front an MCP server that mDNS shows.")
        @Argument(help: "Its name, as `servers found` prints it.") var name: String
        @Option(name: .customLong("as"), help: "What to call it instead.") var wish: String?
        @Option(help: "Name of the secret that is its bearer token.") var bearer: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                var members: [(String, JSON)] = []
                if let wish { members.append(("as", .string(wish))) }
                if let bearer { members.append(("bearer", .string(bearer))) }
                let answer = try await node.post(
                    AdminClient.path("v1", "found", name, "accept"), .object(members))
                options.show(answer) { answer in
                    let server = answer["server"] ?? .emptyObject
                    Terminal.say(
                        Terminal.singleLine(
                            "\(server.words("name")): \(server.words("state")) \(server.words("reason"))"))
                }
            }
        }
    }
}
