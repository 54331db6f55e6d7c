import HTTPWire
import NIOCore

/// One message as a decoder read it, in words that two decoders can be compared by.
struct ReadMessage: CustomStringConvertible {
    /// `GET /a 1.1`, or `200 1.1`.
    var start: String
    /// `name: value`, in order.
    var fields: [String]
    var body: [UInt8] = []
    /// Whether its end was reached.
    var isWhole = false
    /// Whether another message may follow on the connection.
    var keepsAlive: Bool

    /// The same message, whatever each makes of the connection after it.
    func isSame(as other: ReadMessage) -> Bool {
        start == other.start && fields == other.fields && body == other.body && isWhole == other.isWhole
    }

    var description: String {
        "\(start) \(fields) \(String(decoding: body, as: UTF8.self)) \(isWhole ? "whole" : "cut")"
    }
}

/// What came of a connection's bytes.
struct ReadMessages {
    var messages: [ReadMessage] = []
    /// What ours said when it gave up; `nil`: it would read on.
    var refusal: HTTPWireError?
    /// What another decoder said.
    var error: String?

    var whole: [ReadMessage] { Array(messages.prefix(while: \.isWhole)) }

    mutating func add(body: ByteBuffer) {
        guard !messages.isEmpty else { return }
        messages[messages.count - 1].body += Array(body.readableBytesView)
    }

    mutating func end() {
        guard !messages.isEmpty else { return }
        messages[messages.count - 1].isWhole = true
    }

    mutating func add(_ head: HTTPResponseHead) {
        messages.append(
            ReadMessage(
                start: "\(head.status) \(head.version == .v1_1 ? "1.1" : "1.0")",
                fields: Self.fields(head.headers),
                keepsAlive: head.keepsAlive))
    }

    private static func fields(_ headers: HTTPHeaders) -> [String] {
        headers.map { "\($0.name): \($0.value)" }
    }
}

extension ReadMessages {
    /// By the product's decoder and, since a server looks at it next, ``HTTPTarget``.
    static func requests(_ pieces: [ArraySlice<UInt8>], limits: HTTPMessageLimits = .standard) -> ReadMessages
    {
        var read = ReadMessages()
        var decoder = HTTPRequestDecoder(limits: limits)
        do throws(HTTPWireError) {
            for piece in pieces {
                decoder.feed(ByteBuffer(bytes: piece))
                while let part = try decoder.next() {
                    switch part {
                    case .head(let head):
                        _ = try HTTPTarget(head.target, method: head.method)
                        read.messages.append(
                            ReadMessage(
                                start:
                                    "\(head.method) \(head.target) \(head.version == .v1_1 ? "1.1" : "1.0")",
                                fields: fields(head.headers), keepsAlive: head.keepsAlive))
                    case .body(let bytes): read.add(body: bytes)
                    case .end: read.end()
                    }
                }
            }
        } catch {
            read.refusal = error
        }
        return read
    }

    /// Answers to so many requests of one method on a connection that then ends.
    static func responses(_ pieces: [ArraySlice<UInt8>], to method: String, count: Int) -> ReadMessages {
        var read = ReadMessages()
        var decoder = HTTPResponseDecoder()
        var left = count - 1
        decoder.expectResponse(to: method)
        do throws(HTTPWireError) {
            for piece in pieces {
                decoder.feed(ByteBuffer(bytes: piece))
                while let part = try decoder.next() {
                    switch part {
                    case .head(let head): read.add(head)
                    case .body(let bytes): read.add(body: bytes)
                    case .end:
                        read.end()
                        left -= 1
                        if left >= 0 { decoder.expectResponse(to: method) }
                    }
                }
            }
            if try decoder.finish() != nil { read.end() }
        } catch {
            read.refusal = error
        }
        return read
    }
}
