import NIOCore
import NIOEmbedded
import NIOHTTP1

/// llhttp, Node.js's parser, as NIOHTTP1 carries it: a second opinion on every byte.
enum LLHTTP {
    /// The methods that it knows; others it refuses, as a parser of what it was told of.
    static let methods: Set<String> = [
        "DELETE", "GET", "HEAD", "POST", "PUT", "CONNECT", "OPTIONS", "TRACE", "COPY", "LOCK", "MKCOL",
        "MOVE", "PROPFIND",
        "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY",
        "CHECKOUT", "MERGE",
        "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PATCH", "PURGE", "MKCALENDAR", "LINK", "UNLINK",
        "SOURCE",
    ]

    static func requests(_ pieces: [ArraySlice<UInt8>]) -> ReadMessages {
        var read = ReadMessages()
        let channel = EmbeddedChannel(handler: ByteToMessageHandler(HTTPRequestDecoder()))
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        for piece in pieces where read.error == nil {
            do {
                try channel.writeInbound(ByteBuffer(bytes: piece))
            } catch {
                read.error = "\(error)"
            }
            while let part = try? channel.readInbound(as: HTTPServerRequestPart.self) {
                switch part {
                case .head(let head):
                    read.messages.append(
                        ReadMessage(
                            start:
                                "\(name(head.method)) \(head.uri) \(head.version.major).\(head.version.minor)",
                            fields: fields(head.headers), keepsAlive: head.isKeepAlive))
                case .body(let bytes): read.add(body: bytes)
                case .end: read.end()
                }
            }
        }
        return read
    }

    static func responses(_ pieces: [ArraySlice<UInt8>], to method: String, count: Int) -> ReadMessages {
        var read = ReadMessages()
        let channel = EmbeddedChannel(handler: ByteToMessageHandler(HTTPResponseDecoder()))
        for _ in 0..<count {
            let head = HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: method), uri: "/")
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
        }
        func take(_ step: () throws -> Void) {
            do {
                try step()
            } catch {
                read.error = read.error ?? "\(error)"
            }
            while let part = try? channel.readInbound(as: HTTPClientResponsePart.self) {
                switch part {
                case .head(let head):
                    read.messages.append(
                        ReadMessage(
                            start: "\(head.status.code) \(head.version.major).\(head.version.minor)",
                            fields: fields(head.headers), keepsAlive: head.isKeepAlive))
                case .body(let bytes): read.add(body: bytes)
                case .end: read.end()
                }
            }
        }
        for piece in pieces where read.error == nil {
            take { try channel.writeInbound(ByteBuffer(bytes: piece)) }
        }
        if read.error == nil { channel.pipeline.fireChannelInactive() }
        take { try channel.throwIfErrorCaught() }
        _ = try? channel.finish(acceptAlreadyClosed: true)
        return read
    }

    /// NIOHTTP1 has it without its dash.
    private static func name(_ method: HTTPMethod) -> String {
        method == .MSEARCH ? "M-SEARCH" : method.rawValue
    }

    /// It leaves the blanks behind a value where they are, though they are none of it (RFC 9112 §5).
    private static func fields(_ headers: HTTPHeaders) -> [String] {
        headers.map { name, value in
            let kept = value.utf8.reversed().drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
                .reversed()
            return "\(name): \(String(decoding: kept, as: UTF8.self))"
        }
    }
}
