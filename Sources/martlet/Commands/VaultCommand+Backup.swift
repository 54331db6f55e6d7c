import Admin
import ArgumentParser
import JSONSlice
import MCPModel

extension VaultCommand {
    struct Backup: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write all secrets into one sealed file, while the node runs.",
            discussion: """
                The file opens with a passphrase that is asked for now, or, with --keep-slots, with what opens the vault. In it are
                all secrets, and the keys by which this node admits others. Not in it: the node's own key and membership (a
                restored vault makes no second node), servers, pins, callers' keys, records.
                """)
        @Argument(help: "Where to write it; must not exist yet.") var file: String
        @Option(help: "File with the backup's passphrase (default: standard input).") var from: String?
        @Flag(help: "The vault's own passphrase or key file opens it; names of secrets can be read in it.")
        var keepSlots = false
        @OptionGroup var options: NodeOptions

        func run() async throws {
            var body: [(String, JSON)] = []
            if !keepSlots {
                body.append(
                    (
                        "passphrase",
                        .string(
                            try SecretInput.newPassphrase(from: from, prompt: "Passphrase of the backup: "))
                    ))
            }
            // Before the node does its work in vain.
            let target = try OutputFile(creating: file)
            do {
                try await options.withNode { node in
                    let answer = try await node.post("/v1/vault/backup", .object(body))
                    guard let bytes = Base64.decode(answer.words("backup")), !bytes.isEmpty else {
                        throw CommandFailure("the node's answer holds no backup")
                    }
                    try target.write(bytes)
                    let summary: JSON = .object([
                        ("file", .string(file)), ("bytes", .number(bytes.count)),
                        ("secrets", .number(answer.count("secrets"))),
                    ])
                    options.show(summary) { _ in
                        Terminal.say("\(answer.count("secrets")) secrets, \(bytes.count) bytes, in \(file)")
                    }
                }
            } catch {
                target.remove()
                throw error
            }
        }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bring secrets back from a backup, on this node or on another.",
            discussion: """
                They are sealed anew into the vault of the node that runs here, which stays the node it is. Secrets open for servers
                of the same name and address as before. If one of the names is taken, nothing is restored without --overwrite.
                """)
        @Argument(help: "The backup.") var file: String
        @Option(help: "File with the backup's passphrase (default: standard input).") var from: String?
        @Option(help: "Key file of the vault, for a backup made with --keep-slots.") var keyFile: String?
        @Flag(help: "Replace secrets of the same names.") var overwrite = false
        @OptionGroup var options: NodeOptions

        func run() async throws {
            let backup = try InputFile.bytes(at: file)
            var body: [(String, JSON)] = [
                ("backup", .string(Base64.encode(backup))), ("overwrite", .bool(overwrite)),
            ]
            if let keyFile {
                body.append(
                    ("keyFile", .string(Base64.encode(try InputFile.bytes(at: keyFile, bytesMax: 4096)))))
            } else {
                body.append(
                    (
                        "passphrase",
                        .string(try SecretInput.read(from: from, prompt: "Passphrase of the backup: "))
                    ))
            }
            try await options.withNode { node in
                options.show(try await node.post("/v1/vault/restore", .object(body))) { answer in
                    let names = answer.list("restored").compactMap(\.string)
                    Terminal.say(
                        Terminal.wrapped(
                            names.isEmpty
                                ? "The backup holds no secrets."
                                : "Restored: \(names.joined(separator: ", "))"))
                    let own = answer.list("own").compactMap(\.string)
                    if !own.isEmpty {
                        Terminal.say(Terminal.wrapped("Keys of a mesh: \(own.joined(separator: ", "))"))
                    }
                }
            }
        }
    }
}
