import Catalog
import Crypto
import Foundation
import Testing

@testable import MeshTransport

@Suite struct CertificateTests {
    private let now = Date()

    private func meshOfOne() throws -> MeshOfOne { try MeshOfOne.founded(at: now) }

    private func verifier(for root: DERCertificate, at time: Date? = nil) -> PeerVerifier {
        let now = time ?? now
        return PeerVerifier(anchor: .root(root), me: nil, floor: .distantPast, now: { now })
    }

    @Test func `a node's chain leads to its mesh's root and names the node once`() async throws {
        let mesh = try meshOfOne()
        let who = try await verifier(for: mesh.root.certificate)
            .verify(mesh.credentials.chain, expecting: mesh.credentials.id, guestsWelcome: false)
        #expect(who == .member(mesh.credentials.id, leaf: mesh.credentials.leafHash))
        let leaf = try DERCertificate(mesh.credentials.chain[0])
        #expect(leaf.name == .node(mesh.credentials.id, of: mesh.root.mesh))
        #expect(leaf.name?.description == "spiffe://\(mesh.root.mesh).mesh/node/\(mesh.credentials.id)")
        #expect(mesh.issuer.intermediate.name == .authority(of: mesh.root.mesh))
        #expect(mesh.root.certificate.rootTrust?.mesh == mesh.root.mesh)
    }

    @Test func `lives are as the design says, and start in the past for clocks behind ours`() throws {
        let mesh = try meshOfOne()
        let day: TimeInterval = 86_400
        let leaf = try DERCertificate(mesh.credentials.chain[0])
        #expect(abs(leaf.notAfter.timeIntervalSince(now) - 14 * day) < 2)
        #expect(abs(mesh.issuer.intermediate.notAfter.timeIntervalSince(now) - 365 * day) < 2)
        #expect(abs(mesh.root.certificate.notAfter.timeIntervalSince(now) - 20 * 365 * day) < 2)
        for certificate in [leaf, mesh.issuer.intermediate, mesh.root.certificate] {
            #expect(abs(now.timeIntervalSince(certificate.notBefore) - CertificateLife.clockSkew) < 2)
        }
    }

