import Catalog
import Foundation
import JSONSlice
import MCPModel
import Mesh
import NIOCore
import Synchronization
import Testing

@testable import MeshTransport

/// A – B – C: A and C listen to nobody and dial out to B only, as behind two firewalls.
@Suite(.timeLimit(.minutes(1)))
struct CircuitTests {
    private let canary = "canary-5e3d1f7a-never-in-the-clear"

    @Test func `a call crosses a relay that cannot read it`() async throws {
        let mesh = try TestMesh(founder: "b")
        let b = try mesh.first()
        let seen = Mutex<[UInt8]>([])
        try await running([b]) { runner in
            let (a, c) = try await mesh.farEnds(around: b, in: runner)
            try await c.publishTools()
            let key = try c.toolsKey()
            try await a.until("c's tools") { $0.servers[key]?.manifest != nil }
            #expect(a.service.snapshot.nodes[c.id]?.reachability == .reachable(path: [b.id, c.id]))
            try await b.observeRelayed { bytes in seen.withLock { $0 += bytes } }

            let params = JSON.object([("secret", .string(canary))])
            for _ in 0..<3 {
                #expect(try await a.call(c, params: params).result?["params"] == params)
            }
            let relayed = seen.withLock { $0 }
            #expect(relayed.count > 2 * canary.utf8.count)
            #expect(!relayed.contains(canary: canary))
            let link = try #require(a.service.linkStatus.first { $0.peer == c.id })
            #expect(link.via == [b.id])

            // One circuit carried all three calls.
            #expect(try await b.circuitsRelayed() == 1)

            // The detector is not blind: without TLS inside, the same way shows everything.
            try await a.sendBare(Array(canary.utf8), along: [b.id, c.id])
            try await b.untilSo("the bare bytes were relayed") { _ in
                seen.withLock { $0.contains(canary: canary) }
            }
        }
    }

    @Test func `large results cross a relay whole, many at a time`() async throws {
        let mesh = try TestMesh(founder: "b")
        let b = try mesh.first()
        try await running([b]) { runner in
            let (a, c) = try await mesh.farEnds(around: b, in: runner)
            let large = JSON.object([("blob", .string(String(repeating: "y", count: 2 * 1024 * 1024)))])
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<20 {
                    let params = index % 5 == 0 ? large : .object([("n", .number(index))])
                    group.addTask { try await a.call(c, params: params).result?["params"] == params }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func `what a relay carries is counted for each who brings it, whatever source it names`()
        async throws
    {
        let mesh = try TestMesh(founder: "b")
        let b = try mesh.first()
        try await running([b]) { runner in
            let (a, c) = try await mesh.farEnds(around: b, in: runner)
            let d = try mesh.node("d", listen: false, seeds: [await b.address()])
            try await runner.start(d)
            try await d.untilReaches(c)
            try await b.limitRelayed(to: 2)
            // d says that its circuits are a's, and uses up what may be brought by d.
            for _ in 0..<2 { try await d.openKept(along: [b.id, c.id], as: a.id) }
            try await b.untilSo("d's circuits are carried") { $0.relayed.count == 2 }
            guard case .reset(.limited, _)? = try await d.openBare(along: [b.id, c.id], as: a.id) else {
                Issue.record("a third one of d's was let through")
                return
            }
            // a has all of its own.
            #expect(try await a.call(c, params: .emptyObject).result != nil)
            #expect(try await b.circuitsRelayed() == 3)
            let held = try await b.service.loop.submit { [hub = b.service.hub, a = a.id, d = d.id] in
                (hub.relayed.values.count { $0.bringer == a }, hub.relayed.values.count { $0.bringer == d })
            }.get()
            #expect(held == (1, 2))
        }
    }

    @Test func `with the relay gone the far node is unreachable, and calls say so`() async throws {
        let mesh = try TestMesh(founder: "a")
        let b = try mesh.node("b")
        try await running([]) { runner in
            let running = Task { try await b.service.run() }
            let seeds = [try await b.address()]
            let a = try mesh.first(listen: false, seeds: seeds)
            let c = try mesh.node("c", listen: false, seeds: seeds)
            try await runner.start(a)
            try await runner.start(c)
            try await a.untilReaches(c)
            try await c.untilReaches(a)
            #expect(try await a.call(c, params: .emptyObject).result != nil)
            running.cancel()
            let far = c.id
            // How soon is the simulator's to say: here other tests may want the processor.
            try await a.until("c unreachable", within: .seconds(15)) {
                if case .unreachable? = $0.nodes[far]?.reachability { true } else { false }
            }
            #expect(try await a.call(c, params: .emptyObject).failure?.reason == .ownerUnreachable)
            try await running.value
        }
    }

    @Test func `a node that does not relay lets nobody through`() async throws {
        let mesh = try TestMesh(founder: "a")
        let b = try mesh.node("b", relays: false)
        try await running([b]) { runner in
            let seeds = [try await b.address()]
            let a = try mesh.first(listen: false, seeds: seeds)
            let c = try mesh.node("c", listen: false, seeds: seeds)
            try await runner.start(a)
            try await runner.start(c)
            let far = c.id
            try await a.until("knowing c") { $0.nodes[far] != nil }
            let path = [b.id, c.id]
            let why = try await a.openBare(along: path)
            guard case .reset(.refused, _)? = why else {
                Issue.record("ended as \(String(describing: why))")
                return
            }
        }
    }
}

extension TestNode {
    func circuitsRelayed() async throws -> Int {
        let hub = service.hub
        return try await service.loop.submit { hub.relayed.count }.get()
    }

    func observeRelayed(_ observe: @escaping @Sendable ([UInt8]) -> Void) async throws {
        let hub = service.hub
        try await service.loop.submit { hub.relayObserver = observe }.get()
    }

    /// Sends bytes over a circuit without TLS inside.
    func sendBare(_ bytes: [UInt8], along path: [NodeID]) async throws {
        let hub = service.hub
        try await service.loop.submit {
            try hub.openCircuitStream(.link, path: path).send(bytes, kind: 0, isLast: false)
        }.get()
    }

    /// Lets a relay carry so many circuits for each source.
    func limitRelayed(to count: Int) async throws {
        let hub = service.hub
        try await service.loop.submit { hub.relayLimits.circuitsPerSource = count }.get()
    }

    /// Opens a circuit of any source, and leaves it open.
    func openKept(along path: [NodeID], as source: NodeID) async throws {
        let hub = service.hub
        try await service.loop.submit {
            let stream = try hub.openCircuitStream(.link, path: path, as: source)
            stream.reader = Listener()
        }.get()
    }

    /// Opens a circuit and waits for how it ends.
    ///
    /// - Parameter source: whose it is said to be; `nil`: this node's, as it is.
    func openBare(along path: [NodeID], as source: NodeID? = nil) async throws -> StreamBreak? {
        let hub = service.hub
        let (ends, continuation) = AsyncStream<StreamBreak>.makeStream()
        try await service.loop.submit {
            let stream = try hub.openCircuitStream(.link, path: path, as: source)
            stream.reader = Listener(broken: { continuation.yield($0) })
        }.get()
        for await end in ends { return end }
        return nil
    }
}

extension [UInt8] {
    func contains(canary: String) -> Bool { firstRange(of: Array(canary.utf8)) != nil }
}
