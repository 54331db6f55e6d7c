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
    /// All of it; at most ``HTTPMessageLimits/bodyBytesMax``.
    package let body: [UInt8]
    let checked: CheckedHead
    private let place: ClientPlace
    private let serial: UInt64
    private let isOver = Atomic(false)

    init(_ checked: CheckedHead, body: [UInt8], serial: UInt64, at place: ClientPlace) {
        self.checked = checked
        self.body = body
        self.serial = serial
        self.place = place
    }

    deinit {
        guard !isOver.load(ordering: .acquiring) else { return }
        onLoop { [serial] in $0.abandon(serial) }
    }

    package var method: String { checked.head.method }
    package var target: HTTPTarget { checked.target }
    package var headers: HTTPHeaders { checked.head.headers }
    /// The client's address, `nil` where the system does not tell.
    package var remoteAddress: String? { place.remoteAddress }
    package var remotePort: Int? { place.remotePort }
    package var remoteIsLoopback: Bool { place.remoteIsLoopback }
    /// The port of our end of the connection.
    package var localPort: Int? { place.localPort }
    /// Whether it came over TLS to this very listener.
    package var isSecure: Bool { place.isSecure }
    /// Whose certificate the client has proved to be its own; `nil`: it showed none.
    package var peer: PeerCertificate? { place.peer }
    /// The loop of the client's connection. Work that stays on it needs no change of thread.
    package var eventLoop: any EventLoop { place.eventLoop }

    /// Percent-decoded, without the query; see ``HTTPTarget/path``.
    package var path: String { checked.target.path }
    /// See ``HTTPTarget/query``.
    package var query: [(String, String)] { checked.target.query }

    /// Whether what is written now will soon be on the wire: `false` while the client reads more slowly than
    /// we write.
    package var isWritable: Bool { place.channel.isWritable }

    /// The whole answer, in one write. Length, date and what concerns the connection are added here; such
    /// fields in `headers` are left out.
    package func respond(status: Int, headers: [(String, String)] = [], body: [UInt8] = []) {
        // What the connection would copy is copied here, where it keeps nobody waiting.
        let isLarge = body.count > LargeAnswers.onLoopMax && !place.eventLoop.inEventLoop
        respond(
            status: status, headers: headers,
            body: isLarge ? HTTPBody([], ByteBuffer(bytes: body)) : HTTPBody(body))
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
        // Of every call: without a closure around the closure.
        guard !place.eventLoop.inEventLoop else { return place.connection.value.onClose(serial, body) }
        onLoop { [serial] in $0.onClose(serial, body) }
    }

    /// The answer 200 with a body of JSON. On the exchange's own loop only.
    func respond(json written: WrittenAnswer) {
        guard markOver() else { return }
        switch written {
        case .pieces(let pieces): place.connection.value.respond(serial, json: pieces)
        case .whole(let buffer):
            place.connection.value.respond(
                serial, 200, [("Content-Type", "application/json")], HTTPBody([], buffer))
        }
    }

    /// The answer 200 with the response to a request for a list. On the exchange's own loop only.
    ///
    /// - Parameters:
    ///   - result: shared with others, with what ends the response.
    ///   - id: of the request, as it came.
    func respond(result: ByteBuffer, to id: ArraySlice<UInt8>) {
        guard markOver() else { return }
        place.connection.value.respond(serial, result: result, to: id)
    }

    private func markOver() -> Bool { !isOver.exchange(true, ordering: .acquiringAndReleasing) }

    private func onLoop(_ body: @escaping @Sendable (HTTPServerConnection) -> Void) {
        let connection = place.connection
        if place.eventLoop.inEventLoop {
            body(connection.value)
        } else {
            place.eventLoop.execute { body(connection.value) }
        }
    }
}
