import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

/// Names, and a DNS that takes its time.
@Suite(.timeLimit(.minutes(1)))
struct LookUpsTests {
    /// A resolver that answers when it is let.
    private final class SlowDNS: Sendable {
        let asked = Mutex<[String]>([])
        private let gate = DispatchSemaphore(value: 0)

        func answer(_ host: String, _ port: Int) throws -> [SocketAddress] {
            asked.withLock { $0.append(host) }
            gate.wait()
            gate.signal()
            return [try SocketAddress(ipAddress: "192.0.2.1", port: port)]
        }

        func open() { gate.signal() }
    }

    private static let loop = MultiThreadedEventLoopGroup.singleton.any()

    @Test func `a DNS that does not answer keeps nothing else waiting, and is asked once for each name`()
        async throws
    {
        let dns = SlowDNS()
        let lookUps = LookUps { try dns.answer($0, $1) }
        // More than this host has threads for other work.
        let names = (0..<64).map { "slow\($0).example" }
        let found = (names + names).map { lookUps.addresses(of: $0, 80, on: Self.loop) }
        let other = try await NIOThreadPool.singleton.runIfActive { "done" }
        #expect(other == "done")
        #expect(dns.asked.withLock { $0.count } <= LookUps.threads)
        dns.open()
        for one in found {
            let addresses = try await one.get()
            #expect(addresses.map(\.port) == [80])
        }
        #expect(dns.asked.withLock { $0.sorted() } == names.sorted())
    }

    @Test func `more names than are kept waiting are refused at once, and later ones not`() async throws {
        let dns = SlowDNS()
        let lookUps = LookUps { try dns.answer($0, $1) }
        let found = (0..<LookUps.namesMax).map { lookUps.addresses(of: "n\($0).example", 80, on: Self.loop) }
        await #expect(throws: AddressWatch.Refusal.self) {
            try await lookUps.addresses(of: "one-more.example", 80, on: Self.loop).get()
        }
        dns.open()
        for one in found { _ = try await one.get() }
        let later = try await lookUps.addresses(of: "one-more.example", 80, on: Self.loop).get()
        #expect(later.count == 1)
    }
}
