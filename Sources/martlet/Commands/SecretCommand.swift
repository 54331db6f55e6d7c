import Admin
import ArgumentParser
import JSONSlice

struct SecretCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret",
        abstract: "Credentials of backends, sealed in this node's vault; they never leave it.",
        subcommands: [Set.self, List.self, Rotate.self, Remove.self], defaultSubcommand: List.self)

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Store a secret; its value is read from standard input or a file, never from the command line."
        )
        @Argument(help: "Its name.") var name: String
        @Option(help: "File with the value (default: standard input).") var from: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            let value = try SecretInput.read(from: from, prompt: "Value of \(name): ")
            try await options.withNode { node in
                options.show(
                    try await node.put(
                        AdminClient.path("v1", "secrets", name), .object([("value", .string(value))]))
                ) { answer in
                    Terminal.say(
                        "\(name) stored"
                            + (answer["audience"]?.string.map { ", bound to \($0)" }
                                ?? ", bound to the first server that uses it"))
                }
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Names of the stored secrets and what each is bound to; never values.")
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.get("/v1/secrets")) { answer in
                    var table = Table("name", "bound to", "version", "set", "former")
                    for item in answer.list("secrets") {
                        table.add(
                            item.words("name"), item["audience"]?.string ?? "nothing yet",
                            "\(item.count("version"))", age(seconds: item.count("updatedSecondsAgo")),
                            item["formerVersion"]?.int.map { _ in
                                item["formerUsedSecondsAgo"]?.int.map { "needed \(age(seconds: $0)) ago" }
                                    ?? "live, not needed"
                            } ?? "")
                    }
                    Terminal.say(
                        table.isEmpty ? "None; `martlet secret set NAME` stores one." : table.rendered())
                }
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Store a new value; the one before stays live until --end.",
            discussion: """
                A server over HTTP is sent the new value first, and the former one where it answers 401: so it can change over
                at any moment, and no call fails. So is an authorization server, where it answers invalid_client; a token
                that there is stays in use. A key of tls.key is used once the certificate's file is the one that goes with
                it, and the former one till then. `martlet secret list` shows when the former value was last needed. A
                child process is started anew with the new value.
                """)
        @Argument(help: "Its name.") var name: String
        @Option(help: "File with the new value (default: standard input).") var from: String?
        @Flag(help: "Drop the former value: the backend has changed over.") var end = false
        @OptionGroup var options: NodeOptions

        func run() async throws {
            var body: [(String, JSON)] = []
            if end {
                guard from == nil else {
                    throw ValidationError("--end drops the former value and takes no new one")
                }
                body.append(("end", .bool(true)))
            } else {
                body.append(
                    ("value", .string(try SecretInput.read(from: from, prompt: "New value of \(name): "))))
            }
            try await options.withNode { node in
                options.show(
                    try await node.post(AdminClient.path("v1", "secrets", name, "rotate"), .object(body))
                ) { _ in
                    Terminal.say(
                        end
                            ? "\(name): the former value is gone."
                            : "\(name): the new value is in use, and the former one where a backend still wants it. When it does not: martlet secret rotate \(name) --end"
                    )
                }
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget a secret.")
        @Argument(help: "Its name.") var name: String
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.delete(AdminClient.path("v1", "secrets", name))) { _ in
                    Terminal.say("\(name) removed.")
                }
            }
        }
    }
}
