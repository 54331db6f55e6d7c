import Logging
import JSONSlice
import MCPModel
import NIOPosix

@testable import Gateway
@testable import MCPTransport

/// A backend that nobody has started: every call to it fails at once as `backend_unavailable`.
enum StillBackend {
    static let http = HTTPClient(group: MultiThreadedEventLoopGroup.singleton)

    static func make(_ name: String) -> Backend {
        Backend(
            name: name, target: .http(url: "http://127.0.0.1:1/mcp", headers: []),
            group: MultiThreadedEventLoopGroup.singleton, http: http, secrets: { _ in [] }, log: .silent,
            events: { _ in })
    }
}

/// A backend that is up, before a server whose calls end when the test says so.
final class HeldServer: Sendable {
    let backend: Backend
    private let calls: AsyncStream<CallSink>
    private let events: AsyncStream<BackendEvent>

    private init(_ backend: Backend, _ calls: AsyncStream<CallSink>, _ events: AsyncStream<BackendEvent>) {
        self.backend = backend
        self.calls = calls
        self.events = events
    }

    /// The next call that has arrived at the server.
    func nextCall() async -> CallSink? {
        for await sink in calls { return sink }
        return nil
    }

    static func with(
        limits: BackendLimits = .standard, _ body: (HeldServer) async throws -> Void
    ) async throws {
        let (calls, arrived) = AsyncStream<CallSink>.makeStream()
        let (events, told) = AsyncStream<BackendEvent>.makeStream()
        let tool: JSON = ["name": "hold", "inputSchema": ["type": "object"]]
        let service = MCPService(
            door: .open,
            describe: { _, _ in
                EndpointDescription(
                    serverInfo: ["name": "held", "version": "1"], capabilities: ["tools": [:]])
            },
            list: { _, _, kind, _ in .success(ListPage(items: kind == .tools ? [tool] : [])) },
            call: { _, sink in
                arrived.yield(sink)
                return .finished
            },
            watch: { _, _, _ in .none })
        let front = MCPFront(service: service, log: .silent)
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: MultiThreadedEventLoopGroup.singleton
        ) { front.handle($0) }
        let http = HTTPClient(group: MultiThreadedEventLoopGroup.singleton)
        let backend = Backend(
            name: "held", target: .http(url: "http://\(listener.address)/mcp", headers: []), limits: limits,
            group: MultiThreadedEventLoopGroup.singleton, http: http, secrets: { _ in [] }, log: .silent,
            events: { told.yield($0) })
        let outcome: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await backend.run() }
                defer { group.cancelAll() }
                let server = HeldServer(backend, calls, events)
                for await event in events { if case .state(.up, _) = event { break } }
                try await body(server)
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        front.close()
        await http.shutdown()
        await listener.close()
        try outcome.get()
    }
}
