import HTTPWire
import NIOCore
import Testing

private let post = "POST /mcp HTTP/1.1\r\nHost: a\r\n"

struct HTTPRequestDecoderTests {
    @Test(arguments: [
        (
            "GET /x?y=1 HTTP/1.1\r\nHost: a\r\nAccept:  text/html \t\r\nX-Empty:\r\n\r\n",
            ["GET /x?y=1 v1_1 Host=a;Accept=text/html;X-Empty=", "end"]
        ),
        ("GET / HTTP/1.0\r\n\r\n", ["GET / v1_0 ", "end"]),
        ("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", ["GET / v1_1 host=a", "end"]),  // one stray line end
        (
            post + "Content-Length: 5\r\n\r\nhello",
            ["POST /mcp v1_1 Host=a;Content-Length=5", "body hello", "end"]
        ),
        (post + "Content-Length: 0\r\n\r\n", ["POST /mcp v1_1 Host=a;Content-Length=0", "end"]),
        (
            post
                + "Transfer-Encoding: Chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            ["POST /mcp v1_1 Host=a;Transfer-Encoding=Chunked", "body hello0123456789", "end"]
        ),
        (
            post + "Content-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\nHost: b\r\n\r\n",
            ["POST /mcp v1_1 Host=a;Content-Length=2", "body hi", "end", "GET /b v1_1 Host=b", "end"]
        ),
        (
            "GET http://h/p HTTP/1.1\r\nHost: h\r\nX: caf\u{e9}\r\n\r\n",
            ["GET http://h/p v1_1 Host=h;X=caf\u{e9}", "end"]
        ),
    ])
    func `what the grammar allows is read`(bytes: String, lines: [String]) {
        let decoded = Decoded.requests([bytes])
        #expect(decoded == Decoded(lines: lines, error: nil))
    }

