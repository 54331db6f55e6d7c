/// Bytes that stand unchanged in one message after another.
package struct FixedBytes: Hashable, Sendable {
    private let bytes: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    package var count: Int { bytes.count }

    /// Whether they stand in a message at `start`.
    package func stand(in message: UnsafeRawBufferPointer, at start: Int) -> Bool {
        guard start >= 0, start <= message.count - count else { return false }
        let part = UnsafeRawBufferPointer(rebasing: message[start..<start + count])
        return bytes.withUnsafeBufferPointer {
            ByteView.isEqual($0, part.assumingMemoryBound(to: UInt8.self))
        }
    }
}
