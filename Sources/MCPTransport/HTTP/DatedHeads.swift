import HTTPWire
import NIOCore

/// The heads of a connection's answers, with the date, which is spelled anew only when the second changes.
struct DatedHeads {
    private var second: Int64 = .min
    private var date = ""

    /// Appends a head to `buffer`.
    mutating func write(
        _ status: Int, _ headers: [(String, String)], _ framing: HTTPBodyFraming,
        _ persistence: HTTPPersistence, into buffer: inout ByteBuffer
    ) {
        let now = LibC.secondsSince1970
        if now != second { (second, date) = (now, HTTPDate.text(secondsSince1970: now)) }
        HTTPResponseHead(status: status, headers: HTTPHeaders(headers))
            .encode(framing: framing, persistence: persistence, date: date, into: &buffer)
    }
}
