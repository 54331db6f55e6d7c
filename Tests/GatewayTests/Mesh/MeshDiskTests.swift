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

    @Test func `how old what is known of an origin is comes back, too`() async throws {
        let database = try scratch.start().database
        let press = try serverDocument("press", sequence: 1, manifest: nil)
        try await disk(database).apply([.document(press)])
        var batch = DocumentChanges()
        batch.saved = [
            StoredDocument(
                key: .init(kind: 3, origin: .there, name: "desk"), incarnation: 1, life: 1, sequence: 1,
                bytes: [3, 1, 4])
        ]
        try await DocumentShelf(database).apply(batch, at: WallTime.now().advanced(by: .seconds(-3600)))
        let ages = try await disk(database).load().ages
        #expect(try #require(ages[press.key.origin]) < .seconds(600))
        #expect((Duration.seconds(3600)...(.seconds(4200))).contains(try #require(ages[.there])))
        // A clock that was put back makes nothing younger than now.
        try await DocumentShelf(database).apply(batch, at: WallTime.now().advanced(by: .seconds(9000)))
        #expect(try await disk(database).load().ages[.there] == .zero)
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

    @Test func `manifests come back; one that nothing names does not, and goes`() async throws {
        let database = try scratch.start().database
        let bytes = try ManifestCodec.encode(Manifest.sample(tools: 3))
        let (named, loose) = (ContentHash(of: bytes), ContentHash(of: [1, 2, 3]))
        try await disk(database).apply([
            .document(try serverDocument("press", sequence: 1, manifest: named)), .manifest(named, bytes),
            .manifest(loose, [1, 2, 3]),
        ])
        #expect(try await disk(database).load().manifests == [named: bytes])

        let shelf = DocumentShelf(database)
        var again = DocumentChanges()
        again.manifests = [(loose, [1, 2, 3])]
        try await shelf.apply(again, at: WallTime.now().advanced(by: .seconds(-1)))
        #expect(try await disk(database).load().manifests == [named: bytes])
        #expect(try await shelf.manifestHashes() == [named])

        try await disk(database).apply([.dropManifest(named)])
        #expect(try await shelf.manifestHashes().isEmpty)
        try await disk(database).apply([.dropManifest(named), .manifest(named, bytes)])
        #expect(try await shelf.manifestHashes() == [named])
    }

    @Test func `a server that is for some comes back with its last whole manifest, apart from the documents`()
        async throws
    {
        let database = try scratch.start().database
        let key = ServerKey(owner: signer.key.id, name: "press")
        func document(_ sequence: UInt64, _ state: ServerState) throws -> ScopedDocument {
            try ScopedDocument(
                key, version: DocumentVersion(incarnation: 1, life: 1, sequence: sequence),
                body: ServerBody(ServerRecord(key: key, state: state), manifestBytes: 0),
                mesh: mesh.trust.mesh,
                by: signer)
        }
        let bytes = try ManifestCodec.encode(Manifest.sample(tools: 3))
        // What is not stored has no manifest.
        try await disk(database).apply([.scopedManifest(key, bytes)])
        #expect(try await disk(database).load().scoped.isEmpty)
        try await disk(database).apply([.scoped(try document(1, .up))])
        #expect(try await disk(database).load().scoped.first?.manifest == nil)
        try await disk(database).apply([.scopedManifest(key, bytes), .scoped(try document(2, .down))])

        let kept = try await disk(database).load()
        #expect(kept.scoped.map(\.document) == [try document(2, .down)])
        #expect(kept.scoped.first?.manifest == bytes)
        #expect(kept.documents.isEmpty && kept.manifests.isEmpty)
        #expect(try await DocumentShelf(database).loadAll().isEmpty)

        try await disk(database).apply([.dropScoped(key)])
        #expect(try await disk(database).load().scoped.isEmpty)
    }

    @Test func `a stored server of some that cannot be read goes, and the others stay`() async throws {
        let database = try scratch.start().database
        let key = ServerKey(owner: signer.key.id, name: "press")
        try await ScopedShelf(database).apply([.save(key, document: [1, 2, 3])])
        #expect(try await disk(database).load().scoped.isEmpty)
        #expect(try await ScopedShelf(database).loadAll().isEmpty)
    }

    @Test func `an incarnation that a start rose to is below that of the next`() async throws {
        let database = try scratch.start().database
        let meta = MetaShelf(database)
        #expect(try await meta.nextIncarnation() == 1)
        try await disk(database).apply([.incarnation(7)])
        try await disk(database).apply([.incarnation(3)])
        #expect(try await meta.nextIncarnation() == 8)
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

    @Test func `a use that the disk does not take is not taken for stored`() async throws {
        let database = try scratch.start().database
        let token = try token(uses: 1)
        var random = SplitMix64(seed: 3)
        var entry = JoinLedger.Entry(token: token, usesLeft: 0, expires: .zero + .seconds(900))
        for (number, label) in [(7, "second"), (8, "third")] as [(UInt8, Label)] {
            entry.granted[ContentHash(of: [number])] = JoinGrant(
                chain: [[1], [2]], rootCertificate: [3], rootKey: mesh.trust.rootKey,
                enrolment: try mesh.enrolment(of: try mesh.signer(using: &random), label: label))
        }
        await #expect(throws: Refusal.self) { try await disk(database).apply([.joinToken(entry)]) }
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
