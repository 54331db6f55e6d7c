import Catalog
import Crypto
import Foundation
import JSONSlice
import Mesh
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MeshTransport

/// More than one issuer, over real sockets and TLS.
@Suite(.timeLimit(.minutes(1)))
struct IssuerTests {
    private func issuer(_ new: NewIssuer, seeds: [String]) throws -> TestNode {
        try TestNode(
            new.credentials, new.enrolment,
            issuer: IssuerCredentials(authority: new.authority, grant: new.enrolment.grant), listen: true,
            seeds: seeds)
    }

    private func second(beside a: TestNode) async throws -> TestNode {
        let token = try await a.service.makeToken(roles: [.member, .entry, .issuer])
        let joined = try await TestNode.join(
            JoinAttempt(token: token, nodeKey: .init(), label: Label("second")))
        // The ticket is no issuer's enrolment yet.
        #expect(!joined.enrolment.isIssuerByRoot)
        let new = try await NewIssuer(joined: joined, group: MultiThreadedEventLoopGroup.singleton)
        #expect(new.enrolment.isIssuerByRoot)
        #expect(new.enrolment.label == joined.enrolment.label)
        return try issuer(new, seeds: [joined.address])
    }

    private func member(by issuer: TestNode, _ label: String) async throws -> TestNode {
        let joined = try await TestNode.join(
            JoinAttempt(
                token: try await issuer.service.makeToken(), nodeKey: .init(), label: #require(Label(label))))
        #expect(joined.enrolment.issuer == issuer.id)
        return try TestNode(joined.credentials, joined.enrolment, listen: true, seeds: [joined.address])
    }

    @Test func `a token of role issuer makes a second issuer, which admits and renews`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first(withRoot: true)
        try await running([a]) { runner in
            let b = try await second(beside: a)
            try await runner.start(b)
            try await a.untilReaches(b)
            let c = try await member(by: b, "third")
            try await runner.start(c)
            try await a.untilReaches(c)
            try await c.untilReaches(a)
            #expect(try await a.call(c, params: .emptyObject).result != nil)
            // The first one renews whom the second admitted.
            _ = try await MeshDoor.ask(
                RenewalRequest(
                    enrolment: c.enrolment, lastChain: c.service.credentials.chain,
                    leafRequest: try CertificateRequest(key: .init()).bytes),
                of: a.id, at: try await a.address(), by: c.service.credentials.signer,
                verifier: c.service.hub.setup.tls.verifier, loop: c.service.loop)
        }
    }

    @Test func `without the root's key a ticket stays a ticket`() async throws {
        let a = try TestMesh().first()
        try await running([a]) { _ in
            let failure = await #expect(throws: JoinError.self) { _ = try await second(beside: a) }
            guard case .refused(.needsRoot, _)? = failure else {
                Issue.record("refused as \(String(describing: failure))")
                return
            }
        }
    }

    @Test func `whoever is in, but not yet an issuer, asks again while only the way fails`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first(withRoot: true)
        try await running([a]) { runner in
            let token = try await a.service.makeToken(roles: [.member, .entry, .issuer])
            let joined = try await TestNode.join(
                JoinAttempt(token: token, nodeKey: .init(), label: Label("second")))
            // All places for guests are taken just when it comes for the second time, though that of its first visit
            // may be given back yet.
            let (hub, loop) = (a.service.hub, a.service.loop)
            try await loop.submit { hub.guestsHere = 2 * MeshHub.guestsMax }.get()
            let whys = Mutex<[String]>([])
            let new = try await NewIssuer(
                joined: joined, retryEvery: .milliseconds(50), group: MultiThreadedEventLoopGroup.singleton
            ) { why in
                let count = whys.withLock {
                    $0.append(why)
                    return $0.count
                }
                if count == 2 { loop.execute { hub.guestsHere = 0 } }
            }
            #expect(new.enrolment.isIssuerByRoot)
            let told = whys.withLock { $0 }
            #expect(told.count >= 2 && told.allSatisfy { $0 == JoinRefusal.busy.description }, "\(told)")
        }
    }

