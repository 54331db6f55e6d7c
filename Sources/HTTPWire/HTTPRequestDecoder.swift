package import NIOCore

/// Turns the bytes of a connection into requests: a strict reading of RFC 9112 for the server's side.
///
/// A value without I/O: feed it what arrives, in any pieces, and take parts until it wants more. The parts
/// (body pieces joined) and the error do not depend on how the bytes were cut. After an error the connection
/// is of no use: nobody knows where a next request would start.
package struct HTTPRequestDecoder: ~Copyable, Sendable {
    package enum Part: Equatable, Sendable {
        case head(HTTPRequestHead)
        /// At least one byte.
        case body(ByteBuffer)
        /// The request is whole; the next one may follow.
        case end
    }

    /// The readers stand beside this, not within it: a payload taken out of an enum to be changed is copied.
    private enum Stage: Sendable {
        case head
        case body
        case failed(HTTPWireError)
    }

    private let limits: HTTPMessageLimits
    private var stage = Stage.head
    private var headReader = HeadReader(.request)
    private var bodyReader = BodyReader()
    private var buffer = DecoderBuffer()
    private var knownHeads = HTTPKnownHeads<HTTPRequestHead>()
    /// The head that came last, as it is kept: the same object whenever it is one of those that came lately. `nil` before the first, and
    /// for one that came in several pieces.
    package private(set) var knownHead: HTTPKnownHead<HTTPRequestHead>?

    package init(limits: HTTPMessageLimits = .standard) { self.limits = limits }

    /// Bytes fed and not yet turned into parts.
    package var bufferedBytes: Int { buffer.bytes.readableBytes }

    /// Whether nothing of a next request has arrived: the moment at which a connection may be closed.
    package var isBetweenRequests: Bool {
        if case .head = stage { headReader.isUntouched && bufferedBytes == 0 } else { false }
    }

    /// Whether the body of the request whose head came last has bytes to come.
    package var awaitsBody: Bool {
        if case .body = stage { !bodyReader.isDone } else { false }
    }

    package mutating func feed(_ bytes: consuming ByteBuffer) { buffer.feed(bytes) }

    /// - Returns: the next part; `nil` when more bytes are needed for it.
    /// - Throws: once a request is refused, the same error each time.
    package mutating func next() throws(HTTPWireError) -> Part? {
        do {
            return try part()
        } catch {
            stage = .failed(error)
            throw error
        }
    }

    private mutating func part() throws(HTTPWireError) -> Part? {
        switch stage {
        case .failed(let error): throw error
        case .head:
            let isUntouched = headReader.isUntouched
            if isUntouched, let known = knownHeads.take(from: &buffer.bytes) {
                buffer.releaseIfEmpty()
                return .head(try again(known))
            }
            try headReader.take(&buffer.bytes, within: limits)
            buffer.releaseIfEmpty()
            guard headReader.isComplete else { return nil }
            return .head(try finishHead(isInOnePiece: isUntouched))
        case .body:
            let piece = try bodyReader.next(&buffer.bytes, within: limits)
            buffer.releaseIfEmpty()
            if let piece { return .body(piece) }
            guard bodyReader.isDone else { return nil }
            stage = .head
            return .end
        }
    }

    private mutating func again(_ known: HTTPKnownHead<HTTPRequestHead>) throws(HTTPWireError)
        -> HTTPRequestHead
    {
        bodyReader = try BodyReader(known.length, within: limits)
        knownHead = known
        stage = .body
        return known.head
    }

    private mutating func finishHead(isInOnePiece: Bool) throws(HTTPWireError) -> HTTPRequestHead {
        let reader = headReader
        guard case .request(let method, let target, let version) = reader.startLine else {
            throw .badRequestLine
        }
        try Self.checkHost(version, reader.headers)
        let length = try BodyLength(ofRequest: version, reader.headers)
        bodyReader = try BodyReader(length, within: limits)
        headReader = HeadReader(.request)
        stage = .body
        let head = HTTPRequestHead(method: method, target: target, version: version, headers: reader.headers)
        knownHead = isInOnePiece ? HTTPKnownHead(head, bytes: reader.headers.bytes, length: length) : nil
        if let knownHead { knownHeads.keep(knownHead) }
        return head
    }

    /// RFC 9112 §3.2: exactly one Host from everyone who speaks 1.1.
    private static func checkHost(_ version: HTTPVersion, _ headers: HTTPHeaders) throws(HTTPWireError) {
        switch headers.rawValues("host").count {
        case 0 where version == .v1_1: throw .missingHost
        case 0, 1: return
        default: throw .repeatedHost
        }
    }
}
