/// The revisions of HTTP/1 there are.
package enum HTTPVersion: Hashable, Sendable {
    case v1_0
    case v1_1
}

/// Start line and fields of a request.
package struct HTTPRequestHead: Equatable, Sendable {
    package var method: String
    /// As it stood in the request line; ``HTTPTarget`` takes it apart.
    package var target: String
    package var version: HTTPVersion
    package var headers: HTTPHeaders

    package init(
        method: String, target: String, version: HTTPVersion = .v1_1, headers: HTTPHeaders = HTTPHeaders()
    ) {
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
    }

    /// Whether the client means to send more on this connection (RFC 9112 §9.3).
    package var keepsAlive: Bool { Self.keepsAlive(version, headers) }

    /// Whether the client holds its body back until told to go on (RFC 9110 §10.1.1).
    package var expectsContinue: Bool {
        version == .v1_1 && headers.lists("100-continue", in: "expect")
    }

    static func keepsAlive(_ version: HTTPVersion, _ headers: HTTPHeaders) -> Bool {
        if headers.lists("close", in: "connection") { return false }
        return version == .v1_1 || headers.lists("keep-alive", in: "connection")
    }
}

/// Start line and fields of a response. The reason phrase means nothing and is not kept (RFC 9112 §4).
package struct HTTPResponseHead: Equatable, Sendable {
    package var status: Int
    package var version: HTTPVersion
    package var headers: HTTPHeaders

    package init(status: Int, version: HTTPVersion = .v1_1, headers: HTTPHeaders = HTTPHeaders()) {
        self.status = status
        self.version = version
        self.headers = headers
    }

    /// Whether the server means to read more on this connection, by its fields alone.
    package var keepsAlive: Bool { HTTPRequestHead.keepsAlive(version, headers) }

    /// Whether such a response never has a body, whatever its fields say (RFC 9112 §6.3).
    package static func neverHasBody(status: Int, method: String) -> Bool {
        method == "HEAD" || (100..<200).contains(status) || status == 204 || status == 304
    }
}
