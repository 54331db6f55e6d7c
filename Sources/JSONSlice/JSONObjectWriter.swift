/// Writes one object member by member into one buffer; for what is written for every call.
///
/// - Precondition: no key is put twice, and none needs an escape.
package struct JSONObjectWriter {
    private var bytes: ByteWriter

    /// - Parameter capacity: bytes that it will have, about.
    package init(capacity: Int) {
        bytes = ByteWriter(capacity: capacity)
        bytes.put("{")
    }

    package mutating func put(_ key: StaticString, _ text: String) {
        begin(key)
        bytes.put(string: text)
    }

    package mutating func put(_ key: StaticString, _ number: Int) {
        begin(key)
        bytes.put(decimal: number)
    }

    package mutating func put(_ key: StaticString, _ value: JSON) {
        begin(key)
        bytes.put(value.bytes)
    }

    /// Two hexadecimal digits for each byte, in lower case.
    package mutating func put(_ key: StaticString, hex text: [UInt8]) {
        begin(key)
        bytes.put("\"")
        bytes.put(hexOf: text)
        bytes.put("\"")
    }

    /// The same of two words, the higher first.
    package mutating func put(_ key: StaticString, hex high: UInt64, _ low: UInt64) {
        begin(key)
        bytes.put("\"")
        bytes.put(hex: high)
        bytes.put(hex: low)
        bytes.put("\"")
    }

    /// What another writer has written: see ``members()``.
    package mutating func put(members: [UInt8]) {
        guard !members.isEmpty else { return }
        if bytes.count > 1 { bytes.put(",") }
        bytes.put(members[...])
    }

    /// The members so far, without the braces; nothing can be put after them.
    package consuming func members() -> [UInt8] { Array(bytes.finished().dropFirst()) }

    /// The object's bytes; nothing can be put after it.
    package consuming func finished() -> [UInt8] {
        bytes.put("}")
        return bytes.finished()
    }

    /// The same as a line of a file, with its line feed.
    package consuming func finishedLine() -> [UInt8] {
        bytes.put("}\n")
        return bytes.finished()
    }

    private mutating func begin(_ key: StaticString) {
        let isFirst = bytes.count == 1
        bytes.write(atMost: key.utf8CodeUnitCount + 4) { start in
            var at = start
            if !isFirst {
                at.storeBytes(of: UInt8(ascii: ","), as: UInt8.self)
                at += 1
            }
            at.storeBytes(of: UInt8(ascii: "\""), as: UInt8.self)
            (at + 1).copyMemory(from: key.utf8Start, byteCount: key.utf8CodeUnitCount)
            at += 1 + key.utf8CodeUnitCount
            at.storeBytes(of: UInt8(ascii: "\""), as: UInt8.self)
            (at + 1).storeBytes(of: UInt8(ascii: ":"), as: UInt8.self)
            return at + 2
        }
    }
}
