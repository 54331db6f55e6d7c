/// How much a sender may still send on a stream, or on a link as a whole: credit per stream and link.
package struct SendWindow: Hashable, Sendable {
    /// What a new stream may carry before its receiver grants more: some round trips' worth on a fast link.
    package static let streamInitial = 256 * 1024
    /// The same for all streams of a link together.
    package static let linkInitial = 4 * 1024 * 1024
    /// More than any honest receiver grants; over it the peer is broken.
    package static let creditMax = 256 * 1024 * 1024

    package private(set) var credit: Int

    package init(_ credit: Int = Self.streamInitial) { self.credit = credit }

    /// Takes as much of `wanted` as there is credit for.
    package mutating func take(upTo wanted: Int) -> Int {
        let taken = max(0, min(wanted, credit))
        credit -= taken
        return taken
    }

    package mutating func grant(_ bytes: UInt32) throws(WireError) {
        guard credit + Int(bytes) <= Self.creditMax else { throw .tooLong("credit", max: Self.creditMax) }
        credit += Int(bytes)
    }
}

/// The receiver's side: what it allowed, and when to allow more.
package struct ReceiveWindow: Hashable, Sendable {
    private let size: Int
    private var allowed: Int
    private var consumed = 0

    package init(_ size: Int = SendWindow.streamInitial) {
        self.size = size
        allowed = size
    }

    /// Bytes arrived. Refuses more than was allowed.
    package mutating func arrived(_ bytes: Int) throws(WireError) {
        guard bytes <= allowed else { throw .tooLong("what a stream sent beyond its credit", max: allowed) }
        allowed -= bytes
    }

    /// Bytes were taken out of the way, so that their place is free again.
    ///
    /// - Returns: credit to send now: half a window at a time, so that credit frames stay rare.
    package mutating func consumed(_ bytes: Int) -> UInt32? {
        consumed += bytes
        guard consumed * 2 >= size else { return nil }
        let grant = consumed
        allowed += grant
        consumed = 0
        return UInt32(clamping: grant)
    }
}

/// All that one link still has to send of its streams' data: chunk by chunk, one stream after the other, each
/// within its credit, so that no call holds up another.
package struct Outflow: Sendable {
    private struct Record: Sendable {
        var kind: UInt8
        var isLast: Bool
        var bytes: [UInt8]
        var sent = 0
    }

    private struct Stream: Sendable {
        var records: [Record] = []
        var next = 0
        var window = SendWindow()
        var endsAfter = false
        var isQueued = false
        var hasWork: Bool { next < records.count || endsAfter }
    }

    private var streams: [StreamID: Stream] = [:]
    private var link = SendWindow(SendWindow.linkInitial)
    /// Streams with something to send, in turn; `turn` counts those that had theirs.
    private var queue: [StreamID] = []
    private var turn = 0
    /// Bytes waiting; the shell bounds it by not reading from where they come.
    package private(set) var waitingBytes = 0

    package init() {}

    package mutating func open(_ stream: StreamID) { streams[stream] = Stream() }

    /// Forgets a stream that was reset, and what it still had to send.
    package mutating func close(_ stream: StreamID) {
        guard let gone = streams.removeValue(forKey: stream) else { return }
        for record in gone.records[gone.next...] { waitingBytes -= record.bytes.count - record.sent }
    }

    package func waitingBytes(of stream: StreamID) -> Int {
        guard let stream = streams[stream] else { return 0 }
        return stream.records[stream.next...].reduce(0) { $0 + $1.bytes.count - $1.sent }
    }

    /// Queues a whole record, or in a circuit (`kind` 0, `isLast` false) just bytes.
    package mutating func send(_ stream: StreamID, kind: UInt8, isLast: Bool, _ bytes: [UInt8]) {
        guard streams[stream] != nil else { return }
        streams[stream]?.records.append(Record(kind: kind, isLast: isLast, bytes: bytes))
        waitingBytes += bytes.count
        enqueue(stream)
    }

    package mutating func send(_ stream: StreamID, _ record: CallRecord) {
        send(stream, kind: record.kind.rawValue, isLast: true, record.payload)
    }

    /// Lets bytes of a stream go out now, past the queue: where nothing waits, and credit is enough for all of them.
    ///
    /// - Returns: whether they may; if so they have taken their credit.
    package mutating func pass(_ stream: StreamID, bytes count: Int) -> Bool {
        guard isIdle, count <= Frame.chunkBytes, count <= link.credit, let window = streams[stream]?.window,
            count <= window.credit
        else { return false }
        _ = streams[stream]?.window.take(upTo: count)
        _ = link.take(upTo: count)
        return true
    }

    /// Whether no stream has anything to send; what waits for credit alone does not count.
    package var isIdle: Bool { turn == queue.count && waitingBytes == 0 }

    /// After what is queued, the stream ends.
    package mutating func end(_ stream: StreamID) {
        guard streams[stream] != nil else { return }
        streams[stream]?.endsAfter = true
        enqueue(stream)
    }

    /// - Parameter stream: 0 for the link.
    package mutating func grant(_ stream: StreamID, _ bytes: UInt32) throws(WireError) {
        if stream == 0 {
            try link.grant(bytes)
        } else if var window = streams[stream]?.window {
            try window.grant(bytes)
            streams[stream]?.window = window
            enqueue(stream)
        }
    }

    /// - Returns: the next frame to write; `nil` until something is queued or granted.
    package mutating func next() -> Frame? {
        while turn < queue.count {
            let id = queue[turn]
            guard var stream = streams[id] else {
                advance()
                continue
            }
            let frame = nextFrame(of: id, &stream)
            // Without a frame: out of credit (its grant queues it again) or the whole link is, and then all wait.
            if frame == nil && link.credit == 0 && stream.window.credit > 0 { return nil }
            advance()
            stream.isQueued = false
            streams[id] = stream
            if case .end = frame {
                streams[id]?.endsAfter = false
                return frame
            }
            if frame != nil {
                if stream.hasWork { enqueue(id) }
                return frame
            }
        }
        return nil
    }

    private mutating func nextFrame(of id: StreamID, _ stream: inout Stream) -> Frame? {
        guard stream.next < stream.records.count else { return stream.endsAfter ? .end(id) : nil }
        var record = stream.records[stream.next]
        let left = record.bytes.count - record.sent
        let wanted = min(left, Frame.chunkBytes, stream.window.credit)
        let count = link.take(upTo: wanted)
        guard count > 0 || left == 0 else { return nil }
        _ = stream.window.take(upTo: count)
        waitingBytes -= count
        let chunk = Array(record.bytes[record.sent..<(record.sent + count)])
        record.sent += count
        let isWhole = record.sent == record.bytes.count
        if isWhole {
            stream.next += 1
            if stream.next == stream.records.count {
                stream.records = []
                stream.next = 0
            } else {
                stream.records[stream.next - 1].bytes = []
                stream.records[stream.next - 1].sent = 0
            }
        } else {
            stream.records[stream.next].sent = record.sent
        }
        return .data(id, kind: record.kind, isLast: isWhole && record.isLast, chunk)
    }

    private mutating func enqueue(_ id: StreamID) {
        guard let stream = streams[id], !stream.isQueued, stream.hasWork else { return }
        streams[id]?.isQueued = true
        queue.append(id)
    }

    private mutating func advance() {
        turn += 1
        // Drop what is behind us now and then, not each time.
        if turn == queue.count || turn > 1024 {
            queue.removeFirst(turn)
            turn = 0
        }
    }
}
