package import JSONSlice

/// A plain call without its id and its arguments: what a client repeats to the byte that calls the same tool again.
package final class CallFrame: Sendable {
    /// Of a call whose frame is kept: connections are many, and each keeps some.
    private static let bytesMax = 1024
    /// The document and its params stand around arguments.
    private static let levels = 2

    private let frame: JSONFrame
    /// The call that was read.
    private let sample: PlainToolCall

    /// - Parameter document: what `call` was read from.
    /// - Returns: `nil` where that is long, or the call has no arguments that are an object.
    package init?(_ document: JSON, _ call: PlainToolCall) {
        guard document.bytes.count <= Self.bytesMax, let arguments = call.arguments,
            arguments.kind == .object
        else { return nil }
        var id: Range<Int>?
        document.forEachPlace { key, place in
            if key == "id" { id = place.value }
        }
        guard let id,
            let frame = JSONFrame(
                document, scalar: id, value: arguments.bytes.indices, levels: Self.levels)
        else { return nil }
        self.frame = frame
        sample = call
    }

    /// The call that is in these bytes; `nil`: they have another frame, or have to be read to be understood.
    ///
    /// - Complexity: O(bytes), one comparison; arguments are validated.
    package func call(in body: [UInt8], limits: JSONLimits) -> PlainToolCall? {
        guard let filled = frame.filled(body, limits: limits), filled.value.kind == .object else {
            return nil
        }
        return PlainToolCall(like: sample, filled)
    }
}
