import HTTPWire
import MartletTestKit
import Testing

/// The codec beside llhttp: what ours takes in, llhttp takes in as the same; where ours refuses what llhttp takes in, it is for one
/// of a few reasons that have names.
struct LLHTTPTests {
    /// Why ours refuses a message that llhttp reads; `nil`: for no reason that has a name.
    private func strictness(_ refusal: HTTPWireError) -> String? {
        switch refusal {
        case .bareLineFeed: "llhttp passes over LF alone where nothing of a message has begun"
        case .badRequestLine:
            "llhttp takes more than one blank, `#` and bytes beyond ASCII into the request line"
        case .badTarget: "llhttp leaves it to others what a target means, and what `*` goes with"
        case .badStatusLine: "llhttp takes control characters into the reason, and 000 for a status"
        case .missingHost, .repeatedHost: "llhttp does not look at Host (RFC 9112 §3.2)"
        case .badTransferCoding:
            "llhttp takes chunked twice, in HTTP/1.0, and an unreadable coding for no body"
        case .unsupportedTransferCoding: "llhttp leaves codings before chunked to others"
        case .lengthAndChunked: "llhttp takes an empty Transfer-Encoding for none"
        case .unexpectedUpgrade: "llhttp ends there; nobody here asks for another protocol"
        default: nil
        }
    }

    /// How two readings of the same bytes differ in a way that has no name.
    ///
    /// - Parameter agreed: counts what both have read as the same.
    private func difference(_ ours: ReadMessages, _ theirs: ReadMessages, agreed: inout Int) -> String? {
        let (own, other) = (ours.whole, theirs.whole)
        for index in 0..<max(own.count, other.count) {
            guard index < own.count else {
                guard let refusal = ours.refusal else { return "llhttp reads \(other[index]), ours waits" }
                return strictness(refusal) == nil ? "llhttp reads \(other[index]), ours says \(refusal)" : nil
            }
            let method = own[index].start.prefix { $0 != " " }
            guard index < other.count else {
                // It knows methods by name, and closes behind an interim response of 1.0.
                let isKnown = Int(method) != nil || LLHTTP.methods.contains(String(method))
                let isPast = theirs.error?.contains("after completed connection") == true
                return isKnown && !isPast
                    ? "ours reads \(own[index]), llhttp says \(theirs.error ?? "nothing")" : nil
            }
            guard own[index].isSame(as: other[index]) else {
                return "ours reads \(own[index]), llhttp reads \(other[index])"
            }
            agreed += 1
            // What follows is read by nobody.
            if !own[index].keepsAlive || !other[index].keepsAlive { return nil }
        }
        return nil
    }

    /// Inputs of one seed.
    private static let inputs = 250

    @Test(arguments: UInt64(1)...24)
    func `every request that ours reads llhttp reads as the same`(seed: UInt64) {
        var agreed = 0
        for number in 0..<Self.inputs {
            var mangler = HTTPMangler(random: SplitMix64(seed: seed << 20 + UInt64(number)))
            let bytes = mangler.requests()
            let pieces = mangler.random.cut(bytes)
            var ours = ReadMessages()
            #expect(ProcessorTime.of { ours = .requests(pieces) } < ProcessorTime.inputMax)
            let problem = difference(ours, LLHTTP.requests(pieces), agreed: &agreed)
            #expect(problem == nil, "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
        }
        #expect(agreed > Self.inputs / 3, "much of what is compared is read by both")
    }

    @Test(arguments: UInt64(1)...24)
    func `every response that ours reads llhttp reads as the same`(seed: UInt64) {
        var agreed = 0
        for number in 0..<Self.inputs {
            var mangler = HTTPMangler(random: SplitMix64(seed: seed << 20 + UInt64(number)))
            let bytes = mangler.responses()
            let method = mangler.random.chance(0.8) ? "GET" : "HEAD"
            let pieces = mangler.random.cut(bytes)
            let problem = difference(
                .responses(pieces, to: method, count: 4), LLHTTP.responses(pieces, to: method, count: 4),
                agreed: &agreed)
            #expect(problem == nil, "\(method) \(String(decoding: bytes, as: UTF8.self).debugDescription)")
        }
        #expect(agreed > Self.inputs / 3, "much of what is compared is read by both")
    }

