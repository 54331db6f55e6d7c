import Catalog

extension Frame {
    /// Numbers on the wire, for good; an unknown one is skipped.
    private enum Number: UInt8 {
        case hello = 1
        case heartbeat = 2
        case goodbye = 3
        case ping = 4
        case pong = 5
        case documents = 16
        case announce = 17
        case pull = 18
        case digest = 19
        case digestRows = 20
        case manifestPull = 21
        case manifestPage = 22
        case manifestAbsent = 23
        case statementDigest = 24
        case statements = 25
        case scopedOffer = 26
        case scopedHeld = 27
        case scopedDocuments = 28
        case bucketDigest = 29
        case bucketRows = 30
        // 31 is Frame.deflatedType: another frame, deflated.
        case open = 32
        case data = 33
        case end = 34
        case reset = 35
        case credit = 36
    }

    /// The whole frame, its length in front.
    package var encoded: [UInt8] {
        var encoder = CanonicalEncoder(reserving: 64)
        encode(to: &encoder)
        return encoder.bytes
    }

    /// Writes ``encoded`` behind what is written there already.
    package func encode(to encoder: inout CanonicalEncoder) {
        let start = encoder.openCount()
        encoder.put(number.rawValue)
        encoder.put(stream)
        encodeFields(to: &encoder)
        encoder.closeCount(start)
    }

    /// Writes a ``data(_:kind:isLast:_:)`` of bytes that are part of something greater, without a copy between.
    package static func encodeData(
        _ stream: StreamID, kind: UInt8, isLast: Bool, _ bytes: ArraySlice<UInt8>,
        to encoder: inout CanonicalEncoder
    ) {
        let start = encoder.openCount()
        encoder.put(Number.data.rawValue)
        encoder.put(stream)
        encoder.put(kind)
        encoder.put(isLast)
        encoder.put(fixed: bytes)
        encoder.closeCount(start)
    }

    /// Reads type, stream and fields: what follows a frame's length.
    ///
    /// - Returns: `nil` for a type that a newer version brought.
    package static func decode(_ body: ArraySlice<UInt8>) throws(WireError) -> Frame? {
        var decoder = CanonicalDecoder(body)
        let type = try decoder.byte("frame type")
        let stream = try decoder.uint64("stream")
        if type == deflatedType { return try inflate(&decoder, stream: stream) }
        guard let number = Number(rawValue: type) else { return nil }
        let frame = try decode(number, stream: stream, from: &decoder)
        try decoder.finish()
        guard frame.stream == stream else { throw .invalid("stream of a frame of type \(type)") }
        return frame
    }

    private var number: Number {
        switch self {
        case .hello: .hello
        case .heartbeat: .heartbeat
        case .goodbye: .goodbye
        case .ping: .ping
        case .pong: .pong
        case .documents: .documents
        case .announce: .announce
        case .pull: .pull
        case .digest: .digest
        case .digestRows: .digestRows
        case .bucketDigest: .bucketDigest
        case .bucketRows: .bucketRows
        case .manifestPull: .manifestPull
        case .manifestPage: .manifestPage
        case .manifestAbsent: .manifestAbsent
        case .statementDigest: .statementDigest
        case .statements: .statements
        case .scopedOffer: .scopedOffer
        case .scopedHeld: .scopedHeld
        case .scopedDocuments: .scopedDocuments
        case .open: .open
        case .data: .data
        case .end: .end
        case .reset: .reset
        case .credit: .credit
        }
    }

