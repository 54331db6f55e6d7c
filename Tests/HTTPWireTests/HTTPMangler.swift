import MartletTestKit

/// Makes requests and responses, valid, nearly valid and mangled, from a seed.
struct HTTPMangler {
    var random: SplitMix64

    private mutating func pick(_ choices: [String]) -> String { choices.randomElement(using: &random) ?? "" }

    /// The first most of the time, so that what follows is reached.
    private mutating func mostly(_ usual: String, _ chance: Double = 0.9, else others: [String]) -> String {
        random.chance(chance) ? usual : pick(others)
    }

    private mutating func lineEnd() -> String {
        mostly("\r\n", 0.99, else: ["\n", "\r", "\r\r\n", "\r\n\r\n", " \r\n"])
    }

    mutating func requests() -> [UInt8] {
        damaged((0..<Int.random(in: 1...3, using: &random)).map { _ in request() }.joined())
    }

    mutating func responses() -> [UInt8] {
        damaged((0..<Int.random(in: 1...3, using: &random)).map { _ in response() }.joined())
    }

    private mutating func request() -> String {
        let method = mostly(
            pick(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
            else: [
                "get", "FOO", "HEAD", "M-SEARCH", "P\u{7f}ST", "", "GETS", "G T",
            ])
        let target = mostly(
            pick(["/", "/mcp?x=%20", "/a/b", "http://a/b"]),
            else: [
                "*", "a", "/a b", "/#f", "/\u{e9}", "http://", "https://h:0/", "/%zz", "//", "?x", "/\t",
            ])
        let version = mostly(
            "HTTP/1.1",
            else: ["HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.10", "HTTP/11", "ICE/1.1"])
        let blank = mostly(" ", 0.97, else: ["  ", "\t", ""])
        let (fields, body) = message()
        return mostly("", 0.95, else: ["\r\n", "\r\n\r\n", "\n", " "]) + method + blank + target + " "
            + version + lineEnd()
            + host() + fields + lineEnd() + body
    }

    private mutating func response() -> String {
        let version = mostly(
            "HTTP/1.1", else: ["HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/1", ""])
        let status = mostly(
            pick(["200", "202", "404", "500"]), 0.8,
            else: [
                "204", "304", "100", "102", "101", "99", "2000", "20", "abc", " 200", "600", "000",
            ])
        let reason = mostly(" OK", 0.8, else: ["", " ", " caf\u{e9}", " a\tb", "\tOK", " \u{1}"])
        let (fields, body) = message()
        return version + " " + status + reason + lineEnd() + fields + lineEnd() + body
    }

    private mutating func host() -> String {
        mostly(
            "Host: a\r\n", 0.96,
            else: ["", "Host: a\r\nHost: b\r\n", "host:a\r\n", "Host : a\r\n", "Host:\r\n"])
    }

    private mutating func message() -> (fields: String, body: String) {
        var fields = ""
        for _ in 0..<Int.random(in: 0...3, using: &random) { fields += field() }
        switch Int.random(in: 0..<8, using: &random) {
        case 0, 1: return (fields, "")
        case 2, 3, 4:
            let body = String("hello world".prefix(Int.random(in: 0...11, using: &random)))
            let length = mostly(
                "\(body.utf8.count)",
                else: [
                    "+\(body.utf8.count)", " \(body.utf8.count) ", "\(body.utf8.count), \(body.utf8.count)",
                    "0\(body.utf8.count)",
                    "0x5", "5 5", "-1", "", "99999999999999999999", "\(body.utf8.count + 1)", "1e1",
                    "\u{0665}",
                ])
            let field = "Content-Length: \(length)" + lineEnd()
            return (
                fields + field
                    + mostly("", else: [field, "Transfer-Encoding: chunked\r\n", "content-length: 3\r\n"]),
                body
            )
        default:
            let coding = mostly(
                "chunked", 0.94,
                else: [
                    "Chunked", "gzip, chunked", "chunked, gzip", "identity", "chunked, chunked", "chunked ",
                    " chunked", "\u{b}chunked",
                    "chunked;q=1", "x chunked", "", "chunke", "chunked,", ",chunked",
                ])
            let field = "Transfer-Encoding: \(coding)" + lineEnd()
            return (
                fields + field
                    + mostly("", 0.96, else: [field, "Content-Length: 5\r\n", "Content-Length: 0\r\n"]),
                chunks()
            )
        }
    }

    private mutating func field() -> String {
        let name = mostly(
            pick(["Accept", "x-a", "X_b", "Mcp-Method"]),
            else: ["", "x a", "x\u{e9}", "x(", " x", "x:", "\u{1}"])
        let colon = mostly(": ", 0.92, else: [":", " :", ":\t ", "", ";", ":\r\n "])
        let value = mostly(
            pick(["a", "text/plain, b", "=?x?=", ""]),
            else: [
                "a\r\n b", "a\r\n\tb", "a \t ", "a\u{0}b", "a\u{7f}b", "a\u{1}b", "caf\u{e9}", "a\rb", "a\nb",
                "\u{c}a", "a\u{b}",
                String(repeating: "z", count: 300),
            ])
        return name + colon + value + lineEnd()
    }

    private mutating func chunks() -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let data = String("0123456789abcdefXYZ".prefix(Int.random(in: 1...19, using: &random)))
            let size = mostly(
                String(data.utf8.count, radix: 16), 0.93,
                else: [
                    String(data.utf8.count, radix: 16, uppercase: true),
                    "00\(String(data.utf8.count, radix: 16))", "0x5",
                    " \(String(data.utf8.count, radix: 16))", "\(String(data.utf8.count, radix: 16)) ", "-1",
                    "", "fffffffffffffffff",
                    "g", "\(String(data.utf8.count + 1, radix: 16))", "1_0",
                ])
            let more = mostly(
                "", 0.93,
                else: [
                    ";a", ";a=b", ";a=\"b c\"", "; a = b", ";", ";a\u{1}", " ;a", ";a\n", ";;", ";a=\"\\\"\"",
                ])
            text += size + more + lineEnd() + data + lineEnd()
        }
        let trailers = mostly(
            "", 0.9,
            else: [
                "T: u\r\n", "T : u\r\n", "Content-Length: 7\r\n", "T: a\r\n b\r\n", "T\r\n", "T: \u{1}\r\n",
            ])
        return text + mostly("0", 0.96, else: ["00", "0;x", "0 ", ""]) + lineEnd() + trailers + lineEnd()
    }

    /// A third of all are changed once more, anywhere.
    private mutating func damaged(_ text: String) -> [UInt8] {
        var bytes = Array(text.utf8)
        guard random.chance(0.33), !bytes.isEmpty else { return bytes }
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        case 2:
            bytes.insert(Array("\r\n\t :;,\0\u{7f}0aZ".utf8).randomElement(using: &random) ?? 0, at: place)
        default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 12)], at: place)
        }
        return bytes
    }
}
