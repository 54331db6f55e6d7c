package import Gateway
import HTTPWire
import JSONSlice
package import Logging
import MCPTransport
import Synchronization

/// The admin surface: REST over the node's public face, behind the node's own token, or a key with a role, on every path.
///
/// It listens with the same HTTP code as the MCP surface, so there is one parser to trust. Requests come in on event
/// loops; their work is done by child tasks of ``run()``.
package final class AdminServer: Sendable {
    /// Requests that wait or run at once; more are answered 503. People and dashboards need few.
    package static let requestsMax = 128

    private struct Job: Sendable {
        let exchange: HTTPExchange
        let handler: AdminRoute.Handler
        let request: AdminRequest
    }

    private let node: Node
    private let listener = Mutex<HTTPListener?>(nil)
    private let token: AdminToken
    private let log: Logger
    /// Requests that wait or run.
    private let open = Mutex(0)
    private let jobs: AsyncStream<Job>
    private let intake: AsyncStream<Job>.Continuation

    private init(node: Node, log: Logger) {
        self.node = node
        self.log = log
        token = AdminToken(node.adminToken)
        (jobs, intake) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.requestsMax))
    }

    /// Opens the admin surface of a node.
    package static func listen(node: Node, log: Logger) async throws -> AdminServer {
        let server = AdminServer(node: node, log: log)
        let listener = try await node.bindAdmin { server.handle($0) }
        server.listener.withLock { $0 = listener }
        return server
    }

    /// `host:port` for commands of this machine, with the real port.
    package var address: String { listener.withLock { $0?.address.local.description ?? "" } }

    /// Takes no more requests and lets those that run come to their end, within the listener's bound.
    package func close() async {
        intake.finish()
        await listener.withLock { $0 }?.close()
    }

    /// Takes one request from the listener; called on its event loop, returns at once.
    private func handle(_ exchange: HTTPExchange) {
        let authorization = exchange.headers.first("authorization")
        let owner = token.admits(authorization: authorization) ? AdminVisitor.owner : nil
        guard let visitor = owner ?? node.adminVisitor(authorization: authorization) else {
            return refuse(
                exchange, status: 401, code: "unauthorized",
                message: "the admin surface wants the node's token",
                hint:
                    "the CLI finds it by itself as the same user; elsewhere set MARTLET_TOKEN to what stands in admin.token of the data folder",
                headers: [("WWW-Authenticate", "Bearer realm=\"martlet admin\"")])
        }
        let segments = exchange.target.segments
        let matching = AdminRoute.all.compactMap { route in route.match(segments).map { (route, $0) } }
        guard !matching.isEmpty else {
            return refuse(
                exchange, status: 404, code: "not_found", message: "nothing stands at \(exchange.path)")
        }
        guard let (route, parameters) = matching.first(where: { $0.0.method == exchange.method }) else {
            return refuse(
                exchange, status: 405, code: "method_not_allowed",
                message: "\(exchange.path) has no \(exchange.method)",
                headers: [("Allow", matching.map(\.0.method).joined(separator: ", "))])
        }
        let needed = AdminRights.role(for: route)
        guard visitor.role >= needed else {
            return refuse(
                exchange, status: 403, code: "forbidden",
                message:
                    "\(route.method) \(exchange.path) needs the role \(needed.rawValue), and this key has \(visitor.role.rawValue)",
                hint: "`martlet token create NAME --admin \(needed.rawValue)` makes a key that may")
        }
        let body: JSON
        do {
            body = exchange.body.isEmpty ? .emptyObject : try JSON(validating: exchange.body)
        } catch {
            return refuse(exchange, status: 400, code: "invalid", message: "the body is not JSON: \(error)")
        }
        let query = Dictionary(exchange.query, uniquingKeysWith: { first, _ in first })
        let job = Job(
            exchange: exchange, handler: route.handler,
            request: AdminRequest(parameters: parameters, query: query, body: body, visitor: visitor))
        let hasRoom = open.withLock { open in
            guard open < Self.requestsMax else { return false }
            open += 1
            return true
        }
        guard hasRoom else {
            return refuse(
                exchange, status: 503, code: "busy",
                message: "\(Self.requestsMax) requests wait or run already",
                hint: "try again in a moment")
        }
        if case .enqueued = intake.yield(job) { return }
        open.withLock { $0 -= 1 }
        refuse(exchange, status: 503, code: "ending", message: "the node is ending")
    }

    /// Does the work of requests until cancelled.
    package func run() async {
        await withDiscardingTaskGroup { group in
            for await job in jobs {
                group.addTask {
                    await self.perform(job)
                    self.open.withLock { $0 -= 1 }
                }
            }
        }
    }

    private func perform(_ job: Job) async {
        switch job.handler {
        case .answer(let answer): await whileWanted(job.exchange) { await self.answer(job, by: answer) }
        // Begun, it is carried through: half a change is worse than one whose answer nobody reads.
        case .change(let change): await answer(job, by: change)
        case .page(let contentType, let text):
            await whileWanted(job.exchange) { [node] in
                job.exchange.respond(
                    status: 200, headers: [("Content-Type", contentType), ("Cache-Control", "no-store")],
                    body: Array(await text(node).utf8))
            }
        case .stream(let work): await whileWanted(job.exchange) { await self.stream(job, by: work) }
        }
    }

    /// Works until done, or until the client has gone: then the work is cancelled, and its place is free.
    private func whileWanted(_ exchange: HTTPExchange, _ work: @escaping @Sendable () async -> Void) async {
        let (gone, sayGone) = AsyncStream<Never>.makeStream()
        exchange.onClose { sayGone.finish() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await work() }
            group.addTask { for await _ in gone {} }
            await group.next()
            group.cancelAll()
        }
    }

    private func answer(_ job: Job, by answer: AdminRoute.Answer) async {
        do {
            respond(job.exchange, status: 200, body: try await answer(node, job.request))
        } catch let refusal as Refusal {
            respond(job.exchange, status: refusal.kind.status, body: Self.body(of: refusal))
        } catch is CancellationError {
            // The client has gone and reads nothing, or the node goes.
            respond(
                job.exchange, status: 503,
                body: Self.errorBody(code: "ending", message: "the node is ending", hint: nil))
        } catch {
            log.error(
                "An admin request failed.", metadata: ["error": "\(error)", "path": "\(job.exchange.path)"])
            respond(job.exchange, status: 500, body: Self.body(of: error))
        }
    }

    private func stream(_ job: Job, by work: AdminRoute.Work) async {
        let exchange = job.exchange
        exchange.startStream(
            status: 200, headers: [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])
        let last: AdminEvent
        do {
            last = .final(try await work(node, job.request) { exchange.write(AdminEvent.notice($0).bytes) })
        } catch {
            last = .failed(Self.body(of: error))
        }
        exchange.write(last.bytes)
        exchange.end()
    }

    private func respond(_ exchange: HTTPExchange, status: Int, body: JSON, headers: [(String, String)] = [])
    {
        exchange.respond(
            status: status,
            headers: [("Content-Type", "application/json"), ("Cache-Control", "no-store")] + headers,
            body: Array(body.bytes))
    }

    private func refuse(
        _ exchange: HTTPExchange, status: Int, code: String, message: String, hint: String? = nil,
        headers: [(String, String)] = []
    ) {
        let body = Self.errorBody(code: code, message: message, hint: hint)
        respond(exchange, status: status, body: body, headers: headers)
    }

    private static func body(of error: any Error) -> JSON {
        guard let refusal = error as? Refusal else {
            return errorBody(code: "failed", message: "\(error)", hint: nil)
        }
        return errorBody(code: refusal.kind.rawValue, message: refusal.message, hint: refusal.hint)
    }

    private static func errorBody(code: String, message: String, hint: String?) -> JSON {
        var members: [(String, JSON)] = [("code", .string(code)), ("message", .string(message))]
        if let hint { members.append(("hint", .string(hint))) }
        return .object([("error", .object(members))])
    }
}

extension Refusal.Kind {
    fileprivate var status: Int {
        switch self {
        case .invalid: 400
        case .forbidden: 403
        case .notFound: 404
        case .conflict: 409
        case .failed: 502
        case .unavailable: 503
        }
    }
}
