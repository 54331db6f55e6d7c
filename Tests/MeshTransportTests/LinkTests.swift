import Catalog
import Foundation
import JSONSlice
import MCPModel
import Mesh
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MeshTransport

@Suite(.timeLimit(.minutes(1)))
struct LinkTests {
    @Test func `two nodes link, and what one publishes the other lists`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await a.publishTools()
            let key = try a.toolsKey()
            try await b.until("a's tools") { $0.servers[key]?.manifest?.entries.count == 1 }
            try await a.untilReaches(b)
            #expect(b.service.snapshot.nodes[a.id]?.reachability == .reachable(path: [a.id]))
            let link = try #require(b.service.linkStatus.first)
            #expect(link.peer == a.id && link.via.isEmpty && link.openedByMe)
            #expect(link.address == (try await a.address()))
        }
    }

    @Test func `a call goes to the owner and back, with its caller's name`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            let events = try await b.call(
                a, params: JSON(validating: #"{"name":"say", "arguments":{"x":1}}"#))
            #expect(events.count == 2)
            guard case .notification("notifications/progress", _)? = events.first else {
                Issue.record("no progress came first")
                return
            }
            let result = try #require(events.result)
            #expect(result["params"]?.text == #"{"name":"say", "arguments":{"x":1}}"#)
            #expect(result["subject"]?.string == "ann")
            #expect(result["entryNode"]?.string == b.id.description)
        }
    }

    @Test func `calls in their hundreds share a link, large ones among small ones`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            let large = JSON.object([("blob", .string(String(repeating: "x", count: 3 * 1024 * 1024)))])
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<300 {
                    let params = index % 100 == 0 ? large : .object([("n", .number(index))])
                    group.addTask { try await b.call(a, params: params).result?["params"] == params }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func `a node whose enrolment lacks the role entry speaks for itself only`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", roles: .member, seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            #expect(try await b.call(a, params: .emptyObject, subject: "ann").failure?.reason == .denied)
            let own = try await b.call(
                a, params: .emptyObject, issuer: WirePrincipal.nodeIssuer, subject: b.id.description)
            #expect(own.result != nil)
        }
    }

    @Test func `a cancelled call is cancelled at its owner`() async throws {
        let mesh = try TestMesh()
        let (arrived, arrivals) = AsyncStream<Void>.makeStream()
        let (cancelled, cancellations) = AsyncStream<Void>.makeStream()
        let a = try mesh.first { _, _ in
            arrivals.yield()
            return CallHandle { cancellations.yield() }
        }
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            let call = try b.outgoing(a, params: .emptyObject)
            for await _ in arrived { break }
            call.handle.cancel()
            for await _ in cancelled { break }
            #expect(await call.events().failure?.reason == .cancelled)
        }
    }

    @Test func `a call ends at its deadline, at its owner too`() async throws {
        let mesh = try TestMesh()
        let (cancelled, cancellations) = AsyncStream<Void>.makeStream()
        let a = try mesh.first { _, _ in CallHandle { cancellations.yield() } }
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            let events = try await b.call(a, params: .emptyObject, timeLeft: .milliseconds(50))
            #expect(events.failure?.reason == .deadlineExceeded)
            for await _ in cancelled { break }
        }
    }

    @Test func `a call to a node nobody knows, or that is gone, ends at once`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        let stranger = try mesh.node("b")
        try await running([a]) { _ in
            let events = try await a.call(stranger, params: .emptyObject)
            #expect(events.failure?.reason == .ownerUnreachable)
        }
    }

    @Test func `an address that leads to another node than expected gives no link`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        let b = try mesh.node("b")
        try await running([a, b]) { _ in
            let wrong = NodeID(high: 5, low: 6)
            let address = try await a.address()
            b.service.sighted(Candidate(address: address, source: .sighting, node: wrong))
            let problem = try await b.dialProblem(at: address)
            #expect(problem == .otherNode(a.id))
            #expect(b.service.linkStatus.isEmpty)
        }
    }

    @Test func `a node of another mesh gives no link`() async throws {
        let a = try TestMesh().first()
        let b = try TestMesh().first()
        try await running([a, b]) { _ in
            let address = try await a.address()
            b.service.sighted(Candidate(address: address, source: .seed))
            #expect(try await b.dialProblem(at: address) == .otherMesh(nil))
            #expect(a.service.linkStatus.isEmpty && b.service.linkStatus.isEmpty)
        }
    }

    @Test func `an address where nobody listens is told as that`() async throws {
        let a = try TestMesh().first()
        try await running([a]) { _ in
            a.service.sighted(Candidate(address: "127.0.0.1:1", source: .seed))
            guard case .unreachable? = try await a.dialProblem(at: "127.0.0.1:1") else {
                Issue.record("told otherwise")
                return
            }
        }
    }

    /// - Parameter isLate: whether what the dialler says is read first, so that the connection ends rather than is reset.
    @Test(arguments: [true, false])
    func `an address whose connections break before anybody speaks is as one where nobody listens`(
        isLate: Bool
    ) async throws {
        let breaker = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                guard isLate else { return channel.close() }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ClosesWhenSpokenTo())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(breaker.localAddress?.port)
        let a = try TestMesh().first()
        try await running([a]) { _ in
            a.service.sighted(Candidate(address: "127.0.0.1:\(port)", source: .seed))
            let problem = try await a.dialProblem(at: "127.0.0.1:\(port)")
            guard case .unreachable? = problem else {
                Issue.record("told otherwise: \(String(describing: problem))")
                return
            }
        }
        try await breaker.close()
    }

    @Test func `a taken port is told with what to do`() async throws {
        let a = try TestMesh().first()
        try await running([a]) { _ in
            let mesh = try TestMesh()
            let taken = try #require(MeshAddress(try await a.address()))
            let b = try MeshService(
                MeshServiceConfiguration(listen: taken, software: "t", incarnation: 1),
                credentials: mesh.founder.credentials, enrolment: mesh.founder.enrolment, storage: .none,
                group: a.service.loop, log: a.service.log, serve: TestNode.echo)
            let failure = await #expect(throws: MeshServiceError.self) { try await b.run() }
            #expect(failure.map { "\($0)" }?.contains("\(taken)") == true)
        }
    }
}

extension TestNode {
    /// Closes all direct links without a word, as a crash would.
    func breakLinks() async throws {
        let hub = service.hub
        try await service.loop.submit {
            for link in hub.links.values { link.channel?.close(promise: nil) }
        }.get()
    }

    /// Waits until dialling an address came to something bad.
    func dialProblem(at address: String) async throws -> DialProblem? {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(20)
        while clock.now < end {
            if let problem = service.candidates.first(where: { $0.address == address })?.lastProblem {
                return problem
            }
            try await Task.sleep(for: .milliseconds(50))  // a condition with a deadline
        }
        return nil
    }
}

/// Takes what is said, and says nothing to it.
private final class ClosesWhenSpokenTo: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.close(promise: nil)
    }
}
