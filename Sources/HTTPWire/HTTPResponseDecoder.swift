package import NIOCore

/// Turns the bytes of a connection into responses: the client's side of ``HTTPRequestDecoder``, as strict.
///
/// It must be told which request each response answers, because that decides where its body ends (RFC 9112
/// §6.3).
package struct HTTPResponseDecoder: ~Copyable, Sendable {
    package enum Part: Equatable, Sendable {
        /// The real response; interim ones (1xx) are skipped.
        case head(HTTPResponseHead)
        /// At least one byte.
        case body(ByteBuffer)
        case end
    }

    private enum Stage: Sendable {
        case idle
        case head
        case body
        case failed(HTTPWireError)
    }

    /// A head, and what follows from it.
    private struct ReadHead: Sendable {
        let head: HTTPResponseHead
        let keepsAlive: Bool
        /// Whether it is one of 200 in JSON.
        let isJSON: Bool

        init(_ head: HTTPResponseHead) {
            self.head = head
            keepsAlive = head.keepsAlive
            isJSON = head.status == 200 && head.headers.isMediaType("application/json")
        }
    }

    private let limits: HTTPMessageLimits
    private var stage = Stage.idle
    private var headReader = HeadReader(.response)
    private var bodyReader = BodyReader()
    private var buffer = DecoderBuffer()
    /// Of the request that is being answered.
    private var method = ""
    private var interimResponses = 0
    private var saysKeepAlive = true
    /// Answers to `HEAD` are none of them: their lengths are not what their fields say.
    private var knownHeads = HTTPKnownHeads<ReadHead>()
    /// Whether the last response left the connection fit for another request.
    package private(set) var isReusable = true

    package init(limits: HTTPMessageLimits = .standard) { self.limits = limits }

    /// Whether no response is under way and nothing unasked-for has arrived.
    package var isIdle: Bool {
        if case .idle = stage { buffer.bytes.readableBytes == 0 } else { false }
    }

    /// Whether the body under way may have more than so many bytes to come, by what was said of its length.
    package func mayBring(_ count: Int) -> Bool { bodyReader.mayBring(count) }

    /// Announces the request that the next response answers. One at a time: a second one is not answered by
    /// the first's response, so this must follow ``Part/end`` or ``nextJSON()``.
    package mutating func expectResponse(to method: String) {
        guard case .idle = stage else { return }
        self.method = method
        interimResponses = 0
        headReader = HeadReader(.response)
        stage = .head
    }

    package mutating func feed(_ bytes: consuming ByteBuffer) { buffer.feed(bytes) }

    /// - Returns: the next part; `nil` when more bytes are needed for it.
    package mutating func next() throws(HTTPWireError) -> Part? {
        do {
            return try part()
        } catch {
            isReusable = false
            stage = .failed(error)
            throw error
        }
    }

    /// The whole of the next response at once, where it is one of 200 in JSON with a head that is known, and a body of a known length that
    /// is here: what ``next()`` would give in three parts. Takes nothing where it is not.
    package mutating func nextJSON() -> (head: HTTPResponseHead, body: [UInt8])? {
        guard case .head = stage, headReader.isUntouched, method != "HEAD",
            let known = knownHeads.head(atFrontOf: buffer.bytes), known.head.isJSON,
            case .bytes(let count) = known.length, count > 0,
            let body = buffer.bytes.getBytes(
                at: buffer.bytes.readerIndex + known.bytes.count, length: count)
        else { return nil }
        buffer.bytes.moveReaderIndex(forwardBy: known.bytes.count + count)
        buffer.releaseIfEmpty()
        stage = .idle
        isReusable = known.head.keepsAlive && buffer.bytes.readableBytes == 0
        return (known.head.head, body)
    }

    /// The connection has ended.
    ///
    /// - Returns: ``Part/end`` of a body that lasted as long as the connection; `nil` between responses.
    /// - Throws: ``HTTPWireError/cutOff`` within a response.
    package mutating func finish() throws(HTTPWireError) -> Part? {
        defer { isReusable = false }
        switch stage {
        case .idle: return nil
        case .failed(let error): throw error
        case .body where bodyReader.endsWithConnection:
            stage = .idle
            return .end
        case .head, .body:
            stage = .failed(.cutOff)
            throw .cutOff
        }
    }

    private mutating func part() throws(HTTPWireError) -> Part? {
        switch stage {
        case .failed(let error): throw error
        case .idle:
            if buffer.bytes.readableBytes > 0 { throw .unexpectedResponse }
            return nil
        case .head:
            return try head().map(Part.head)
        case .body:
            let piece = try bodyReader.next(&buffer.bytes, within: limits)
            buffer.releaseIfEmpty()
            if let piece { return .body(piece) }
            guard bodyReader.isDone else { return nil }
            stage = .idle
            isReusable = saysKeepAlive && buffer.bytes.readableBytes == 0
            return .end
        }
    }

    /// Skips interim responses up to the real one.
    private mutating func head() throws(HTTPWireError) -> HTTPResponseHead? {
        while true {
            let mayBeKnown = headReader.isUntouched && method != "HEAD"
            if mayBeKnown, let known = knownHeads.take(from: &buffer.bytes) {
                buffer.releaseIfEmpty()
                return try begin(known.head, known.length)
            }
            try headReader.take(&buffer.bytes, within: limits)
            buffer.releaseIfEmpty()
            guard headReader.isComplete else { return nil }
            let reader = headReader
            headReader = HeadReader(.response)
            guard case .status(let status, let version) = reader.startLine else { throw .badStatusLine }
            guard status != 101 else { throw .unexpectedUpgrade }
            if status < 200 {
                interimResponses += 1
                guard interimResponses <= limits.interimResponsesMax else {
                    throw .tooManyInterimResponses(max: limits.interimResponsesMax)
                }
                continue
            }
            let head = HTTPResponseHead(status: status, version: version, headers: reader.headers)
            let length = try BodyLength(ofResponse: status, to: method, version, head.headers)
            let read = ReadHead(head)
            if mayBeKnown { knownHeads.keep(HTTPKnownHead(read, bytes: head.headers.bytes, length: length)) }
            return try begin(read, length)
        }
    }

    private mutating func begin(
        _ read: ReadHead, _ length: BodyLength
    ) throws(HTTPWireError) -> HTTPResponseHead {
        bodyReader = try BodyReader(length, within: limits)
        saysKeepAlive = read.keepsAlive && !bodyReader.endsWithConnection
        stage = .body
        return read.head
    }
}
