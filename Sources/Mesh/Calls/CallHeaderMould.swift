package import MCPModel

/// What the headers of one caller's plain calls of one tool have in common: all but the call's id, the trace that it begins, its number and
/// the time that is left. Written once, and cast for each call; and known again without being read.
package final class CallHeaderMould: Sendable {
    /// What is one call's alone.
    package struct Cast: Hashable, Sendable {
        package var call: CallID
        package var number: UInt64
        package var timeLeftMS: UInt32

        package init(call: CallID, number: UInt64, timeLeftMS: UInt32) {
            self.call = call
            self.number = number
            self.timeLeftMS = timeLeftMS
        }
    }

    /// Of a longer one no mould is made: moulds are kept.
    package static let bytesMax = 2 * 1024
    /// `00-TRACE-SPAN-01`, as ``TraceContext/init(begunBy:)`` spells it.
    private static let traceBytes = 55
    private static let idBytes = 16

    /// Of the call that it was made of.
    package let header: CallHeader
    private let bytes: [UInt8]
    private let timeLeft: Int
    private let trace: Int
    private let ticket: Int

    /// - Returns: `nil` where more than that differs from call to call: the trace is the client's own, the call may have run
    ///   before, or the header is of the protocol's version 1, or too long to be kept.
    package init?(_ header: CallHeader) {
        guard header.ticket?.isRepeat == false,
            header.client.traceparent == TraceContext(begunBy: header.call).traceparent
        else { return nil }
        var encoder = CanonicalEncoder(reserving: 512)
        let places = header.write(to: &encoder)
        guard let trace = places.trace, let ticket = places.ticket, encoder.bytes.count <= Self.bytesMax
        else { return nil }
        self.header = header
        bytes = encoder.bytes
        timeLeft = places.timeLeft
        self.trace = trace
        self.ticket = ticket
    }

    /// Equal for all that are cast in one mould, and seldom for others.
    package var key: Int { Self.key(of: bytes) }

    /// - Complexity: O(1)
    package static func key(of bytes: [UInt8]) -> Int {
        // Behind the id, the owner and its life stands the server, and behind that the hash of the tool's definition.
        let server = 2 * idBytes + 8
        guard bytes.count > server + 4 else { return bytes.count }
        let start = server + 4 + Int(bytes[server + 3]) + 2
        guard bytes.count >= start + 4 else { return bytes.count }
        return bytes[start..<(start + 4)].reduce(bytes.count) { $0 << 8 | Int($1) }
    }

    /// The header of a call.
    ///
    /// - Complexity: O(bytes), one copy.
    package func bytes(of cast: Cast) -> [UInt8] {
        var bytes = bytes
        bytes.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: cast.call.high.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: cast.call.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            bytes.storeBytes(of: cast.timeLeftMS.bigEndian, toByteOffset: timeLeft, as: UInt32.self)
            bytes.storeBytes(of: cast.number.bigEndian, toByteOffset: ticket, as: UInt64.self)
            Self.forEachTraceByte(of: cast.call) { bytes[trace + $0] = $1 }
        }
        return bytes
    }

    /// Reads a header that was cast in this mould, here or elsewhere.
    ///
    /// - Returns: `nil` where anything else in it is another, the trace among it.
    /// - Complexity: O(bytes), nothing made.
    package func cast(in other: [UInt8]) -> Cast? {
        guard other.count == bytes.count else { return nil }
        return bytes.withUnsafeBytes { bytes in
            other.withUnsafeBytes { other -> Cast? in
                func isSame(_ range: Range<Int>) -> Bool {
                    var place = range.lowerBound
                    while place + 8 <= range.upperBound {
                        guard
                            bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                                == other.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                        else { return false }
                        place += 8
                    }
                    return (place..<range.upperBound).allSatisfy { bytes[$0] == other[$0] }
                }
                guard isSame(Self.idBytes..<timeLeft), isSame((timeLeft + 4)..<trace),
                    isSame((trace + Self.traceBytes)..<ticket), isSame((ticket + 8)..<bytes.count)
                else { return nil }
                let call = CallID(
                    high: UInt64(bigEndian: other.loadUnaligned(as: UInt64.self)),
                    low: UInt64(bigEndian: other.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
                var isItsOwn = true
                Self.forEachTraceByte(of: call) { isItsOwn = isItsOwn && other[trace + $0] == $1 }
                guard isItsOwn else { return nil }
                return Cast(
                    call: call,
                    number: UInt64(bigEndian: other.loadUnaligned(fromByteOffset: ticket, as: UInt64.self)),
                    timeLeftMS: UInt32(
                        bigEndian: other.loadUnaligned(fromByteOffset: timeLeft, as: UInt32.self)))
            }
        }
    }

    /// The header that those bytes are.
    package func header(of cast: Cast) -> CallHeader {
        var header = header
        header.call = cast.call
        header.timeLeftMS = cast.timeLeftMS
        header.client.traceparent = TraceContext(begunBy: cast.call).traceparent
        header.ticket = CallTicket(number: cast.number)
        return header
    }

    /// The bytes of ``TraceContext/traceparent``, without a text made of them.
    private static func forEachTraceByte(of call: CallID, _ body: (_ place: Int, UInt8) -> Void) {
        guard call.low != 0 else {
            for (place, byte) in TraceContext(begunBy: call).traceparent.utf8.enumerated() {
                body(place, byte)
            }
            return
        }
        func put(_ word: UInt64, at start: Int) {
            for place in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: word >> (60 - 4 * UInt64(place))) & 15
                body(start + place, digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
        body(0, UInt8(ascii: "0"))
        body(1, UInt8(ascii: "0"))
        body(2, UInt8(ascii: "-"))
        put(call.high, at: 3)
        put(call.low, at: 19)
        body(35, UInt8(ascii: "-"))
        put(call.low, at: 36)
        body(52, UInt8(ascii: "-"))
        body(53, UInt8(ascii: "0"))
        body(54, UInt8(ascii: "1"))
    }
}
