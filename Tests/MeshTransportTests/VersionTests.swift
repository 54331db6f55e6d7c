import Catalog
import JSONSlice
import Mesh
import Testing

@testable import MeshTransport

/// Nodes of this and of other versions of the protocol.
@Suite(.timeLimit(.minutes(1)))
struct VersionTests {
    private let now = ProtocolVersion.spoken.upperBound

    @Test func `a node that speaks this version and the next links, and they speak this one`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()], versions: now...now + 1)
            try await runner.start(b)
            try await b.untilReaches(a)
            try await a.untilReaches(b)
            #expect(try await a.versionsSpoken() == [now])
            #expect(try await b.versionsSpoken() == [now])
            #expect(try await b.call(a, params: ["n": 1]).result?["params"] == ["n": 1])
            #expect(try await a.call(b, params: ["n": 2]).result?["params"] == ["n": 2])
        }
    }

    @Test func `a node that speaks only later versions is refused, and both say what to do`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let address = try await a.address()
            // What each knows of the other it has from one that both could speak with.
            let before = try mesh.node("b", seeds: [address])
            try await runner.start(before)
            try await a.untilReaches(before)
            try await before.untilReaches(a)
            let b = try TestNode(
                before.service.credentials, before.enrolment, listen: false, seeds: [address],
                incarnation: 2, versions: now + 1...now + 2)
            try await runner.start(b)
            let problem = try #require(try await b.dialProblem(at: address))
            #expect("\(problem)".contains("no protocol version in common"))
            #expect("\(problem)".contains("this node speaks \(now + 1) to \(now + 2), \(a.id)"))
            #expect("\(problem)".contains("update the older one"))
            try await a.untilNotice { notice in
                guard case .versionsApart(let text) = notice else { return false }
                return text.contains("\(b.id)") && text.contains("speaks \(now + 1) to \(now + 2)")
                    && text.contains("update the older one")
            }
            #expect(b.service.linkStatus.isEmpty)
        }
    }
}

extension TestNode {
    fileprivate func versionsSpoken() async throws -> Set<UInt16> {
        let hub = service.hub
        return try await service.loop.submit { Set(hub.links.values.map(\.version)) }.get()
    }
}
