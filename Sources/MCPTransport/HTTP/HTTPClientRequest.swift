package import HTTPWire
import NIOCore

/// What to ask of whom, and how long to wait.
package struct HTTPClientRequest: Sendable {
    package var url: HTTPURL
    package var method: String
    /// Host, length and what concerns the connection are the client's own business: such fields are left out.
    package var headers: [(String, String)]
    package var body: [UInt8]
    /// From sending the request to the head of the answer; `nil`: as long as ``timeout``.
    package var headTimeout: Duration?
    /// From the call to the last byte of the answer, waiting and connecting included; `nil`: for ever, for
    /// streams.
    package var timeout: Duration?
    /// What is sent instead where the server answers 401, which says that it did nothing: the same with another credential.
    /// Asked once, and what it brings may have another; `nil`: the 401 is the answer.
    var again: (@Sendable () -> HTTPClientRequest?)?

    package init(
        _ url: HTTPURL, method: String = "GET", headers: [(String, String)] = [], body: [UInt8] = [],
        headTimeout: Duration? = nil, timeout: Duration? = nil
    ) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
        self.headTimeout = headTimeout
        self.timeout = timeout
    }

    /// Methods that announce a body even when it is empty (RFC 9110 §8.6).
    var framing: HTTPBodyFraming {
        body.isEmpty && !["POST", "PUT", "PATCH"].contains(method) ? .none : .length(body.count)
    }

    var head: HTTPRequestHead {
        var fields = HTTPHeaders([("host", url.origin.authority.description)])
        for (name, value) in headers where name.lowercased() != "host" { fields.add(name, value) }
        return HTTPRequestHead(method: method, target: url.target, headers: fields)
    }
}

/// A request that is on its way: one thing for all who have to do with it.
final class SentRequest: Sendable {
    let request: HTTPClientRequest

    init(_ request: HTTPClientRequest) { self.request = request }
}

/// The caller's hold on a request that runs.
package struct HTTPClientHandle: Sendable {
    private enum Hold: Sendable {
        case any(@Sendable () -> Void)
        /// Of every call on the short way: no closure is made for it.
        case transaction(NIOLoopBound<HTTPTransaction>, any EventLoop)
    }

    private let hold: Hold

    init(_ body: @escaping @Sendable () -> Void) { hold = .any(body) }

    init(_ transaction: NIOLoopBound<HTTPTransaction>, on loop: any EventLoop) {
        hold = .transaction(transaction, loop)
    }

    /// Gives up: closes the connection, which is the only way to tell a server so. The sink gets
    /// ``HTTPClientError/Cause/cancelled``, never from within this call. Any time, any thread, more than
    /// once.
    package func cancel() {
        switch hold {
        case .any(let body): body()
        case .transaction(let transaction, let loop):
            if loop.inEventLoop {
                transaction.value.cancel()
            } else {
                loop.execute { transaction.value.cancel() }
            }
        }
    }
}

/// Bounds of an ``HTTPClient``.
package struct HTTPClientLimits: Hashable, Sendable {
    /// Of one event loop to one origin. A stream occupies one for as long as it lasts.
    package var connectionsPerOriginMax = 64
    /// Requests that wait for one of those.
    package var waitingPerOriginMax = 1024
    /// How long one waits, if its own time-out does not end it before.
    package var waitMax = Duration.seconds(30)
    /// Name look-up, TCP and TLS together.
    package var connectTimeout = Duration.seconds(5)
    /// How long an unused connection is kept. Common servers (Node.js, uvicorn) close theirs after 5 s; to be
    /// sooner is what keeps requests from meeting a connection that is just being closed.
    package var idleLife = Duration.seconds(4)
    /// Of messages; a body has no bound of its own here, since it streams through.
    /// ``HTTPClient/collect(_:bodyBytesMax:)`` has one.
    package var message: HTTPMessageLimits

    package init() {
        message = .standard
        message.bodyBytesMax = .max
    }

    package static let standard = HTTPClientLimits()
}
