import Foundation
import Testing

@testable import MeshTransport

/// Published cases of path validation (`Fixtures/crypto/SOURCES.md`) against the way that links find from a leaf to the
/// root. Names are not looked at here: no case has one of ours, so none of them could be a member anyway.
struct PathValidationTests {
    private struct Cases: Decodable { var testcases: [Case] }
    private struct Case: Decodable {
        var id: String
        var features: [String]
        var trusted_certs: [String]
        var untrusted_intermediates: [String]
        var peer_certificate: String
        var validation_time: String?
        var expected_result: String
    }

    /// What is about the path itself: who may issue, how deep, how long, signatures, what is critical.
    private static let families = [
        "pathlen::", "pathological::", "rfc5280::validity::", "rfc5280::unknown-critical-extension-",
        "rfc5280::intermediate-ca-", "rfc5280::chain-untrusted-root", "rfc5280::duplicate-extensions",
        "rfc5280::mismatching-signature-algorithm", "rfc5280::root-and-intermediate-swapped",
        "rfc5280::no-basicconstraints", "rfc5280::no-keyusage", "rfc5280::nc::permitted-dns-",
        "rfc5280::nc::excluded-dns-",
    ]
    /// Taken though the set says no, and why that is no way in.
    private static let taken: [String: String] = [
        "rfc5280::nc::permitted-dns-match-noncritical":
            "a constraint that is not marked critical binds all the same",
        "rfc5280::validity::notbefore-fractional": "dates are of whole seconds; a second early is no matter",
    ]
    /// Not taken though the set says yes: chains that no mesh has.
    private static let refused: [String: String] = [
        "pathlen::self-issued-certs-pathlen": "more certificates than leaf, intermediate and root"
    ]

    private static func all() throws -> [Case] {
        // Not by `MartletTestKit`, which makes labels of literals here and everywhere in this module.
        let top = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let data = try Data(contentsOf: top.appending(path: "Fixtures/crypto/x509_limbo_subset.json"))
        return try JSONDecoder().decode(Cases.self, from: data).testcases
    }

    private static func cases() throws -> [Case] {
        try all().filter { item in
            families.contains { item.id.hasPrefix($0) } && !item.features.contains("max-chain-depth")
        }
    }

    private func time(_ item: Case) throws -> Date {
        // What has no time was made to hold when the set was.
        guard let text = item.validation_time else { return Date(timeIntervalSince1970: 1_709_251_200) }
        let whole = Date.ISO8601FormatStyle()
        return try (try? Date(text, strategy: whole))
            ?? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    private func isTaken(_ item: Case) async throws -> Bool {
        let time = try time(item)
        guard
            let chain = try? ([item.peer_certificate] + item.untrusted_intermediates)
                .prefix(PeerVerifier.certificatesMax).map({ try DERCertificate(pem: $0) })
        else { return false }
        for root in item.trusted_certs.compactMap({ try? DERCertificate(pem: $0) }) {
            if await PeerVerifier.path(from: chain, to: root, at: time) != nil { return true }
        }
        return false
    }

    @Test func `no chain is taken that must not be, and the sound ones are`() async throws {
        let cases = try Self.cases()
        #expect(cases.count > 40)
        for item in cases {
            let isTaken = try await isTaken(item)
            if item.expected_result == "FAILURE" {
                #expect(
                    isTaken == (Self.taken[item.id] != nil), "\(item.id) is \(isTaken ? "" : "not ")taken")
            } else {
                #expect(
                    isTaken == (Self.refused[item.id] == nil), "\(item.id) is \(isTaken ? "" : "not ")taken")
            }
        }
    }

    @Test func `a stranger's chain is no member's, however sound`() async throws {
        let mesh = try MeshOfOne.founded(at: Date())
        for item in try Self.all() {
            let time = try time(item)
            let verifier = PeerVerifier(
                anchor: .root(mesh.root.certificate), me: nil, floor: .distantPast, now: { time })
            let chain = try ([item.peer_certificate] + item.untrusted_intermediates + item.trusted_certs).map
            {
                try #require(
                    Data(base64Encoded: $0.split(separator: "\n").filter { !$0.hasPrefix("-") }.joined()))
            }
            await #expect(throws: PeerRefusal.self, "\(item.id)") {
                try await verifier.verify(chain.map { Array($0) }, expecting: nil, guestsWelcome: false)
            }
        }
    }
}