    @Test func `a length beyond all numbers is refused also where no body can follow`() {
        let pieces = [Array("HTTP/1.1 204 OK\r\nContent-Length: 99999999999999999999\r\n\r\n".utf8)[...]]
        #expect(ReadMessages.responses(pieces, to: "GET", count: 1).refusal == .badContentLength)
        #expect(LLHTTP.responses(pieces, to: "GET", count: 1).whole.isEmpty)
    }

    private static let post = "POST / HTTP/1.1\r\nHost: a\r\n"
    private static let chunked = post + "Transfer-Encoding: chunked\r\n\r\n"

    private static let refused: [(String, HTTPWireError, Bool)] = [
        (post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", .lengthAndChunked, false),
        (post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", .lengthAndChunked, false),
        (post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", .repeatedContentLength, false),
        (post + "Content-Length: 3, 3\r\n\r\nabc", .badContentLength, false),
        (post + "Content-Length: +3\r\n\r\nabc", .badContentLength, false),
        (post + "Content-Length: 0x3\r\n\r\nabc", .badContentLength, false),
        (post + "Content-Length: 99999999999999999999\r\n\r\n", .bodyTooLarge(max: 64 * 1024 * 1024), false),
        (post + "Transfer-Encoding: chunked, gzip\r\n\r\n", .badTransferCoding, false),
        (
            post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            .badTransferCoding, false
        ),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", .badTransferCoding, true),
        (post + "X: a\r\n b\r\n\r\n", .obsoleteFolding, false),
        (post + "X: a\n\r\n", .bareLineFeed, false),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", .bareLineFeed, false),
        (post + "X : a\r\n\r\n", .badFieldName, false),
        (post + ": a\r\n\r\n", .badFieldName, false),
        (post + "X: a\0b\r\n\r\n", .badFieldValue(name: "X"), false),
        (post + "X: a\rb\r\n\r\n", .badFieldValue(name: "X"), false),
        ("GET / HTTP/1.1\r\n\r\n", .missingHost, true),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .repeatedHost, true),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequestLine, true),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .badRequestLine, false),
        ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", .badRequestLine, true),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedVersion, false),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", .badRequestLine, false),
        ("GET / ICE/1.0\r\nHost: a\r\n\r\n", .badRequestLine, false),
        (chunked + "3 \r\nabc\r\n0\r\n\r\n", .badChunk, false),
        (chunked + "0x3\r\nabc\r\n0\r\n\r\n", .badChunk, false),
        (chunked + "3\nabc\r\n0\r\n\r\n", .badChunk, false),
        (chunked + "3\r\nabcd\r\n0\r\n\r\n", .badChunk, false),
        (chunked + "ffffffffffffffffff\r\n", .badChunk, false),
        (chunked + "3;;\r\nabc\r\n0\r\n\r\n", .badChunk, false),
        (chunked + "3;a=\"b\r\nabc\r\n0\r\n\r\n", .badChunk, false),
        (chunked + "0\r\nContent-Length: 3\r\n\r\n", .badChunk, false),
        (chunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n", .badChunk, false),
        (
            post + "X: " + String(repeating: "a", count: 70_000) + "\r\n\r\n", .headTooLarge(max: 64 * 1024),
            true
        ),
        (post + String(repeating: "X: a\r\n", count: 200) + "\r\n", .tooManyFields(max: 128), true),
        (
            "GET /" + String(repeating: "a", count: 20_000) + " HTTP/1.1\r\nHost: a\r\n\r\n",
            .targetTooLong(max: 16 * 1024), true
        ),
    ]

    @Test(arguments: refused)
    func `what could be read in two ways is refused, and llhttp says so too or is named for it`(
        text: String, refusal: HTTPWireError, isReadByLLHTTP: Bool
    ) {
        for pieces in [[Array(text.utf8)[...]], Array(text.utf8).indices.map { Array(text.utf8)[$0...$0] }]
        where pieces.count < 4_000 {
            let ours = ReadMessages.requests(pieces)
            #expect(ours.refusal == refusal)
            #expect(ours.whole.isEmpty)
            #expect(
                LLHTTP.requests(pieces).whole.isEmpty != isReadByLLHTTP,
                "\(LLHTTP.requests(pieces).error ?? "reads it")")
        }
    }
}
