package import JSONSlice

/// A request without its id: what a client repeats to the byte that asks for the same thing again.
///
/// Only an id is put in its place that is certainly one, so that bytes with this frame are a valid request that differs from the one read
/// in nothing else.
package struct RequestFrame: Hashable, Sendable {
    /// Of a request whose frame is kept: connections are many, and each keeps some.
    private static let bytesMax = 1024
    /// A client that asks again bears short ids; longer ones are read as ever.
    private static let idBytesMax = 64
    /// Digits that any reader holds in 64 bits.
    private static let digitsMax = 18

    private let before: ArraySlice<UInt8>
    private let after: ArraySlice<UInt8>

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
        before = body[..<place.lowerBound]
        after = body[place.upperBound...]
    }

    /// Where the id stands in a request with this frame; `nil`: it is another, or its id is not one of the plain ones.
    ///
    /// - Complexity: O(bytes), one comparison.
    package func id(in body: [UInt8]) -> Range<Int>? {
        let idCount = body.count - before.count - after.count
        guard (1...Self.idBytesMax).contains(idCount) else { return nil }
        let place = before.count..<before.count + idCount
        let isFrame = body.withUnsafeBytes { body in
            Self.isSame(before, body, at: 0) && Self.isSame(after, body, at: place.upperBound)
                && Self.isPlain(UnsafeRawBufferPointer(rebasing: body[place]))
        }
        return isFrame ? place : nil
    }

    private static func isSame(
        _ part: ArraySlice<UInt8>, _ body: UnsafeRawBufferPointer, at start: Int
    ) -> Bool {
        part.withUnsafeBytes { part in
            var at = 0
            while at + 8 <= part.count {
                let one = part.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                if one != body.loadUnaligned(fromByteOffset: start + at, as: UInt64.self) { return false }
                at += 8
            }
            while at < part.count {
                if part[at] != body[start + at] { return false }
                at += 1
            }
            return true
        }
    }

    /// A whole number without a sign, or a string of ASCII without an escape.
    private static func isPlain(_ id: UnsafeRawBufferPointer) -> Bool {
        if id[0] == UInt8(ascii: "\"") {
            guard id.count >= 2, id[id.count - 1] == UInt8(ascii: "\"") else { return false }
            return id[1..<id.count - 1].allSatisfy {
                (0x20..<0x7F).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
        }
        guard id.count <= digitsMax, id[0] != UInt8(ascii: "0") || id.count == 1 else { return false }
        return id.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
