import Catalog
import JSONSlice
import Mesh
import NIOCore
import Testing

@testable import MeshTransport

@Suite(.timeLimit(.minutes(1)))
struct SpreadTests {
    /// A list that shrinks well.
    private func publishTools(_ node: TestNode, count: Int) async throws {
        let entries = try (0..<count).map { index in
            let definition = try JSON(
                validating: #"{"name":"tool_\#(index)","inputSchema":{"type":"object","properties":{}}}"#)
            return try #require(Entry(kind: .tool, definition: definition))
        }
        try await node.service.publish(
            ServerRecord(key: node.toolsKey(), state: .up),
            manifest: Manifest(
                entries: entries, instructions: nil, capabilities: .emptyObject, serverInfo: .emptyObject))
    }

    @Test(arguments: [
        Hello.ownFeatures, Hello.ownFeatures & ~(Hello.inflates | Hello.comparesBuckets), 0,
    ])
    func `lists arrive whole between nodes that deflate and nodes that do not`(features: UInt64)
        async throws
    {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()], features: features)
            let c = try mesh.node("c", seeds: [await a.address()])
            try await runner.start(b)
            try await runner.start(c)
            for node in [a, b, c] { try await publishTools(node, count: 1000) }
            for node in [a, b, c] {
                for other in [a, b, c] where other.id != node.id {
                    let key = try other.toolsKey()
                    try await node.until("the tools of \(other.label)") {
                        $0.servers[key]?.manifest?.entries.count == 1000
                    }
                }
            }
        }
    }

    @Test func `a frame that would inflate beyond all bounds ends the link, not the node`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await a.untilReaches(b)
            try await b.untilReaches(a)
            let zeros = try #require(Deflate.deflated([UInt8](repeating: 0, count: 8 * 1024 * 1024)))
            for stated: UInt32 in [68 * 1024, 8 * 1024 * 1024] {
                let before = try #require(a.service.linkStatus.map(\.since).max())
                let (hub, loop) = (b.service.hub, b.service.loop)
                var bomb = ByteBuffer()
                bomb.writeInteger(UInt32(13 + zeros.count))
                bomb.writeInteger(UInt8(31))
                bomb.writeInteger(UInt64(0))
                bomb.writeInteger(stated)
                bomb.writeBytes(zeros)
                let bytes = Array(bomb.readableBytesView)
                // Looked at again and again: the catalog need not change with a link.
                let deadline = ContinuousClock.now + .seconds(15)
                var (isSent, nextSend) = (false, ContinuousClock.now)
                while !a.service.linkStatus.contains(where: { $0.since > before }) {
                    let now = ContinuousClock.now
                    try #require(now < deadline, "a has no other link")
                    if now >= nextSend {
                        // Sent again where b still held the link before this one for up.
                        nextSend = now + .seconds(1)
                        isSent =
                            try await loop.submit {
                                for link in hub.links.keys { hub.send(bytes, on: link) }
                                return !hub.links.isEmpty
                            }.get() || isSent
                    }
                    try await Task.sleep(for: .milliseconds(10))  // a poll with a deadline
                }
                #expect(isSent)
                // Each end has its own moment at which the link is up.
                try await a.untilReaches(b)
                try await b.untilReaches(a)
            }
        }
    }

    @Test func `who says more than is taken in is named to whoever asks`() async throws {
        let mesh = try TestMesh()
        var limits = MeshLimits()
        limits.documentsBurst = 100
        let a = try mesh.first(limits: limits)
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await a.untilReaches(b)
            #expect(a.service.floods.isEmpty)
            for round in 0..<300 {
                try await b.service.publish(
                    ServerRecord(key: b.toolsKey(), state: .up, stateReason: "\(round)"), manifest: nil)
            }
            let deadline = ContinuousClock.now + .seconds(20)
            while a.service.floods.isEmpty {
                try #require(ContinuousClock.now < deadline, "nobody was named")
                try await Task.sleep(for: .milliseconds(20))  // a poll with a deadline
            }
            #expect(a.service.floods.map(\.node) == [b.id])
            #expect(a.service.floods.first?.part == .origin)
        }
    }
}
