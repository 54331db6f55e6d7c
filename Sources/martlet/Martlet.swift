import ArgumentParser
import Gateway

/// The command line. Each command is one file in `Commands/`; what they share is here.
struct Martlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract:
            "A federated mesh of MCP gateways: drop a node onto each segment, and every node serves all.",
        version: SoftwareVersion.current,
        groupedSubcommands: [
            CommandGroup(name: "Run", subcommands: [Up.self, Demo.self, StdioCommand.self]),
            CommandGroup(
                name: "Look",
                subcommands: [
                    StatusCommand.self, Peers.self, PathCommand.self, Ping.self, Doctor.self,
                    CatalogCommand.self, Logs.self, AuditCommand.self,
                ]),
            CommandGroup(name: "Call", subcommands: [CallCommand.self, Client.self]),
            CommandGroup(
                name: "Shape",
                subcommands: [
                    Servers.self, Virtual.self, MeshCommand.self, SecretCommand.self, VaultCommand.self,
                    TokenCommand.self,
                    AuthCommand.self,
                ]),
            CommandGroup(
                name: "Trust",
                subcommands: [Review.self, Approve.self, Quarantine.self, Limit.self, Release.self]),
            CommandGroup(name: "Check", subcommands: [ConfigCommand.self]),
            CommandGroup(name: "Inside", subcommands: [SampleServerCommand.self]),
        ])
}

/// A command that could not do its work: printed as it stands, exit status 1.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
