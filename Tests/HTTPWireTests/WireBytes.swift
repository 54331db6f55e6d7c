import HTTPWire
import NIOCore
import MartletTestKit

/// A message being encoded.
struct WireBytes {
    var buffer = ByteBuffer()

    var text: String { String(buffer: buffer) }

    mutating func write(_ body: [UInt8], _ framing: HTTPBodyFraming, using random: inout SplitMix64) {
        guard framing == .chunked else {
            buffer.writeBytes(body)
            return
        }
        var rest = body[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...rest.count, using: &random)
            HTTPChunk.encode(rest.prefix(count), into: &buffer)
            rest = rest.dropFirst(count)
        }
        HTTPChunk.encode([], into: &buffer)  // says nothing, and above all not "the end"
        HTTPChunk.encodeEnd(into: &buffer)
    }
}
