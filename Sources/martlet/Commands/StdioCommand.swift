import Admin
import ArgumentParser
import Glibc
import JSONSlice
import MCPTransport

struct StdioCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stdio",
        abstract: "Speak MCP over standard input and output, for clients that start their server as a child.",
        discussion: "Bridges to the node that runs here; its whole catalog, or one server with --server.")

    /// How long the bridge waits for the node's first answer.
    static let patience = Duration.seconds(20)

    @Option(help: "One virtual or real server instead of the whole catalog.") var server: String?
    @Option(help: "Admin address of the node, host:port (default: MARTLET_NODE, or the node that runs here).")
    var node: String?

    func run() async throws {
        let client = try AdminClient.locate(address: node)
        let status = try await client.get("/v1/status")
        let token = client.token
        await client.close()
        let address = status["listen"]?.words("mcp") ?? ""
        guard ListenAddress(address)?.isLoopback == true else {
            throw CommandFailure(
                "the node's MCP listener is at \(address), not on loopback, and has no TLS; the token of `martlet stdio` would be readable on the way\n→ set listen.mcp to 127.0.0.1 or 0.0.0.0 there, and run `martlet stdio` on that host"
            )
        }
        let path = server.map { AdminClient.path("servers", $0, "mcp") } ?? "/mcp"
        let url = "http://\(address)\(path)"
        let http = HTTPClient(group: EventLoops.shared)
        let service = BackendService(timeout: .seconds(600))
        let backend = Backend(
            name: "martlet",
            target: .http(url: url, headers: [("Authorization", SecretText(plain: "Bearer \(token)"))]),
            group: EventLoops.shared, http: http, secrets: { _ in [] }, log: NodeLog.make(),
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
