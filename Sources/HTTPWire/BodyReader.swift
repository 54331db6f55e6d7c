import NIOCore

/// Where the body of a received message ends (RFC 9112 §6.3).
enum BodyLength: Hashable, Sendable {
    case none
    case bytes(Int)
    case chunked
    /// Responses only: the end of the connection is the end of the body.
    case untilClose
}

extension BodyLength {
    /// - Throws: where the fields contradict one another or cannot be taken at their word.
    init(ofRequest version: HTTPVersion, _ headers: HTTPHeaders) throws(HTTPWireError) {
        self = try Self.declared(version, headers) ?? .none
    }

    init(ofResponse status: Int, to method: String, _ version: HTTPVersion, _ headers: HTTPHeaders)
        throws(HTTPWireError)
    {
        // Read also where no body can follow: a server that contradicts itself is not to be trusted with the
        // place where its next response starts.
        let declared = try Self.declared(version, headers)
        let bodiless = HTTPResponseHead.neverHasBody(status: status, method: method)
        // No number that anybody could mean.
        if bodiless, declared == .bytes(.max) { throw .badContentLength }
        self = bodiless ? .none : declared ?? .untilClose
    }

    private static func declared(
        _ version: HTTPVersion, _ headers: HTTPHeaders
    ) throws(HTTPWireError) -> BodyLength? {
        let codings = headers.rawValues("transfer-encoding")
        let lengths = headers.rawValues("content-length")
        if let coding = codings.first {
            guard lengths.isEmpty else { throw .lengthAndChunked }
            guard codings.count == 1, version == .v1_1 else { throw .badTransferCoding }
            guard HTTPByte.equalIgnoringCase(coding, "chunked".utf8) else {
                throw endsInChunkedOnce(coding) ? .unsupportedTransferCoding : .badTransferCoding
            }
            return .chunked
        }
        guard let length = lengths.first else { return nil }
        guard lengths.count == 1 else { throw .repeatedContentLength }
        return .bytes(try number(length))
    }

    /// Whether the coding is one that a better server than this could read.
    private static func endsInChunkedOnce(_ coding: ArraySlice<UInt8>) -> Bool {
        let chunked = coding.split(separator: HTTPByte.comma, omittingEmptySubsequences: false).map {
            HTTPByte.equalIgnoringCase(HTTPHeaders.trimmed($0), "chunked".utf8)
        }
        return chunked.last == true && !chunked.dropLast().contains(true)
    }

    /// Digits and nothing else; a number too large for `Int` is as large as `Int` gets, and over every bound.
    private static func number(_ text: ArraySlice<UInt8>) throws(HTTPWireError) -> Int {
        guard !text.isEmpty else { throw .badContentLength }
        var number = 0
        for byte in text {
            guard let digit = HTTPByte.digit(byte) else { throw .badContentLength }
            let (product, tooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, tooLargeToo) = product.addingReportingOverflow(digit)
            number = tooLarge || tooLargeToo ? .max : sum
        }
        return number
    }
}

/// Reads one body off the front of a buffer.
struct BodyReader: Sendable {
    private enum State: Sendable {
        case bytes(left: Int)
        case untilClose
        case chunkSize
        case chunk(left: Int)
        case chunkEnd
        /// Seldom there are any: no room is kept for their reader.
        indirect case trailers(HeadReader)
        case done
    }

    private var state: State
    /// Bytes of body announced so far, which is what the bound is on.
    private var announced = 0
    private var extensionBytes = 0
    /// Bytes of the unfinished chunk-size line that hold no line feed.
    private var searched = 0

    /// - Throws: ``HTTPWireError/bodyTooLarge(max:)`` for a declared length over the bound.
    init(_ length: BodyLength, within limits: HTTPMessageLimits) throws(HTTPWireError) {
        switch length {
        case .none: state = .done
        case .bytes(let count):
            guard count <= limits.bodyBytesMax else { throw .bodyTooLarge(max: limits.bodyBytesMax) }
            state = count == 0 ? .done : .bytes(left: count)
        case .chunked: state = .chunkSize
        case .untilClose: state = .untilClose
        }
    }

    /// Of a message without a body.
    init() { state = .done }

    var isDone: Bool { if case .done = state { true } else { false } }
    /// Whether there may be more than so many bytes to come.
    func mayBring(_ count: Int) -> Bool {
        switch state {
        case .bytes(let left): left > count
        case .done: false
        case .untilClose, .chunkSize, .chunk, .chunkEnd, .trailers: true
        }
    }
    var endsWithConnection: Bool { if case .untilClose = state { true } else { false } }

