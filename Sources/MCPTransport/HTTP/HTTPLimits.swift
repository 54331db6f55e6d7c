package import HTTPWire

/// What a listener lets its clients make it hold, and for how long.
package struct HTTPLimits: Hashable, Sendable {
    package var message = HTTPMessageLimits.standard
    /// Connections of one listener at a time; one more takes the place of the oldest that has not sent a request yet, and where there
    /// is none is answered 503 and closed. Below the usual 8192 descriptors with room for the rest of the node.
    package var connectionsMax = 4096
    /// Silence between two requests of a connection; like all times here up to a tenth longer (``HTTPServerPatience``). Longer than browsers and SDKs keep theirs.
    package var idleTimeout = Duration.seconds(75)
    /// From the first byte of a request (or from the connection, for the first one) to the end of its head:
    /// what a client that drips its head in is allowed.
    package var headTimeout = Duration.seconds(10)
    /// From the end of the head to the end of the body: 64 MiB at 2 Mbit/s.
    package var bodyTimeout = Duration.seconds(300)
    /// Bytes of bodies that are being read or worked on, over all connections of one listener; a request that would go
    /// over it is answered 503. Four of the largest: ordinary ones never come near, and a thousand clients with
    /// 64 MiB each do not fill the memory.
    package var bodyBytesOpenMax = 256 * 1024 * 1024
    /// Bytes of further requests that are read while one is being answered; then reading stops.
    package var pipelinedBytesMax = 64 * 1024
    /// Bytes of a stream that wait for a slow client; over it the exchange is closed.
    package var outboundBytesMax = 4 * 1024 * 1024
    /// How long a connection is still read after we closed our side, so that the client gets to see our last
    /// answer instead of a reset (RFC 9112 §9.6).
    package var lingerTimeout = Duration.seconds(2)
    /// What is read and thrown away in that time.
    package var lingerBytesMax = 8 * 1024 * 1024
    /// How long closing a listener waits for exchanges that are still being answered.
    package var drainTimeout = Duration.seconds(10)

    /// What a client that goes over a bound is told to look for.
    package var names = HTTPLimitNames()

    package init() {}

    package static let standard = HTTPLimits()
}

/// The settings that a listener's bounds come from; without one, a refusal names the bound alone.
package struct HTTPLimitNames: Hashable, Sendable {
    package var body: String?
    package var head: String?

    package init(body: String? = nil, head: String? = nil) {
        self.body = body
        self.head = head
    }
}
