import Foundation
import HTTPWire
import MCPTransport
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@Suite(.timeLimit(.minutes(3)))
struct HTTPTLSTests {
    private static func withRoot(_ body: (String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(
            "root-\(UUID().uuidString).pem"
        ).path
        try TestCertificate.made.get().pem.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    @Test(arguments: ["localhost", "127.0.0.1"])
    func `a private root is trusted for the names it signed`(host: String) async throws {
        let context = try TestCertificate.made.get().serverContext()
        try await Self.withRoot { root in
            try await Bench.run(
                tls: { context }, roots: [root], handler: { $0.respond(status: 200, body: $0.body) }
            ) { bench in
                for _ in 0..<3 {
                    let url = try HTTPURL("https://\(host):\(bench.port)/")
                    let answer = try await bench.client.collect(
                        HTTPClientRequest(
                            url, method: "POST", body: Array("over TLS".utf8), timeout: .seconds(40)))
                    #expect(answer.body == Array("over TLS".utf8))
                }
            }
        }
    }

    @Test
    func `an unknown root is not trusted, and nothing was sent`() async throws {
        let context = try TestCertificate.made.get().serverContext()
        try await Bench.run(tls: { context }, handler: { $0.respond(status: 200) }) { bench in
            let error = await #expect(throws: HTTPClientError.self) {
                try await bench.client.collect(
                    HTTPClientRequest(bench.url("/", scheme: "https"), timeout: .seconds(40)))
            }
            guard case .tls = error?.cause else {
                Issue.record("not a TLS error: \(String(describing: error))")
                return
            }
            #expect(error?.notSent == true)
        }
    }

    @Test
    func `a root that cannot be read is named`() async throws {
        let client = HTTPClient(
            group: MultiThreadedEventLoopGroup.singleton, additionalRoots: ["/no/such/root.pem"])
        let error = await #expect(throws: HTTPClientError.self) {
            try await client.collect(
                HTTPClientRequest(HTTPURL("https://127.0.0.1:\(RawPeer.deadPort)/"), timeout: .seconds(40)))
        }
        #expect(error?.description.contains("/no/such/root.pem") == true)
        #expect(error?.notSent == true)
        await client.shutdown()
    }

    @Test
    func `TLS on a plain port and plain text on a TLS port fail on both sides`() async throws {
        try await Bench.run(handler: { $0.respond(status: 200) }) { bench in
            let error = await #expect(throws: HTTPClientError.self) {
                try await bench.client.collect(
                    HTTPClientRequest(bench.url("/", scheme: "https"), timeout: .seconds(40)))
            }
            #expect(error?.notSent == true)
        }
        let context = try TestCertificate.made.get().serverContext()
        try await Bench.run(tls: { context }, handler: { $0.respond(status: 200) }) { bench in
            await #expect(throws: HTTPClientError.self) { try await bench.get() }
        }
    }
}