    @Test func `a certificate of another mesh is refused`() async throws {
        let ours = try meshOfOne()
        let theirs = try meshOfOne()
        await #expect(throws: PeerRefusal.notOfThisMesh(ours.root.mesh)) {
            try await verifier(for: ours.root.certificate)
                .verify(theirs.credentials.chain, expecting: nil, guestsWelcome: false)
        }
    }

    @Test func `another node than the one dialled is refused`() async throws {
        let mesh = try meshOfOne()
        let other = NodeID(high: 1, low: 2)
        await #expect(throws: PeerRefusal.notWhoWasDialled(expected: other, found: mesh.credentials.id)) {
            try await verifier(for: mesh.root.certificate)
                .verify(mesh.credentials.chain, expecting: other, guestsWelcome: false)
        }
    }

    @Test func `a node the mesh does not want is refused though its chain holds`() async throws {
        let mesh = try meshOfOne()
        let id = mesh.credentials.id
        let now = now
        let verifier = PeerVerifier(
            anchor: .root(mesh.root.certificate), me: nil, floor: .distantPast, now: { now },
            objection: { $0 == id ? "revoked" : nil })
        await #expect(throws: PeerRefusal.notAdmitted(id, why: "revoked")) {
            try await verifier.verify(mesh.credentials.chain, expecting: nil, guestsWelcome: false)
        }
    }

    @Test func `a leaf cannot issue, and an intermediate cannot make another issuer`() async throws {
        let mesh = try meshOfOne()
        let key = P256.Signing.PrivateKey()
        let intruder = NodeID(high: 7, low: 7)
        let leaf = try DERCertificate(mesh.credentials.chain[0])
        let byLeaf = try DERCertificate.sign(
            subject: "x", spiffe: .node(intruder, of: mesh.root.mesh), key: key.publicKey, from: now,
            for: 3600, role: .endEntity, issuer: leaf.parsed, issuerKey: mesh.credentials.leafKey)
        let second = try DERCertificate.sign(
            subject: "y", spiffe: .authority(of: mesh.root.mesh), key: key.publicKey, from: now,
            for: 3600, role: .authority(pathLength: 0), issuer: mesh.issuer.intermediate.parsed,
            issuerKey: mesh.issuer.key)
        let bySecond = try DERCertificate.sign(
            subject: "z", spiffe: .node(intruder, of: mesh.root.mesh), key: key.publicKey, from: now,
            for: 3600, role: .endEntity, issuer: second.parsed, issuerKey: key)
        for chain in [
            [byLeaf.bytes, leaf.bytes, mesh.issuer.intermediate.bytes],
            [bySecond.bytes, second.bytes, mesh.issuer.intermediate.bytes],
        ] {
            await #expect(throws: PeerRefusal.notOfThisMesh(mesh.root.mesh)) {
                try await verifier(for: mesh.root.certificate)
                    .verify(chain, expecting: nil, guestsWelcome: false)
            }
        }
    }

    @Test func `an authority's certificate is not a node's`() async throws {
        let mesh = try meshOfOne()
        await #expect(throws: PeerRefusal.noSingleName) {
            try await verifier(for: mesh.root.certificate)
                .verify([mesh.issuer.intermediate.bytes], expecting: nil, guestsWelcome: false)
        }
    }

    @Test func `a chain that fails only by time says so, with the offset`() async throws {
        let mesh = try meshOfOne()
        let late = now.addingTimeInterval(15 * 86_400)
        let failure = await #expect(throws: PeerRefusal.self) {
            try await verifier(for: mesh.root.certificate, at: late)
                .verify(mesh.credentials.chain, expecting: nil, guestsWelcome: false)
        }
        guard case .outsideItsTime(let offset)? = failure else {
            Issue.record("refused for another reason: \(String(describing: failure))")
            return
        }
        #expect(offset > .seconds(86_390) && offset < .seconds(86_410))
    }

    @Test func `no clock is believed below the floor`() async throws {
        let mesh = try meshOfOne()
        let floor = now
        let verifier = PeerVerifier(
            anchor: .root(mesh.root.certificate), me: nil, floor: floor, now: { .distantPast })
        let who = try await verifier.verify(mesh.credentials.chain, expecting: nil, guestsWelcome: false)
        #expect(who == .member(mesh.credentials.id, leaf: mesh.credentials.leafHash))
    }

    @Test func `a joiner who holds only the root's fingerprint finds the root in the chain`() async throws {
        let mesh = try meshOfOne()
        let other = try meshOfOne()
        let now = now
        let verifier = PeerVerifier(
            anchor: .fingerprint(mesh.root.trust.rootFingerprint, mesh: mesh.root.mesh), me: nil,
            floor: .distantPast, now: { now })
        let good = mesh.credentials.chain + [mesh.credentials.root]
        let who = try await verifier.verify(good, expecting: mesh.credentials.id, guestsWelcome: false)
        #expect(who == .member(mesh.credentials.id, leaf: mesh.credentials.leafHash))
        await #expect(throws: PeerRefusal.notOfThisMesh(mesh.root.mesh)) {
            try await verifier.verify(
                other.credentials.chain + [other.credentials.root], expecting: nil, guestsWelcome: false)
        }
    }

    @Test func `a self-signed stranger is a guest where guests are welcome and nobody elsewhere`()
        async throws
    {
        let mesh = try meshOfOne()
        let guest = try DERCertificate.guest(key: P256.Signing.PrivateKey(), at: now)
        let verifier = verifier(for: mesh.root.certificate)
        #expect(try await verifier.verify([guest.bytes], expecting: nil, guestsWelcome: true) == .guest)
        await #expect(throws: PeerRefusal.notOfThisMesh(mesh.root.mesh)) {
            try await verifier.verify([guest.bytes], expecting: nil, guestsWelcome: false)
        }
    }

    @Test func `a request is taken only if signed by the key it names`() throws {
        let key = P256.Signing.PrivateKey()
        let request = try CertificateRequest(key: key)
        #expect(
            try CertificateRequest(checking: request.bytes).publicKey.rawRepresentation
                == key.publicKey.rawRepresentation)
        var forged = request.bytes
        forged[forged.count - 1] ^= 1
        #expect(throws: CertificateError.self) { try CertificateRequest(checking: forged) }
        #expect(throws: CertificateError.requestTooLarge(bytes: 5000)) {
            try CertificateRequest(checking: [UInt8](repeating: 0, count: 5000))
        }
    }

    @Test func `stored authorities come back whole, and mixed ones do not`() throws {
        let mesh = try meshOfOne()
        let other = try meshOfOne()
        let back = try CertificateAuthority(
            key: mesh.issuer.key.rawRepresentation, certificate: mesh.issuer.intermediate.bytes,
            root: mesh.root.certificate.bytes)
        #expect(back.mesh == mesh.root.mesh)
        #expect(try DERCertificate(pem: mesh.root.certificate.pem) == mesh.root.certificate)
        #expect(throws: CertificateError.self) {
            try CertificateAuthority(
                key: other.issuer.key.rawRepresentation, certificate: mesh.issuer.intermediate.bytes,
                root: mesh.root.certificate.bytes)
        }
        #expect(throws: CertificateError.self) {
            try RootAuthority(key: other.root.key.rawRepresentation, certificate: mesh.root.certificate.bytes)
        }
    }

    @Test(arguments: [
        "spiffe://x.mesh/node/y", "spiffe://aaaaaaaaaaaaaaaaaaaaaaaaaa.mesh/",
        "spiffe://aaaaaaaaaaaaaaaaaaaaaaaaaa.mesh/node/aaaaaaaaaaaaaaaaaaaaaaaaaa/x",
        "spiffe://aaaaaaaaaaaaaaaaaaaaaaaaaa.mesh//node", "SPIFFE://aaaaaaaaaaaaaaaaaaaaaaaaaa.mesh",
        "spiffe://aaaaaaaaaaaaaaaaaaaaaaaaaa", "https://aaaaaaaaaaaaaaaaaaaaaaaaaa.mesh",
    ])
    func `a name spelled any other way is no name`(uri: String) {
        #expect(SPIFFEName(uri) == nil)
    }
}
