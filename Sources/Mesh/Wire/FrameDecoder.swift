/// Finds frames in a stream of bytes, however it is cut.
///
/// Holds at most one frame and what arrived with it. After an error nothing more can be read: the link must close.
package struct FrameDecoder: Sendable {
    private var buffer: [UInt8] = []
    private var position = 0
    private var broken: WireError?
    /// Frames of unknown type that were passed over; newer peers send them.
    package private(set) var skippedCount = 0

    /// Bytes of the frame that ``next()`` gave last, its length and head among them.
    package private(set) var frameByteCount = 0

    package init() {}

    package mutating func append(_ bytes: some Sequence<UInt8>) {
        makeRoom()
        buffer.append(contentsOf: bytes)
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        makeRoom()
        buffer.append(contentsOf: bytes)
    }

    private mutating func makeRoom() {
        guard position > 0, position == buffer.count || position > 64 * 1024 else { return }
        buffer.removeFirst(position)
        position = 0
    }

    /// - Returns: the next whole frame; `nil` until more bytes arrive.
    /// - Complexity: O(bytes of the frame).
    package mutating func next() throws(WireError) -> Frame? {
        if let broken { throw broken }
        do throws(WireError) {
            while let body = try nextBody() {
                if let frame = try Frame.decode(body) { return frame }
                skippedCount += 1
            }
            return nil
        } catch {
            broken = error
            buffer = []
            position = 0
            throw error
        }
    }

    private mutating func nextBody() throws(WireError) -> ArraySlice<UInt8>? {
        guard buffer.count - position >= 4 else { return nil }
        let length = buffer[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
        let max = Frame.payloadMax + Frame.headByteCount
        guard length <= max else { throw .frameTooLong(bytes: length, max: max) }
        guard length >= Frame.headByteCount else { throw .invalid("frame length") }
        guard buffer.count - position - 4 >= length else { return nil }
        let start = position + 4
        position = start + length
        frameByteCount = 4 + length
        return buffer[start..<position]
    }
}
