import Catalog
import Foundation
import MartletTestKit
import Testing

@testable import MeshTransport

/// What OpenSSL, which shares no code with us, makes of our certificates.
@Suite(.enabled(if: OpenSSL.path != nil, "no openssl command on this machine"))
struct OpenSSLOpinionTests {
    @Test(arguments: ["sslserver", "sslclient"])
    func `openssl verifies our chain for both ends of TLS`(purpose: String) async throws {
        let folder = try CertificateFolder()
        defer { folder.remove() }
        let verdict = try await OpenSSL.run([
            "verify", "-x509_strict", "-purpose", purpose, "-CAfile", folder.path("root"), "-untrusted",
            folder.path("intermediate"), folder.path("leaf"),
        ])
        #expect(verdict.status == 0, "\(verdict.output)")
        #expect(verdict.output.contains("leaf.pem: OK"))
    }

    @Test func `openssl does not verify the leaf under another mesh's root`() async throws {
        let folder = try CertificateFolder()
        let other = try CertificateFolder()
        defer {
            folder.remove()
            other.remove()
        }
        let verdict = try await OpenSSL.run([
            "verify", "-CAfile", other.path("root"), "-untrusted", folder.path("intermediate"),
            folder.path("leaf"),
        ])
        #expect(verdict.status != 0)
    }

    @Test func `openssl reads the names, uses and limits that we meant`() async throws {
        let folder = try CertificateFolder()
        defer { folder.remove() }
        let leaf = try await OpenSSL.run(["x509", "-noout", "-text", "-in", folder.path("leaf")]).output
        #expect(leaf.contains("URI:spiffe://\(folder.mesh).mesh/node/\(folder.node)"))
        #expect(leaf.contains("CA:FALSE"))
        #expect(leaf.contains("TLS Web Server Authentication, TLS Web Client Authentication"))
        #expect(leaf.contains("ASN1 OID: prime256v1"))
        let intermediate = try await OpenSSL.run([
            "x509", "-noout", "-text", "-in", folder.path("intermediate"),
        ])
        .output
        #expect(intermediate.contains("CA:TRUE, pathlen:0"))
        #expect(intermediate.contains("URI:spiffe://\(folder.mesh).mesh\n"))
        let root = try await OpenSSL.run(["x509", "-noout", "-text", "-in", folder.path("root")]).output
        #expect(root.contains("CA:TRUE, pathlen:1"))
        #expect(root.contains("Certificate Sign"))
    }

    @Test(arguments: [
        ["-tls1_3"],  // no certificate of a client
        ["-tls1_2"],
    ])
    func `the mesh port does not talk to openssl without a certificate, nor below TLS 1.3`(
        options: [String]
    ) async throws {
        let node = try TestMesh().first()
        try await running([node]) { _ in
            let address = try await node.address()
            let session = try await OpenSSL.run(
                ["s_client", "-connect", address, "-alpn", MeshProtocol.link, "-quiet"] + options, input: "x")
            #expect(session.output.contains("alert"), "\(session.output)")
            #expect(node.service.linkStatus.isEmpty)
        }
    }

    @Test func `openssl accepts the signature on our requests`() async throws {
        let folder = try CertificateFolder()
        defer { folder.remove() }
        let request = try CertificateRequest(key: .init())
        let file = folder.url.appendingPathComponent("request.der")
        try Data(request.bytes).write(to: file)
        let verdict = try await OpenSSL.run(["req", "-inform", "DER", "-in", file.path, "-verify", "-noout"])
        #expect(verdict.status == 0, "\(verdict.output)")
    }
}

/// A mesh's certificates as PEM files for another program to read.
private struct CertificateFolder {
    let url: URL
    let mesh: MeshID
    let node: NodeID

    init() throws {
        let made = try MeshOfOne.founded(at: Date())
        mesh = made.root.mesh
        node = made.credentials.id
        url = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        let leaf = try DERCertificate(made.credentials.chain[0])
        for (name, certificate) in [
            ("root", made.root.certificate), ("intermediate", made.issuer.intermediate), ("leaf", leaf),
        ] {
            try Data(certificate.pem.utf8).write(to: url.appendingPathComponent("\(name).pem"))
        }
    }

    func path(_ name: String) -> String { url.appendingPathComponent("\(name).pem").path }
    func remove() { try? FileManager.default.removeItem(at: url) }
}

enum OpenSSL {
    static let path = ["/usr/bin/openssl", "/usr/local/bin/openssl", "/bin/openssl"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    /// `input` is all it reads.
    ///
    /// - Returns: its exit status, and what it printed and complained of.
    static func run(_ arguments: [String], input: String = "") async throws -> (status: Int32, output: String)
    {
        let ended = try await Program.run([try #require(path)] + arguments, input: input)
        return (ended.status, ended.output + ended.errors)
    }
}
