import Catalog
import Crypto
import Foundation
import JSONSlice
import MCPModel
import Mesh
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MeshTransport

/// Renewal of leaves over real sockets and TLS.
@Suite(.timeLimit(.minutes(1)))
struct RenewalTests {
    private static let day: TimeInterval = 86_400

    /// Keeps a node's leaf while the body runs.
    private func keeping(
        _ node: TestNode, _ body: @Sendable (Kept) async throws -> Void
    ) async throws {
        let kept = Kept()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await LeafKeeper(of: node.service, lookEvery: .milliseconds(20)) { kept.add($0) }.run()
            }
            defer { group.cancelAll() }
            try await body(kept)
        }
    }

    private final class Kept: Sendable {
        private let leaves = Mutex<[RenewedLeaf]>([])
        var count: Int { leaves.withLock { $0.count } }
        func add(_ leaf: RenewedLeaf) { leaves.withLock { $0.append(leaf) } }
    }

    /// Waits for a condition with a deadline.
    private func until(
        _ what: String, within limit: Duration = .seconds(15), _ holds: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while try await !holds() {
            try #require(ContinuousClock.now < deadline, "never came to: \(what)")
            try await Task.sleep(for: .milliseconds(10))  // a poll with a deadline
        }
    }

    @Test func `a leaf is swapped under calls, none fails, and the link shows the new leaf`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            // Six of fourteen days are over: past a third and the jitter.
            let b = try mesh.node(
                "b", seeds: [await a.address()], leafMade: Date() - 6 * Self.day,
                redialWithin: .milliseconds(300))
            try await runner.start(b)
            try await a.untilReaches(b)
            try await b.untilReaches(a)
            let before = try #require(b.service.linkStatus.first?.since)
            let old = b.service.hub.setup.tls.leafHash

            let isOver = Flag()
            try await withThrowingTaskGroup(of: Int.self) { group in
                for (from, to) in [(a, b), (b, a), (a, b), (b, a)] {
                    group.addTask {
                        var count = 0
                        while !isOver.isSet {
                            let end = try await from.call(to, params: .emptyObject)
                            #expect(end.result != nil, "\(String(describing: end.failure))")
                            count += 1
                        }
                        return count
                    }
                }
                try await keeping(b) { kept in
                    try await until("a new leaf") { kept.count == 1 }
                    // It is kept before it is shown.
                    try await until("the new leaf shown") { b.service.hub.setup.tls.leafHash != old }
                    try await until("a link that shows it") {
                        b.service.linkStatus.contains { $0.peer == a.id && $0.since > before }
                    }
                    // The old one drains and goes.
                    try await until("one link") { b.service.linkStatus.count { $0.peer == a.id } == 1 }
                    #expect(b.service.leafStatus?.phase == .fresh)
                    #expect(kept.count == 1)
                }
                isOver.set()
                var calls = 0
                for try await count in group { calls += count }
                #expect(calls > 20)
            }
        }
    }

    @Test func `a long call outlives the swap of the link it runs on`() async throws {
        let mesh = try TestMesh()
        let gate = CallGate()
        let a = try mesh.first(serve: gate.serve)
        try await running([a]) { runner in
            let b = try mesh.node(
                "b", seeds: [await a.address()], leafMade: Date() - 6 * Self.day, redialWithin: .zero)
            try await runner.start(b)
            try await b.untilReaches(a)
            let before = try #require(b.service.linkStatus.first?.since)
            let call = try b.outgoing(a, params: .emptyObject)
            try await until("the call under way") { gate.isWaiting }
            try await keeping(b) { _ in
                try await until("a second link") {
                    b.service.linkStatus.contains { $0.peer == a.id && $0.since > before }
                }
                // A link without calls would be gone from here on.
                for node in [a, b] {
                    try await node.untilSo("the old link only waits for its call") { hub in
                        hub.links.values.contains { $0.retiresBy != nil }
                    }
                }
                gate.open()
                #expect(await call.events().result != nil)
            }
        }
    }

    @Test func `a node that sees only a relay is renewed by the issuer behind it`() async throws {
        let mesh = try TestMesh()
        let b = try mesh.node("b")
        try await running([b]) { runner in
            let address = try await b.address()
            let a = try mesh.first(listen: false, seeds: [address])
            let c = try mesh.node(
                "c", listen: false, seeds: [address], leafMade: Date() - 6 * Self.day)
            try await runner.start(a)
            try await runner.start(c)
            try await c.untilReaches(a)
            try await keeping(c) { kept in try await until("a new leaf") { kept.count == 1 } }
        }
    }

    @Test func `a leaf that ran out is renewed by the node key, from outside`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()], leafMade: Date() - 20 * Self.day)
            try await runner.start(b)
            try await keeping(b) { kept in
                try await until("a new leaf") { kept.count == 1 }
                try await b.untilReaches(a)
                try await a.untilReaches(b)
                #expect(try await a.call(b, params: .emptyObject).result != nil)
            }
        }
    }

    @Test func `a leaf that ran out more than fourteen days ago is not renewed`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let address = try await a.address()
            let b = try mesh.node("b", seeds: [address], leafMade: Date() - 29 * Self.day)
            try await runner.start(b)
            let request = RenewalRequest(
                enrolment: b.enrolment, lastChain: b.service.credentials.chain,
                leafRequest: try CertificateRequest(key: .init()).bytes)
            await #expect(throws: JoinError.refused(.tooLate, text: JoinRefusal.tooLate.description)) {
                try await MeshDoor.ask(
                    request, of: a.id, at: address, by: b.service.credentials.signer,
                    verifier: b.service.hub.setup.tls.verifier, loop: b.service.loop)
            }
            try await keeping(b) { kept in
                try await until("past") { b.service.leafStatus?.phase == .past }
                #expect(kept.count == 0)
            }
        }
    }

    @Test func `a revoked node, and another's enrolment, get no leaf`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        let b = try mesh.node("b")
        try await running([a, b]) { _ in
            let address = try await a.address()
            func ask(_ enrolment: Enrolment) async throws {
                _ = try await MeshDoor.ask(
                    RenewalRequest(
                        enrolment: enrolment, lastChain: b.service.credentials.chain,
                        leafRequest: try CertificateRequest(key: .init()).bytes),
                    of: a.id, at: address, by: b.service.credentials.signer,
                    verifier: b.service.hub.setup.tls.verifier, loop: b.service.loop)
            }
            try await ask(b.enrolment)
            let stolen = await #expect(throws: JoinError.self) { try await ask(a.enrolment) }
            guard case .refused(.badProof, _)? = stolen else {
                Issue.record("refused as \(String(describing: stolen))")
                return
            }
            try await a.service.revoke(b.id, reason: "lost")
            let revoked = await #expect(throws: JoinError.self) { try await ask(b.enrolment) }
            guard case .refused(.revoked, _)? = revoked else {
                Issue.record("refused as \(String(describing: revoked))")
                return
            }
        }
    }

    @Test func `time is never before the latest start of a chain that held`() async throws {
        let mesh = try MeshOfOne.founded()
        let system = Mutex(Date())
        let clock = VerificationClock(floor: .distantPast, system: { system.withLock { $0 } })
        let verifier = PeerVerifier(anchor: .root(mesh.root.certificate), me: nil, clock: clock)
        _ = try await verifier.verify(mesh.credentials.chain, expecting: nil, guestsWelcome: false)
        // The battery of the clock is empty.
        system.withLock { $0 = Date(timeIntervalSince1970: 0) }
        #expect(abs(clock.now.timeIntervalSinceNow + CertificateLife.clockSkew) < 60)
        #expect(clock.behind > 0)
        _ = try await verifier.verify(mesh.credentials.chain, expecting: nil, guestsWelcome: false)
    }

    @Test func `a peer whose clock is wrong is shown with the offset, and dialled once a minute`()
        async throws
    {
        let mesh = try TestMesh()
        let b = try mesh.node("b", leafMade: Date() - 20 * Self.day)
        try await running([b]) { runner in
            let address = try await b.address()
            let a = try mesh.first(seeds: [address])
            try await runner.start(a)
            try await until("the refusal") {
                a.service.candidates.contains { candidate in
                    guard candidate.address == address,
                        case .outsideItsTime(let offset)? = candidate.lastProblem
                    else { return false }
                    return offset > .seconds(5 * 86_400)
                        && candidate.nextDial - MeshClock.now() > .seconds(50)
                }
            }
        }
    }
}

private final class Flag: Sendable {
    private let state = Mutex(false)
    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}

/// Lets a call wait until it is told to end.
private final class CallGate: Sendable {
    private let waiting = Mutex<[CallSink]>([])
    var isWaiting: Bool { waiting.withLock { !$0.isEmpty } }

    var serve: TestNode.Serve {
        { _, sink in
            self.waiting.withLock { $0.append(sink) }
            return .finished
        }
    }

    func open() { for sink in waiting.withLock({ $0 }) { sink(.result(.emptyObject)) } }
}
