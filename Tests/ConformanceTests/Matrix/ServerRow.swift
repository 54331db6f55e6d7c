import JSONSlice

/// One scripted server for each wire, listening on loopback.
struct ServerRow {
    /// As a node's configuration has them.
    let definitions: JSON
    private let http: [RawHTTPServer]
    private let children: [ChildServer]

    /// More than there are cells at once.
    private static let concurrency = 256

    static func start(_ ledger: Ledger) async throws -> ServerRow {
        var definitions: [(String, JSON)] = []
        var http: [RawHTTPServer] = []
        var children: [ChildServer] = []
        for wire in Wire.allCases {
            var definition: JSON
            switch wire.transport {
            case .http:
                let behind = ServerOverHTTP(ScriptedServer(wire, ledger))
                let server = try await RawHTTPServer.start { behind.handle($0) }
                http.append(server)
                definition = ["url": .string("http://127.0.0.1:\(server.port)/mcp")]
            case .events:
                let behind = ServerOverEvents(ScriptedServer(wire, ledger))
                let server = try await RawHTTPServer.start { behind.handle($0) }
                http.append(server)
                definition = ["url": .string("http://127.0.0.1:\(server.port)/sse"), "type": "sse"]
            case .stdio:
                // Each child is a process with a state of its own.
                let server = try await ChildServer.start {
                    ServerOverLines.begin(ScriptedServer(wire, ledger), $0)
                }
                children.append(server)
                definition = [
                    "command": .string(ChildServer.command),
                    "args": .array(server.arguments.map { .string($0) }),
                ]
            }
            definition = definition.setting("concurrency", to: .number(concurrency))
            definitions.append((wire.rawValue, definition))
        }
        return ServerRow(definitions: .object(definitions), http: http, children: children)
    }

    func stop() async {
        for server in http { await server.stop() }
        for server in children { await server.stop() }
    }
}
