import Logging
import MCPTransport

/// What `martlet stdio` is made of, over real pipes: a front for a client that starts its server as a child, and a way on
/// to a node's endpoint.
enum StdioBridge {
    private static let http = HTTPClient(group: EventLoops.shared)

    /// - Parameter body: gets the client's ends of the pipes.
    static func with(url: String, _ body: (_ input: CInt, _ output: CInt) async throws -> Void) async throws {
        let (theirs, ours) = (try Pipe(), try Pipe())
        let service = BackendService(timeout: .seconds(60))
        let backend = Backend(
            name: "martlet", target: .http(url: url, headers: []), group: EventLoops.shared, http: http,
            secrets: { _ in [] }, log: MatrixRig.log, events: { service.take($0) })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await backend.run() }
            defer { group.cancelAll() }
            let deadline = ContinuousClock.now + .seconds(10)
            while !service.isReady {
                guard ContinuousClock.now < deadline else {
                    throw Breach("the node does not answer at \(url)")
                }
                try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
            }
            group.addTask {
                let front = StdioFront(service: service.service { backend.call($0, $1) })
                try await front.serve(input: theirs.reading, output: ours.writing, on: EventLoops.shared)
            }
            try await body(ours.reading, theirs.writing)
        }
    }
}
