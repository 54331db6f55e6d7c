import Mesh
import NIOCore

/// The frames of a link that were written since the last flush, behind one another: together they cost one TLS record, each alone would
/// cost its own.
struct LinkPress {
    /// So much is handed on together; a TLS record takes 16 KiB.
    static let togetherBytesMax = 16 * 1024

    private var frames = CanonicalEncoder()

    var isFull: Bool { frames.bytes.count >= Self.togetherBytesMax }

    /// - Returns: how many bytes that came to.
    mutating func put(_ write: (inout CanonicalEncoder) -> Void) -> Int {
        let before = frames.bytes.count
        write(&frames)
        return frames.bytes.count - before
    }

    /// - Returns: all of it, for the next layer; `nil` where there is nothing.
    mutating func take() -> ByteBuffer? {
        guard !frames.bytes.isEmpty else { return nil }
        defer { frames.removeAll() }
        return ByteBuffer(bytes: frames.bytes)
    }

    mutating func drop() { frames.removeAll() }
}
