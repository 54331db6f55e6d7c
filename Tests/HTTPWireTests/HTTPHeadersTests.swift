import HTTPWire
import NIOCore
import Testing

struct HTTPHeadersTests {
    @Test
    func `fields are found in any case and kept in order`() {
        var headers: HTTPHeaders = ["Accept": "a", "X-Y": "1", "accept": "b"]
        #expect(headers.first("ACCEPT") == "a")
        #expect(headers.all("aCCept") == ["a", "b"])
        #expect(headers.first("Accep") == nil)
        #expect(headers.map(\.name) == ["Accept", "X-Y", "accept"])
        headers.set("accept", "c")
        #expect(headers == ["X-Y": "1", "accept": "c"])
        headers.remove("x-y")
        #expect(headers.count == 1)
        #expect(!headers.contains("x-y"))
    }

    @Test(arguments: ["", "a b", "a:", "a\r\nb", "ä", "a\0"])
    func `a name that is no token is not taken`(name: String) {
        var headers = HTTPHeaders()
        let taken = headers.add(name, "x")
        #expect(!taken)
        #expect(headers.isEmpty)
        #expect(!HTTPHeaders.isValidName(name))
    }

    @Test
    func `no value can start a second line`() {
        var headers = HTTPHeaders()
        headers.add("A", "x\r\nB: y\0")
        #expect(headers.first("A") == "x  B: y ")
        #expect(!HTTPHeaders.isValidValue("x\ny"))
        #expect(HTTPHeaders.isValidValue("x\ty é"))
    }

    @Test(arguments: [("close", true), ("Keep-Alive , CLOSE", true), ("closed", false), ("", false)])
    func `elements of a list are found in any case`(value: String, expected: Bool) {
        #expect(HTTPHeaders([("Connection", value)]).lists("close", in: "connection") == expected)
    }

    @Test
    func `a response says what its framing is and nothing else`() {
        func text(_ framing: HTTPBodyFraming, _ persistence: HTTPPersistence) -> String {
            var buffer = ByteBuffer()
            let fields: HTTPHeaders = [
                "A": "b", "Connection": "upgrade", "Transfer-Encoding": "gzip", "Keep-Alive": "x",
                "Upgrade": "h2c",
            ]
            HTTPResponseHead(status: 200, headers: fields)
                .encode(framing: framing, persistence: persistence, date: "now", into: &buffer)
            return String(buffer: buffer)
        }
        let start = "HTTP/1.1 200 OK\r\ndate: now\r\nA: b\r\n"
        #expect(text(.none, .implied) == start + "\r\n")
        #expect(text(.length(3), .close) == start + "content-length: 3\r\nconnection: close\r\n\r\n")
        #expect(
            text(.chunked, .keepAlive) == start
                + "transfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n")
    }

    @Test(
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),  // the example of RFC 9110
            (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_102_444_800, "Fri, 01 Jan 2100 00:00:00 GMT"),
            (-5, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] as [(Int64, String)])
    func `dates are written as HTTP wants them`(seconds: Int64, text: String) {
        #expect(HTTPDate.text(secondsSince1970: seconds) == text)
    }
}
