import NIOCore

/// Bytes that a decoder has been given and not yet understood.
struct DecoderBuffer: Sendable {
    var bytes = ByteBuffer()

    /// Takes over what has arrived; copies only if something is still unread.
    mutating func feed(_ more: consuming ByteBuffer) {
        guard bytes.readableBytes > 0 else {
            bytes = more
            return
        }
        // Each discard moves fewer bytes than were read since the last, so all of them together stay O(n).
        if bytes.readerIndex > bytes.readableBytes { bytes.discardReadBytes() }
        var rest = more
        bytes.writeBuffer(&rest)
    }

    /// Lets go of memory while there is nothing to keep: idle connections are many.
    mutating func releaseIfEmpty() {
        if bytes.readableBytes == 0 { bytes = ByteBuffer() }
    }
}
