import Catalog
import Crypto
import Foundation
import JSONSlice
import Logging
import MCPModel
import Mesh
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MeshTransport

/// A mesh of real services on loopback sockets, with real certificates.
final class TestMesh: Sendable {
    let founder: MeshOfOne

    init(founder: String = "a") throws { self.founder = try MeshOfOne.founded(label: founder) }

    /// The first node: issuer, all roles.
    ///
    /// - Parameter withRoot: whether the root's key is on it.
    func first(
        listen: Bool = true, seeds: [String] = [], withRoot: Bool = false, advertise: [String] = [],
        limits: MeshLimits = MeshLimits(),
        serve: @escaping TestNode.Serve = TestNode.echo, pass: @escaping TestNode.Pass = { _ in nil }
    ) throws -> TestNode {
        let root = founder.root
        return try TestNode(
            founder.credentials, founder.enrolment,
            issuer: IssuerCredentials(
                authority: founder.issuer, grant: founder.enrolment.grant,
                root: { () throws in
                    guard withRoot else { throw MeshServiceError.noRoot }
                    return root
                }),
            listen: listen, seeds: seeds, advertise: advertise, limits: limits, serve: serve, pass: pass)
    }

    /// A further node, enrolled without the ceremony of a join.
    func node(
        _ label: String, roles: Roles = .ordinary, listen: Bool = true, host: String = "127.0.0.1",
        relays: Bool = true, seeds: [String] = [], advertise: [String] = [], leafMade: Date = Date(),
        redialWithin: Duration = MeshLimits().redialWithin,
        versions: ClosedRange<UInt16> = ProtocolVersion.spoken, features: UInt64 = Hello.ownFeatures,
        serve: @escaping TestNode.Serve = TestNode.echo
    ) throws -> TestNode {
        let nodeKey = Curve25519.Signing.PrivateKey()
        let leafKey = P256.Signing.PrivateKey()
        let id = NodeID(ofKey: nodeKey.publicKey.rawRepresentation)
        let credentials = try NodeCredentials(
            nodeKey: nodeKey, leafKey: leafKey,
            chain: founder.issuer.issueLeaf(for: id, key: leafKey.publicKey, at: leafMade),
            root: founder.root.certificate.bytes)
        let enrolment = try Enrolment(
            of: credentials.signer.key, label: #require(Label(label)), roles: roles,
            segment: Label("here"), serial: 2, grant: founder.enrolment.grant,
            by: founder.credentials.signer)
        return try TestNode(
            credentials, enrolment, listen: listen, host: host, relays: relays, seeds: seeds,
            advertise: advertise, redialWithin: redialWithin, versions: versions, features: features,
            serve: serve)
    }
}

extension TestMesh {
    /// Two nodes that listen to nobody and dial out to `relay` only, running and reaching each other through it.
    func farEnds(around relay: TestNode, in runner: borrowing NodeRunner) async throws -> (
        a: TestNode, c: TestNode
    ) {
        let seeds = [try await relay.address()]
        let a = try node("a", listen: false, seeds: seeds)
        let c = try node("c", listen: false, seeds: seeds)
        try await runner.start(a)
        try await runner.start(c)
        try await a.untilReaches(c)
        try await c.untilReaches(a)
        return (a, c)
    }
}

/// One service and what the tests want to know of it.
final class TestNode: Sendable {
    typealias Serve = @Sendable (IncomingMeshCall, @escaping CallSink) -> CallHandle
    typealias Pass = @Sendable (IncomingMeshCall) -> MeshPass?

    let service: MeshService
    let enrolment: Enrolment
    private let changes: ChangeFeed

    var id: NodeID { service.me.id }
    var label: String { enrolment.label.text }

