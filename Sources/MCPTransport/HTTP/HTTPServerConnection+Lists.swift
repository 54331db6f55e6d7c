import HTTPWire
import NIOCore

/// Answers that share most of their bytes with others.
extension HTTPServerConnection {
    /// Up to here a result is copied behind its head and goes out as one piece: two cost the system more than that.
    private static let copiedMax = 16 * 1024

    /// The answer to a request for a list.
    ///
    /// - Parameters:
    ///   - result: with what ends the response.
    ///   - id: of the request.
    func respond(_ serial: UInt64, result: ByteBuffer, to id: ArraySlice<UInt8>) {
        guard exchange.isOpen(serial) else { return }
        guard exchange.stream == nil else { return abandon(serial) }
        let count = Self.beforeID.utf8CodeUnitCount + id.count + Self.behindID.utf8CodeUnitCount
        let framing = exchange.framing(status: 200, length: count + result.readableBytes)
        let persistence = exchange.persistence(after: framing, isDraining: isDraining)
        guard persistence == .implied, exchange.mayHaveBody(status: 200), let context else {
            var own = ByteBuffer()
            Self.write(id, into: &own)
            return respond(
                serial, 200, [("Content-Type", "application/json")],
                HTTPBody(Array(own.readableBytesView), result))
        }
        let isCopied = result.readableBytes <= Self.copiedMax
        var buffer = context.channel.allocator.buffer(
            capacity: Self.headRoom + count + (isCopied ? result.readableBytes : 0))
        heads.writeJSON(length: count + result.readableBytes, into: &buffer)
        Self.write(id, into: &buffer)
        guard isCopied else {
            send(buffer)
            return finish(with: result, persistence)
        }
        buffer.writeImmutableBuffer(result)
        finish(with: buffer, persistence)
    }

    // As ``RPCMessage/aroundResult(of:)`` begins it.
    private static let beforeID: StaticString = #"{"jsonrpc":"2.0","id":"#
    private static let behindID: StaticString = #","result":"#

    private static func write(_ id: ArraySlice<UInt8>, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(beforeID)
        buffer.writeBytes(id)
        buffer.writeStaticString(behindID)
    }
}
