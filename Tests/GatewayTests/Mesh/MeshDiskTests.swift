import Catalog
import Foundation
import JSONSlice
import MartletTestKit
import Mesh
import MeshTransport
import Storage
import Testing

@testable import Gateway

struct MeshDiskTests {
    private let scratch = Scratch()
    private let mesh: TestMesh
    private let signer: Signer

    init() throws {
        var random = SplitMix64(seed: 1)
        mesh = try TestMesh()
        signer = try mesh.signer(using: &random)
    }

    private func disk(_ database: NodeDatabase, now: Instant = .zero) -> MeshStorage {
        MeshDisk(database, now: { now }, log: .silent).storage
    }

    private func serverDocument(_ name: Label, sequence: UInt64, manifest: ContentHash?) throws -> Document {
        let record = ServerRecord(
            key: ServerKey(owner: signer.key.id, name: name), state: .up, manifest: manifest)
        return try Document(
            .server(signer.key.id, name),
            version: DocumentVersion(incarnation: 1, life: 1, sequence: sequence),
            body: ServerBody(record, manifestBytes: 100).canonicalBytes, mesh: mesh.trust.mesh, by: signer)
    }

    private func token(uses: UInt16 = 2) throws -> JoinToken {
        var random = SplitMix64(seed: 2)
        return JoinToken(
            rootFingerprint: ContentHash(of: mesh.trust.rootKey), issuer: mesh.issuer.key.id,
            secret: random.bytes(32), segment: "home", uses: uses, lifeSeconds: 900,
            addresses: ["127.0.0.1:1"])
    }

    @Test func `documents come back as they were, each in its last version`() async throws {
        let database = try scratch.start().database
        let (first, second) = (
            try serverDocument("press", sequence: 1, manifest: nil),
            try serverDocument("desk", sequence: 2, manifest: nil)
        )
        let later = try serverDocument("press", sequence: 3, manifest: nil)
        try await disk(database).apply([.document(first), .document(second)])
        try await disk(database).apply([.document(later)])
        #expect(Set(try await disk(database).load().documents) == [second, later])
        try await disk(database).apply([.dropDocument(second.key)])
        #expect(try await disk(database).load().documents == [later])
    }

    @Test func `a document that cannot be read is left out, and the others are not`() async throws {
        let database = try scratch.start().database
        let good = try serverDocument("press", sequence: 1, manifest: nil)
        try await disk(database).apply([.document(good)])
        var damage = DocumentChanges()
        damage.saved = [
            StoredDocument(
                key: .init(kind: 3, origin: .there, name: "desk"), incarnation: 1, life: 1, sequence: 1,
                bytes: [3, 1, 4])
        ]
        try await DocumentShelf(database).apply(damage, at: .now())
        #expect(try await disk(database).load().documents == [good])
    }

    @Test func `manifests come back; one that nothing names goes in time`() async throws {
        let database = try scratch.start().database
        let bytes = try ManifestCodec.encode(Manifest.sample(tools: 3))
        let (named, loose) = (ContentHash(of: bytes), ContentHash(of: [1, 2, 3]))
        try await disk(database).apply([
            .document(try serverDocument("press", sequence: 1, manifest: named)), .manifest(named, bytes),
            .manifest(loose, [1, 2, 3]),
        ])
        #expect(try await disk(database).load().manifests == [named: bytes, loose: [1, 2, 3]])

        let shelf = DocumentShelf(database)
        let old = WallTime.now().advanced(by: .seconds(-8 * 86_400))
        var again = DocumentChanges()
        again.manifests = [(named, bytes), (loose, [1, 2, 3])]
        try await shelf.apply(again, at: old)
        #expect(try await disk(database).load().manifests == [named: bytes])
    }

    @Test func `a token comes back with what is left of it, on this process's clock`() async throws {
        let database = try scratch.start().database
        let token = try token()
        var ledger = JoinLedger()
        ledger.add(token, at: .zero)
        let entry = try #require(ledger.entries[token.id])
        try await disk(database).apply([.joinToken(entry)])

        let start = Instant(nanoseconds: 5_000_000_000_000)
        let kept = try #require(try await disk(database, now: start).load().tokens.first)
        #expect(kept.token == token)
        #expect(kept.usesLeft == 2 && !kept.isRevoked && kept.granted.isEmpty)
        let left = kept.expires - start
        #expect(left > .seconds(600) && left <= .seconds(900), "less by what the test took")
    }

    @Test func `a use is counted with its answer, once, however often it is written`() async throws {
        let database = try scratch.start().database
        let token = try token()
        var random = SplitMix64(seed: 3)
        let joiner = try mesh.signer(using: &random)
        let grant = JoinGrant(
            chain: [[1], [2]], rootCertificate: [3], rootKey: mesh.trust.rootKey,
            enrolment: try mesh.enrolment(of: joiner, label: "second"))
        var entry = JoinLedger.Entry(token: token, usesLeft: 1, expires: .zero + .seconds(900))
        let request = ContentHash(of: [7])
        entry.granted[request] = grant
        try await disk(database).apply([.joinToken(entry)])
        try await disk(database).apply([.joinToken(entry)])
        let kept = try #require(try await disk(database).load().tokens.first)
        #expect(kept.usesLeft == 1)
        #expect(kept.granted == [request: grant])
    }

    @Test func `a revoked token lets nobody in after a restart`() async throws {
        let database = try scratch.start().database
        let token = try token()
        var entry = JoinLedger.Entry(token: token, usesLeft: 2, expires: .zero + .seconds(900))
        try await disk(database).apply([.joinToken(entry)])
        entry.isRevoked = true
        try await disk(database).apply([.joinToken(entry)])
        #expect(try await disk(database).load().tokens.allSatisfy(\.isRevoked))
        // Its secret is not on the disk any more.
        #expect(try await JoinTokenShelf(database).all().map(\.material) == [[]])
    }
}
