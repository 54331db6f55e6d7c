package import JSONSlice

/// A request without its id: what a client repeats to the byte that asks for the same thing again.
///
/// Only an id is put in its place that is certainly one, so that bytes with this frame are a valid request that differs from the one read
/// in nothing else.
package struct RequestFrame: Hashable, Sendable {
    /// Of a request whose frame is kept: connections are many, and each keeps some.
    private static let bytesMax = 1024

    private let before: FixedBytes
    private let after: FixedBytes

    /// - Parameters:
    ///   - body: all of it, as it came.
    ///   - document: what was read of it.
    /// - Returns: `nil` of what has no id, or is long.
    package init?(_ body: [UInt8], _ document: JSON) {
        guard body.count <= Self.bytesMax else { return nil }
        var place: Range<Int>?
        document.forEachPlace { key, found in
            if key == "id" { place = found.value }
        }
        // Where it stands in the document is where it stands in the body, of which the document is a part.
        guard let place, place.upperBound <= body.endIndex else { return nil }
        before = FixedBytes(body[..<place.lowerBound])
        after = FixedBytes(body[place.upperBound...])
    }

    /// Where the id stands in a request with this frame; `nil`: it is another, or its id is not one of the plain ones.
    ///
    /// - Complexity: O(bytes), one comparison.
    package func id(in body: [UInt8]) -> Range<Int>? {
        let idCount = body.count - before.count - after.count
        guard idCount > 0 else { return nil }
        let place = before.count..<before.count + idCount
        let isFrame = body.withUnsafeBytes { body in
            before.stand(in: body, at: 0) && after.stand(in: body, at: place.upperBound)
                && PlainScalar.isOne(UnsafeRawBufferPointer(rebasing: body[place]))
        }
        return isFrame ? place : nil
    }
}
