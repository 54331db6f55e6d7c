/// A pattern of SQL's `LIKE`, as SQLite reads it: `%` is any run of characters, `_` any one, ASCII letters match in either case.
/// There is no escape character.
package struct LikePattern: Hashable, Sendable {
    /// The cost of a match grows with pattern times text; no name or phrase is longer.
    package static let bytesMax = 256

    package let text: String
    private let scalars: [UInt32]

    /// - Returns: `nil` when it is longer than ``bytesMax``.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.bytesMax else { return nil }
        self.text = text
        scalars = text.unicodeScalars.map(Self.folded)
    }

    /// - Complexity: O(pattern · text) at worst: only the last `%` is ever tried again.
    package func matches(_ text: String) -> Bool {
        var (p, rest) = (0, text.unicodeScalars[...])
        var retry: (pattern: Int, rest: Substring.UnicodeScalarView)?
        while let scalar = rest.first {
            if p < scalars.count, scalars[p] == Self.anyRun {
                p += 1
                retry = (p, rest)
            } else if p < scalars.count, scalars[p] == Self.anyOne || scalars[p] == Self.folded(scalar) {
                p += 1
                rest.removeFirst()
            } else if var last = retry {
                last.rest.removeFirst()
                retry = last
                p = last.pattern
                rest = last.rest
            } else {
                return false
            }
        }
        return scalars[p...].allSatisfy { $0 == Self.anyRun }
    }

    private static let anyRun = UInt32(UInt8(ascii: "%"))
    private static let anyOne = UInt32(UInt8(ascii: "_"))

    /// ASCII in lower case; the two scalars that SQLite takes for damage become what it makes of them.
    private static func folded(_ scalar: Unicode.Scalar) -> UInt32 {
        switch scalar.value {
        case 0x41...0x5A: scalar.value + 0x20
        case 0xFFFE, 0xFFFF: 0xFFFD
        default: scalar.value
        }
    }
}