    @Test func `its patience ends, and the issuer's own no is final`() async throws {
        let a = try TestMesh().first()
        try await running([a]) { _ in
            let token = try await a.service.makeToken(roles: [.member, .entry, .issuer])
            let joined = try await TestNode.join(
                JoinAttempt(token: token, nodeKey: .init(), label: Label("second")))
            let whys = Mutex(0)
            await #expect(throws: JoinError.self) {
                _ = try await NewIssuer(joined: joined, group: MultiThreadedEventLoopGroup.singleton) { _ in
                    whys.withLock { $0 += 1 }
                }
            }
            #expect(whys.withLock { $0 } == 0)
            let hub = a.service.hub
            try await a.service.loop.submit { hub.guestsHere = 2 * MeshHub.guestsMax }.get()
            await #expect(throws: (any Error).self) {
                _ = try await NewIssuer(
                    joined: joined, patience: .milliseconds(200), retryEvery: .milliseconds(50),
                    group: MultiThreadedEventLoopGroup.singleton)
            }
        }
    }

    @Test func `the root names an enrolment later that was dropped, and its node is let in again`()
        async throws
    {
        let mesh = try TestMesh()
        let a = try mesh.first(withRoot: true)
        let root = mesh.founder.root
        try await running([a]) { runner in
            let b = try await second(beside: a)
            try await runner.start(b)
            let joined = try await TestNode.join(
                JoinAttempt(
                    token: try await a.service.makeToken(), nodeKey: .init(),
                    label: Label("dropped")))
            let dropped = try TestNode(
                joined.credentials, joined.enrolment, listen: true, seeds: [try await b.address()])
            try await runner.start(dropped)
            try await b.untilReaches(dropped)
            try await dropped.untilReaches(b)
            let chain = dropped.service.credentials.chain
            let ended = await b.service.enrolments(by: a.id, of: [dropped.id])
            #expect(ended == [KeptEnrolment(node: dropped.id, serial: dropped.enrolment.serial)])
            _ = try await b.service.revoke(a.id, reason: "stolen", dropping: [dropped.id], by: root.signer)
            try await b.until("dropped forgotten") { [id = dropped.id] in $0.nodes[id] == nil }
            try await dropped.untilNotice { if case .revoked = $0 { true } else { false } }

            try await b.service.correct(revocationOf: a.id, keeping: ended, by: root.signer)
            // Its leaf is of the issuer that fell: another one gives it one of its own.
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await LeafKeeper(of: dropped.service, lookEvery: .milliseconds(20)) { _ in }.run()
                }
                try await b.untilReaches(dropped)
                try await dropped.untilReaches(b)
                group.cancelAll()
            }
            #expect(dropped.service.ownRevocation == nil)
            #expect(await dropped.service.isDistrusted(chain))
            #expect(b.service.revocations.rootTerms(of: a.id)?.counter == 2)
        }
    }

    @Test func `the root ends the first issuer; the second renews whom it had admitted`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first(withRoot: true)
        let root = mesh.founder.root
        try await running([a]) { runner in
            let b = try await second(beside: a)
            try await runner.start(b)
            let kept = try await member(by: a, "kept")
            let dropped = try await member(by: a, "dropped")
            for node in [kept, dropped] {
                try await runner.start(node)
                try await b.untilReaches(node)
            }
            let named = try await b.service.revoke(
                a.id, reason: "stolen", dropping: [dropped.id], by: root.signer)
            #expect(named.map(\.node) == [kept.id])
            try await kept.until("a and dropped forgotten") { [a = a.id, d = dropped.id] in
                $0.nodes[a] == nil && $0.nodes[d] == nil
            }
            let chain = kept.service.credentials.chain
            #expect(await kept.service.isDistrusted(chain))
            // Its leaf came from a, so it asks b for another at once.
            try await withThrowingTaskGroup(of: Void.self) { group in
                let (leaves, told) = AsyncStream<RenewedLeaf>.makeStream()
                group.addTask {
                    try await LeafKeeper(of: kept.service, lookEvery: .milliseconds(20)) { told.yield($0) }
                        .run()
                }
                for await leaf in leaves {
                    let issuer = try DERCertificate(leaf.chain[1]).issuerNode
                    #expect(issuer == b.id)
                    break
                }
                group.cancelAll()
            }
            try await b.untilReaches(kept)
        }
    }

    @Test func `the last issuer is not revoked, an issuer not by an issuer`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first(withRoot: true)
        try await running([a]) { runner in
            let b = try await second(beside: a)
            try await runner.start(b)
            let c = try await member(by: a, "third")
            try await runner.start(c)
            try await c.untilReaches(b)
            try await a.untilReaches(b)
            try await b.untilReaches(a)
            try await a.untilReaches(c)
            await #expect(throws: RevokeProblem.needsRoot(b.id)) {
                try await a.service.revoke(b.id, reason: "")
            }
            await #expect(throws: RevokeProblem.oneself) { try await a.service.revoke(a.id, reason: "") }
            await #expect(throws: RevokeProblem.notIssuer) { try await c.service.revoke(a.id, reason: "") }
            _ = try await a.service.revoke(
                b.id, reason: "", dropping: [], by: mesh.founder.root.signer)
            try await c.until("b forgotten") { [id = b.id] in $0.nodes[id] == nil }
            await #expect(throws: RevokeProblem.lastIssuer(a.id)) {
                _ = try await c.service.revoke(
                    a.id, reason: "", dropping: [], by: mesh.founder.root.signer)
            }
        }
    }
}
