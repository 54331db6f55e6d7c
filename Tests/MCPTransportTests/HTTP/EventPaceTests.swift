import HTTPWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

/// A server that says something without pause is heard a little at a time.
@Suite(.timeLimit(.minutes(1)))
struct EventPaceTests {
    private static let event = "data: {}\n\n"

    private static func heard(_ text: String, by pace: inout EventPace) -> EventPace.Change? {
        pace.hear(ByteBuffer(string: text).readableBytesView)
        return pace.endRead()
    }

    @Test func `hundreds of events in one read are a storm, which ends with a read of a few`() {
        var pace = EventPace()
        #expect(Self.heard(String(repeating: Self.event, count: 10), by: &pace) == nil)
        #expect(Self.heard(String(repeating: Self.event, count: 50), by: &pace) == .begins)
        #expect(Self.heard(String(repeating: Self.event, count: 50), by: &pace) == nil)
        // Reads are small now, and events may be long.
        #expect(Self.heard(String(repeating: Self.event, count: 10), by: &pace) == nil)
        #expect(pace.isStorm)
        #expect(Self.heard(Self.event, by: &pace) == .ends)
    }

    @Test func `a long event is no storm, and neither are many that come one by one`() {
        var pace = EventPace()
        #expect(Self.heard("data: \(String(repeating: "x", count: 1 << 20))\n\n", by: &pace) == nil)
        for _ in 0..<200 { #expect(Self.heard(Self.event, by: &pace) == nil) }
    }

    @Test func `a carriage return ends a line, too`() {
        var pace = EventPace()
        #expect(Self.heard(String(repeating: "data: {}\r\r", count: 50), by: &pace) == .begins)
        var another = EventPace()
        #expect(Self.heard(String(repeating: "data: {}\r\n\r\n", count: 49), by: &another) == nil)
        #expect(Self.heard(String(repeating: "data: {}\r\n\r\n", count: 50), by: &another) == .begins)
    }

    @Test func `events count that came in pieces of one read`() {
        var pace = EventPace()
        for _ in 0..<50 { pace.hear(ByteBuffer(string: Self.event).readableBytesView) }
        #expect(pace.endRead() == .begins)
    }

    /// All that a request has brought, and the pieces that it came in.
    private static func answers(
        of server: RawServer, count: Int
    ) async throws -> [(bytes: Int, pieces: [Int])] {
        let client = HTTPClient(group: MultiThreadedEventLoopGroup.singleton.next())
        let url = try HTTPURL("http://127.0.0.1:\(server.port)/")
        var all: [(bytes: Int, pieces: [Int])] = []
        for _ in 0..<count {
            let pieces = Mutex<[Int]>([])
            let ended = Signal<Bool>()
            _ = client.send(HTTPClientRequest(url, timeout: .seconds(40))) { event in
                switch event {
                case .head: break
                case .body(let bytes): pieces.withLock { $0.append(bytes.count) }
                case .end: ended.send(true)
                case .failed: ended.send(false)
                }
            }
            #expect(await ended.next() == true)
            let came = pieces.withLock { $0 }
            all.append((came.reduce(0, +), came))
        }
        await client.shutdown()
        return all
    }

    private static let chunkedEvents =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    /// A stream of events of so many bytes each, 200 kB in all.
    private static func storm(ofBytes count: Int) -> String {
        let event = "data: {\(String(repeating: "x", count: count - 10))}\n\n"
        return String(repeating: event, count: 200_000 / count)
    }

    @Test(arguments: [10, 300])
    func `in a storm everything is heard, in small pieces, whatever was read before and is after it`(
        eventBytes: Int
    ) async throws {
        let storm = Self.storm(ofBytes: eventBytes)
        let chunk = String(storm.utf8.count, radix: 16) + "\r\n" + storm + "\r\n0\r\n\r\n"
        let plain = String(repeating: "line\n", count: 400_000)
        let length = "HTTP/1.1 200 OK\r\nContent-Length: \(plain.utf8.count)\r\n\r\n"
        let server = try await RawServer.start([
            [.send(length + plain), .send(Self.chunkedEvents + chunk), .send(length + plain)]
        ])
        let answers = try await Self.answers(of: server, count: 3)
        #expect(answers.map(\.bytes) == [plain.utf8.count, storm.utf8.count, plain.utf8.count])
        // The read that showed that it is a storm, and the one that NIO had prepared by then, were as large as those before; so is the
        // next where a read found hardly anything.
        #expect(answers[1].pieces.count { $0 <= EventPace.stormReadBytes } > 5)
        #expect(answers[2].pieces.contains { $0 > EventPace.stormReadBytes })
        await server.stop()
    }

    @Test func `a stream whose length was said is none the less read with rests`() async throws {
        let storm = Self.storm(ofBytes: 10)
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        let server = try await RawServer.start([
            [.send("\(head)Content-Length: \(storm.utf8.count)\r\n\r\n\(storm)")]
        ])
        let answer = try #require(try await Self.answers(of: server, count: 1).first)
        #expect(answer.bytes == storm.utf8.count)
        #expect(answer.pieces.dropFirst(2).allSatisfy { $0 <= EventPace.stormReadBytes })
        await server.stop()
    }
}
