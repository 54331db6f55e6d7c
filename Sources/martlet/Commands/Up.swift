import Admin
import ArgumentParser
import Gateway
import JSONSlice
import MCPTransport

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a node in the foreground; works with no configuration at all.",
        discussion: """
            martlet up
            martlet up --import ~/.cursor/mcp.json
            martlet up --join TOKEN          (TOKEN from `martlet mesh token` on a node of the mesh)
            """)

    @Option(help: "Configuration file (default: MARTLET_CONFIG, ./martlet.yaml, then the usual folders).")
    var config: String?
    @Option(
        name: .customLong("import"), help: "Take over the servers of a desktop client's mcp.json, as it is.")
    var importFile: String?
    @Option(help: "Join a mesh with this token; @FILE and - work too.") var join: String?
    @Option(help: "Name of the node (default: the host's).") var name: String?
    @Option(help: "MCP port; admin takes the next, mesh the one after.") var port: Int?
    @Option(help: "Data folder.") var data: String?
    @Flag(help: .hidden) var untilStdinCloses = false

    func run() async throws {
        let settings = try settings()
        if let running = Self.portOfOwnNode(settings) {
            try refuseSecond(running)
            if await Self.showed(running) { return }
        }

        let untilStdinCloses = untilStdinCloses
        try await NodeHere.run(settings) { node in
            try await greet(node, settings)
            guard untilStdinCloses else { return .nodeRunsOn }
            await StandardInput.waitForEnd()
            return .nodeEnds
        }
    }

    private func greet(_ node: Node, _ settings: LaunchSettings) async throws {
        if let importFile {
            let text = try InputFile.text(at: importFile)
            ImportReport.print(try await node.importServers(document: text))
        }
        Banner.print(await node.status(), settings: settings)
    }

    private func settings() throws -> LaunchSettings {
        var settings = try LaunchSettings.load(configFile: config)
        if let name { try settings.setName(name) }
        if let port { try settings.setPort(port) }
        if let data { settings.dataFolder = data }
        if let join { settings.joinToken = try TokenArgument.read(join) }
        return settings
    }

    /// The admin address of a node of ours that already stands where this one would.
    private static func portOfOwnNode(_ settings: LaunchSettings) -> RunningNode? {
        let wanted = settings.configuration.listen.admin
        let address = ListenAddress(host: wanted.host, port: wanted.port).local.description
        return RunningNode.all().first { $0.admin == address && wanted.port != 0 }
    }

    /// What only a new node would do must not look done because one runs already.
    private func refuseSecond(_ running: RunningNode) throws {
        let orders = [
            join.map { _ in "martlet mesh join TOKEN" }, importFile.map { "martlet servers import \($0)" },
        ].compactMap { $0 }
        guard !orders.isEmpty else { return }
        throw CommandFailure(
            "a node of yours runs here already (process \(running.pid)), so nothing was joined or imported\n→ tell that one: \(orders.joined(separator: "; "))"
        )
    }

    private static func showed(_ running: RunningNode) async -> Bool {
        guard let client = try? AdminClient.locate(address: running.admin),
            let status = try? await client.get("/v1/status")
        else { return false }
        await client.close()
        Terminal.say("A node of yours runs here already (pid \(running.pid)); this is it:\n")
        StatusPage.print(status)
        return true
    }
}

/// What `martlet up` says when the node is ready.
enum Banner {
    static func print(_ status: JSON, settings: LaunchSettings) {
        let node = status["node"] ?? .emptyObject
        let listen = status["listen"] ?? .emptyObject
        let peers = status.list("peers")
        let alone = peers.isEmpty ? " (alone so far)" : ""
        Terminal.say(
            "\(Terminal.bold("martlet")) \(SoftwareVersion.current): node \(Terminal.bold(node.words("label"))) on segment \(node.words("segment")), mesh \(node.words("mesh").prefix(8))…\(alone)"
        )
        let key = status["needsKey"]?.bool == true ? "callers need a key" : "no key needed on loopback"
        Terminal.say("  MCP    \(listen.words("mcpURL"))/mcp  (\(key))")
        Terminal.say("  admin  \(listen.words("adminURL"))  (the CLI finds its token by itself)")
        Terminal.say(
            "  mesh   \(listen["mesh"]?.string ?? "none: this node only dials out"); mDNS \(status.words("mdns"))"
        )
        Terminal.say("  data   \(settings.dataFolder)")
        let own = status.list("servers").filter { $0["own"]?.bool == true }
        Terminal.say(
            "Found \(peers.count) peers, \(own.count) servers of its own"
                + (settings.configFile.map { ", configuration \($0)" } ?? ", no configuration file"))
        Terminal.say("Next:")
        if own.isEmpty {
            Terminal.say("  martlet servers add sample     front the MCP server inside this binary")
        } else {
            Terminal.say("  martlet catalog search         what the mesh offers")
        }
        Terminal.say("  martlet client claude          connect a client")
        Terminal.say("  martlet mesh token             invite a node on another segment")
    }
}
