/// JSON as desktop clients keep it: with `//` and `/* */` comments and commas after the last element.
package enum RelaxedJSON {
    /// The same text as strict JSON: what is not of JSON becomes spaces, so that offsets and lines stay.
    ///
    /// - Complexity: O(*n*)
    package static func strict(_ text: [UInt8]) -> [UInt8] {
        var result = text
        // A byte order mark, which some editors write.
        if text.starts(with: [0xEF, 0xBB, 0xBF]) {
            result.replaceSubrange(0..<3, with: repeatElement(space, count: 3))
        }
        var lastComma: Int?
        var index = 0
        while index < result.count {
            let byte = result[index]
            switch byte {
            case UInt8(ascii: "\""):
                lastComma = nil
                index = endOfString(result, from: index)
                continue
            case UInt8(ascii: "/"):
                if let end = endOfComment(result, from: index) {
                    for place in index..<end where result[place] != newline { result[place] = space }
                    index = end
                    continue
                }
                lastComma = nil
            case UInt8(ascii: ","):
                lastComma = index
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if let comma = lastComma { result[comma] = space }
                lastComma = nil
            case space, newline, 0x0D, 0x09:
                break
            default:
                lastComma = nil
            }
            index += 1
        }
        return result
    }

    private static let space = UInt8(ascii: " ")
    private static let newline = UInt8(ascii: "\n")

    private static func endOfString(_ text: [UInt8], from start: Int) -> Int {
        var index = start + 1
        while index < text.count, text[index] != UInt8(ascii: "\"") {
            index += text[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(index + 1, text.count)
    }

    /// `nil` if no comment starts here; an unclosed one ends with the text.
    private static func endOfComment(_ text: [UInt8], from start: Int) -> Int? {
        guard start + 1 < text.count else { return nil }
        switch text[start + 1] {
        case UInt8(ascii: "/"):
            return text[start...].firstIndex(of: newline) ?? text.count
        case UInt8(ascii: "*"):
            var index = start + 2
            while index + 1 < text.count {
                if text[index] == UInt8(ascii: "*"), text[index + 1] == UInt8(ascii: "/") { return index + 2 }
                index += 1
            }
            return text.count
        default:
            return nil
        }
    }
}
