package import HTTPWire
package import NIOCore
import Synchronization

/// One request, whole, and the way to answer it: once with ``respond(status:headers:body:)``, or bit by bit
/// with ``startStream(status:headers:)``, ``write(_:)`` and ``end()``.
///
/// Every method may be called from any thread: on the exchange's own loop it acts at once, from elsewhere it
/// hops there. What one thread does in order happens in that order. What comes too late (a second answer, a
/// write after the end or after the client has gone) is ignored. An exchange that is let go of unanswered is
/// answered 500, and a stream without an end is cut off, so that a client never waits for somebody who has
/// left.
package final class HTTPExchange: Sendable {
    package let method: String
    package let target: HTTPTarget
    package let headers: HTTPHeaders
    /// All of it; at most ``HTTPMessageLimits/bodyBytesMax``.
    package let body: [UInt8]
    /// The client's address, `nil` where the system does not tell.
    package let remoteAddress: String?
    package let remotePort: Int?
    package let remoteIsLoopback: Bool
    /// The port of our end of the connection.
    package let localPort: Int?
    /// Whether it came over TLS to this very listener.
    package let isSecure: Bool
    /// Whose certificate the client has proved to be its own; `nil`: it showed none.
    package let peer: PeerCertificate?
    /// The loop of the client's connection. Work that stays on it needs no change of thread.
    package let eventLoop: any EventLoop

    private let connection: NIOLoopBound<HTTPServerConnection>
    private let channel: any Channel
    private let serial: UInt64
    private let isOver = Mutex(false)

    init(
        _ head: HTTPRequestHead, _ target: HTTPTarget, body: [UInt8], serial: UInt64,
        connection: HTTPServerConnection, channel: any Channel, isSecure: Bool, peer: PeerCertificate?
    ) {
        self.isSecure = isSecure
        self.peer = peer
        method = head.method
        self.target = target
        headers = head.headers
        self.body = body
        self.serial = serial
        self.channel = channel
        eventLoop = channel.eventLoop
        self.connection = NIOLoopBound(connection, eventLoop: channel.eventLoop)
        remoteAddress = channel.remoteAddress?.plainIPAddress
        remotePort = channel.remoteAddress?.port
        localPort = channel.localAddress?.port
        remoteIsLoopback = channel.remoteAddress?.isLoopback ?? false
    }

    deinit {
        guard !isOver.withLock({ $0 }) else { return }
        onLoop { [serial] in $0.abandon(serial) }
    }

    /// Percent-decoded, without the query; see ``HTTPTarget/path``.
    package var path: String { target.path }
    /// See ``HTTPTarget/query``.
    package var query: [(String, String)] { target.query }

    /// Whether what is written now will soon be on the wire: `false` while the client reads more slowly than
    /// we write.
    package var isWritable: Bool { channel.isWritable }

    /// The whole answer, in one write. Length, date and what concerns the connection are added here; such
    /// fields in `headers` are left out.
    package func respond(status: Int, headers: [(String, String)] = [], body: [UInt8] = []) {
        respond(status: status, headers: headers, body: HTTPBody(body))
    }

    package func respond(status: Int, headers: [(String, String)], body: HTTPBody) {
        guard markOver() else { return }
        onLoop { [serial] in $0.respond(serial, status, headers, body) }
    }

    /// Begins an answer whose length is not known yet. The head goes out at once.
    package func startStream(status: Int, headers: [(String, String)] = []) {
        onLoop { [serial] in $0.startStream(serial, status, headers) }
    }

    /// More of a stream. While a client reads too slowly, up to ``HTTPLimits/outboundBytesMax`` wait for it;
    /// over that the exchange is closed.
    package func write(_ bytes: [UInt8]) {
        onLoop { [serial] in $0.write(serial, bytes) }
    }

    package func end() {
        guard markOver() else { return }
        onLoop { [serial] in $0.end(serial) }
    }

    /// Has `body` called, once and on the exchange's loop, if the connection is lost before the last byte of
    /// the answer was handed to it; at once if it already is. Never after an answer.
    package func onClose(_ body: @escaping @Sendable () -> Void) {
        onLoop { [serial] in $0.onClose(serial, body) }
    }

    private func markOver() -> Bool {
        isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
    }

    private func onLoop(_ body: @escaping @Sendable (HTTPServerConnection) -> Void) {
        if eventLoop.inEventLoop {
            body(connection.value)
        } else {
            eventLoop.execute { [connection] in body(connection.value) }
        }
    }
}
