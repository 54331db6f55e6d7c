import Mesh

/// Why a stream ended before its end.
enum StreamBreak: Hashable, Sendable, CustomStringConvertible {
    /// The other side, or a relay, said so.
    case reset(ResetCode, text: String)
    /// We said so.
    case resetByUs(ResetCode, text: String)
    /// The link under the stream is gone.
    case linkDown

    var description: String {
        switch self {
        case .reset(let code, let text): text.isEmpty ? "reset by the other side (\(code))" : text
        case .resetByUs(let code, let text): text.isEmpty ? "reset (\(code))" : text
        case .linkDown: "the link went down"
        }
    }
}

/// One stream of a link, seen from one end. Lives on the link's loop and nowhere else.
final class LinkStream {
    let id: StreamID
    let kind: StreamKind
    /// Held until the stream is over. Setting it hands over what came before anybody read.
    var reader: (any StreamReader)? {
        didSet { if isOver { reader = nil } else { replay() } }
    }
    /// Bytes that wait for credit, turn or socket.
    private(set) var bytesWaiting = 0

    /// Until the stream is over: each holds the other.
    private var mux: StreamMultiplexer?
    private var window = ReceiveWindow()
    private var isFinished = false
    private var endReceived = false
    private(set) var isOver = false
    /// What came before somebody read; at most a window's worth, by the rule of credit.
    private var early: [StreamChunk]? = []
    private var earlyEnd = false

    init(id: StreamID, _ kind: StreamKind, mux: StreamMultiplexer) {
        self.id = id
        self.kind = kind
        self.mux = mux
    }

    /// Queues a record (or, with kind 0, bytes of a circuit); it leaves in chunks, as credit and the other
    /// streams allow.
    func send(_ bytes: [UInt8], kind: UInt8, isLast: Bool) {
        send(bytes[...], kind: kind, isLast: isLast)
    }

    func send(_ bytes: ArraySlice<UInt8>, kind: UInt8, isLast: Bool) {
        guard !isOver, !isFinished, !bytes.isEmpty || isLast, let mux else { return }
        if mux.pass(bytes, kind: kind, isLast: isLast, on: self) {
            if !bytes.isEmpty { reader?.drained(bytes.count, of: self) }
            return
        }
        guard mux.queue(Array(bytes), kind: kind, isLast: isLast, on: self) else {
            return reset(.overflow, "more than \(StreamMultiplexer.waitingBytesMax) bytes wait on this link")
        }
        bytesWaiting += bytes.count
        mux.pump()
    }

    func send(_ record: CallRecord) {
        let kind = record.kind.rawValue
        switch record {
        case .params(let json), .result(let json), .error(let json):
            send(json.bytes, kind: kind, isLast: true)
        case .notification, .failure, .standing: send(record.payload, kind: kind, isLast: true)
        }
    }

    /// Nothing more will be sent; what is queued still goes.
    func finish() {
        guard !isOver, !isFinished else { return }
        isFinished = true
        mux?.end(self)
    }

    /// Ends our direction after what is queued, and lets the rest of theirs run into the sand.
    func close() {
        reader = Sand.anywhere
        finish()
    }

    /// Ends both directions now.
    func reset(_ code: ResetCode, _ text: String = "") {
        guard !isOver else { return }
        mux?.emit(.reset(id, code, text: text))
        tearDown(.resetByUs(code, text: text))
    }

    /// The reader is done with so many bytes: the other side may send as many more.
    func consumed(_ count: Int) {
        guard !isOver, !endReceived, count > 0, let grant = window.consumed(count) else { return }
        mux?.emit(.credit(id, bytes: grant))
    }

    // MARK: Between the stream and its link

    func sent(_ count: Int) {
        bytesWaiting -= count
        if count > 0 { reader?.drained(count, of: self) }
    }

    func sentEnd() { settle(ourEnd: true) }

    func received(_ chunk: StreamChunk) throws(WireError) {
        guard !endReceived else { throw .invalid("data after the end of stream \(id)") }
        try window.arrived(chunk.bytes.count)
        if early != nil {
            early?.append(chunk)
        } else {
            reader?.received(chunk, on: self)
        }
    }

    func receivedEnd() {
        guard !endReceived else { return }
        endReceived = true
        if early != nil { earlyEnd = true } else { reader?.receivedEnd(of: self) }
        settle(ourEnd: false)
    }

    func tearDown(_ why: StreamBreak) {
        guard !isOver else { return }
        isOver = true
        bytesWaiting = 0
        early = nil
        let last = reader
        leave()
        last?.broke(why, of: self)
    }

    /// Lets go of who holds it.
    private func leave() {
        reader = nil
        mux?.forget(self)
        mux = nil
    }

    private var endSent = false

    /// A stream that ended at both sides is forgotten.
    private func settle(ourEnd: Bool) {
        if ourEnd { endSent = true }
        guard endSent, endReceived, !isOver, early == nil else { return }
        isOver = true
        leave()
    }

    private func replay() {
        guard reader != nil, let waiting = early else { return }
        early = nil
        for chunk in waiting { reader?.received(chunk, on: self) }
        if earlyEnd {
            reader?.receivedEnd(of: self)
            settle(ourEnd: false)
        }
    }
}

/// What the rest of a stream runs into that nobody reads any more.
private final class Sand: StreamReader, Sendable {
    /// It holds nothing, so that one does for all streams.
    static let anywhere = Sand()

    func received(_ chunk: StreamChunk, on stream: LinkStream) { stream.consumed(chunk.bytes.count) }
    func receivedEnd(of stream: LinkStream) {}
    func broke(_ why: StreamBreak, of stream: LinkStream) {}
}
