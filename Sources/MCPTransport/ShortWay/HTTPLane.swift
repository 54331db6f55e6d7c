import HTTPWire
import JSONSlice
import MCPModel
import NIOCore

/// Carries calls over HTTP: each is a request of its own, over a connection of its caller's loop.
final class HTTPLane: LaneCarrier {
    let limits: MessageLimits
    private let backend: Backend
    private let users: LaneUsers
    private let http: HTTPClient
    /// The backend's own name of the tool, as a JSON string.
    private let name: JSON
    /// The request without its body.
    private let request: SentRequest
    /// Up to the digits of the body's length.
    private let head: [UInt8]

    init(_ backend: Backend, _ link: HTTPLink, name: JSON, _ request: HTTPClientRequest) {
        self.backend = backend
        users = link.users
        http = link.client.http
        limits = link.limits.message
        self.name = name
        self.request = SentRequest(request)
        var buffer = ByteBuffer()
        request.head.encode(framing: .length(0), into: &buffer)
        // Less the 0 and the two line ends behind it.
        head = Array(buffer.readableBytesView.dropLast(5))
    }

    /// Whether the backend takes no sessions, as far as is known: then callers of any era are served as modern ones.
    var takesAnyCaller: Bool { backend.asking == nil || backend.state.withLock { $0.legacyFace.isMissing } }

    func takes(_ capabilities: JSON) -> Bool { true }

    func send(
        _ call: PlainToolCall, _ number: Int, begunBy id: CallID, on loop: any EventLoop, patience: Duration,
        for user: any LaneUser
    ) -> LaneHold? {
        let isOpen = users.enter(user, number)
        let running = http.send(
            ready: bytes(call.message(number: number, name: name, begunBy: id)), request, on: loop,
            patience: patience, for: user)
        if !isOpen { user.linkClosed() }
        return running.map { .http($0) }
    }

    var unsent: LaneEvent {
        .http(.failed(HTTPClientError(.shutDown, origin: request.request.url.origin, notSent: true)))
    }

    func leave(_ number: Int) { users.leave(number) }

    func answer(_ result: JSON) -> PlainToolAnswer? { PlainToolAnswer(result: result) }

    func error(_ error: JSON, of call: PlainToolCall) -> JSON? { error }

    /// The request as it goes over the wire.
    private func bytes(_ body: [UInt8]) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: head.count + body.count + 24)
        buffer.writeBytes(head)
        buffer.writeString(String(body.count))
        buffer.writeStaticString("\r\n\r\n")
        buffer.writeBytes(body)
        return buffer
    }
}
