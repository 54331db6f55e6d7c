import JSONSlice

/// What the records of one caller's calls of one tool have in common, spelled once. A line is made of it and of what is one call's own,
/// to the byte as ``RecordLine/bytes`` would make it of the whole record.
package struct RecordMould: Sendable {
    /// What is one call's own.
    package struct Cast: Sendable {
        package var at: Int64
        /// Its id, which is its trace too.
        package var call: (high: UInt64, low: UInt64)
        package var outcome: AuditRecord.Outcome
        package var reason: String?
        package var bytes: (arguments: Int, result: Int)
        package var microseconds: Int

        package init(
            at: Int64, call: (high: UInt64, low: UInt64), outcome: AuditRecord.Outcome,
            reason: String? = nil, bytes: (arguments: Int, result: Int), microseconds: Int
        ) {
            self.at = at
            self.call = call
            self.outcome = outcome
            self.reason = reason
            self.bytes = bytes
            self.microseconds = microseconds
        }
    }

    private let end: AuditRecord.End
    private let standing: [UInt8]
    private let path: [UInt8]

    /// - Parameter record: of any such call; what is its own is not looked at.
    package init(_ record: AuditRecord) {
        end = record.end
        var writer = JSONObjectWriter(capacity: 512)
        record.writeStanding(into: &writer)
        standing = writer.members()
        var tail = JSONObjectWriter(capacity: 64)
        record.writePath(into: &tail)
        path = tail.members()
    }

    /// The line of a call, its line feed included.
    ///
    /// - Parameters:
    ///   - arguments: their code under the node's ``RecordKey``; `nil` where there is none.
    ///   - result: likewise.
    package func line(_ cast: Cast, arguments: [UInt8]?, result: [UInt8]?) -> [UInt8] {
        var writer = JSONObjectWriter(capacity: standing.count + path.count + 384)
        writer.put("v", RecordLine.version)
        writer.put("kind", "call")
        writer.put("at", Int(cast.at))
        writer.put("end", end.rawValue)
        writer.put("call", hex: cast.call.high, cast.call.low)
        writer.put("trace", hex: cast.call.high, cast.call.low)
        writer.put(members: standing)
        writer.put("outcome", cast.outcome.rawValue)
        if let reason = cast.reason { writer.put("reason", reason) }
        writer.put("argumentsBytes", cast.bytes.arguments)
        writer.put("resultBytes", cast.bytes.result)
        if let arguments { writer.put("arguments", hex: arguments) }
        if let result { writer.put("result", hex: result) }
        writer.put("microseconds", cast.microseconds)
        writer.put(members: path)
        return writer.finishedLine()
    }
}