    private func encodeFields(to encoder: inout CanonicalEncoder) {
        switch self {
        case .hello(let hello): encoder.put(hello)
        case .heartbeat, .end: break
        case .goodbye(let reason, let text):
            encoder.put(reason.rawValue)
            encoder.put(text: text.cut(toBytes: Self.textMax))
        case .ping(let number), .pong(let number): encoder.put(number)
        case .documents(let documents):
            encoder.put(count: documents.count)
            for document in documents { encoder.put(bytes: document) }
        case .announce(let rows):
            encoder.put(count: rows.count)
            for row in rows { row.encode(to: &encoder) }
        case .pull(let keys):
            encoder.put(count: keys.count)
            for key in keys { key.encode(to: &encoder) }
        case .digest(let digest):
            encoder.put(digest.count)
            encoder.put(digest.root)
        case .digestRows(let page): Self.encode(page, to: &encoder)
        case .bucketDigest(let digest): encoder.put(digest)
        case .bucketRows(let rows):
            encoder.put(rows.buckets)
            Self.encode(rows.page, to: &encoder)
        case .manifestPull(let pull):
            encoder.put(pull.manifest)
            encoder.put(pull.firstPage)
            encoder.put(pull.pageCount)
        case .manifestPage(let page):
            encoder.put(page.manifest)
            encoder.put(page.index)
            encoder.put(bytes: page.bytes)
        case .manifestAbsent(let manifest): encoder.put(manifest)
        case .statementDigest(let digest):
            encoder.put(digest.count)
            encoder.put(digest.root)
        case .statements(let statements, let isLast):
            encoder.put(isLast)
            encoder.put(count: statements.count)
            for statement in statements { encoder.put(bytes: statement) }
        case .scopedOffer(let digest):
            encoder.put(digest.count)
            encoder.put(digest.root)
        case .scopedHeld(let digest, let isAnswer):
            encoder.put(isAnswer)
            encoder.put(digest.count)
            encoder.put(digest.root)
        case .scopedDocuments(let documents, let isLast):
            encoder.put(isLast)
            encoder.put(count: documents.count)
            for document in documents { encoder.put(bytes: document) }
        case .open(_, let kind, let header):
            encoder.put(kind.rawValue)
            encoder.put(fixed: header)
        case .data(_, let kind, let isLast, let bytes):
            encoder.put(kind)
            encoder.put(isLast)
            encoder.put(fixed: bytes)
        case .reset(_, let code, let text):
            encoder.put(code.rawValue)
            encoder.put(text: text.cut(toBytes: Self.textMax))
        case .credit(_, let bytes): encoder.put(bytes)
        }
    }

    private static func decode(
        _ number: Number, stream: StreamID, from decoder: inout CanonicalDecoder
    ) throws(WireError) -> Frame {
        switch number {
        case .hello: return .hello(try decoder.value(Hello.self))
        case .heartbeat: return .heartbeat
        case .goodbye:
            // A reason that we do not know yet still ends the link.
            let reason = GoodbyeReason(rawValue: try decoder.byte("reason")) ?? .shuttingDown
            return .goodbye(reason, text: try decoder.text(max: textMax, "text"))
        case .ping: return .ping(try decoder.uint64("number"))
        case .pong: return .pong(try decoder.uint64("number"))
        case .documents: return .documents(try decodeDocuments(from: &decoder))
        case .announce: return .announce(try decodeRows(from: &decoder))
        case .pull:
            var keys: [DocumentKey] = []
            for _ in 0..<(try decoder.count(max: keysMax, "keys")) {
                if let key = try DocumentKey.decode(from: &decoder) { keys.append(key) }
            }
            return .pull(keys)
        case .digest:
            return .digest(
                Digest(count: try decoder.uint32("document count"), root: try decoder.hash("root hash")))
        case .digestRows: return .digestRows(try decodePage(from: &decoder))
        case .bucketDigest: return .bucketDigest(try decoder.value(BucketDigest.self))
        case .bucketRows:
            let buckets = try decoder.value(BucketSet.self)
            return .bucketRows(BucketRows(buckets: buckets, page: try decodePage(from: &decoder)))
        case .manifestPull:
            return .manifestPull(
                ManifestPull(
                    manifest: try decoder.hash("manifest hash"), firstPage: try decoder.uint32("page"),
                    pageCount: try decoder.uint16("page count")))
        case .manifestPage:
            return .manifestPage(
                ManifestPage(
                    manifest: try decoder.hash("manifest hash"), index: try decoder.uint32("page"),
                    bytes: try decoder.bytes(max: ManifestCodec.pageBytes, "page")))
        case .manifestAbsent: return .manifestAbsent(try decoder.hash("manifest hash"))
        case .statementDigest:
            return .statementDigest(
                Digest(count: try decoder.uint32("statement count"), root: try decoder.hash("root hash")))
        case .statements:
            let isLast = try decoder.bool("last")
            return .statements(try decodeDocuments(from: &decoder), isLast: isLast)
        case .scopedOffer:
            return .scopedOffer(
                Digest(count: try decoder.uint32("server count"), root: try decoder.hash("root hash")))
        case .scopedHeld:
            let isAnswer = try decoder.bool("answer")
            return .scopedHeld(
                Digest(count: try decoder.uint32("server count"), root: try decoder.hash("root hash")),
                isAnswer: isAnswer)
        case .scopedDocuments:
            let isLast = try decoder.bool("last")
            return .scopedDocuments(try decodeDocuments(from: &decoder), isLast: isLast)
        case .open, .data, .end, .reset, .credit:
            return try decodeStreamFrame(number, stream: stream, from: &decoder)
        }
    }

