import Catalog
import Crypto
import Foundation
import JSONSlice
import MartletTestKit
import Mesh
import NIOCore
import Testing

@testable import MeshTransport

/// Revocation over real sockets and TLS.
@Suite(.timeLimit(.minutes(1)))
struct RevocationTests {
    /// Five nodes in a row; the addresses that they tell lead nowhere, so nobody else is dialled.
    private func chain(_ mesh: TestMesh, _ body: @Sendable ([TestNode]) async throws -> Void) async throws {
        let a = try mesh.first(advertise: TestNode.nowhere)
        try await running([a]) { runner in
            var nodes = [a]
            for name in ["b", "c", "d", "e"] {
                let last = try #require(nodes.last)
                let node = try mesh.node(name, seeds: [await last.address()], advertise: TestNode.nowhere)
                try await runner.start(node)
                try await node.untilReaches(last)
                nodes.append(node)
            }
            try await a.untilReaches(nodes[4])
            try await nodes[4].untilReaches(a)
            try await body(nodes)
        }
    }

    @Test func `at the far end of five segments the links of a revoked node close`() async throws {
        try await chain(try TestMesh()) { nodes in
            let (a, d, e) = (nodes[0], nodes[3], nodes[4])
            #expect(try await a.call(e, params: .emptyObject).result != nil)
            try await a.service.revoke(e.id, reason: "stolen")
            try await d.until("the link closed") { [service = d.service, id = e.id] snapshot in
                snapshot.nodes[id] == nil && !service.linkStatus.contains { $0.peer == id }
            }
            for node in nodes.dropLast() {
                try await node.until("e forgotten") { [id = e.id] in $0.nodes[id] == nil }
                // The circuit from a to e is closed too.
                #expect(!node.service.linkStatus.contains { $0.peer == e.id })
            }
            #expect(try await a.call(e, params: .emptyObject).failure?.reason == .ownerUnreachable)
            // It heard why before the door closed, and does not come back.
            try await e.untilNotice { if case .revoked = $0 { true } else { false } }
            try await e.until("alone") { [service = e.service] _ in service.linkStatus.isEmpty }
        }
    }

    @Test func `who is not let in is refused, and is not dialled again as one that does not answer`()
        async throws
    {
        let mesh = try TestMesh()
        let a = try mesh.first()
        let b = try mesh.node("b")
        try await running([a, b]) { _ in
            try await a.service.revoke(b.id, reason: "stolen")
            try await eventually("a minds b") { a.service.board.objection(to: b.id) != nil }
            let address = try await a.address()
            b.service.sighted(Candidate(address: address, source: .seed))
            let problem = try await b.dialProblem(at: address)
            guard case .refused? = problem else {
                Issue.record("told otherwise: \(String(describing: problem))")
                return
            }
        }
    }

    @Test func `a link cut by a revoked relay leaves the rest as it can be reached`() async throws {
        try await chain(try TestMesh()) { nodes in
            try await nodes[0].service.revoke(nodes[2].id, reason: "")
            for node in [nodes[0], nodes[1], nodes[3]] {
                try await node.until("c forgotten") { [id = nodes[2].id] in $0.nodes[id] == nil }
            }
            let (a, b, d, e) = (nodes[0], nodes[1], nodes[3], nodes[4])
            try await a.until("d unreachable") { [id = d.id] in $0.nodes[id]?.isReachable == false }
            #expect(try await a.call(b, params: .emptyObject).result != nil)
            #expect(try await d.call(e, params: .emptyObject).result != nil)
            #expect(try await a.call(d, params: .emptyObject).failure?.reason == .ownerUnreachable)
        }
    }

    @Test func `a revoked key does not join again`() async throws {
        let a = try TestMesh().first()
        try await running([a]) { runner in
            let nodeKey = Curve25519.Signing.PrivateKey()
            let label = Label("new")
            let attempt = try JoinAttempt(
                token: try await a.service.makeToken(), nodeKey: nodeKey, label: label)
            let joined = try await TestNode.join(attempt)
            let b = try TestNode(
                joined.credentials, joined.enrolment, listen: false, seeds: [joined.address])
            try await runner.start(b)
            try await a.untilReaches(b)
            try await a.service.revoke(b.id, reason: "lost")
            try await a.until("b forgotten") { [id = b.id] in $0.nodes[id] == nil }
            let again = try JoinAttempt(
                token: try await a.service.makeToken(), nodeKey: nodeKey, label: label)
            await #expect(throws: JoinFailure.refused(.revoked, text: JoinRefusal.revoked.description)) {
                try await TestNode.join(again)
            }
        }
    }

    @Test func `what was revoked is known after a restart, before the first handshake`() async throws {
        let mesh = try TestMesh()
        let disk = Disk()
        let gone = try mesh.node("gone")
        let founder = mesh.founder
        func first(incarnation: UInt64) throws -> TestNode {
            try TestNode(
                founder.credentials, founder.enrolment,
                issuer: IssuerCredentials(authority: founder.issuer, grant: founder.enrolment.grant),
                listen: true, incarnation: incarnation, storage: disk.storage)
        }
        let firstLife = try first(incarnation: 1)
        try await running([firstLife, gone]) { _ in
            gone.service.sighted(Candidate(address: try await firstLife.address(), source: .seed))
            try await firstLife.untilReaches(gone)
            try await firstLife.service.revoke(gone.id, reason: "")
            try await firstLife.until("gone") { [id = gone.id] in $0.nodes[id] == nil }
        }
        let secondLife = try first(incarnation: 2)
        try await running([secondLife]) { _ in
            #expect(secondLife.service.board.objection(to: gone.id) != nil)
            #expect(secondLife.service.snapshot.nodes[gone.id] == nil)
        }
    }

    @Test func `a chain from a revoked issuer is refused for whomever it names`() async throws {
        let mesh = try MeshOfOne.founded()
        let clock = VerificationClock(floor: .distantPast)
        let verifier = PeerVerifier(
            anchor: .root(mesh.root.certificate), me: nil, clock: clock,
            issuerObjection: { $0 == mesh.credentials.id ? "revoked" : nil })
        await #expect(throws: PeerRefusal.issuerNotAdmitted(mesh.credentials.id, why: "revoked")) {
            try await verifier.verify(mesh.credentials.chain, expecting: nil, guestsWelcome: false)
        }
        #expect(mesh.issuer.intermediate.issuerNode == mesh.credentials.id)
        #expect(mesh.root.certificate.issuerNode == nil)
    }
}
