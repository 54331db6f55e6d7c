/// Writes bytes one piece after the other into room that is made for all of them at once: for what is written for every call.
///
/// An array that is appended to asks with each piece whether it has one owner and whether there is room, and moves its end; with
/// pieces of a few bytes that takes more than the bytes do.
package struct ByteWriter {
    /// What was written, and room for more.
    private var room: [UInt8]
    package private(set) var count = 0

    /// - Parameter capacity: bytes that there will be, about; it grows where there are more.
    package init(capacity: Int) {
        // Not filled with zeros, which would take as long as to write it: any byte is a byte, and none is read before it was written.
        room = Array(unsafeUninitializedCapacity: capacity) { $1 = capacity }
    }

    /// What was written; nothing can be written after it.
    package consuming func finished() -> [UInt8] {
        room.removeLast(room.count - count)
        return room
    }

    package mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package mutating func put(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { put($0) }
    }

    /// The number's digits, after a minus where it is negative.
    package mutating func put(decimal number: Int) {
        write(atMost: Self.digitsMax) { start in
            var at = start
            if number < 0 {
                at.storeBytes(of: UInt8(ascii: "-"), as: UInt8.self)
                at += 1
            }
            var rest = number.magnitude
            var digits = 1
            var left = rest / 10
            while left > 0 {
                digits += 1
                left /= 10
            }
            for place in (0..<digits).reversed() {
                at.storeBytes(of: UInt8(ascii: "0") + UInt8(rest % 10), toByteOffset: place, as: UInt8.self)
                rest /= 10
            }
            return at + digits
        }
    }

    /// Text as a JSON string with its quotes; only what must be escaped is.
    package mutating func put(string text: String) {
        put("\"")
        if !StringUnescaper.withPlain(text, { put($0) }) {
            var bytes: [UInt8] = []
            StringUnescaper.appendEscaped(text, to: &bytes)
            put(bytes[...])
        }
        put("\"")
    }

    private mutating func put(_ bytes: UnsafeRawBufferPointer) {
        write(atMost: bytes.count) { start in
            if let from = bytes.baseAddress { start.copyMemory(from: from, byteCount: bytes.count) }
            return start + bytes.count
        }
    }

    /// - Parameters:
    ///   - bytes: as many as `body` may write.
    ///   - body: writes to where it is told, and returns where it has ended.
    @inline(__always)
    mutating func write(
        atMost bytes: Int, _ body: (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer
    ) {
        if room.count - count < bytes { grow(by: bytes) }
        let written = room.withUnsafeMutableBytes { [count] all in
            guard let start = all.baseAddress else { return 0 }
            return body(start + count) - (start + count)
        }
        count += written
    }

    private mutating func grow(by bytes: Int) {
        room.append(contentsOf: repeatElement(0, count: max(room.count, bytes)))
    }

    /// Of a number of 64 bits, with its sign.
    private static let digitsMax = 20
}
