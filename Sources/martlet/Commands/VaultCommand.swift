import Admin
import ArgumentParser
import JSONSlice
import MCPModel

/// The vault as a whole; single secrets are `martlet secret`.
struct VaultCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vault", abstract: "Open the vault, give it new keys, back it up, bring it back.",
        subcommands: [
            Status.self, Unseal.self, Rekey.self, Slot.self, Backup.self, Restore.self, Accept.self,
        ], defaultSubcommand: Status.self)

    static func show(_ answer: JSON) {
        let slots = answer.list("slots").compactMap(\.string).joined(separator: ", ")
        if let reason = answer["reason"]?.string {
            Terminal.say(Terminal.wrapped(reason))
        } else {
            Terminal.say("open; \(answer.count("secrets")) secrets, opened by: \(slots)")
        }
        let waiting = answer.count("waiting")
        Terminal.say(
            "keys of generation \(answer.count("generation"))"
                + (waiting > 0 ? ", \(waiting) secrets still under an earlier one" : "")
                + "; change \(answer.count("counter"))")
        if let remembered = answer["remembered"]?.int {
            Terminal.say(
                Terminal.wrapped(
                    "This node once told the mesh of change \(remembered): the vault was put back to an earlier state. If that was done on purpose, set again what has changed since, then `martlet vault accept`."
                ))
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Whether it is open, what opens it, and how far new keys have come.")
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.get("/v1/vault"), VaultCommand.show)
            }
        }
    }

    struct Unseal: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Open a sealed vault; servers that waited for it come up.",
            discussion:
                "The passphrase is read from the terminal, standard input or a file, never from the command line."
        )
        @Option(help: "File with the passphrase (default: standard input).") var from: String?
        @Flag(help: "No passphrase: with the key file or credential that lies there by now.")
        var fromDisk = false
        @OptionGroup var options: NodeOptions

        func run() async throws {
            var body: [(String, JSON)] = []
            if !fromDisk {
                body.append(("passphrase", .string(try SecretInput.read(from: from, prompt: "Passphrase: "))))
            }
            try await options.withNode { node in
                options.show(try await node.post("/v1/vault/unseal", .object(body)), VaultCommand.show)
            }
        }
    }

    struct Rekey: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wrap all secrets by new keys, while they are in use.",
            discussion: """
                With --root the key that all others come from is new too, and the key file with it: what opened an earlier copy
                of the data folder opens nothing that is sealed from then on. Where the vault has a passphrase it is asked for.
                """)
        @Flag(help: "A new root, and a new key file.") var root = false
        @Option(help: "File with the vault's passphrase (default: standard input).") var from: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                var body: [(String, JSON)] = [("root", .bool(root))]
                let slots = try await node.get("/v1/vault").list("slots").compactMap(\.string)
                if root, slots.contains("passphrase") {
                    body.append(
                        ("passphrase", .string(try SecretInput.read(from: from, prompt: "Passphrase: "))))
                }
                options.show(try await node.post("/v1/vault/rekey", .object(body)), VaultCommand.show)
            }
        }
    }

    struct Slot: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What opens the vault: passphrase, key-file, service.",
            subcommands: [Set.self, Remove.self])

        struct Set: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Add a way to open the vault, or renew it.",
                discussion: """
                    passphrase: asked for at `martlet vault unseal`, or read at the start from MARTLET_PASSPHRASE_FILE.
                    key-file:   DATA/vault.key, made anew; the one before opens nothing any more.
                    service:    the credential martlet-vault-key of the service manager (LoadCredentialEncrypted=).
                    """)
            @Argument(help: "passphrase, key-file or service.") var form: String
            @Option(help: "File with the passphrase (default: standard input).") var from: String?
            @OptionGroup var options: NodeOptions

            func run() async throws {
                var body: [(String, JSON)] = []
                if form == "passphrase" {
                    body.append(
                        (
                            "passphrase",
                            .string(try SecretInput.newPassphrase(from: from, prompt: "New passphrase: "))
                        ))
                }
                try await options.withNode { node in
                    options.show(
                        try await node.put(AdminClient.path("v1", "vault", "slots", form), .object(body)),
                        VaultCommand.show)
                }
            }
        }

        struct Remove: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Take a way to open the vault away; the last one stays.",
                discussion:
                    "An earlier copy of the data folder is still opened by it: `martlet vault rekey --root` then makes a new root."
            )
            @Argument(help: "passphrase, key-file or service.") var form: String
            @OptionGroup var options: NodeOptions

            func run() async throws {
                try await options.withNode { node in
                    options.show(
                        try await node.delete(AdminClient.path("v1", "vault", "slots", form)),
                        VaultCommand.show)
                }
            }
        }
    }

    struct Accept: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say that an older vault is the right one, after a restore.")
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.post("/v1/vault/accept", .emptyObject), VaultCommand.show)
            }
        }
    }
}
