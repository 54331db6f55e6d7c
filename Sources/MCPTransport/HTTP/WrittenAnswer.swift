import NIOCore

/// An answer as it is written for its client.
enum WrittenAnswer: Sendable {
    /// To be written one after the other.
    case pieces([ArraySlice<UInt8>])
    case whole(ByteBuffer)

    /// The same in one piece, which is not copied any more.
    var joined: WrittenAnswer {
        guard case .pieces(let pieces) = self else { return self }
        var buffer = ByteBufferAllocator().buffer(capacity: pieces.reduce(0) { $0 + $1.count })
        for piece in pieces { buffer.writeBytes(piece) }
        return .whole(buffer)
    }
}