    init(
        _ credentials: NodeCredentials, _ enrolment: Enrolment, issuer: IssuerCredentials? = nil,
        listen: Bool, host: String = "127.0.0.1", port: Int = 0, relays: Bool = true, seeds: [String] = [],
        advertise: [String] = [],
        incarnation: UInt64 = 1, storage: MeshStorage = .none,
        redialWithin: Duration = MeshLimits().redialWithin, limits: MeshLimits = MeshLimits(),
        versions: ClosedRange<UInt16> = ProtocolVersion.spoken, features: UInt64 = Hello.ownFeatures,
        serve: @escaping Serve = TestNode.echo, pass: @escaping Pass = { _ in nil }
    ) throws {
        var limits = limits
        limits.redialWithin = redialWithin
        let changes = ChangeFeed()
        self.changes = changes
        self.enrolment = enrolment
        service = try MeshService(
            MeshServiceConfiguration(
                listen: listen ? MeshAddress(host: host, port: port) : nil, advertise: advertise,
                seeds: seeds, relays: relays,
                ownServers: [Label("tools")], software: "martlet test", incarnation: incarnation,
                limits: limits, versions: versions, features: features),
            credentials: credentials, enrolment: enrolment, issuer: issuer, storage: storage,
            group: MultiThreadedEventLoopGroup.singleton,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            serve: serve, pass: pass, changed: { changes.tell($0) })
    }

    /// Streams of all links, calls that wait among them.
    func streamCount() async throws -> Int {
        let hub = service.hub
        return try await service.loop.submit { hub.links.values.reduce(0) { $0 + ($1.streams?.count ?? 0) } }
            .get()
    }

    /// An address to tell others that leads nowhere: only who is told another one dials.
    static let nowhere = ["127.0.0.1:1"]

    static func join(_ attempt: JoinAttempt) async throws -> JoinedCredentials {
        try await MeshJoin.join(
            attempt, patience: .zero, group: MultiThreadedEventLoopGroup.singleton,
            log: Logger(label: "join") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Waits for a notice.
    func untilNotice(
        within limit: Duration = .seconds(15), sourceLocation: SourceLocation = #_sourceLocation,
        _ fits: (MeshNotice) -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while !service.notices.contains(where: fits) {
            try #require(
                ContinuousClock.now < deadline, "\(label) never noticed it", sourceLocation: sourceLocation)
            try await Task.sleep(for: .milliseconds(10))  // a poll with a deadline
        }
    }

    /// Where others may dial it.
    func address() async throws -> String {
        try await service.started()
        return try #require(await service.listening).description
    }

    /// Publishes a server `tools` with one tool.
    func publishTools() async throws {
        let definition = try JSON(validating: #"{"name":"say","inputSchema":{"type":"object"}}"#)
        try await service.publish(
            ServerRecord(key: toolsKey(), state: .up),
            manifest: Manifest(
                entries: [#require(Entry(kind: .tool, definition: definition))], instructions: nil,
                capabilities: .emptyObject, serverInfo: .emptyObject))
    }

    func toolsKey() throws -> ServerKey { ServerKey(owner: id, name: Label("tools")) }

    /// Waits until what the node shows fits; fails the test when it never does.
    ///
    /// It is asked with each change of the snapshot, so that what is so for a moment is seen, and between them too: what a test asks of
    /// links changes without one, and tells nobody.
    func until(
        _ what: String, within limit: Duration = .seconds(15),
        sourceLocation: SourceLocation = #_sourceLocation,
        _ holds: @escaping @Sendable (CatalogSnapshot) -> Bool
    ) async throws {
        let feed = changes.subscribe()
        if holds(service.snapshot) { return }
        let inTime = await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await snapshot in feed where holds(snapshot) { return true }
                return false
            }
            group.addTask { [service] in
                let deadline = ContinuousClock.now + limit
                while ContinuousClock.now < deadline, !Task.isCancelled {
                    if holds(service.snapshot) { return true }
                    try? await Task.sleep(for: .milliseconds(20))  // a poll with a deadline
                }
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
        try #require(inTime, "\(label) never came to: \(what)", sourceLocation: sourceLocation)
    }

    func untilReaches(_ other: TestNode, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let id = other.id
        try await until("reaching \(other.label)", sourceLocation: sourceLocation) { snapshot in
            if case .reachable? = snapshot.nodes[id]?.reachability { true } else { false }
        }
    }

    /// Calls `tools` of another node and waits for the end.
    func call(
        _ owner: TestNode, params: JSON, issuer: String = "key", subject: String = "ann",
        timeLeft: Duration = .seconds(20)
    ) async throws -> [CallEvent] {
        try await outgoing(owner, params: params, issuer: issuer, subject: subject, timeLeft: timeLeft)
            .events()
    }

    /// Starts a call and hands over what comes of it.
    func outgoing(
        _ owner: TestNode, method: String = Method.toolsCall, params: JSON, issuer: String = "key",
        subject: String = "ann", client: ClientFacts = ClientFacts(),
        timeLeft: Duration = .seconds(20)
    ) throws -> RunningCall {
        let request = CallRequest(
            id: CallID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)), method: method,
            params: params, client: client, caller: .anonymous,
            timeLeft: timeLeft)
        let call = OutgoingMeshCall(
            server: try owner.toolsKey(), request: request, issuer: issuer, subject: subject)
        return RunningCall(request.id) { service.call(call, $0) }
    }

    /// Answers each call with its params and who made it.
    static let echo: Serve = { call, sink in
        sink(.notification(method: "notifications/progress", params: .emptyObject))
        sink(
            .result(
                .object([
                    ("params", call.request.params), ("server", .string(call.server.text)),
                    ("subject", .string(call.principal.subject)),
                    ("entryNode", .string(call.principal.entryNode.description)),
                ])))
        return .finished
    }
}

/// Snapshots as they are published, to whoever asks.
private final class ChangeFeed: Sendable {
    private let listeners = Mutex<[AsyncStream<CatalogSnapshot>.Continuation]>([])

