import NIOCore

/// Reads a head (or trailers) line by line, however the bytes are cut.
///
/// Every rule looks at bytes in the order of the wire and at nothing else, so that the same bytes give the
/// same fields or the same error for any split of them.
struct HeadReader: Sendable {
    enum StartLine: Sendable {
        case request(method: String, target: String, HTTPVersion)
        case status(Int, HTTPVersion)
        case none
    }

    enum Kind: Sendable {
        case request
        case response
        case trailers
    }

    private(set) var startLine: StartLine = .none
    private(set) var headers = HTTPHeaders()
    private(set) var isComplete = false
    /// Bytes of whole lines taken so far.
    private(set) var bytesTaken = 0

    private let kind: Kind
    private var wantsStartLine: Bool
    private var fieldsSeen = 0
    private var skippedBlankLine = false
    /// Bytes of the unfinished line that hold no line feed, so that a slow drip is not searched again and
    /// again.
    private var searched = 0

    init(_ kind: Kind) {
        self.kind = kind
        wantsStartLine = kind != .trailers
    }

    /// Whether nothing of this head has arrived.
    var isUntouched: Bool { bytesTaken == 0 && searched == 0 }

    /// Takes whole lines off the front of `buffer`; the rest of it must be shown again, with more behind it.
    ///
    /// - Complexity: O(*n*) over all calls together, *n* being the bytes of the head.
    mutating func take(_ buffer: inout ByteBuffer, within limits: HTTPMessageLimits) throws(HTTPWireError) {
        let taken = try lines(buffer.readableBytesUInt8Span, limits)
        buffer.moveReaderIndex(forwardBy: taken)
    }

    /// - Returns: how many bytes whole lines were.
    private mutating func lines(
        _ bytes: Span<UInt8>, _ limits: HTTPMessageLimits
    ) throws(HTTPWireError) -> Int {
        let before = headers.bytes.count
        var position = 0
        while !isComplete {
            if wantsStartLine, kind == .request, position < bytes.count { try checkFirst(bytes[position]) }
            var end = position + searched
            while end < bytes.count, bytes[end] != HTTPByte.lineFeed { end += 1 }
            let found = end < bytes.count
            try checkSize(of: end - position + (found ? 1 : 0), limits)
            guard found else {
                searched = end - position
                break
            }
            guard end > position, bytes[end - 1] == HTTPByte.carriageReturn else { throw .bareLineFeed }
            try takeLine(bytes, position..<end - 1, limits, behind: before)
            bytesTaken += end + 1 - position
            position = end + 1
            searched = 0
        }
        if kind != .trailers { headers.take(bytes.extracting(0..<position)) }
        return position
    }

    /// Whatever speaks another protocol (TLS, say) is refused at its first byte, not after a long line.
    private func checkFirst(_ byte: UInt8) throws(HTTPWireError) {
        let mayBegin =
            HTTPByte.isToken(byte) || byte == HTTPByte.carriageReturn || byte == HTTPByte.lineFeed
        if !mayBegin { throw .badRequestLine }
    }

    private func checkSize(of line: Int, _ limits: HTTPMessageLimits) throws(HTTPWireError) {
        let bytesMax = kind == .trailers ? limits.trailerBytesMax : limits.headBytesMax
        let left = bytesMax - bytesTaken
        if wantsStartLine, kind == .request, limits.requestLineBytesMax <= left {
            if line > limits.requestLineBytesMax { throw .targetTooLong(max: limits.targetBytesMax) }
        } else if line > left {
            throw .headTooLarge(max: bytesMax)
        }
    }

    /// - Parameter before: bytes of the head that came before `bytes`.
    private mutating func takeLine(
        _ bytes: Span<UInt8>, _ line: Range<Int>, _ limits: HTTPMessageLimits, behind before: Int
    ) throws(HTTPWireError) {
        if wantsStartLine {
            if line.isEmpty, kind == .request, !skippedBlankLine {
                skippedBlankLine = true  // some clients end a body with a line end too many (RFC 9112 §2.2)
                return
            }
            startLine = try kind == .request ? requestLine(bytes, line, limits) : statusLine(bytes, line)
            wantsStartLine = false
        } else if line.isEmpty {
            isComplete = true
        } else {
            try takeField(bytes, line, limits, behind: before)
        }
    }

