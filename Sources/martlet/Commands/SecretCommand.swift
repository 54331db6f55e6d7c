import Admin
import ArgumentParser
import JSONSlice

struct SecretCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret",
        abstract: "Credentials of backends, sealed in this node's vault; they never leave it.",
        subcommands: [Set.self, List.self, Remove.self], defaultSubcommand: List.self)

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Store a secret; its value is read from standard input or a file, never from the command line."
        )
        @Argument(help: "Its name.") var name: String
        @Option(help: "File with the value (default: standard input).") var from: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            var value =
                try from.map { try InputFile.text(at: $0, bytesMax: 64 * 1024) }
                ?? InputFile.standardInput(bytesMax: 64 * 1024, prompt: "Value of \(name): ")
            // An editor's or echo's final newline is not part of a credential.
            while value.last?.isNewline == true { value.removeLast() }
            guard !value.isEmpty else { throw CommandFailure("the value is empty; nothing was stored") }
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
                    var table = Table("name", "bound to", "version")
                    for item in answer.list("secrets") {
                        table.add(
                            item.words("name"), item["audience"]?.string ?? "nothing yet",
                            "\(item.count("version"))")
                    }
                    Terminal.say(
                        table.isEmpty ? "None; `martlet secret set NAME` stores one." : table.rendered())
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
