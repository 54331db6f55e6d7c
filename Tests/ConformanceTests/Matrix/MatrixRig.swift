import Foundation
import Gateway
import JSONSlice
import Logging
import MCPTransport

/// All that the matrix runs on, in this process: a scripted server for each wire, and three nodes with mutual TLS between
/// them, of which the outer two dial only the middle one.
///
/// `near` is where the clients are, `far` two hops away; both have all the servers.
struct MatrixRig {
    let ledger: Ledger
    /// Where clients connect.
    let port: Int

    static let log = Logger(label: "matrix") { _ in SwiftLogNoOpLogHandler() }

    /// The path of a server's endpoint at `near`.
    static func endpoint(_ back: Wire, _ path: Path) -> String {
        path == .local ? "/servers/\(back)" : "/servers/far--\(back)"
    }

    static func with<Value>(_ body: (MatrixRig) async throws -> Value) async throws -> Value {
        let ledger = Ledger()
        let servers = try await ServerRow.start(ledger)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "matrix-\(UUID().uuidString)"
        ).path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let value: Value
        do {
            value = try await withNodes(in: folder, servers.definitions) { near in
                let port = near.mcpAddress.split(separator: ":").last.flatMap { Int($0) } ?? 0
                let rig = MatrixRig(ledger: ledger, port: port)
                try await rig.waitForServers()
                return try await body(rig)
            }
        } catch {
            await servers.stop()
            throw error
        }
        await servers.stop()
        return value
    }

    private static func withNodes<Value>(
        in folder: String, _ servers: JSON, _ body: (Node) async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            let middle = try await node("middle", in: folder, servers: .emptyObject, mesh: "127.0.0.1:0")
            group.addTask { try await middle.run() }
            try await middle.waitUntilReady()
            var near = middle
            for name in ["far", "near"] {
                let invitation = try await middle.invite(
                    roles: [], segment: name, label: name, uses: 1, lifeSeconds: 60)
                let outer = try await node(
                    name, in: folder, servers: servers, mesh: "none", token: invitation["token"]?.string)
                group.addTask { try await outer.run() }
                try await outer.waitUntilReady()
                near = outer
            }
            return try await body(near)
        }
    }

    private static func node(
        _ name: String, in folder: String, servers: JSON, mesh: String, token: String? = nil
    ) async throws -> Node {
        let file = "\(folder)/\(name).yaml"
        let yaml = """
            node: {name: \(name), segment: \(name), data: "\(folder)/\(name)"}
            listen: {mcp: "127.0.0.1:0", admin: "127.0.0.1:0", mesh: "\(mesh)"}
            mesh: {mdns: "off"}
            servers: \(servers.text)
            """
        try yaml.write(toFile: file, atomically: true, encoding: .utf8)
        var settings = try LaunchSettings.load(configFile: file)
        settings.joinToken = token
        return try await Node.open(settings: settings, log: log)
    }

    /// Waits until every server answers at every path.
    private func waitForServers() async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        for back in Wire.allCases {
            for path in Path.allCases {
                while try await !isThere(back, path) {
                    guard ContinuousClock.now < deadline else {
                        throw Breach("\(back) cannot be called, \(path.rawValue)")
                    }
                    try await Task.sleep(for: .milliseconds(25))  // a condition with a deadline
                }
            }
        }
    }

    /// Whether a tool of the server can be called: listed is also what is not to be reached yet.
    private func isThere(_ back: Wire, _ path: Path) async throws -> Bool {
        let meta: JSON = .object([
            ("\(RevisionRules.modernPrefix)protocolVersion", "2026-07-28"),
            ("\(RevisionRules.modernPrefix)clientCapabilities", [:]),
        ])
        let message: JSON = [
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": ["name": "fail", "arguments": ["reason": "not yet"], "_meta": meta],
        ]
        let (_, _, body) = try await RawRequest.collect(
            "POST", Self.endpoint(back, path) + "/mcp", port: port,
            headers: [
                ("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"),
                ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "fail"),
            ], body: Array(message.bytes))
        return try JSON(validating: body)["result"]?["isError"]?.bool == true
    }

    // MARK: Clients

    /// A client of one cell, its connection opened and, at the end, closed.
    func client(
        of cell: Cell, _ body: (ScriptedClient, _ capabilities: JSON) async throws -> Void
    ) async throws {
        let endpoint = Self.endpoint(cell.back, cell.path)
        let (stream, feed) = AsyncStream.makeStream(of: Heard.self)
        let hear: @Sendable (Heard) -> Void = { feed.yield($0) }
        func meet(_ way: any ClientWire) async throws {
            let client = ScriptedClient(
                cell.front, over: way, hearing: stream, declares: Checks.declares(cell.feature))
            do {
                let capabilities = try await client.open()
                try await body(client, capabilities)
            } catch {
                await client.close()
                throw error
            }
            await client.close()
        }
        switch cell.front.transport {
        case .http:
            try await meet(
                ClientOverHTTP(port: port, path: "\(endpoint)/mcp", revision: cell.front.revision, hear: hear)
            )
        case .events:
            try await meet(try await ClientOverEvents.open(port: port, path: "\(endpoint)/sse", hear: hear))
        case .stdio:
            try await StdioBridge.with(url: "http://127.0.0.1:\(port)\(endpoint)/mcp") { input, output in
                try await meet(try await ClientOverLines.open(input: input, output: output, hear: hear))
            }
        }
    }
}
