import Admin
import ArgumentParser
import Gateway
import Glibc
import JSONSlice
import MCPModel
import MCPTransport
import Synchronization

struct StdioCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stdio",
        abstract: "Speak MCP over standard input and output, for clients that start their server as a child.",
        discussion: """
            Bridges to the node that runs here, or runs one itself for as long as standard input is open; its whole catalog, or \
            one server with --server.
            """)

    /// How long the bridge waits for the node's first answer.
    static let patience = Duration.seconds(20)
    /// How long a client waits for servers that are only coming up, when the node starts with it: a client that lists
    /// at once and never again is to see them.
    static let serversPatience = Duration.seconds(10)
    /// How long a node that was in the way of ours may take to say where it answers.
    static let raceMax = Duration.seconds(2)
    /// As long as a node's `limits.call` may be.
    static let callMax = Duration.seconds(86_400)
    /// As large and as deep as a node's `limits` let a message be.
    static let (bytesMax, depthMax) = (1 << 30, 512)
    /// Of all servers of a mesh together.
    static let entriesMax = 500_000

    @Option(help: "One virtual or real server instead of the whole catalog.") var server: String?
    @Option(
        help: "How tools are shown: full, search (by search_tools and call_tool) or auto.",
        transform: ListingMode.init(argument:)) var mode: ListingMode?
    @Option(help: "Admin address of the node, host:port (default: MARTLET_NODE, or the node that runs here).")
    var node: String?

    func run() async throws {
        if node != nil || AdminClient.isNodeNamed || !RunningNode.all().isEmpty {
            return try await bridgeToRunning()
        }
        let settings = try LaunchSettings.load(configFile: nil)
        let isStarted = Mutex(false)
        do {
            try await NodeHere.run(settings) { node in
                isStarted.withLock { $0 = true }
                await node.waitForServers(within: Self.serversPatience)
                try await bridge(
                    to: node.mcpAddress, token: node.adminToken, certificate: node.mcpCertificate)
                return .nodeEnds
            }
        } catch {
            // Clients start their servers all at once: another one of them may have been first with a node.
            guard !isStarted.withLock({ $0 }), await Self.nodeAppears() else { throw error }
            try await bridgeToRunning()
        }
    }

    /// Whether a node of this user runs here, or comes up within ``raceMax``.
    private static func nodeAppears() async -> Bool {
        let deadline = ContinuousClock.now + raceMax
        while RunningNode.all().isEmpty {
            guard ContinuousClock.now < deadline else { return false }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return false }
        }
        return true
    }

    private func bridgeToRunning() async throws {
        let client = try AdminClient.locate(address: node)
        var status = try await client.get("/v1/status")
        let deadline = ContinuousClock.now + Self.serversPatience
        while Self.isComingUp(status), ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(50))
            status = try await client.get("/v1/status")
        }
        let token = client.token
        await client.close()
        let address = status["listen"]?.words("mcp") ?? ""
        let certificate = status["listen"]?["mcpCertificate"]?.string
        guard ListenAddress(address)?.isLoopback == true || certificate != nil else {
            throw CommandFailure(
                "the node's MCP listener is at \(address), not on loopback, and has no TLS; the token of `martlet stdio` would be readable on the way\n→ set listen.mcp to 127.0.0.1 or 0.0.0.0 there, and run `martlet stdio` on that host"
            )
        }
        try await bridge(to: address, token: token, certificate: certificate)
    }

    /// Whether the node, or a server of its own, is only starting.
    private static func isComingUp(_ status: JSON) -> Bool {
        status["node"]?["isReady"]?.bool == false
            || status.list("servers").contains {
                $0["own"]?.bool == true && $0.words("state") == "starting"
            }
    }

    /// Speaks for the client at a node's MCP listener until either side is gone.
    ///
    /// - Parameter certificate: the file of the one that the listener shows; `nil`: plain HTTP.
    private func bridge(to address: String, token: String, certificate: String?) async throws {
        let path = server.map { AdminClient.path("servers", $0, "mcp") } ?? "/mcp"
        let scheme = certificate == nil ? "http" : "https"
        let url = "\(scheme)://\(address)\(path)\(mode.map { "?mode=\($0.rawValue)" } ?? "")"
        let http = HTTPClient(group: EventLoops.shared, pinned: certificate)
        let service = BackendService(timeout: Self.callMax)
        // The node that runs the call knows its limits; the bridge has none of its own to add.
        var limits = BackendLimits.standard
        (limits.callMax, limits.silenceMax) = (Self.callMax, Self.callMax)
        (limits.message.bytesMax, limits.message.depthMax) = (Self.bytesMax, Self.depthMax)
        limits.entriesMax = Self.entriesMax
        let backend = Backend(
            name: "martlet",
            target: .http(url: url, headers: [("Authorization", SecretText(plain: "Bearer \(token)"))]),
            limits: limits, group: EventLoops.shared, http: http, secrets: { _ in [] },
            // So that a legacy client is one to the node, too (decision 17).
            seal: .ofThisLife(of: "stdio"), log: NodeLog.make(),
            events: { service.take($0) })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await backend.run() }
            group.addTask {
                let deadline = ContinuousClock.now + Self.patience
                while !service.isReady {
                    guard ContinuousClock.now < deadline else {
                        throw CommandFailure("the node does not answer at \(url); see `martlet doctor`")
                    }
                    try await Task.sleep(for: .milliseconds(5))
                }
                let front = StdioFront(service: service.service { backend.call($0, $1) })
                try await front.serve(
                    input: dup(STDIN_FILENO), output: dup(STDOUT_FILENO), on: EventLoops.shared)
            }
            // Whichever ends first ends the other: the client closed its pipe, or the node is gone for good.
            try await group.next()
            group.cancelAll()
        }
        await http.shutdown()
    }
}

extension ListingMode {
    fileprivate init(argument: String) throws {
        guard let mode = ListingMode(rawValue: argument) else {
            throw ValidationError("--mode is one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = mode
    }
}
