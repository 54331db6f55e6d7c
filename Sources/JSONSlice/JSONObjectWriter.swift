/// Writes one object member by member into one buffer; for what is written for every call.
///
/// - Precondition: no key is put twice, and none needs an escape.
package struct JSONObjectWriter {
    private var bytes: [UInt8]

    /// - Parameter capacity: bytes that it will have, about.
    package init(capacity: Int) {
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(UInt8(ascii: "{"))
    }

    package mutating func put(_ key: StaticString, _ text: String) {
        begin(key)
        StringUnescaper.append(text, to: &bytes)
    }

    package mutating func put(_ key: StaticString, _ number: Int) {
        begin(key)
        bytes.append(contentsOf: String(number).utf8)
    }

    package mutating func put(_ key: StaticString, _ value: JSON) {
        begin(key)
        bytes.append(copying: value.bytes)
    }

    /// Two hexadecimal digits for each byte, in lower case.
    package mutating func put(_ key: StaticString, hex text: [UInt8]) {
        begin(key)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(hexOf: text)
        bytes.append(UInt8(ascii: "\""))
    }

    /// The same of two words, the higher first.
    package mutating func put(_ key: StaticString, hex high: UInt64, _ low: UInt64) {
        begin(key)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(hex: high)
        bytes.append(hex: low)
        bytes.append(UInt8(ascii: "\""))
    }

    /// What another writer has written: see ``members``.
    package mutating func put(members: [UInt8]) {
        guard !members.isEmpty else { return }
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(copying: members[...])
    }

    /// The members so far, without the braces.
    package var members: [UInt8] { Array(bytes.dropFirst()) }

    /// The object's bytes; nothing can be put after it.
    package consuming func finished() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    /// The same as a line of a file, with its line feed.
    package consuming func finishedLine() -> [UInt8] {
        bytes.append("}\n")
        return bytes
    }

    private mutating func begin(_ key: StaticString) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(key)
        bytes.append("\":")
    }
}
