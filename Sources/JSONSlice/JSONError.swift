/// How much JSON is taken in from outside.
package struct JSONLimits: Hashable, Sendable {
    /// Levels of nesting. Bounds the stack of the validator; real MCP messages stay below 20.
    package var depthMax = 128
    /// Length of one document. Transports refuse earlier, each at its own bound.
    package var bytesMax = 64 * 1024 * 1024

    package init() {}

    package static let standard = JSONLimits()

    /// What ``depthMax`` is cut to, so that no setting can exhaust a thread's stack.
    static let depthCeiling = 512
    /// What ``bytesMax`` is cut to: offsets are kept in 32 bits while keys are compared.
    static let bytesCeiling = Int(Int32.max)
}

/// Why bytes are no acceptable JSON document. Offsets count bytes from the start of the input.
package enum JSONError: Error, Hashable, Sendable {
    case tooLarge(bytes: Int, limit: Int)
    case tooDeep(offset: Int, limit: Int)
    case unexpectedEnd(offset: Int)
    case unexpectedByte(UInt8, offset: Int)
    case invalidNumber(offset: Int)
    case invalidEscape(offset: Int)
    case controlCharacter(UInt8, offset: Int)
    case invalidUTF8(offset: Int)
    case duplicateKey(String, offset: Int)
    case trailingBytes(offset: Int)

    package var offset: Int {
        switch self {
        case .tooLarge(_, let limit): limit
        case .tooDeep(let offset, _), .unexpectedEnd(let offset), .unexpectedByte(_, let offset),
            .invalidNumber(let offset), .invalidEscape(let offset), .controlCharacter(_, let offset),
            .invalidUTF8(let offset), .duplicateKey(_, let offset), .trailingBytes(let offset):
            offset
        }
    }

    /// What is wrong, without the place.
    package var reason: String {
        switch self {
        case .tooLarge(let bytes, let limit): "\(bytes) bytes are more than the \(limit) allowed"
        case .tooDeep(_, let limit): "nested deeper than the \(limit) levels allowed"
        case .unexpectedEnd: "the document ends in the middle of a value"
        case .unexpectedByte(let byte, _): "\(Self.show(byte)) cannot stand here"
        case .invalidNumber: "not a number of JSON (RFC 8259 §6)"
        case .invalidEscape: "not an escape of JSON (RFC 8259 §7)"
        case .controlCharacter(let byte, _): "\(Self.show(byte)) in a string must be escaped"
        case .invalidUTF8: "not valid UTF-8"
        case .duplicateKey(let key, _): "the key \"\(key)\" occurs twice in one object"
        case .trailingBytes: "something follows the end of the value"
        }
    }

    private static func show(_ byte: UInt8) -> String {
        (0x21...0x7E).contains(byte)
            ? "'\(Character(UnicodeScalar(byte)))'" : "byte 0x\(String(byte, radix: 16, uppercase: true))"
    }
}

extension JSONError: CustomStringConvertible {
    package var description: String { "invalid JSON at byte \(offset): \(reason)" }
}
