import HTTPWire
import Testing
import MartletTestKit

private let fragments = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /mcp?x=%20 HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
    "\r\nDELETE /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX:  padded \t \r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nT: u\r\n\r\n",
]

private let noise = [
    "\r", "\n", "\r\n", " ", "\t", ":", "0", "\0", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n",
    ";",
    "HTTP/1.1", "\u{7f}",
]

struct SplitTests {
    @Test(arguments: UInt64(1)...300)
    func `requests do not depend on how their bytes are cut`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var text = Array((0..<4).map { _ in fragments.randomElement(using: &random) ?? "" }.joined().utf8)
        // Half of the time the bytes are also damaged, so that errors are compared as well.
        if Bool.random(using: &random) {
            let place = Int.random(in: 0...text.count, using: &random)
            text.insert(contentsOf: (noise.randomElement(using: &random) ?? "").utf8, at: place)
        }
        let whole = String(decoding: text, as: UTF8.self)
        var limits = HTTPMessageLimits()
        limits.headBytesMax = Int.random(in: 30...200, using: &random)
        limits.targetBytesMax = Int.random(in: 1...200, using: &random)
        limits.bodyBytesMax = Int.random(in: 0...20, using: &random)

        let expected = Decoded.requests([whole], limits: limits)
        for _ in 0..<10 {
            #expect(
                Decoded.requests(random.cut(whole), limits: limits) == expected, "replay with seed \(seed)")
        }
        #expect(
            Decoded.requests(whole.utf8.map { String(decoding: [$0], as: UTF8.self) }, limits: limits)
                == expected)
    }

    @Test(arguments: UInt64(1)...200)
    func `responses do not depend on how their bytes are cut`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        ]
        var text = Array((0..<3).map { _ in answers.randomElement(using: &random) ?? "" }.joined().utf8)
        if Bool.random(using: &random) {
            let place = Int.random(in: 0...text.count, using: &random)
            text.insert(contentsOf: (noise.randomElement(using: &random) ?? "").utf8, at: place)
        }
        let whole = String(decoding: text, as: UTF8.self)
        var limits = HTTPMessageLimits()
        limits.bodyBytesMax = Int.random(in: 0...60, using: &random)

        let methods = ["GET", "GET", "GET"]
        let expected = Decoded.responses([whole], to: methods, ends: true, limits: limits)
        for _ in 0..<10 {
            let cut = Decoded.responses(random.cut(whole), to: methods, ends: true, limits: limits)
            #expect(cut == expected, "replay with seed \(seed)")
        }
    }

    @Test(arguments: UInt64(1)...300)
    func `no bytes at all can bring a decoder down`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let words =
            noise + [
                "GET", "POST", " / ", " HTTP/1.1\r\n", "Host: a\r\n", "\r\n\r\n", "HTTP/1.1 200 OK\r\n", "f",
                "9",
            ]
        let text = (0..<40).map { _ in words.randomElement(using: &random) ?? "" }.joined()
        for start in [
            "", "POST / HTTP/1.1\r\nHost: a\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            let decoded = Decoded.requests(random.cut(start + text))
            #expect(decoded.error != nil || decoded.lines.count(where: { $0 == "end" }) <= 40)
        }
        let answer = Decoded.responses(random.cut("HTTP/1.1 200 OK\r\n" + text), ends: true)
        #expect(answer.error != nil || answer.lines.last == "end")
    }

    @Test(arguments: UInt64(1)...100)
    func `what is encoded is decoded again`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let body = (0..<Int.random(in: 0...300, using: &random)).map { _ in
            UInt8.random(in: 97...122, using: &random)
        }
        var headers = HTTPHeaders([("Host", "a"), ("X-One", "1"), ("x-one", "two \r\nInjected: yes")])
        headers.add("Content-Length", "7")  // the codec's own business: must not come out
        headers.add("bad name", "x")
        let head = HTTPRequestHead(method: "POST", target: "/a", headers: headers)

        for framing in [HTTPBodyFraming.length(body.count), .chunked] {
            var wire = WireBytes()
            head.encode(framing: framing, into: &wire.buffer)
            wire.write(body, framing, using: &random)
            let decoded = Decoded.requests(random.cut(wire.text))
            #expect(decoded.error == nil)
            #expect(
                decoded.lines.first?.hasPrefix("POST /a v1_1 Host=a;X-One=1;x-one=two   Injected: yes;")
                    == true)
            #expect(decoded.lines.last == "end")
            let text = String(decoding: body, as: UTF8.self)
            #expect(body.isEmpty ? decoded.lines.count == 2 : decoded.lines[1] == "body " + text)
        }
    }
}