    @Test(
        arguments: [
            // Two ways to find the end of a body.
            (post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", .lengthAndChunked),
            (post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", .lengthAndChunked),
            (post + "Content-Length: 4\r\nContent-Length: 4\r\n\r\n", .repeatedContentLength),
            (post + "Content-Length: 4\r\ncontent-length: 5\r\n\r\n", .repeatedContentLength),
            (post + "Content-Length: 4, 4\r\n\r\n", .badContentLength),
            (post + "Content-Length: +4\r\n\r\n", .badContentLength),
            (post + "Content-Length: -4\r\n\r\n", .badContentLength),
            (post + "Content-Length: 0x4\r\n\r\n", .badContentLength),
            (post + "Content-Length: 4 4\r\n\r\n", .badContentLength),
            (post + "Content-Length:\r\n\r\n", .badContentLength),
            (post + "Content-Length: 99999999999999999999999\r\n\r\n", .bodyTooLarge(max: 64 * 1024 * 1024)),
            (post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", .badTransferCoding),
            (post + "Transfer-Encoding: chunked, chunked\r\n\r\n", .badTransferCoding),
            (post + "Transfer-Encoding: chunked, gzip\r\n\r\n", .badTransferCoding),
            (post + "Transfer-Encoding: identity\r\n\r\n", .badTransferCoding),
            (post + "Transfer-Encoding: xchunked\r\n\r\n", .badTransferCoding),
            (post + "Transfer-Encoding: \"chunked\"\r\n\r\n", .badTransferCoding),
            (post + "Transfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferCoding),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .badTransferCoding),
            // Lines that two parsers cut in two ways.
            (post + "X: a\r\n b\r\n\r\n", .obsoleteFolding),
            (post + "X: a\r\n\tb\r\n\r\n", .obsoleteFolding),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .obsoleteFolding),
            ("GET / HTTP/1.1\nHost: a\n\n", .bareLineFeed),
            (post + "X: a\n\r\n", .bareLineFeed),
            (post + "X: a\r\n\n", .bareLineFeed),
            (post + "X: a\rb\r\n\r\n", .badFieldValue(name: "X")),
            (post + "X: a\r\r\n\r\n", .badFieldValue(name: "X")),
            (post + "X: a\0b\r\n\r\n", .badFieldValue(name: "X")),
            (post + "X: a\u{7f}\r\n\r\n", .badFieldValue(name: "X")),
            // Names that are no names.
            (post + "Content-Length : 4\r\n\r\n", .badFieldName),
            (post + ": x\r\n\r\n", .badFieldName),
            (post + "X\r\n\r\n", .badFieldName),
            (post + "X Y: a\r\n\r\n", .badFieldName),
            (post + "X\0: a\r\n\r\n", .badFieldName),
            (post + "Ü: a\r\n\r\n", .badFieldName),
            // Start lines.
            ("GET  / HTTP/1.1\r\n\r\n", .badRequestLine),
            ("GET / HTTP/1.1 \r\n\r\n", .badRequestLine),
            ("GET /a b HTTP/1.1\r\n\r\n", .badRequestLine),
            ("GET\t/ HTTP/1.1\r\n\r\n", .badRequestLine),
            ("GET /\r\n\r\n", .badRequestLine),
            ("GET /#a HTTP/1.1\r\n\r\n", .badRequestLine),
            ("GET /é HTTP/1.1\r\n\r\n", .badRequestLine),
            ("GET / http/1.1\r\n\r\n", .badRequestLine),
            ("GET / HTTP/1.1x\r\n\r\n", .badRequestLine),
            ("G(T / HTTP/1.1\r\n\r\n", .badRequestLine),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", .badRequestLine),
            ("\u{16}\u{3}\u{1}", .badRequestLine),  // a TLS handshake, known by its first byte
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n\r\n", .unknownMethod),
            ("PRI * HTTP/2.0\r\n\r\n", .unsupportedVersion),
            ("GET / HTTP/1.2\r\n\r\n", .unsupportedVersion),
            ("GET / HTTP/0.9\r\n\r\n", .unsupportedVersion),
            // Who is asked.
            ("GET / HTTP/1.1\r\n\r\n", .missingHost),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .repeatedHost),
            ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", .repeatedHost),
        ] as [(String, HTTPWireError)])
    func `what could be read in two ways is refused`(bytes: String, error: HTTPWireError) {
        let decoded = Decoded.requests([bytes])
        #expect(decoded == Decoded(lines: [], error: error))
    }

    @Test(arguments: [
        "\r\n", "x\r\n", "-1\r\n", " 5\r\nhello\r\n", "5 \r\nhello\r\n", "5\nhello\r\n", "0x5\r\nhello\r\n",
        "+5\r\n", ";a\r\n", "5,a\r\n", "5;a\u{1}\r\n", "5\rx\nhello\r\n", "5\r\nhelloX\n", "5\r\nhello\rX",
        "1000000000000000\r\n", "00000000000000000005\r\nhello\r\n", "0\r\nX : y\r\n\r\n",
        "0\r\nX: y\n\r\n", "0\r\n fold\r\n\r\n",
    ])
    func `a malformed chunk is refused`(chunks: String) {
        let decoded = Decoded.requests([post + "Transfer-Encoding: chunked\r\n\r\n" + chunks])
        #expect(decoded.error?.status == 400)
        #expect(!decoded.lines.contains("end"))
    }

    @Test
    func `every bound holds exactly at its number`() {
        var limits = HTTPMessageLimits()
        limits.headBytesMax = 100
        limits.targetBytesMax = 20
        limits.headerCountMax = 3
        limits.bodyBytesMax = 10
        limits.chunkLineBytesMax = 8
        limits.chunkExtensionBytesMax = 4
        limits.trailerBytesMax = 8

        func error(_ bytes: String) -> HTTPWireError? { Decoded.requests([bytes], limits: limits).error }
        func target(_ count: Int) -> String {
            "GET /" + String(repeating: "a", count: count - 1) + " HTTP/1.1\r\nHost: a\r\n\r\n"
        }
        func head(_ count: Int) -> String {
            let rest = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
            return "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: count - rest.utf8.count)
                + "\r\n\r\n"
        }
        #expect(error(target(20)) == nil)
        #expect(error(target(21)) == .targetTooLong(max: 20))
        #expect(error(head(100)) == nil)
        #expect(error(head(101)) == .headTooLarge(max: 100))
        #expect(error("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n") == nil)
        #expect(error("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\n\r\n") == .tooManyFields(max: 3))

        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        let sized = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
        #expect(error(sized + "10\r\n\r\n0123456789") == nil)
        #expect(error(sized + "11\r\n\r\n") == .bodyTooLarge(max: 10))
        #expect(error(chunked + "5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n") == nil)
        #expect(error(chunked + "5\r\nabcde\r\n6\r\n") == .bodyTooLarge(max: 10))
        #expect(error(chunked + "1;abcd\r\n") == .badChunk)  // the line
        #expect(error(chunked + "1;ab\r\nx\r\n1;b\r\n") == .badChunk)  // all extensions together
        #expect(error(chunked + "0\r\nA: b\r\n\r\n") == nil)
        #expect(error(chunked + "0\r\nA: bc\r\n\r\n") == .headTooLarge(max: 8))
    }

    @Test
    func `a head without an end is refused before it ends`() {
        let flood = [String](repeating: "X: " + String(repeating: "a", count: 1000) + "\r\n", count: 70)
        #expect(Decoded.requests([post] + flood).error == .headTooLarge(max: 64 * 1024))
        let line = [String](repeating: String(repeating: "a", count: 1000), count: 20)
        #expect(Decoded.requests(["GET /"] + line).error == .targetTooLong(max: 16 * 1024))
    }

    @Test
    func `once refused, a connection stays refused`() throws {
        var decoder = HTTPRequestDecoder()
        decoder.feed(ByteBuffer(string: "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        for _ in 0..<2 {
            do throws(HTTPWireError) {
                _ = try decoder.next()
                Issue.record("it was taken")
            } catch { #expect(error == .missingHost) }
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
    ])
    func `the head says whether the connection lives on`(bytes: String, expected: Bool) throws {
        var decoder = HTTPRequestDecoder()
        decoder.feed(ByteBuffer(string: bytes))
        guard case .head(let head) = try decoder.next() else {
            Issue.record("no head")
            return
        }
        #expect(head.keepsAlive == expected)
    }

    @Test
    func `the decoder knows where one request ends and none has begun`() throws {
        var decoder = HTTPRequestDecoder()
        var isBetween = [decoder.isBetweenRequests]
        decoder.feed(ByteBuffer(string: "G"))
        let part = try decoder.next()
        #expect(part == nil)
        isBetween.append(decoder.isBetweenRequests)
        decoder.feed(ByteBuffer(string: "ET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"))
        _ = try decoder.next()
        var awaitsBody = [decoder.awaitsBody]
        decoder.feed(ByteBuffer(string: "x"))
        while try decoder.next() != nil {}
        awaitsBody.append(decoder.awaitsBody)
        isBetween.append(decoder.isBetweenRequests)
        #expect(awaitsBody == [true, false])
        #expect(isBetween == [true, false, true])
    }

    // MARK: Known heads

    private static let head = "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"

    /// What a decoder makes of pieces, and whether the head of each request was known.
    private func heads(_ pieces: [String]) throws -> [(head: HTTPRequestHead, known: ObjectIdentifier?)] {
        var decoder = HTTPRequestDecoder()
        var found: [(HTTPRequestHead, ObjectIdentifier?)] = []
        for piece in pieces {
            decoder.feed(ByteBuffer(string: piece))
            while let part = try decoder.next() {
                guard case .head(let head) = part else { continue }
                found.append((head, decoder.knownHead.map(ObjectIdentifier.init)))
            }
        }
        return found
    }

    @Test func `the same head is the same object, and another is not`() throws {
        let other = Self.head.replacing("Host: a", with: "Host: b")
        let found = try heads([Self.head + "ab", Self.head + "cd" + other + "ef" + Self.head + "gh"])
        #expect(found.count == 4)
        #expect(found[0].known == found[1].known && found[1].known == found[3].known)
        #expect(found[2].known != found[0].known && found[2].known != nil)
        #expect(found.map { $0.head.headers.first("host") } == ["a", "a", "b", "a"])
    }

    @Test func `a head that comes in pieces is understood all the same`() throws {
        let found = try heads([
            Self.head + "ab", String(Self.head.prefix(30)), Self.head.dropFirst(30) + "cd",
        ])
        #expect(found.map(\.head) == [found[0].head, found[0].head])
        #expect(found[1].known == nil)
    }

    @Test func `many heads are forgotten, and none is mistaken for another`() throws {
        let names = (0..<20).map { "h\($0)" }
        let texts = (names + names).map { Self.head.replacing("Host: a", with: "Host: \($0)") + "xy" }
        let found = try heads([texts.joined()])
        #expect(found.map { $0.head.headers.first("host") } == names + names)
    }
}