    func tell(_ snapshot: CatalogSnapshot) {
        for listener in listeners.withLock({ $0 }) { listener.yield(snapshot) }
    }

    func subscribe() -> AsyncStream<CatalogSnapshot> {
        let (stream, continuation) = AsyncStream<CatalogSnapshot>.makeStream(
            bufferingPolicy: .bufferingNewest(1))
        listeners.withLock { $0.append(continuation) }
        return stream
    }
}

/// A call under way.
struct RunningCall {
    let id: CallID
    let handle: CallHandle
    private let stream: AsyncStream<CallEvent>

    init(_ id: CallID, _ start: (@escaping CallSink) -> CallHandle) {
        let (stream, continuation) = AsyncStream<CallEvent>.makeStream()
        self.stream = stream
        self.id = id
        handle = start { event in
            continuation.yield(event)
            if event.isFinal { continuation.finish() }
        }
    }

    /// All events, the final one last.
    func events() async -> [CallEvent] {
        var events: [CallEvent] = []
        for await event in stream { events.append(event) }
        return events
    }
}

extension [CallEvent] {
    var result: JSON? { if case .result(let json)? = last { json } else { nil } }
    var failure: CallFailure? { if case .failure(let failure)? = last { failure } else { nil } }
}

/// Runs services as long as the body runs; all have said goodbye when this returns.
func running(
    _ nodes: [TestNode], _ body: @Sendable (borrowing NodeRunner) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        let (joining, continuation) = AsyncStream<TestNode>.makeStream()
        for node in nodes { group.addTask { try await node.service.run() } }
        group.addTask {
            try await withThrowingTaskGroup(of: Void.self) { later in
                for await node in joining { later.addTask { try await node.service.run() } }
                try await later.waitForAll()
            }
        }
        let runner = NodeRunner(continuation)
        do {
            for node in nodes { try await node.service.started() }
            try await body(runner)
        } catch {
            group.cancelAll()
            continuation.finish()
            throw error
        }
        continuation.finish()
        group.cancelAll()
        try await group.waitForAll()
    }
}

/// Starts further services within ``running(_:_:)``.
struct NodeRunner: ~Copyable, Sendable {
    private let joining: AsyncStream<TestNode>.Continuation

    fileprivate init(_ joining: AsyncStream<TestNode>.Continuation) { self.joining = joining }

    func start(_ node: TestNode) async throws {
        joining.yield(node)
        try await node.service.started()
    }
}
