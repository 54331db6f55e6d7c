/// The trace that a call belongs to: `traceparent` of W3C Trace Context, version 00.
///
/// A client that sends none, or one that is wrong, gets one made of its call's id: both ends of a call then speak of the same.
package struct TraceContext: Hashable, Sendable {
    /// 32 hex digits, not all zero.
    package let trace: String
    /// As it is sent on.
    package let traceparent: String

    /// - Returns: `nil` for what the standard has a receiver ignore.
    package init?(_ traceparent: String) {
        let parts = traceparent.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count >= 4, parts.map(\.count).prefix(4) == [2, 32, 16, 2],
            parts.prefix(4).allSatisfy({ $0.allSatisfy(Self.isDigit) })
        else { return nil }
        let version = String(parts[0]) ?? "ff"
        // Later versions may say more behind these four; this one may not.
        guard version != "ff", version != "00" || parts.count == 4, traceparent.utf8.count <= Self.lengthMax,
            let trace = String(parts[1]), parts[1].contains(where: { $0 != UInt8(ascii: "0") }),
            parts[2].contains(where: { $0 != UInt8(ascii: "0") })
        else { return nil }
        self.trace = trace
        self.traceparent = traceparent
    }

    /// Begins a trace at a call. It is marked as recorded, which it is: that is what records are.
    package init(begunBy call: CallID) {
        // All zero means none; nobody draws it, and it costs nothing to say so.
        let id = call == CallID(high: 0, low: 0) ? CallID(high: 0, low: 1) : call
        trace = id.description
        let span = id.low == 0 ? "0000000000000001" : String(trace.suffix(16))
        traceparent = "00-\(trace)-\(span)-01"
    }

    /// What travels in a call's header between nodes.
    private static let lengthMax = 128

    private static func isDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        default: false
        }
    }
}
