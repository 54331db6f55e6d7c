import HTTPWire
import NIOCore

/// The heads of a connection's answers, with the date, which is spelled anew only when the second changes.
struct DatedHeads {
    private var second: Int64 = .min
    private var date = ""
    /// What stands before the length in the head of most answers, with the date in hand.
    private var jsonHead: [UInt8] = []

    /// Appends a head to `buffer`.
    mutating func write(
        _ status: Int, _ headers: [(String, String)], _ framing: HTTPBodyFraming,
        _ persistence: HTTPPersistence, into buffer: inout ByteBuffer
    ) {
        renewDate()
        HTTPResponseHead(status: status, headers: HTTPHeaders(headers))
            .encode(framing: framing, persistence: persistence, date: date, into: &buffer)
    }
    /// The head of an answer 200 with a body of JSON on a connection that stays, as ``write(_:_:_:_:into:)`` would write it.
    mutating func writeJSON(length: Int, into buffer: inout ByteBuffer) {
        renewDate()
        if jsonHead.isEmpty {
            var head = ByteBuffer()
            write(200, [("Content-Type", "application/json")], .length(0), .implied, into: &head)
            jsonHead = Array(head.readableBytesView.dropLast(Self.zeroAndEnd))
        }
        buffer.writeBytes(jsonHead)
        buffer.writeString(String(length))
        buffer.writeStaticString("\r\n\r\n")
    }

    /// Bytes of a length of 0 and the two line ends behind it.
    private static let zeroAndEnd = 5

    private mutating func renewDate() {
        let now = LibC.secondsSince1970
        guard now != second else { return }
        (second, date) = (now, HTTPDate.text(secondsSince1970: now))
        jsonHead = []
    }
}
