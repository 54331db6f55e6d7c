import ArgumentParser
import JSONSlice

extension MeshCommand {
    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a node for good: its links close, its entries go, its key is refused.",
            discussion: """
                Runs on an issuer. An issuer is revoked where the root's key is; the nodes that it admitted stay, unless they
                are named with --drop. If one was dropped by mistake, or was not known there at the time, the same command with
                --keep corrects the root's word: `martlet status` on that node says what to type.
                """)

        @Argument(help: "The node's name or id.") var node: String
        @Option(help: "Why; every node shows it.") var reason = ""
        @Option(help: "Of an issuer: a node admitted by it that ends with it; may be repeated.")
        var drop: [String] = []
        @Option(
            help: ArgumentHelp(
                "Of an issuer that was revoked: an enrolment by it that stays after all; may be repeated.",
                valueName: "node:serial"))
        var keep: [String] = []
        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { connection in
                let body: [(String, JSON)] = [
                    ("node", .string(node)), ("reason", .string(reason)),
                    ("drop", .array(drop.map(JSON.string))), ("keep", .array(keep.map(JSON.string))),
                ]
                options.show(try await connection.post("/v1/mesh/revoke", .object(body))) { answer in
                    let isCorrection = answer["isCorrection"]?.bool == true
                    Terminal.say(
                        isCorrection
                            ? "The root's word on \(answer.words("label")) is corrected. Who was dropped comes back by itself within an hour, or when it is restarted."
                            : "\(answer.words("label")) is revoked, by \(answer.words("by")).")
                    let keeps = answer.list("keeps").compactMap(\.string)
                    if !keeps.isEmpty {
                        Terminal.say("Admitted by it, and still valid: \(keeps.joined(separator: ", "))")
                    }
                    let ends = answer.list("ends").compactMap(\.string)
                    if !ends.isEmpty {
                        Terminal.say(
                            "Ended with it, for --keep if that was a mistake: \(ends.joined(separator: " "))")
                    }
                }
            }
        }
    }

    struct Issuers: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The nodes that admit, renew and revoke others.")

        @OptionGroup var options: NodeOptions

        func run() async throws {
            try await options.withNode { node in
                options.show(try await node.get("/v1/mesh/issuers")) { answer in
                    var table = Table("name", "state", "admitted", "root's key", "certificate")
                    for item in answer.list("issuers") {
                        table.add(
                            item.words("label"), item.words("state"), "\(item.count("enrolled"))",
                            item["holdsRoot"]?.bool.map { $0 ? "here" : "not here" } ?? "?",
                            item["certificateDaysLeft"]?.int.map { "\($0) days left" } ?? "?")
                    }
                    Terminal.say(table.rendered())
                    for item in answer.list("revoked") {
                        let keeps = item.list("keeps").compactMap(\.string)
                        Terminal.say(
                            Terminal.wrapped(
                                "Revoked by the root: \(item.words("node")); enrolments by it that stay: \(keeps.isEmpty ? "none" : keeps.joined(separator: " "))"
                            ))
                    }
                }
            }
        }
    }

    struct RootCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "root", abstract: "The key that makes and revokes issuers.",
            subcommands: [Export.self, Import.self])

        struct Export: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Print the root's key, one line. Whoever has it owns the mesh.")

            @Flag(help: "Take it out of this node's vault once it is printed.") var remove = false
            @OptionGroup var options: NodeOptions

            func run() async throws {
                try await options.withNode { node in
                    let answer = try await node.post("/v1/mesh/root/export", .emptyObject)
                    let key = answer.words("root")
                    // The vault lets go of it only when somebody else has it.
                    guard Terminal.hands(over: options.json ? answer.text : key) else {
                        throw CommandFailure(
                            "the key could not be written out, so it stays in the vault\n→ run it again with room for the output"
                        )
                    }
                    guard remove else { return }
                    _ = try await node.post(
                        "/v1/mesh/root/remove", .object([("root", .string(key))]))
                    Terminal.complain(
                        Terminal.wrapped(
                            "It is no more in this node's vault; keep the line where the mesh's backups are. `martlet mesh root import` brings it back."
                        ))
                }
            }
        }

        struct Import: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Put the root's key into this node's vault; the node becomes an issuer.")

            @Argument(help: "@FILE, or - for standard input.") var key = "-"
            @OptionGroup var options: NodeOptions

            func run() async throws {
                guard key == "-" || key.hasPrefix("@") else {
                    throw ValidationError(
                        "a key on the command line shows in the list of processes; use @FILE or -")
                }
                let text =
                    key == "-"
                    ? try InputFile.standardInput(bytesMax: 4096, prompt: "Root key: ")
                    : try InputFile.text(at: String(key.dropFirst()), bytesMax: 4096)
                try await options.withNode { node in
                    options.show(
                        try await node.post("/v1/mesh/root/import", .object([("root", .string(text))]))
                    ) { answer in
                        Terminal.say(
                            "The root's key of mesh \(answer.words("mesh")) is in this node's vault."
                                + (answer["becameIssuer"]?.bool == true ? " This node is an issuer now." : "")
                        )
                    }
                }
            }
        }
    }
}
