import Catalog
import JSONSlice
import Mesh
import NIOCore
import Synchronization
import Testing

@testable import MeshTransport

@Suite(.timeLimit(.minutes(1)))
struct RestartTests {
    @Test func `a peer that comes back under its address is linked and called again`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            // An address of its own: on the common one its port may be somebody else's when it comes back.
            let host = "127.0.0.77"
            let first = try mesh.node("b", host: host, seeds: [await a.address()])
            let life = Task { try await first.service.run() }
            try await a.untilReaches(first)
            try await first.untilReaches(a)
            let port = try #require(MeshAddress(try await first.address())).port
            life.cancel()
            try await life.value
            let id = first.id
            try await a.until("b gone") {
                if case .unreachable? = $0.nodes[id]?.reachability { true } else { false }
            }
            #expect(try await a.call(first, params: .emptyObject).failure?.reason == .ownerUnreachable)

            // It has no seeds now: it is `a` that remembers where b was.
            let second = try TestNode(
                first.service.credentials, first.enrolment, listen: true, host: host, port: port,
                incarnation: 2)
            try await runner.start(second)
            try await a.untilReaches(second)
            try await second.until("knowing a") { [id = a.id] in $0.nodes[id] != nil }
            #expect(try await a.call(second, params: .emptyObject).result != nil)
        }
    }

    @Test func `links that break without a word are made again`() async throws {
        let mesh = try TestMesh()
        let a = try mesh.first()
        try await running([a]) { runner in
            let b = try mesh.node("b", seeds: [await a.address()])
            try await runner.start(b)
            try await b.untilReaches(a)
            let before = try #require(b.service.linkStatus.first?.since)
            try await a.breakLinks()
            try await b.until("a new link") { [service = b.service] _ in
                service.linkStatus.first.map { $0.since > before } ?? false
            }
            try await b.untilReaches(a)
        }
    }

    @Test func `what was stored is known after a restart, before anybody is met`() async throws {
        let mesh = try TestMesh()
        let disk = Disk()
        let a = try mesh.first()
        let b = try mesh.node("b")
        let firstLife = try TestNode(
            b.service.credentials, b.enrolment, listen: true, storage: disk.storage)
        try await running([a, firstLife]) { _ in
            try await a.publishTools()
            firstLife.service.sighted(Candidate(address: try await a.address(), source: .seed))
            let key = try a.toolsKey()
            try await firstLife.until("a's tools") { $0.servers[key]?.manifest != nil }
        }
        let secondLife = try TestNode(
            b.service.credentials, b.enrolment, listen: true, incarnation: 2, storage: disk.storage)
        try await running([secondLife]) { _ in
            let snapshot = secondLife.service.snapshot
            let key = try a.toolsKey()
            #expect(snapshot.servers[key]?.manifest?.entries.count == 1)
            guard case .unreachable? = snapshot.nodes[a.id]?.reachability else {
                Issue.record("a is shown as reachable")
                return
            }
        }
    }

    @Test func `what is known from before a start is called once a peer has answered, or nobody could`()
        async throws
    {
        let mesh = try TestMesh()
        let disk = Disk()
        let a = try mesh.first()
        let b = try mesh.node("b")
        let firstLife = try TestNode(
            b.service.credentials, b.enrolment, listen: true, storage: disk.storage)
        let key = try a.toolsKey()
        try await running([a, firstLife]) { runner in
            try await a.publishTools()
            #expect(firstLife.service.snapshot.isConfirmed, "it knew nobody when it started")
            firstLife.service.sighted(Candidate(address: try await a.address(), source: .seed))
            try await firstLife.until("a's tools") { $0.servers[key]?.manifest != nil }
        }
        let secondLife = try TestNode(
            b.service.credentials, b.enrolment, listen: true, incarnation: 2, storage: disk.storage)
        try await running([secondLife]) { _ in
            let early = secondLife.service.snapshot
            #expect(early.servers[key]?.manifest?.entries.count == 1)
            #expect(!early.isConfirmed && early.aloneSince == nil)
            let refused = try await secondLife.call(a, params: .emptyObject).failure
            #expect(refused?.reason == .notConfirmed)
            try await secondLife.until("being alone") { $0.aloneSince != nil && $0.isConfirmed }
            #expect(try await secondLife.call(a, params: .emptyObject).failure?.reason == .ownerUnreachable)
        }
        let again = try TestNode(a.service.credentials, a.enrolment, listen: true, incarnation: 2)
        let thirdLife = try TestNode(
            b.service.credentials, b.enrolment, listen: true, incarnation: 3, storage: disk.storage)
        try await running([again, thirdLife]) { _ in
            #expect(!thirdLife.service.snapshot.isConfirmed)
            thirdLife.service.sighted(Candidate(address: try await again.address(), source: .seed))
            try await thirdLife.untilReaches(again)
            try await again.untilReaches(thirdLife)
            try await thirdLife.until("a peer's word") { $0.isConfirmed }
            #expect(try await thirdLife.call(again, params: .emptyObject).result != nil)
        }
    }

    @Test func `nothing of a stopped node stays in memory`() async throws {
        weak var hub: MeshHub?
        weak var board: MeshBoard?
        let loop: any EventLoop
        do {
            let mesh = try TestMesh()
            let a = try mesh.first()
            loop = a.service.loop
            (hub, board) = (a.service.hub, a.service.board)
            try await running([a]) { runner in
                let b = try mesh.node("b", seeds: [await a.address()])
                try await runner.start(b)
                try await b.untilReaches(a)
                try await a.untilReaches(b)
                #expect(try await b.call(a, params: .emptyObject).result != nil)
            }
        }
        // What the loop still had to do when the service ended, it has done by the second turn.
        for _ in 0..<3 { try await loop.submit {}.get() }
        #expect(hub == nil && board == nil)
    }
}

