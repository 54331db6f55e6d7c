/// A document without two of its values: a short scalar, such as an id, and another of any size.
///
/// Bytes with the same frame, and valid values in its two gaps, are a valid document that differs from the one read in these two values
/// alone: the tokens around them are the same ones.
package struct JSONFrame: Sendable {
    private let before: FixedBytes
    private let between: FixedBytes
    private let behind: FixedBytes
    /// Where the values stood.
    private let scalar: Range<Int>
    private let value: Range<Int>
    /// Levels of nesting that stand around ``value``.
    private let levels: Int

    /// - Parameters:
    ///   - document: all of the bytes that it was read from; no white space stood around it.
    ///   - scalar: where one of its values stands, in ``JSON/bytes``.
    ///   - value: where another does.
    ///   - levels: of nesting that stand around the latter.
    /// - Returns: `nil` where these are no two values beside each other in a document from the first byte of an array on.
    package init?(_ document: JSON, scalar: Range<Int>, value: Range<Int>, levels: Int) {
        let (first, second) = scalar.lowerBound < value.lowerBound ? (scalar, value) : (value, scalar)
        let bytes = document.bytes
        guard bytes.startIndex == 0, first.lowerBound >= 0, first.upperBound <= second.lowerBound,
            second.upperBound <= bytes.endIndex
        else { return nil }
        (self.scalar, self.value, self.levels) = (scalar, value, levels)
        // A copy: slices would hold all of the document.
        let around = [
            bytes[..<first.lowerBound], bytes[first.upperBound..<second.lowerBound],
            bytes[second.upperBound...],
        ]
        let fixed = Array(around.joined())
        let (one, two) = (around[0].count, around[0].count + around[1].count)
        before = FixedBytes(fixed[..<one])
        between = FixedBytes(fixed[one..<two])
        behind = FixedBytes(fixed[two...])
    }

    /// A document with this frame.
    package struct Filled {
        package let document: JSON
        package let scalar: JSON
        package let value: JSON
        /// Behind each gap as it was, and how much longer it is here.
        private let scalarGrowth: (end: Int, by: Int)
        private let valueGrowth: (end: Int, by: Int)

        fileprivate init(_ frame: borrowing JSONFrame, _ bytes: [UInt8], scalar: JSON, value: JSON) {
            document = JSON(trusted: bytes)
            self.scalar = scalar
            self.value = value
            scalarGrowth = (frame.scalar.upperBound, scalar.bytes.count - frame.scalar.count)
            valueGrowth = (frame.value.upperBound, value.bytes.count - frame.value.count)
        }

        /// Where that stands here which stood at `place` in the document that was read.
        package func place(of place: Int) -> Int {
            place + (place >= scalarGrowth.end ? scalarGrowth.by : 0)
                + (place >= valueGrowth.end ? valueGrowth.by : 0)
        }

        /// The value here that stands where one stood at `place` in the document that was read, which must be none within the gaps.
        package func value(at place: Range<Int>) -> JSON {
            let moved = self.place(of: place.lowerBound)..<self.place(of: place.upperBound)
            return JSON(trusted: document.bytes[moved.clamped(to: document.bytes.indices)])
        }
    }

    /// - Returns: `nil` for bytes with another frame, for a scalar that is not a plain one, and for what is no valid value; the bytes may be
    ///   a valid document nevertheless.
    /// - Complexity: O(bytes), one comparison; values are validated.
    package func filled(_ bytes: [UInt8], limits: JSONLimits) -> Filled? {
        var inner = limits
        inner.depthMax = min(limits.depthMax, JSONLimits.depthCeiling) - levels
        guard bytes.count <= min(limits.bytesMax, JSONLimits.bytesCeiling),
            let gaps = bytes.withUnsafeBytes({ gaps(in: $0) }),
            let value = try? JSON(validating: bytes[gaps.value], limits: inner),
            // White space is part of the frame.
            value.bytes.count == gaps.value.count
        else { return nil }
        return Filled(self, bytes, scalar: JSON(trusted: bytes[gaps.scalar]), value: value)
    }

    private func gaps(in bytes: UnsafeRawBufferPointer) -> (scalar: Range<Int>, value: Range<Int>)? {
        let start = before.count
        let end = bytes.count - behind.count
        guard start < end, before.stand(in: bytes, at: 0), behind.stand(in: bytes, at: end) else {
            return nil
        }
        let inner = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        let isScalarFirst = scalar.lowerBound < value.lowerBound
        guard
            let count = isScalarFirst
                ? PlainScalar.countAtStart(of: inner) : PlainScalar.countAtEnd(of: inner),
            count + between.count < inner.count
        else { return nil }
        let (betweenStart, betweenEnd) =
            isScalarFirst
            ? (start + count, start + count + between.count) : (end - count - between.count, end - count)
        guard between.stand(in: bytes, at: betweenStart) else { return nil }
        return isScalarFirst
            ? (start..<betweenStart, betweenEnd..<end) : (betweenEnd..<end, start..<betweenStart)
    }
}