    /// - Returns: the next piece, at least one byte; `nil` when the body is done or more bytes are needed.
    mutating func next(
        _ buffer: inout ByteBuffer, within limits: HTTPMessageLimits
    ) throws(HTTPWireError) -> ByteBuffer? {
        while true {
            switch state {
            case .done: return nil
            case .bytes(let left):
                guard let piece = Self.piece(of: &buffer, atMost: left) else { return nil }
                let rest = left - piece.readableBytes
                state = rest == 0 ? .done : .bytes(left: rest)
                return piece
            case .untilClose:
                guard buffer.readableBytes > 0 else { return nil }
                let left = limits.bodyBytesMax - announced
                guard left > 0, let piece = Self.piece(of: &buffer, atMost: left) else {
                    throw .bodyTooLarge(max: limits.bodyBytesMax)
                }
                announced += piece.readableBytes
                return piece
            case .chunkSize:
                guard let (size, taken) = try chunkSize(buffer.readableBytesUInt8Span, limits) else {
                    return nil
                }
                buffer.moveReaderIndex(forwardBy: taken)
                try announce(size, limits)
                state = size == 0 ? .trailers(HeadReader(.trailers)) : .chunk(left: size)
            case .chunk(let left):
                guard let piece = Self.piece(of: &buffer, atMost: left) else { return nil }
                let rest = left - piece.readableBytes
                state = rest == 0 ? .chunkEnd : .chunk(left: rest)
                return piece
            case .chunkEnd:
                guard try Self.isChunkEnd(buffer.readableBytesUInt8Span) else { return nil }
                buffer.moveReaderIndex(forwardBy: 2)
                state = .chunkSize
            case .trailers(var reader):
                try reader.take(&buffer, within: limits)
                state = reader.isComplete ? .done : .trailers(reader)
                if !reader.isComplete { return nil }
            }
        }
    }

    private mutating func announce(_ count: Int, _ limits: HTTPMessageLimits) throws(HTTPWireError) {
        guard count <= limits.bodyBytesMax - announced else {
            throw .bodyTooLarge(max: limits.bodyBytesMax)
        }
        announced += count
    }

    /// `1*HEXDIG [";" extension] CR LF` (RFC 9112 §7.1); blanks before the line end are refused.
    ///
    /// - Returns: the size, and the bytes of the line; `nil` while the line is not whole.
    private mutating func chunkSize(
        _ bytes: Span<UInt8>, _ limits: HTTPMessageLimits
    ) throws(HTTPWireError) -> (size: Int, taken: Int)? {
        var end = searched
        while end < bytes.count, bytes[end] != HTTPByte.lineFeed { end += 1 }
        let found = end < bytes.count
        guard end + (found ? 1 : 0) <= limits.chunkLineBytesMax else { throw .badChunk }
        guard found else {
            searched = end
            return nil
        }
        guard end > 0, bytes[end - 1] == HTTPByte.carriageReturn else { throw .badChunk }
        var size = 0
        var index = 0
        while index < end - 1, let digit = HTTPByte.hexDigit(bytes[index]) {
            guard index < 15 else { throw .badChunk }  // 15 digits fit an Int and any body there is
            size = size << 4 | digit
            index += 1
        }
        guard index > 0 else { throw .badChunk }
        if index < end - 1 {
            guard Self.areExtensions(bytes, index..<end - 1) else { throw .badChunk }
            extensionBytes += end - 1 - index
            guard extensionBytes <= limits.chunkExtensionBytesMax else { throw .badChunk }
        }
        searched = 0
        return (size, end + 1)
    }

    /// `*( ";" token [ "=" ( token / quoted-string ) ] )` (RFC 9112 §7.1.1); blanks, which it calls bad, are refused.
    private static func areExtensions(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        var at = range.lowerBound
        let end = range.upperBound
        while at < end {
            guard bytes[at] == HTTPByte.semicolon, let name = token(bytes, at + 1..<end) else { return false }
            at = name
            guard at < end, bytes[at] == HTTPByte.equals else { continue }
            let value = at + 1..<end
            let isQuoted = !value.isEmpty && bytes[value.lowerBound] == HTTPByte.quote
            guard let after = isQuoted ? quoted(bytes, value) : token(bytes, value) else { return false }
            at = after
        }
        return true
    }

    /// - Returns: where the token ends that the range begins with.
    private static func token(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        var at = range.lowerBound
        while at < range.upperBound, HTTPByte.isToken(bytes[at]) { at += 1 }
        return at > range.lowerBound ? at : nil
    }

    /// - Returns: where the quoted string ends that the range begins with.
    private static func quoted(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        var at = range.lowerBound + 1
        while at < range.upperBound, HTTPByte.isFieldText(bytes[at]) {
            if bytes[at] == HTTPByte.quote { return at + 1 }
            // What a backslash stands before is no end.
            if bytes[at] == HTTPByte.backslash {
                at += 1
                guard at < range.upperBound, HTTPByte.isFieldText(bytes[at]) else { return nil }
            }
            at += 1
        }
        return nil
    }

    /// - Returns: whether the two bytes after a chunk are there.
    private static func isChunkEnd(_ bytes: Span<UInt8>) throws(HTTPWireError) -> Bool {
        guard bytes.count > 0 else { return false }
        guard bytes[0] == HTTPByte.carriageReturn else { throw .badChunk }
        guard bytes.count > 1 else { return false }
        guard bytes[1] == HTTPByte.lineFeed else { throw .badChunk }
        return true
    }

    private static func piece(of buffer: inout ByteBuffer, atMost left: Int) -> ByteBuffer? {
        guard buffer.readableBytes > 0 else { return nil }
        return buffer.readSlice(length: min(left, buffer.readableBytes))
    }
}
