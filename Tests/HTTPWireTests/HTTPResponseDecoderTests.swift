import HTTPWire
import NIOCore
import Testing

private let ok = "HTTP/1.1 200 OK\r\n"

struct HTTPResponseDecoderTests {
    @Test(arguments: [
        (ok + "Content-Length: 2\r\n\r\nhi", "GET", ["200 v1_1 Content-Length=2", "body hi", "end"]),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", ["200 v1_1 Content-Length=0", "end"]),
        (
            ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "POST",
            ["200 v1_1 Transfer-Encoding=chunked", "body hi", "end"]
        ),
        // No body, whatever the fields say.
        (ok + "Content-Length: 9\r\n\r\n", "HEAD", ["200 v1_1 Content-Length=9", "end"]),
        (ok + "Transfer-Encoding: chunked\r\n\r\n", "HEAD", ["200 v1_1 Transfer-Encoding=chunked", "end"]),
        ("HTTP/1.1 204 No Content\r\n\r\n", "GET", ["204 v1_1 ", "end"]),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET",
            ["304 v1_1 Content-Length=9", "end"]
        ),
        // Interim responses are skipped.
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok
                + "Content-Length: 0\r\n\r\n",
            "POST", ["200 v1_1 Content-Length=0", "end"]
        ),
    ])
    func `the body ends where the request and the fields say`(bytes: String, method: String, lines: [String])
    {
        #expect(Decoded.responses([bytes], to: [method]) == Decoded(lines: lines, error: nil))
    }

    @Test(arguments: [ok + "\r\nall of it", "HTTP/1.0 200 OK\r\n\r\nall of it"])
    func `without a length the body lasts until the connection ends`(bytes: String) {
        let open = Decoded.responses([bytes])
        #expect(open.lines.last == "body all of it")
        #expect(Decoded.responses([bytes], ends: true).lines == open.lines + ["end"])
    }

    @Test(
        arguments: [
            (ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", .repeatedContentLength),
            (ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .lengthAndChunked),
            (ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferCoding),
            (ok + "X: a\r\n b\r\n\r\n", .obsoleteFolding),
            (ok + "X : a\r\n\r\n", .badFieldName),
            ("HTTP/1.1 200 OK\n\n", .bareLineFeed),
            ("HTTP/1.1  200 OK\r\n\r\n", .badStatusLine),
            ("HTTP/1.1 20 OK\r\n\r\n", .badStatusLine),
            ("HTTP/1.1 2000 OK\r\n\r\n", .badStatusLine),
            ("HTTP/1.1 099 Odd\r\n\r\n", .badStatusLine),
            ("HTTP/1.1 200 O\u{1}K\r\n\r\n", .badStatusLine),
            ("ICY 200 OK nothing else\r\n\r\n", .badStatusLine),
            ("HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", .unexpectedUpgrade),
            (
                String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 17),
                .tooManyInterimResponses(max: 16)
            ),
        ] as [(String, HTTPWireError)])
    func `a response that could be read in two ways is refused`(bytes: String, error: HTTPWireError) {
        #expect(Decoded.responses([bytes]) == Decoded(lines: [], error: error))
    }

    @Test(arguments: [
        "HTTP/1.1 20", ok + "Content-Length: 3\r\n\r\nhi", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi",
    ])
    func `a connection that ends within a response cut it off`(bytes: String) {
        #expect(Decoded.responses([bytes], ends: true).error == .cutOff)
    }

    @Test
    func `bytes that answer nothing are refused`() {
        let twice = ok + "Content-Length: 0\r\n\r\n" + ok
        #expect(Decoded.responses([twice]).error == .unexpectedResponse)
        #expect(Decoded.responses([twice], to: ["GET", "GET"]).error == nil)
        #expect(Decoded.responses(["x"], to: []).error == .unexpectedResponse)
    }

    @Test(arguments: [
        (ok + "Content-Length: 0\r\n\r\n", true),
        (ok + "Content-Length: 0\r\nConnection: close\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", true),
        (ok + "Content-Length: 0\r\n\r\nx", false),
    ])
    func `a connection is reused only where both sides are sure`(bytes: String, expected: Bool) throws {
        var decoder = HTTPResponseDecoder()
        decoder.expectResponse(to: "GET")
        decoder.feed(ByteBuffer(string: bytes))
        _ = try decoder.next()
        let end = try decoder.next()
        let isReusable = decoder.isReusable
        #expect(end == .end)
        #expect(isReusable == expected)
    }

    // MARK: Answers in one step

    private static let json = ok + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"

    /// What one step takes of each answer that comes in one piece; parts take the rest.
    private func steps(_ answers: [String], method: String = "POST") throws
        -> [String?]
    {
        var decoder = HTTPResponseDecoder()
        var found: [String?] = []
        for answer in answers {
            decoder.expectResponse(to: method)
            decoder.feed(ByteBuffer(string: answer))
            found.append(
                decoder.nextJSON().map { "\($0.head.status) \(String(decoding: $0.body, as: UTF8.self))" })
            while try decoder.next() != nil {}
            #expect(decoder.isIdle && decoder.isReusable)
        }
        return found
    }

    @Test func `an answer in JSON whose head is known is taken in one step`() throws {
        #expect(
            try steps([Self.json + "{}", Self.json + "[]", Self.json + "12"]) == [nil, "200 []", "200 12"])
    }

    @Test(arguments: [
        ok + "Content-Length: 2\r\n\r\n{}",
        ok + "Content-Type: text/event-stream\r\nContent-Length: 2\r\n\r\n{}",
        ok + "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n",
        ok + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 400 No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    ])
    func `no other is, however often it comes`(answer: String) throws {
        #expect(try steps([answer, answer]) == [nil, nil])
    }

    @Test func `what a HEAD is answered has no body to take`() throws {
        #expect(try steps([Self.json, Self.json], method: "HEAD") == [nil, nil])
    }

    @Test func `one that is not all there is taken in parts`() throws {
        var decoder = HTTPResponseDecoder()
        for pieces in [
            [Self.json + "{}"], [Self.json + "{", "}"], [String(Self.json.dropLast()), "\r\n{}"],
        ] {
            decoder.expectResponse(to: "POST")
            var lines: [String] = []
            for piece in pieces {
                decoder.feed(ByteBuffer(string: piece))
                #expect(decoder.nextJSON() == nil)
                while let part = try decoder.next() { lines.append("\(part)".prefix(4).lowercased()) }
            }
            #expect(lines.first == "head" && lines.last == "end")
        }
    }

    @Test func `one step leaves bytes that nobody asked for to be refused`()
        throws
    {
        var decoder = HTTPResponseDecoder()
        decoder.expectResponse(to: "POST")
        decoder.feed(ByteBuffer(string: Self.json + "{}"))
        while try decoder.next() != nil {}
        decoder.expectResponse(to: "POST")
        decoder.feed(ByteBuffer(string: Self.json + "{}HTTP/1.1"))
        #expect(decoder.nextJSON()?.body == Array("{}".utf8))
        #expect(!decoder.isReusable && !decoder.isIdle)
        #expect(throws: HTTPWireError.unexpectedResponse) { try decoder.next() }
    }
}