    /// `METHOD SP TARGET SP HTTP/1.x`, with exactly one space each (RFC 9112 §3).
    private func requestLine(
        _ bytes: Span<UInt8>, _ line: Range<Int>, _ limits: HTTPMessageLimits
    ) throws(HTTPWireError) -> StartLine {
        var index = line.lowerBound
        while index < line.upperBound, HTTPByte.isToken(bytes[index]) { index += 1 }
        let method = line.lowerBound..<index
        guard !method.isEmpty, index < line.upperBound, bytes[index] == HTTPByte.space else {
            throw .badRequestLine
        }
        guard method.count <= HTTPMessageLimits.methodBytesMax else { throw .unknownMethod }
        index += 1
        let targetStart = index
        while index < line.upperBound, HTTPByte.isTarget(bytes[index]) { index += 1 }
        let target = targetStart..<index
        guard !target.isEmpty, index < line.upperBound, bytes[index] == HTTPByte.space else {
            throw .badRequestLine
        }
        guard target.count <= limits.targetBytesMax else {
            throw .targetTooLong(max: limits.targetBytesMax)
        }
        let version = index + 1..<line.upperBound
        guard version.count == 8, let known = try Self.version(bytes, version) else { throw .badRequestLine }
        return .request(method: Self.text(bytes, method), target: Self.text(bytes, target), known)
    }

    /// `HTTP/1.x SP 3DIGIT [SP REASON]` (RFC 9112 §4); a missing last space is common and harmless.
    private func statusLine(_ bytes: Span<UInt8>, _ line: Range<Int>) throws(HTTPWireError) -> StartLine {
        let code = line.lowerBound + 9
        guard line.count >= 12, let known = try Self.version(bytes, line), bytes[code - 1] == HTTPByte.space
        else { throw .badStatusLine }
        guard let a = HTTPByte.digit(bytes[code]), let b = HTTPByte.digit(bytes[code + 1]),
            let c = HTTPByte.digit(bytes[code + 2]), a > 0
        else { throw .badStatusLine }
        if line.count > 12 {
            guard bytes[code + 3] == HTTPByte.space else { throw .badStatusLine }
            for index in code + 4..<line.upperBound where !HTTPByte.isFieldText(bytes[index]) {
                throw .badStatusLine
            }
        }
        return .status(a * 100 + b * 10 + c, known)
    }

    private mutating func takeField(
        _ bytes: Span<UInt8>, _ line: Range<Int>, _ limits: HTTPMessageLimits, behind before: Int
    ) throws(HTTPWireError) {
        guard !HTTPByte.isBlank(bytes[line.lowerBound]) else { throw .obsoleteFolding }
        var colon = line.lowerBound
        while colon < line.upperBound, HTTPByte.isToken(bytes[colon]) { colon += 1 }
        let name = line.lowerBound..<colon
        guard !name.isEmpty, colon < line.upperBound, bytes[colon] == HTTPByte.colon else {
            throw .badFieldName
        }
        var start = colon + 1
        var end = line.upperBound
        while start < end, HTTPByte.isBlank(bytes[start]) { start += 1 }
        while end > start, HTTPByte.isBlank(bytes[end - 1]) { end -= 1 }
        for index in start..<end where !HTTPByte.isFieldText(bytes[index]) {
            throw .badFieldValue(name: Self.text(bytes, name))
        }
        fieldsSeen += 1
        guard fieldsSeen <= limits.headerCountMax else { throw .tooManyFields(max: limits.headerCountMax) }
        guard kind == .trailers else {
            headers.note(
                name: before + name.lowerBound..<before + name.upperBound,
                value: before + start..<before + end)
            return
        }
        // Trailers are dropped here; to somebody who merges them with the head, it would be another length (RFC 9110 §6.5.1).
        if Self.isFraming(bytes, name) { throw .badChunk }
    }

    /// The `HTTP/x.y` at the front of a range; `nil` when there is none.
    private static func version(
        _ bytes: Span<UInt8>, _ range: Range<Int>
    ) throws(HTTPWireError) -> HTTPVersion? {
        let start = range.lowerBound
        guard range.count >= 8 else { return nil }
        var index = start
        for expected in "HTTP/".utf8 {
            guard bytes[index] == expected else { return nil }
            index += 1
        }
        guard let major = HTTPByte.digit(bytes[start + 5]), bytes[start + 6] == UInt8(ascii: "."),
            let minor = HTTPByte.digit(bytes[start + 7])
        else { return nil }
        switch (major, minor) {
        case (1, 0): return .v1_0
        case (1, 1): return .v1_1
        default: throw .unsupportedVersion
        }
    }

    private static func isFraming(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
        bytes.extracting(name).withUnsafeBufferPointer { name in
            HTTPByte.equalIgnoringCase(name, "content-length".utf8)
                || HTTPByte.equalIgnoringCase(name, "transfer-encoding".utf8)
        }
    }

    private static func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        bytes.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}
