import NIOCore
import NIOPosix

/// The head of an HTTP/1.1 message, read apart from the product's own codec.
struct RawHead: Sendable {
    var start: [String]
    /// Names in lower case.
    var headers: [(String, String)]

    func first(_ name: String) -> String? { headers.first { $0.0 == name }?.1 }

    /// - Returns: the head at the front of `bytes`, which loses it; `nil` while it is not all there.
    static func take(from bytes: inout [UInt8]) -> RawHead? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        // In Swift a carriage return and a line feed are one Character, so lines are cut by that.
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        bytes.removeSubrange(..<end.upperBound)
        let headers = lines.dropFirst().map { line -> (String, String) in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? parts[1] : ""
            return (parts[0].lowercased(), String(value.drop { $0 == " " }))
        }
        return RawHead(
            start: (lines.first ?? "").split(separator: " ", maxSplits: 2).map(String.init), headers: headers)
    }
}

enum RawAnswer: Sendable {
    case head(status: Int, RawHead)
    case body([UInt8])
    /// `isWhole`: the message was complete; otherwise the connection broke.
    case end(isWhole: Bool)
}

/// One request on a connection of its own, byte by byte.
final class RawRequest: Sendable {
    private let channel: any Channel

    private init(_ channel: any Channel) { self.channel = channel }

    /// - Parameter hear: called on an event loop, in order.
    static func send(
        _ method: String, _ path: String, port: Int, headers: [(String, String)], body: [UInt8] = [],
        hear: @escaping @Sendable (RawAnswer) -> Void
    ) async throws -> RawRequest {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AnswerReader(hear))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        var text = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if method == "POST" { text += "Content-Length: \(body.count)\r\n" }
        try await channel.writeAndFlush(ByteBuffer(bytes: Array((text + "\r\n").utf8) + body)).get()
        return RawRequest(channel)
    }

    /// Sends a request and waits for the whole answer.
    static func collect(
        _ method: String, _ path: String, port: Int, headers: [(String, String)], body: [UInt8] = []
    ) async throws -> (status: Int, head: RawHead, body: [UInt8]) {
        let (answers, feed) = AsyncStream.makeStream(of: RawAnswer.self)
        let request = try await send(method, path, port: port, headers: headers, body: body) {
            feed.yield($0)
            if case .end = $0 { feed.finish() }
        }
        defer { request.close() }
        var found: (Int, RawHead)?
        var bytes: [UInt8] = []
        for await answer in answers {
            switch answer {
            case .head(let status, let head): found = (status, head)
            case .body(let more): bytes += more
            case .end: break
            }
        }
        guard let found else { throw Breach("\(method) \(path) was not answered") }
        return (found.0, found.1, bytes)
    }

    func close() { channel.close(promise: nil) }

    private final class AnswerReader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private enum Body { case head, length(Int), chunks, untilClose, over }

        private let hear: @Sendable (RawAnswer) -> Void
        private var bytes: [UInt8] = []
        private var body = Body.head

        init(_ hear: @escaping @Sendable (RawAnswer) -> Void) { self.hear = hear }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes += Array(buffer: unwrapInboundIn(data))
            while step() {}
        }

        func channelInactive(context: ChannelHandlerContext) {
            if case .over = body { return }
            if case .untilClose = body { return end(isWhole: true) }
            end(isWhole: false)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        private func step() -> Bool {
            switch body {
            case .over: return false
            case .head:
                guard let head = RawHead.take(from: &bytes) else { return false }
                if head.first("transfer-encoding") == "chunked" {
                    body = .chunks
                } else if let length = head.first("content-length").flatMap({ Int($0) }) {
                    body = .length(length)
                } else {
                    body = ["202", "204"].contains(head.start.dropFirst().first) ? .length(0) : .untilClose
                }
                hear(.head(status: head.start.dropFirst().first.flatMap { Int($0) } ?? 0, head))
                return true
            case .length(let left):
                if left == 0 {
                    end(isWhole: true)
                    return false
                }
                guard !bytes.isEmpty else { return false }
                give(min(left, bytes.count))
                body = .length(left - min(left, lastGiven))
                return true
            case .chunks:
                guard let line = bytes.firstRange(of: Array("\r\n".utf8)),
                    let size = Int(String(decoding: bytes[..<line.lowerBound], as: UTF8.self), radix: 16),
                    bytes.count >= line.upperBound + size + 2
                else { return false }
                let chunk = Array(bytes[line.upperBound..<line.upperBound + size])
                bytes.removeSubrange(..<(line.upperBound + size + 2))
                guard size > 0 else {
                    end(isWhole: true)
                    return false
                }
                hear(.body(chunk))
                return true
            case .untilClose:
                guard !bytes.isEmpty else { return false }
                give(bytes.count)
                return true
            }
        }

        private var lastGiven = 0

        private func give(_ count: Int) {
            lastGiven = count
            let part = Array(bytes[..<count])
            bytes.removeSubrange(..<count)
            hear(.body(part))
        }

        private func end(isWhole: Bool) {
            body = .over
            hear(.end(isWhole: isWhole))
        }
    }
}

/// What a peer said that its revision does not allow, or did not say that it must.
struct Breach: Error, CustomStringConvertible, Sendable {
    let description: String
    init(_ description: String) { self.description = description }
}
