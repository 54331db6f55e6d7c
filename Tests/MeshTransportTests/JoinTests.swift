import Catalog
import Crypto
import Foundation
import JSONSlice
import Logging
import MCPModel
import Mesh
import NIOCore
import NIOPosix
import Testing

@testable import MeshTransport

@Suite(.timeLimit(.minutes(1)))
struct JoinTests {
    private func attempt(
        _ token: JoinToken, label: String = "new", nodeKey: Curve25519.Signing.PrivateKey = .init()
    ) throws -> JoinAttempt {
        try JoinAttempt(token: token, nodeKey: nodeKey, label: #require(Label(label)))
    }

    private func join(
        _ attempt: JoinAttempt, found: [String] = [], patience: Duration = .zero
    ) async throws -> JoinedCredentials {
        try await MeshJoin.join(
            attempt, found: { found }, patience: patience, group: MultiThreadedEventLoopGroup.singleton,
            log: Logger(label: "join") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func `a token lets a node in, which then links and is called`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let token = try await a.service.makeToken()
            let joined = try await join(attempt(JoinToken(text: token.text)))
            #expect(joined.trust == mesh.founder.credentials.trust)
            #expect(joined.enrolment.label.text == "new")
            #expect(joined.enrolment.roles == .ordinary)
            #expect(joined.enrolment.segment == a.enrolment.segment)

            let b = try TestNode(
                joined.credentials, joined.enrolment, listen: false, seeds: [joined.address])
            try await runner.start(b)
            try await a.untilReaches(b)
            try await b.untilReaches(a)
            #expect(try await a.call(b, params: .emptyObject).result != nil)
        }
    }

    @Test func `a call that is here before its caller's enrolment waits for that`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", listen: false, seeds: [try await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            // As if the documents were still under way; the next change shows a's readers what its core knows.
            a.service.board.write { [id = b.id] in $0.snapshot.nodes[id] = nil }
            let call = try b.outgoing(a, params: .emptyObject)
            let deadline = ContinuousClock.now + .seconds(10)
            while try await a.streamCount() == 0 {
                try #require(ContinuousClock.now < deadline, "the call never came")
                try await Task.sleep(for: .milliseconds(2))  // a poll with a deadline
            }
            try await a.publishTools()
            let events = await call.events()
            #expect(events.result != nil, "\(events)")
        }
    }

    @Test func `a call whose caller's enrolment does not come is refused, and may go elsewhere`() throws {
        let (me, peer) = (NodeID(high: 1, low: 2), NodeID(high: 3, low: 4))
        let header = CallHeader(
            call: CallID(high: 5, low: 6), owner: me, ownerIncarnation: 7, server: Label("files"),
            method: Method.toolsCall, principal: .node(peer), timeLeftMS: 1, client: ClientFacts())
        let failure = #expect(throws: CallFailure.self) {
            try CallAdmission.check(header, from: peer, roles: nil, me: me, incarnation: 7)
        }
        #expect(failure?.reason == .notConfirmed)
        #expect(failure?.isUnsent == true)
        #expect(throws: Never.self) {
            try CallAdmission.check(header, from: peer, roles: .ordinary, me: me, incarnation: 7)
        }
    }

    @Test func `a node that left joins again and is there as before`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let nodeKey = Curve25519.Signing.PrivateKey()
            let joined = try await join(attempt(try await a.service.makeToken(), nodeKey: nodeKey))
            let first = try TestNode(
                joined.credentials, joined.enrolment, listen: false, seeds: [joined.address])
            try await runner.start(first)
            try await a.untilReaches(first)
            try await first.service.leave()
            try await a.until("b gone") { [id = first.id] in $0.nodes[id] == nil }
            first.service.stop()

            let back = try await join(attempt(try await a.service.makeToken(), nodeKey: nodeKey))
            #expect(back.enrolment.serial > joined.enrolment.serial)
            let second = try TestNode(
                back.credentials, back.enrolment, listen: false, seeds: [back.address], incarnation: 2)
            #expect(second.id == first.id)
            try await runner.start(second)
            try await a.untilReaches(second)
            try await second.untilReaches(a)
            #expect(try await a.call(second, params: .emptyObject).result != nil)
        }
    }

    @Test func `a token is good once, and the same request repeated gets the same answer`() async throws {
        let a = try TestMesh().first()
        try await running([a]) { _ in
            let token = try await a.service.makeToken()
            let first = try attempt(token)
            let joined = try await join(first)
            let again = try await join(first)
            #expect(again.credentials.chain == joined.credentials.chain)
            #expect(again.enrolment == joined.enrolment)
            let failure = await #expect(throws: JoinFailure.self) {
                try await join(attempt(token, label: "third"))
            }
            guard case .refused(.usedUp, _)? = failure else {
                Issue.record("refused as \(String(describing: failure))")
                return
            }
        }
    }

    @Test func `an expired, a withdrawn and a foreign token are refused, each with its reason`() async throws
    {
        let a = try TestMesh().first()
        let other = try TestMesh().first()
        try await running([a, other]) { _ in
            let expired = try await a.service.makeToken(ttl: .zero)
            await #expect(throws: JoinFailure.refused(.expired, text: JoinRefusal.expired.description)) {
                try await join(attempt(expired))
            }
            let withdrawn = try await a.service.makeToken()
            try await a.service.revokeToken(withdrawn.id)
            await #expect(
                throws: JoinFailure.refused(.revokedToken, text: JoinRefusal.revokedToken.description)
            ) {
                try await join(attempt(withdrawn))
            }
            var foreign = try await other.service.makeToken()
            foreign.addresses = [try await a.address()]
            let failure = await #expect(throws: JoinFailure.self) { try await join(attempt(foreign)) }
            #expect("\(failure.map { "\($0)" } ?? "")".contains("another mesh"))
        }
    }

    @Test func `a label that is carried already is refused`() async throws {
        let a = try TestMesh().first()
        try await running([a]) { _ in
            let token = try await a.service.makeToken(uses: 2)
            _ = try await join(attempt(token, label: "twin"))
            let failure = await #expect(throws: JoinFailure.self) {
                try await join(attempt(token, label: "twin"))
            }
            guard case .refused(.labelTaken, _)? = failure else {
                Issue.record("refused as \(String(describing: failure))")
                return
            }
        }
    }

    @Test func `a made-up secret does not get in`() async throws {
        let a = try TestMesh().first()
        try await running([a]) { _ in
            var token = try await a.service.makeToken()
            token.secret = [UInt8](repeating: 7, count: JoinToken.secretBytes)
            await #expect(
                throws: JoinFailure.refused(.unknownToken, text: JoinRefusal.unknownToken.description)
            ) {
                try await join(attempt(token))
            }
        }
    }

    @Test func `with nobody there, each address tried is told`() async throws {
        let a = try TestMesh().first(listen: false)
        try await running([a]) { _ in
            var token = try await a.service.makeToken()
            token.addresses = ["127.0.0.1:1"]
            let failure = await #expect(throws: JoinFailure.self) {
                try await join(attempt(token), found: ["127.0.0.1:2"])
            }
            guard case .nobodyReachable(let tried)? = failure else {
                Issue.record("failed as \(String(describing: failure))")
                return
            }
            #expect(tried.map(\.address) == ["127.0.0.1:1", "127.0.0.1:2"])
        }
    }

    @Test func `a node that sees only a relay is let in by the issuer behind it`() async throws {
        let mesh = try TestMesh()
        let b = try mesh.node("b")
        try await running([b]) { runner in
            let address = try await b.address()
            let a = try mesh.first(listen: false, seeds: [address])
            try await runner.start(a)
            try await b.untilReaches(a)
            let token = try await a.service.makeToken(segment: Label("far"))
            #expect(token.addresses.isEmpty)
            let joined = try await join(attempt(token), found: [address])
            #expect(joined.enrolment.segment.text == "far")
            #expect(joined.enrolment.issuer == a.id)
        }
    }

    @Test func `guests beyond the eighth hear that it is busy`() async throws {
        let a = try TestMesh().first()
        try await running([a]) { _ in
            let token = try await a.service.makeToken()
            let hub = a.service.hub
            try await a.service.loop.submit { hub.guestsHere = MeshHub.guestsMax }.get()
            let failure = await #expect(throws: JoinFailure.self) { try await join(attempt(token)) }
            guard case .nobodyReachable(let tried)? = failure else {
                Issue.record("failed as \(String(describing: failure))")
                return
            }
            #expect(tried.first?.why == JoinRefusal.busy.description)
        }
    }

    @Test func `the last word on a join is the issuer's, not that of whoever opens the door`() {
        guard case .final(.refused(.usedUp, _)) = MeshJoin.problem(JoinError.refused(.usedUp, text: ""))
        else {
            Issue.record("the issuer is not believed")
            return
        }
        guard case .elsewhere("no") = MeshJoin.problem(DoorProblem(why: "no")) else {
            Issue.record("somebody at the door ended the join")
            return
        }
    }

    @Test(arguments: [
        [0, 0, 0x20, 1],  // a message of 8 KiB and one byte
        [0, 0, 0, 2, 99, 99],  // of no known kind
        Array("GET / HTTP/1.1\r\n\r\n".utf8),
    ])
    func `a guest that does not speak the join protocol is shown the door`(said: [UInt8]) async throws {
        let a = try TestMesh().first()
        try await running([a]) { _ in
            let token = try await a.service.makeToken()
            let answer = try await rudely(said, to: #require(MeshAddress(try await a.address())), token)
            var decoder = JoinMessageDecoder()
            decoder.append(answer)
            guard case .refusal(.badRequest, _)? = try decoder.next() else {
                Issue.record("answered with \(answer.count) bytes")
                return
            }
            // Nobody else is the worse for it.
            _ = try await join(attempt(token))
        }
    }

    /// Says something as a guest, and returns all that was answered until the other side closed.
    private func rudely(_ said: [UInt8], to address: MeshAddress, _ token: JoinToken) async throws -> [UInt8]
    {
        let verifier = PeerVerifier(
            anchor: .fingerprint(token.rootFingerprint, mesh: token.mesh), me: nil, floor: .distantPast)
        let (answers, continuation) = AsyncStream<[UInt8]>.makeStream()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try LinkTLS.joining(
                        as: .init(), verifier: verifier, expecting: nil, HandshakeVerdict())
                    try channel.pipeline.syncOperations.addHandlers([tls, Ear(continuation)])
                }
            }
            .connect(host: address.host, port: address.port).get()
        channel.writeAndFlush(ByteBuffer(bytes: said), promise: nil)
        var all: [UInt8] = []
        for await answer in answers { all += answer }
        return all
    }

    @Test func `only an issuer makes tokens`() async throws {
        let mesh = try TestMesh()
        let b = try mesh.node("b")
        try await running([b]) { _ in
            await #expect(throws: MeshServiceError.self) { try await b.service.makeToken() }
        }
    }
}

/// Passes on what it hears, until the connection closes.
private final class Ear: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let heard: AsyncStream<[UInt8]>.Continuation

    init(_ heard: AsyncStream<[UInt8]>.Continuation) { self.heard = heard }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        heard.yield(Array(unwrapInboundIn(data).readableBytesView))
    }

    func channelInactive(context: ChannelHandlerContext) { heard.finish() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
