import Catalog
import Foundation
import MartletTestKit
import Mesh
import MeshTransport
import Storage
import Testing

@testable import Gateway

/// What a node held back in a mesh that it leaves: it goes on for its own callers.
struct QuarantinesKeptTests {
    @Test func `a node's own quarantines outlive its mesh, those that were released or are another's do not`()
        async throws
    {
        let scratch = Scratch()
        let (folder, database) = try scratch.start()
        let nodeKey = try NodeIdentity.nodeKey(in: folder)
        let id = NodeID(ofKey: nodeKey.publicKey.rawRepresentation)
        let secrets = try await SecretStore.open(in: folder, database: database, node: id)
        let founded = try await NodeIdentity.found(
            nodeKey: nodeKey, secrets: secrets, label: "first", segment: "home")
        let seat = MeshSeat(
            identity: NodeIdentity(nodeKey: nodeKey, membership: founded),
            settings: LaunchSettings(configuration: .standard, dataFolder: scratch.path),
            folder: folder, database: database, secrets: secrets, log: .silent)

        let signer = try Signer(seed: Array(nodeKey.rawRepresentation)).orFail()
        func say(_ decision: StatementDecision, sequence: UInt64, isLifted: Bool = false) throws -> Statement
        {
            let body = StatementBody(decision, reason: "leaks", at: 7)
            return try Statement(
                body.decision.verb, body.name,
                version: DocumentVersion(incarnation: 1, life: 1, sequence: sequence),
                body: isLifted ? nil : body, enrolment: founded.enrolment, by: signer)
        }
        let server = { (name: Label) in StatementTarget.server(ServerKey(owner: .there, name: name)) }
        let named = try say(.quarantine(server("named")), sequence: 2)
        let said = try [
            say(.quarantine(server("erp")), sequence: 1), named,
            say(
                .release(server("named"), [ReleasedWord(signer: id, word: named.hash)]), sequence: 3),
            say(.quarantine(server("lifted")), sequence: 4, isLifted: true),
        ]
        let mesh = try TestMesh(seed: 4)
        var random = SplitMix64(seed: 4)
        let other = try mesh.node("other", roles: .all, using: &random)
        let body = StatementBody(.quarantine(server("theirs")), reason: "", at: 7)
        let theirs = try Statement(
            body.decision.verb, body.name, version: DocumentVersion(incarnation: 1, life: 1, sequence: 1),
            body: body,
            enrolment: other.enrolment, by: other.signer)
        try await StatementShelf(database).apply((said + [theirs]).map { ($0.key.bytes, $0.encoded) })

        try await seat.keepOwnQuarantines()
        let kept = try await LocalHoldShelf(database).all(signer: id)
        #expect(kept.map(\.target) == [server("erp")])
        #expect(kept.first?.reason == "leaks" && kept.first?.at == 7)
    }
}
