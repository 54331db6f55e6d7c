import Catalog
import Foundation
import Mesh
import MeshTransport
import Storage
import Testing

@testable import Gateway

/// The year of an issuer's own certificate, and what is done and said near its end.
@Suite(.timeLimit(.minutes(1)))
struct IssuerCertificateTests {
    private static let day: TimeInterval = 86_400

    /// An issuer, running alone and dialling nobody, whose certificate is so old.
    private func running(
        daysOld: Double, withRoot: Bool, _ body: (MeshSeat) async throws -> Void
    ) async throws {
        let scratch = Scratch()
        let (folder, database) = try scratch.start()
        let nodeKey = try NodeIdentity.nodeKey(in: folder)
        let id = NodeID(ofKey: nodeKey.publicKey.rawRepresentation)
        let secrets = try await SecretStore.open(in: folder, database: database, node: id)
        let founded = try await NodeIdentity.found(
            nodeKey: nodeKey, secrets: secrets, label: "first", segment: "home")
        let root = try AuthorityKeys.root(of: founded, from: secrets, for: "is tested")
        let key = try AuthorityKeys.authority(of: founded, from: secrets).key.publicKey
        let old = try root.certifyIssuer(id, key: key, at: Date() - daysOld * Self.day)
        if !withRoot { try await secrets.remove(AuthorityKeys(of: founded.enrolment.mesh).root) }

        var configuration = NodeConfiguration.standard
        configuration.listen.mesh = nil
        configuration.mesh.mdns = .off
        let seat = MeshSeat(
            identity: NodeIdentity(nodeKey: nodeKey, membership: founded.with(issuing: old.bytes)),
            settings: LaunchSettings(configuration: configuration, dataFolder: scratch.path),
            folder: folder, database: database, secrets: secrets, log: .silent)
        seat.connect(catalogChanged: { _ in }, serve: { _, _ in .finished })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await seat.run() } catch is CancellationError {}
            }
            try await seat.waitUntilStarted()
            try await body(seat)
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    private func alarm(of seat: MeshSeat) -> String? {
        seat.certificateLines.first { $0.contains("certificate as issuer") }
    }

    @Test(
        arguments: [
            (daysOld: 0.0, left: nil), (daysOld: 304, left: nil),
            (daysOld: 305.5, left: 59), (daysOld: 364.5, left: 0), (daysOld: 370, left: 0),
        ] as [(daysOld: Double, left: Int?)])
    func `from sixty days before its end status says so, and who can renew it`(daysOld: Double, left: Int?)
        async throws
    {
        try await running(daysOld: daysOld, withRoot: false) { seat in
            guard let left else {
                #expect(alarm(of: seat) == nil)
                return
            }
            let line = try #require(alarm(of: seat))
            #expect(line.contains("ends in \(left) days") && line.contains("root's key"), "\(line)")
            #expect(line.contains("martlet mesh issuers"))
        }
    }

    @Test func `where the root's key is it is renewed then, and there is no alarm`() async throws {
        try await running(daysOld: 306, withRoot: true) { seat in
            let deadline = ContinuousClock.now + .seconds(20)
            while seat.authorityEnd.map({ $0.timeIntervalSinceNow < 300 * Self.day }) ?? true {
                try #require(ContinuousClock.now < deadline, "it was never renewed")
                try await Task.sleep(for: .milliseconds(10))  // a condition with a deadline
            }
            #expect(alarm(of: seat) == nil)
            // On disk too.
            let kept = try #require(try seat.folder.read(.membership))
            let issuing = try #require(try Membership(canonical: kept).issuing)
            #expect(try DERCertificate(issuing).notAfter == seat.authorityEnd)
        }
    }
}
