/// Checks one document in one pass: RFC 8259, UTF-8, no duplicate keys, bounded depth.
///
/// Recursive with a bounded depth (``JSONLimits/depthMax``); allocates only for keys, where many are open at once.
/// - Complexity: O(*n*) in the number of bytes.
struct JSONValidator {
    private let bytes: ByteView
    private let depthMax: Int
    private var at = 0
    private var keys = KeyStack()

    init(_ bytes: ByteView, limits: JSONLimits) {
        self.bytes = bytes
        depthMax = min(limits.depthMax, JSONLimits.depthCeiling)
    }

    /// - Returns: the place of the value, without the whitespace around it.
    mutating func document() throws(JSONError) -> Range<Int> {
        skipWhitespace()
        let start = at
        try value(depth: 0)
        let end = at
        skipWhitespace()
        guard at == bytes.count else { throw .trailingBytes(offset: at) }
        return start..<end
    }

    // MARK: - Values

    private mutating func value(depth: Int) throws(JSONError) {
        switch bytes[at] {
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "{"): try object(depth: depth + 1)
        case UInt8(ascii: "["): try array(depth: depth + 1)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        default: throw unexpected()
        }
    }

    private mutating func object(depth: Int) throws(JSONError) {
        guard depth <= depthMax else { throw .tooDeep(offset: at, limit: depthMax) }
        at += 1
        skipWhitespace()
        if bytes[at] == UInt8(ascii: "}") {
            at += 1
            return
        }
        var scope = keys.enter()
        while true {
            guard bytes[at] == UInt8(ascii: "\"") else { throw unexpected() }
            let quote = at
            let isEscaped = try string()
            let key = KeyStack.Key(inside: quote + 1..<at - 1, isEscaped: isEscaped)
            guard keys.insert(key, into: &scope, of: bytes) else {
                throw .duplicateKey(key.text(of: bytes), offset: quote)
            }
            skipWhitespace()
            guard bytes[at] == UInt8(ascii: ":") else { throw unexpected() }
            at += 1
            skipWhitespace()
            try value(depth: depth)
            skipWhitespace()
            if bytes[at] == UInt8(ascii: "}") { break }
            guard bytes[at] == UInt8(ascii: ",") else { throw unexpected() }
            at += 1
            skipWhitespace()
        }
        at += 1
        keys.leave(scope)
    }

    private mutating func array(depth: Int) throws(JSONError) {
        guard depth <= depthMax else { throw .tooDeep(offset: at, limit: depthMax) }
        at += 1
        skipWhitespace()
        if bytes[at] == UInt8(ascii: "]") {
            at += 1
            return
        }
        while true {
            try value(depth: depth)
            skipWhitespace()
            if bytes[at] == UInt8(ascii: "]") { break }
            guard bytes[at] == UInt8(ascii: ",") else { throw unexpected() }
            at += 1
            skipWhitespace()
        }
        at += 1
    }

    private mutating func literal(_ word: StaticString) throws(JSONError) {
        // A StaticString of ASCII letters: its bytes are at hand without an allocation.
        for index in 0..<word.utf8CodeUnitCount {
            guard bytes[at] == word.utf8Start[index] else { throw unexpected() }
            at += 1
        }
    }

    /// RFC 8259 §6: `[ minus ] int [ frac ] [ exp ]`.
    private mutating func number() throws(JSONError) {
        let start = at
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        if bytes[at] == UInt8(ascii: "0") {
            at += 1
        } else {
            guard skipDigits() else { throw incompleteNumber(start) }
        }
        if bytes[at] == UInt8(ascii: ".") {
            at += 1
            guard skipDigits() else { throw incompleteNumber(start) }
        }
        if bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
            guard skipDigits() else { throw incompleteNumber(start) }
        }
        // `01`, `1a` or `1.2.3` would otherwise be reported as bytes after the value.
        switch bytes[at] {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "+"), UInt8(ascii: "-"):
            throw .invalidNumber(offset: start)
        default: break
        }
    }

    /// - Returns: whether there was a digit.
    private mutating func skipDigits() -> Bool {
        let start = at
        while (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at]) { at += 1 }
        return at > start
    }

    private func incompleteNumber(_ start: Int) -> JSONError {
        at >= bytes.count ? .unexpectedEnd(offset: at) : .invalidNumber(offset: start)
    }

    // MARK: - Strings

    /// - Returns: whether it holds an escape.
    private mutating func string() throws(JSONError) -> Bool {
        var isEscaped = false
        at += 1
        while true {
            at = bytes.skipPlainText(from: at)
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                at += 1
                return isEscaped
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
                try escape()
            } else if byte >= 0x80 {
                try scalar()
            } else if at >= bytes.count {
                throw .unexpectedEnd(offset: at)
            } else {
                throw .controlCharacter(byte, offset: at)
            }
        }
    }

    private mutating func escape() throws(JSONError) {
        let start = at
        switch bytes[at + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 2
        case UInt8(ascii: "u"):
            for offset in 2..<6 where StringUnescaper.hexValue(bytes[at + offset]) == nil {
                throw at + offset >= bytes.count
                    ? .unexpectedEnd(offset: bytes.count) : .invalidEscape(offset: start)
            }
            at += 6
        default:
            throw at + 1 >= bytes.count ? .unexpectedEnd(offset: bytes.count) : .invalidEscape(offset: start)
        }
    }

    /// One scalar of two to four bytes: no overlong forms, no surrogates, nothing past U+10FFFF (RFC 3629 §4).
    private mutating func scalar() throws(JSONError) {
        let second: ClosedRange<UInt8>
        let length: Int
        switch bytes[at] {
        case 0xC2...0xDF: (second, length) = (0x80...0xBF, 2)
        case 0xE0: (second, length) = (0xA0...0xBF, 3)
        case 0xED: (second, length) = (0x80...0x9F, 3)
        case 0xE1...0xEF: (second, length) = (0x80...0xBF, 3)
        case 0xF0: (second, length) = (0x90...0xBF, 4)
        case 0xF1...0xF3: (second, length) = (0x80...0xBF, 4)
        case 0xF4: (second, length) = (0x80...0x8F, 4)
        default: throw .invalidUTF8(offset: at)
        }
        guard second.contains(bytes[at + 1]) else { throw .invalidUTF8(offset: at) }
        for offset in 2..<4 where offset < length {
            guard bytes[at + offset] & 0xC0 == 0x80 else { throw .invalidUTF8(offset: at) }
        }
        at += length
    }

    // MARK: - Between values

    @inline(__always)
    private mutating func skipWhitespace() {
        while true {
            switch bytes[at] {
            case 0x20, 0x0A, 0x0D, 0x09: at += 1
            default: return
            }
        }
    }

    private func unexpected() -> JSONError {
        at >= bytes.count ? .unexpectedEnd(offset: at) : .unexpectedByte(bytes[at], offset: at)
    }
}
