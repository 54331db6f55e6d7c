import NIOCore
package import Synchronization

/// A head that was understood, kept for when the same bytes come again: a client repeats its head to the byte as long as what it asks
/// for has the same name and length, and a server within one second.
///
/// The same bytes always mean the same head, so nothing is decided by this that the decoder would decide otherwise.
package final class HTTPKnownHead<Head: Sendable>: Sendable {
    package let head: Head
    /// Whatever else follows from the head on its connection, as those found it who took the head.
    package let note = Mutex<(any HTTPHeadNote)?>(nil)
    /// The head as it came; shares its memory with the head's fields.
    let bytes: [UInt8]
    let length: BodyLength

    init(_ head: Head, bytes: [UInt8], length: BodyLength) {
        self.head = head
        self.bytes = bytes
        self.length = length
    }
}

/// What somebody has found out about a head.
package protocol HTTPHeadNote: AnyObject, Sendable {}

/// The last heads of one connection.
struct HTTPKnownHeads<Head: Sendable>: Sendable {
    /// A client that calls a few things in turn repeats a few heads.
    private static var countMax: Int { 4 }
    /// Of all of them; what was read from them takes half as much again. Idle connections are many.
    private static var bytesMax: Int { 3 * 1024 }

    private var heads: [HTTPKnownHead<Head>] = []

    /// The head that stands at the front of `buffer`, and is taken off it.
    ///
    /// - Complexity: O(bytes of a head) for each that is kept
    func take(from buffer: inout ByteBuffer) -> HTTPKnownHead<Head>? {
        guard let head = head(atFrontOf: buffer) else { return nil }
        buffer.moveReaderIndex(forwardBy: head.bytes.count)
        return head
    }

    /// The same, which stays where it is.
    func head(atFrontOf buffer: ByteBuffer) -> HTTPKnownHead<Head>? {
        guard !heads.isEmpty else { return nil }
        return buffer.withUnsafeReadableBytes { bytes in
            heads.last { Self.begins(bytes, with: $0.bytes) }
        }
    }

    mutating func keep(_ head: HTTPKnownHead<Head>) {
        guard head.bytes.count <= Self.bytesMax else { return }
        heads.append(head)
        while heads.count > Self.countMax || heads.reduce(0, { $0 + $1.bytes.count }) > Self.bytesMax {
            heads.removeFirst()
        }
    }

    private static func begins(_ bytes: UnsafeRawBufferPointer, with head: [UInt8]) -> Bool {
        guard bytes.count >= head.count else { return false }
        return head.withUnsafeBytes { head in
            // From the end: what tells two heads of one client apart, their lengths and names, seldom stands at the front.
            var at = head.count
            while at >= 8 {
                at -= 8
                let one = bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                if one != head.loadUnaligned(fromByteOffset: at, as: UInt64.self) { return false }
            }
            while at > 0 {
                at -= 1
                if bytes[at] != head[at] { return false }
            }
            return true
        }
    }
}
