package import NIOCore

/// The whole body of an answer: bytes of its own, and maybe a longer piece between them that many answers share and none copies.
package struct HTTPBody: Sendable {
    private let head: [UInt8]
    private let shared: ByteBuffer?
    private let tail: [UInt8]

    package init(_ bytes: [UInt8]) {
        head = bytes
        shared = nil
        tail = []
    }

    package init(_ head: [UInt8], _ shared: ByteBuffer, _ tail: [UInt8]) {
        self.head = head
        self.shared = shared
        self.tail = tail
    }

    var count: Int { ownCount + (shared?.readableBytes ?? 0) }
    /// What is copied.
    var ownCount: Int { head.count + tail.count }

    /// Appends it to `buffer`, which has what goes before it.
    ///
    /// - Parameter send: takes what goes out before `buffer` does, in this order.
    func append(to buffer: inout ByteBuffer, sending send: (ByteBuffer) -> Void) {
        buffer.writeBytes(head)
        guard let shared else { return }
        send(buffer)
        send(shared)
        buffer = ByteBuffer(bytes: tail)
    }
}
