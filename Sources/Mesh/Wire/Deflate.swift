import CZlib

/// Deflate in its zlib form (RFC 1950, RFC 1951), one frame at a time.
///
/// Nothing is shared between two frames: what one origin says cannot be guessed from how another's bytes shrink, and a
/// link costs no memory for it.
package enum Deflate {
    /// Frames below this go as they are: they fit one packet either way.
    package static let bytesMin = 512
    /// Of lists of tools, a third of the time that zlib's own choice (6) takes, for 3 % more bytes: 0.1 ms for 64 KiB.
    private static let level: Int32 = 3

    /// - Returns: `nil` when it would not get smaller.
    package static func deflated(_ bytes: [UInt8]) -> [UInt8]? {
        // Room for what is smaller only: zlib stops by itself where it would not be.
        let room = bytes.count - bytes.count / 16
        var count = uLong(room)
        let deflated = [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
            let status = compress2(buffer.baseAddress, &count, bytes, uLong(bytes.count), level)
            filled = status == Z_OK ? Int(count) : 0
        }
        return deflated.isEmpty ? nil : deflated
    }

    /// Takes exactly `count` bytes out of all of `deflated`.
    ///
    /// Memory is set aside for `count` bytes and zlib's own 40 KiB, whatever the bytes would inflate to.
    static func inflated(_ deflated: ArraySlice<UInt8>, to count: Int) throws(WireError) -> [UInt8] {
        var made = uLong(count)
        var used = uLong(deflated.count)
        var status = Z_DATA_ERROR
        let inflated = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            deflated.withUnsafeBufferPointer { input in
                status = uncompress2(buffer.baseAddress, &made, input.baseAddress, &used)
            }
            filled = status == Z_OK ? Int(made) : 0
        }
        guard status == Z_OK, inflated.count == count else { throw .invalid("a deflated frame") }
        guard Int(used) == deflated.count else { throw .trailing(bytes: deflated.count - Int(used)) }
        return inflated
    }
}

extension Frame {
    /// The whole frame, its length in front, as small as the peer can read it.
    ///
    /// On the wire a deflated frame is one of type 31: the inflated size (32 bits), then the zlib bytes of another frame's
    /// type, stream and fields.
    ///
    /// - Parameter inflates: whether the peer reads deflated frames (``Hello/inflates``).
    package func encoded(inflates: Bool) -> [UInt8] {
        let plain = encoded
        guard inflates, isForCore, plain.count >= Deflate.bytesMin,
            let deflated = Deflate.deflated(Array(plain.dropFirst(4)))
        else { return plain }
        var encoder = CanonicalEncoder(reserving: deflated.count + 17)
        encoder.put(count: Self.headByteCount + 4 + deflated.count)
        encoder.put(Self.deflatedType)
        encoder.put(StreamID(0))
        encoder.put(count: plain.count - 4)
        encoder.put(fixed: deflated)
        return encoder.bytes
    }

    /// Number on the wire, for good.
    static let deflatedType: UInt8 = 31

    static func inflate(
        _ decoder: inout CanonicalDecoder, stream: StreamID
    ) throws(WireError) -> Frame? {
        guard stream == 0 else { throw .invalid("stream of a deflated frame") }
        let count = Int(try decoder.uint32("inflated size"))
        let max = payloadMax + headByteCount
        guard count <= max else { throw .frameTooLong(bytes: count, max: max) }
        guard count >= headByteCount else { throw .invalid("inflated size") }
        let body = try Deflate.inflated(decoder.rest(), to: count)
        guard body[0] != deflatedType else { throw .invalid("a frame deflated twice") }
        guard let frame = try decode(body[...]) else { return nil }
        // Calls are not deflated: their ends would wait for each other's bytes in one window.
        guard frame.isForCore else { throw .invalid("a deflated frame of that type") }
        return frame
    }
}
