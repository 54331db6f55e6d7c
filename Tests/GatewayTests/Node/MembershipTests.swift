import Catalog
import Crypto
import Foundation
import MartletTestKit
import Mesh
import MeshTransport
import Storage
import Synchronization
import Testing

@testable import Gateway

struct MembershipTests {
    private let nodeKey = Curve25519.Signing.PrivateKey()

    private func membership() throws -> Membership {
        let mesh = try MeshOfOne.found(nodeKey: nodeKey, label: "first", segment: "home", at: Date())
        return Membership(
            leafKey: mesh.credentials.leafKey, chain: mesh.credentials.chain, root: mesh.credentials.root,
            enrolment: mesh.enrolment)
    }

    @Test func `what is written is read back, and is good for links`() throws {
        let written = try membership()
        let read = try Membership(canonical: written.canonicalBytes)
        #expect(read.canonicalBytes == written.canonicalBytes)
        #expect(read.leafKey.rawRepresentation == written.leafKey.rawRepresentation)
        #expect(read.chain == written.chain && read.root == written.root)
        #expect(read.enrolment == written.enrolment)
        #expect(try read.credentials(nodeKey: nodeKey).chain == written.chain)
    }

    @Test func `another node cannot use it`() throws {
        let written = try membership()
        #expect(throws: CertificateError.self) { try written.credentials(nodeKey: .init()) }
    }

    @Test func `a file that was cut off or grew is no membership`() throws {
        let bytes = try membership().canonicalBytes
        for count in 0..<bytes.count {
            #expect(throws: WireError.self) { try Membership(canonical: bytes.prefix(count)) }
        }
        #expect(throws: WireError.self) { try Membership(canonical: bytes + [0]) }
    }

    @Test func `each mesh has records of its own in the vault`() throws {
        let (one, other) = (try membership().enrolment.mesh, try membership().enrolment.mesh)
        let (keys, others) = (AuthorityKeys(of: one), AuthorityKeys(of: other))
        #expect(Set([keys.root, keys.issuer, others.root, others.issuer]).count == 4)
    }

    @Test func `a later version is not guessed at`() throws {
        let bytes = try membership().canonicalBytes
        #expect(throws: WireError.invalid("the membership's version")) {
            try Membership(canonical: [3] + bytes.dropFirst())
        }
    }

    private final class Held: Sendable {
        private let membership: Mutex<Membership>

        init(_ first: Membership) { membership = Mutex(first) }

        var now: Membership { membership.withLock { $0 } }

        func update(_ file: MembershipFile, _ change: (Membership) throws -> Membership) throws {
            try file.update({ now }, remember: { new in membership.withLock { $0 = new } }, change)
        }
    }

    @Test func `two that renew different parts at once lose nothing of each other's`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "membership-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = try DataFolder(path: path)
        let file = MembershipFile(in: folder)
        let first = try membership()
        let held = Held(first)
        let rounds = 60
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for round in 1...rounds {
                    try held.update(file) {
                        $0.with(leafKey: $0.leafKey, chain: [Array("leaf \(round)".utf8)])
                    }
                }
            }
            group.addTask {
                for round in 1...rounds {
                    try held.update(file) { $0.with(issuing: Array("issuer \(round)".utf8)) }
                }
            }
            try await group.waitForAll()
        }
        let onDisk = try Membership(canonical: try #require(try folder.read(.membership)))
        for last in [held.now, onDisk] {
            #expect(last.chain == [Array("leaf \(rounds)".utf8)])
            #expect(last.issuing == Array("issuer \(rounds)".utf8))
            #expect(last.enrolment == first.enrolment)
        }
    }

    @Test func `nothing is written while the membership is being replaced`() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "membership-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = try DataFolder(path: path)
        #expect(throws: CancellationError.self) {
            try MembershipFile(in: folder).update({ nil }, remember: { _ in }, { $0 })
        }
        #expect(try folder.read(.membership) == nil)
    }
}
