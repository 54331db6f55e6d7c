package import NIOCore

/// The whole body of an answer: bytes of its own, and maybe a longer piece behind them that many answers share and none copies.
package struct HTTPBody: Sendable {
    private let own: [UInt8]
    private let shared: ByteBuffer?

    /// - Parameter shared: at least one byte; `nil`: nothing.
    package init(_ own: [UInt8], _ shared: ByteBuffer? = nil) {
        self.own = own
        self.shared = shared
    }

    var count: Int { ownCount + (shared?.readableBytes ?? 0) }
    /// What is copied.
    var ownCount: Int { own.count }

    /// Appends it to `buffer`, which has what goes before it.
    ///
    /// - Parameter send: takes what goes out before `buffer` does, in this order.
    func append(to buffer: inout ByteBuffer, sending send: (ByteBuffer) -> Void) {
        buffer.writeBytes(own)
        guard let shared else { return }
        send(buffer)
        buffer = shared
    }
}
