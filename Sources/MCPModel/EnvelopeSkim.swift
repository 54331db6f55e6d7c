import JSONSlice

/// Reads the envelope of a message that is not taken in, being too large, too deep or no valid JSON: which request it
/// is or answers, so that this one alone fails.
///
/// Takes bytes cut anywhere, holds next to nothing of them, and never fails: of what is no JSON it reads what can be
/// read. Members of the outermost object alone count.
package struct EnvelopeSkim: Hashable, Sendable {
    private enum Place: Hashable { case outside, key, value }

    /// The first `id` that is one.
    package private(set) var id: RPCID?
    /// Whether it is a request or a notification.
    package private(set) var hasMethod = false
    /// Whether it has a result or an error.
    package private(set) var hasAnswer = false

    private var place = Place.outside
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    /// Whether the value in hand is that of `id`.
    private var isID = false
    /// The key or scalar in hand, quotes included, as far as an id may be long.
    private var word: [UInt8] = []

    package init() {}

    package init(_ bytes: some Collection<UInt8>) { take(bytes) }

    /// The request whose answer this is; `nil` while that is not known, and for all that is no answer.
    package var answers: RPCID? { hasMethod || !hasAnswer ? nil : id }

    /// Whether nothing that follows can change what the message is.
    package var isDecided: Bool { id != nil && (hasMethod || hasAnswer) }

    /// - Complexity: O(*n*)
    package mutating func take(_ bytes: some Collection<UInt8>) {
        let isTaken: Void? = bytes.withContiguousStorageIfAvailable { scan($0) }
        if isTaken == nil { for byte in bytes { take(byte) } }
    }

    private mutating func scan(_ bytes: UnsafeBufferPointer<UInt8>) {
        var at = 0
        while at < bytes.count {
            // Most of a large message is the inside of strings, which says nothing of the envelope.
            if isInString, !isEscaped, depth > 1 {
                while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\") {
                    at += 1
                }
                guard at < bytes.count else { return }
            }
            take(bytes[at])
            at += 1
        }
    }

    private mutating func take(_ byte: UInt8) {
        if isInString {
            keep(byte)
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
            }
            return
        }
        switch byte {
        case UInt8(ascii: "\""):
            isInString = true
            keep(byte)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            if depth == 1, byte == UInt8(ascii: "{"), place == .outside { place = .key }
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            if depth == 1 {
                endValue()
                place = .outside
            }
            depth -= 1
        case UInt8(ascii: ":") where depth == 1 && place == .key: endKey()
        case UInt8(ascii: ",") where depth == 1 && place == .value:
            endValue()
            place = .key
        case 0x20, 0x09, 0x0A, 0x0D: break
        default: keep(byte)
        }
    }

    private mutating func keep(_ byte: UInt8) {
        if depth == 1, place != .outside, word.count <= RPCID.bytesMax { word.append(byte) }
    }

    private mutating func endKey() {
        isID = word.elementsEqual("\"id\"".utf8)
        if word.elementsEqual("\"method\"".utf8) { hasMethod = true }
        if word.elementsEqual("\"result\"".utf8) || word.elementsEqual("\"error\"".utf8) { hasAnswer = true }
        word = []
        place = .value
    }

    private mutating func endValue() {
        if isID, id == nil, place == .value { id = (try? JSON(validating: word)).flatMap(RPCID.init) }
        isID = false
        word = []
    }
}