    private static func decodeStreamFrame(
        _ number: Number, stream: StreamID, from decoder: inout CanonicalDecoder
    ) throws(WireError) -> Frame {
        if number == .credit { return .credit(stream, bytes: try decoder.uint32("credit")) }
        guard stream != 0 else { throw .invalid("stream") }
        switch number {
        case .open:
            guard let kind = StreamKind(rawValue: try decoder.byte("stream kind")) else {
                throw .invalid("stream kind")
            }
            let header = decoder.rest()
            guard header.count <= streamHeaderMax else {
                throw .tooLong("stream header", max: streamHeaderMax)
            }
            return .open(stream, kind, header: Array(header))
        case .data:
            let kind = try decoder.byte("record kind")
            let isLast = try decoder.bool("last")
            return .data(stream, kind: kind, isLast: isLast, Array(decoder.rest()))
        case .reset:
            let code = ResetCode(rawValue: try decoder.byte("code")) ?? .internalError
            return .reset(stream, code, text: try decoder.text(max: textMax, "text"))
        default: return .end(stream)
        }
    }

    private static func decodeDocuments(from decoder: inout CanonicalDecoder) throws(WireError) -> [[UInt8]] {
        var documents: [[UInt8]] = []
        for _ in 0..<(try decoder.count(max: documentsMax, "documents")) {
            documents.append(try decoder.bytes(max: payloadMax, "document"))
        }
        return documents
    }

    private static func decodeRows(from decoder: inout CanonicalDecoder) throws(WireError) -> [DocumentRow] {
        try decodeRowsSkipping(from: &decoder).rows
    }

    private static func decodeRowsSkipping(
        from decoder: inout CanonicalDecoder
    ) throws(WireError) -> (rows: [DocumentRow], skipped: Int) {
        var rows: [DocumentRow] = []
        let count = try decoder.count(max: DigestPage.rowsMax, "rows")
        for _ in 0..<count {
            if let row = try DocumentRow.decode(from: &decoder) { rows.append(row) }
        }
        return (rows, count - rows.count)
    }

    private static func encode(_ page: DigestPage, to encoder: inout CanonicalEncoder) {
        encoder.put(page.after != nil)
        page.after?.encode(to: &encoder)
        encoder.put(count: page.rows.count)
        for row in page.rows { row.encode(to: &encoder) }
        encoder.put(page.isLast)
    }

    private static func decodePage(from decoder: inout CanonicalDecoder) throws(WireError) -> DigestPage {
        let hasAfter = try decoder.bool("after")
        let after = hasAfter ? try DocumentKey.decode(from: &decoder) : nil
        let (rows, skipped) = try decodeRowsSkipping(from: &decoder)
        let isLast = try decoder.bool("last page")
        // Newer kinds sort after all of ours: a page that begins there says nothing to us, one that reaches
        // there is our last.
        if hasAfter && after == nil { return DigestPage(after: nil, rows: [], isLast: false) }
        // Our answer walks our keys beside these in one pass.
        for (a, b) in zip(rows, rows.dropFirst()) where a.key >= b.key { throw .invalid("order of rows") }
        if let after, let first = rows.first, first.key <= after { throw .invalid("order of rows") }
        return DigestPage(after: after, rows: rows, isLast: isLast || skipped > 0)
    }
}