/// A database of one transaction at a time, in memory.
final class Disk: Sendable {
    private let kept = Mutex(MeshStorage.Kept())

    var storage: MeshStorage {
        MeshStorage(
            load: { self.kept.withLock { $0 } },
            apply: { changes in self.kept.withLock { for change in changes { Self.apply(change, to: &$0) } } }
        )
    }

    private static func apply(_ change: MeshStorage.Change, to kept: inout MeshStorage.Kept) {
        switch change {
        case .incarnation: break
        case .document(let document):
            kept.documents.removeAll { $0.key == document.key }
            kept.documents.append(document)
        case .dropDocument(let key): kept.documents.removeAll { $0.key == key }
        case .manifest(let hash, let bytes): kept.manifests[hash] = bytes
        case .dropManifest(let hash): kept.manifests[hash] = nil
        case .statement(let revocation):
            kept.revocations.removeAll { $0.key == revocation.key }
            kept.revocations.append(revocation)
        case .dropStatement(let key): kept.revocations.removeAll { $0.key == key }
        case .decision(let statement):
            kept.statements.removeAll { $0.key == statement.key }
            kept.statements.append(statement)
        case .scoped(let document):
            let manifest = kept.scoped.first { $0.document.server == document.server }?.manifest
            kept.scoped.removeAll { $0.document.server == document.server }
            kept.scoped.append(StoredScoped(document, manifest: manifest))
        case .scopedManifest(let server, let bytes):
            for index in kept.scoped.indices where kept.scoped[index].document.server == server {
                kept.scoped[index].manifest = bytes
            }
        case .dropScoped(let server): kept.scoped.removeAll { $0.document.server == server }
        case .vaultWitness(let document):
            kept.vaultWitnesses.removeAll { $0.key == document.key }
            kept.vaultWitnesses.append(document)
        case .dropVaultWitness(let origin): kept.vaultWitnesses.removeAll { $0.key.origin == origin }
        case .joinToken(let entry):
            kept.tokens.removeAll { $0.token.id == entry.token.id }
            kept.tokens.append(entry)
        }
    }
}
