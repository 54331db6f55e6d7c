import HTTPWire
import NIOCore

/// Answers, as ``HTTPExchange`` gives them.
extension HTTPServerConnection {
    func respond(_ serial: UInt64, _ status: Int, _ headers: [(String, String)], _ body: HTTPBody) {
        guard exchange.isOpen(serial) else { return }
        guard exchange.stream == nil else { return abandon(serial) }
        let framing = exchange.framing(status: status, length: body.count)
        let persistence = exchange.persistence(after: framing, isDraining: isDraining)
        var buffer = head(status, headers, framing, persistence, roomFor: body.ownCount)
        guard exchange.mayHaveBody(status: status) else { return finish(with: buffer, persistence) }
        body.append(to: &buffer) { send($0) }
        finish(with: buffer, persistence)
    }

    /// The answer of most calls.
    func respond(_ serial: UInt64, json pieces: [ArraySlice<UInt8>]) {
        guard exchange.isOpen(serial) else { return }
        guard exchange.stream == nil else { return abandon(serial) }
        let count = pieces.reduce(0) { $0 + $1.count }
        let framing = exchange.framing(status: 200, length: count)
        let persistence = exchange.persistence(after: framing, isDraining: isDraining)
        guard persistence == .implied, exchange.mayHaveBody(status: 200) else {
            return respond(
                serial, 200, [("Content-Type", "application/json")], HTTPBody(Array(pieces.joined())))
        }
        var buffer = ByteBufferAllocator().buffer(capacity: Self.headRoom + count)
        heads.writeJSON(length: count, into: &buffer)
        for piece in pieces { buffer.writeBytes(piece) }
        finish(with: buffer, persistence)
    }

    func startStream(_ serial: UInt64, _ status: Int, _ headers: [(String, String)]) {
        guard exchange.isOpen(serial), exchange.stream == nil else { return }
        let framing = exchange.framing(status: status, length: nil)
        let persistence = exchange.persistence(after: framing, isDraining: isDraining)
        let buffer = head(status, headers, framing, persistence, roomFor: 0)
        exchange.stream = framing
        send(buffer)
    }

    func write(_ serial: UInt64, _ bytes: [UInt8]) {
        guard exchange.isOpen(serial), let context, let framing = exchange.stream else { return }
        if !context.channel.isWritable, context.channel.waitingBytes > limits.outboundBytesMax {
            log.warning(
                "client reads too slowly; exchange closed",
                metadata: ["http.waiting_bytes": "\(context.channel.waitingBytes)"])
            return close()
        }
        switch framing {
        case .none: return
        case .chunked:
            var buffer = context.channel.allocator.buffer(capacity: bytes.count + Self.chunkRoom)
            HTTPChunk.encode(bytes, into: &buffer)
            if buffer.readableBytes > 0 { send(buffer) }
        case .length, .untilClose: send(ByteBuffer(bytes: bytes))
        }
    }

    func end(_ serial: UInt64) {
        guard exchange.isOpen(serial), let framing = exchange.stream else { return abandon(serial) }
        var buffer = ByteBuffer()
        if framing == .chunked { HTTPChunk.encodeEnd(into: &buffer) }
        finish(with: buffer, exchange.persistence(after: framing, isDraining: isDraining))
    }

    func onClose(_ serial: UInt64, _ body: @escaping @Sendable () -> Void) {
        if exchange.isOpen(serial) {
            exchange.tellOnClose(body)
        } else if serial == lostSerial {
            body()
        }
    }

    /// Nobody is left to answer.
    func abandon(_ serial: UInt64) {
        guard exchange.isOpen(serial) else { return }
        log.error("exchange let go of unanswered", metadata: ["http.request.method": "\(exchange.method)"])
        // A stream that just ended would look complete: only a lost connection tells the client otherwise.
        if exchange.stream == nil { refuse(.unanswered) } else { close() }
    }
}
