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
        bytes.append(contentsOf: value.bytes)
    }

    /// The object's bytes; nothing can be put after it.
    package consuming func finished() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private mutating func begin(_ key: StaticString) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }
}
