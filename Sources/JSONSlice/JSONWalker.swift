/// Walks the members of an object or the elements of an array in bytes that were validated before.
///
/// Works with offsets from the start of the value. ``ByteView`` makes even a wrong offset harmless.
struct JSONWalker {
    /// One member: `key` is the inside of the quotes.
    struct Member {
        let key: Range<Int>
        let isEscaped: Bool
        let value: Range<Int>

        /// From the opening quote of the key to the end of the value.
        var whole: Range<Int> { key.lowerBound - 1..<value.upperBound }
    }

    let bytes: ByteView
    private(set) var at: Int

    /// - Parameters:
    ///   - bytes: exactly one valid value.
    ///   - isInside: whether to begin at its first item rather than at the value itself.
    init(_ bytes: ByteView, isInside: Bool = true) {
        self.bytes = bytes
        at = isInside ? 1 : 0
    }

    mutating func nextMember() -> Member? {
        guard let (key, isEscaped) = nextKey() else { return nil }
        let start = at
        skipValue()
        return Member(key: key, isEscaped: isEscaped, value: start..<at)
    }

    mutating func nextElement() -> Range<Int>? {
        guard skipToElement() else { return nil }
        let start = at
        skipValue()
        return start..<at
    }

    // MARK: Step by step

    /// Goes to the next member's value.
    mutating func nextKey() -> (inside: Range<Int>, isEscaped: Bool)? {
        guard skipToItem(closing: UInt8(ascii: "}")) else { return nil }
        let quote = at
        let isEscaped = skipString()
        let key = quote + 1..<at - 1
        skipWhitespace()
        at += 1  // the colon
        skipWhitespace()
        return (key, isEscaped)
    }

    /// - Returns: `false` at the end of the array.
    mutating func skipToElement() -> Bool { skipToItem(closing: UInt8(ascii: "]")) }

    /// Over a bracket, of whatever kind.
    mutating func skipBracket() { at += 1 }

    func isKey(_ member: Member, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
        if member.isEscaped { return StringUnescaper.bytes(bytes[member.key]).elementsEqual(name) }
        return member.key.count == name.count && bytes[member.key].elementsEqual(name)
    }

    func text(_ member: Member) -> String {
        StringUnescaper.text(bytes[member.key], isEscaped: member.isEscaped)
    }

    /// - Returns: `false` at the end.
    private mutating func skipToItem(closing: UInt8) -> Bool {
        skipWhitespace()
        if bytes[at] == UInt8(ascii: ",") {
            at += 1
            skipWhitespace()
        }
        return bytes[at] != closing && at < bytes.count
    }

    @inline(__always)
    private mutating func skipWhitespace() {
        while true {
            switch bytes[at] {
            case 0x20, 0x0A, 0x0D, 0x09: at += 1
            default: return
            }
        }
    }

    /// - Returns: whether it holds an escape.
    private mutating func skipString() -> Bool {
        var isEscaped = false
        at += 1
        while at < bytes.count {
            at = bytes.skipValidText(from: at)
            switch bytes[at] {
            case UInt8(ascii: "\""):
                at += 1
                return isEscaped
            case UInt8(ascii: "\\"):
                isEscaped = true
                at += 2
            default: at += 1
            }
        }
        return isEscaped
    }

    mutating func skipValue() {
        switch bytes[at] {
        case UInt8(ascii: "\""): _ = skipString()
        case UInt8(ascii: "{"), UInt8(ascii: "["): skipContainer()
        default:
            // A number or a word: it ends where a delimiter or whitespace stands.
            while at < bytes.count {
                switch bytes[at] {
                case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x20, 0x0A, 0x0D, 0x09: return
                default: at += 1
                }
            }
        }
    }

    /// Only counts brackets: validation saw to it that they match.
    private mutating func skipContainer() {
        var depth = 0
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                _ = skipString()
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 {
                    at += 1
                    return
                }
            default: break
            }
            at += 1
        }
    }
}
