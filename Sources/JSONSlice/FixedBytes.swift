/// Bytes that stand unchanged in one message after another.
package struct FixedBytes: Hashable, Sendable {
    private let bytes: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    package var count: Int { bytes.count }

    /// Whether they stand in a message at `start`; eight are compared at a time.
    package func stand(in message: UnsafeRawBufferPointer, at start: Int) -> Bool {
        guard start >= 0, start <= message.count - count else { return false }
        return bytes.withUnsafeBytes { bytes in
            var at = 0
            while at + 8 <= bytes.count {
                let word = bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                if word != message.loadUnaligned(fromByteOffset: start + at, as: UInt64.self) { return false }
                at += 8
            }
            while at < bytes.count {
                if bytes[at] != message[start + at] { return false }
                at += 1
            }
            return true
        }
    }
}
