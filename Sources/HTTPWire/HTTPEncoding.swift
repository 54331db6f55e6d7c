package import NIOCore

/// How the body of a message that we send is marked off.
package enum HTTPBodyFraming: Hashable, Sendable {
    /// No body, and no field that would announce one.
    case none
    case length(Int)
    case chunked
    /// To a client that cannot read chunks: the end of the connection is the end of the body.
    case untilClose
}

/// What a message says about the connection after it; `implied` is what its version implies.
package enum HTTPPersistence: Hashable, Sendable {
    case implied
    case keepAlive
    case close
}

extension HTTPRequestHead {
    /// Appends the head to `buffer`, always as HTTP/1.1. Fields that belong to the connection are the codec's
    /// own: those in ``headers`` are left out, whatever they say.
    package func encode(framing: HTTPBodyFraming, into buffer: inout ByteBuffer) {
        buffer.writeString(method)
        buffer.writeInteger(HTTPByte.space)
        buffer.writeString(target)
        buffer.writeStaticString(" HTTP/1.1\r\n")
        HTTPHeadWriter.write(headers, framing, .implied, into: &buffer)
    }
}

extension HTTPResponseHead {
    /// Appends the head to `buffer`, always as HTTP/1.1 (RFC 9112 §2.3).
    ///
    /// - Parameter date: the value of the Date field, which servers owe their clients (RFC 9110 §6.6.1).
    package func encode(
        framing: HTTPBodyFraming, persistence: HTTPPersistence = .implied, date: String? = nil,
        into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeString(String(min(max(status, 100), 999)))
        buffer.writeInteger(HTTPByte.space)
        buffer.writeString(Self.reason(of: status))
        buffer.writeStaticString("\r\n")
        if let date {
            buffer.writeStaticString("date: ")
            buffer.writeString(date)
            buffer.writeStaticString("\r\n")
        }
        HTTPHeadWriter.write(headers, framing, persistence, into: &buffer)
    }

    /// The phrase that goes with a status, for people who read the wire; empty for one without a name.
    package static func reason(of status: Int) -> String {
        switch status {
        case 100: "Continue"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: ""
        }
    }
}

/// The chunked coding (RFC 9112 §7.1), for bodies whose length is not known when they start.
package enum HTTPChunk {
    /// Appends one chunk; nothing for no bytes, since an empty chunk would end the body.
    package static func encode(_ bytes: some Collection<UInt8>, into buffer: inout ByteBuffer) {
        guard !bytes.isEmpty else { return }
        buffer.writeString(String(bytes.count, radix: 16))
        buffer.writeStaticString("\r\n")
        buffer.writeBytes(bytes)
        buffer.writeStaticString("\r\n")
    }

    package static func encodeEnd(into buffer: inout ByteBuffer) { buffer.writeStaticString("0\r\n\r\n") }
}

private enum HTTPHeadWriter {
    static func write(
        _ headers: HTTPHeaders, _ framing: HTTPBodyFraming, _ persistence: HTTPPersistence,
        into buffer: inout ByteBuffer
    ) {
        headers.forEachField { name, value in
            guard !isFraming(name) else { return }
            buffer.writeBytes(name)
            buffer.writeStaticString(": ")
            buffer.writeBytes(value)
            buffer.writeStaticString("\r\n")
        }
        switch framing {
        case .none, .untilClose: break
        case .length(let count):
            buffer.writeStaticString("content-length: ")
            buffer.writeString(String(count))
            buffer.writeStaticString("\r\n")
        case .chunked: buffer.writeStaticString("transfer-encoding: chunked\r\n")
        }
        switch persistence {
        case .implied: break
        case .keepAlive: buffer.writeStaticString("connection: keep-alive\r\n")
        case .close: buffer.writeStaticString("connection: close\r\n")
        }
        buffer.writeStaticString("\r\n")
    }

    private static func isFraming(_ name: ArraySlice<UInt8>) -> Bool {
        switch name.count {
        case 7:
            HTTPByte.equalIgnoringCase(name, "upgrade".utf8)
                || HTTPByte.equalIgnoringCase(name, "trailer".utf8)
        case 10:
            HTTPByte.equalIgnoringCase(name, "connection".utf8)
                || HTTPByte.equalIgnoringCase(name, "keep-alive".utf8)
        case 14: HTTPByte.equalIgnoringCase(name, "content-length".utf8)
        case 17: HTTPByte.equalIgnoringCase(name, "transfer-encoding".utf8)
        default: false
        }
    }
}
