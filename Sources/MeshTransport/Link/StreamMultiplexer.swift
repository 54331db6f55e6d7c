import Mesh

/// The streams of one link: `Mesh.Outflow` says whose turn it is and how much may go; this gives it to the
/// socket while that takes any, and what arrives to the stream it belongs to. Lives on the link's loop.
///
/// The receiver's credit for the link as a whole is given back as bytes arrive, that of a stream when its reader
/// has dealt with them: a reader that stalls must hold up its own stream, never its neighbours. What one peer can
/// make us hold is therefore ``streamsMax`` windows.
final class StreamMultiplexer {
    /// Streams that each side may have open on a link: calls in flight and circuits. A thousand slow calls are a
    /// busy node; twice that is a leak, at our end or the other.
    static let streamsMax = 2048
    /// Bytes that may wait on one link for credit or for the socket; over it the stream that asked is reset.
    /// Room for one record of the greatest size and a good many of the usual.
    static let waitingBytesMax = 2 * RecordAssembler.recordMax

    private let write: (Frame) -> Void
    private let writeData: (StreamID, _ kind: UInt8, _ isLast: Bool, ArraySlice<UInt8>) -> Void
    private let canWrite: () -> Bool
    private let flush: () -> Void
    private let accept: (LinkStream, StreamKind, _ header: [UInt8]) -> Void
    private var streams: [StreamID: LinkStream] = [:]
    private var outflow = Outflow()
    private var linkWindow = ReceiveWindow(SendWindow.linkInitial)
    private var nextID: StreamID
    private let theirParity: StreamID
    private var lastTheirs: StreamID = 0
    private var ours = 0
    private var isOver = false
    private var isPumping = false

    /// - Parameters:
    ///   - dialled: whether this side opened the link; it then takes odd stream ids, the other even ones.
    ///   - write: hands a frame to the socket; `flush` makes it leave.
    ///   - writeData: the same of a data frame, whose bytes need not be copied out of what they are part of.
    ///   - canWrite: whether the socket takes more without piling up.
    ///   - accept: called with each stream that the peer opens.
    init(
        dialled: Bool, write: @escaping (Frame) -> Void,
        writeData: @escaping (StreamID, _ kind: UInt8, _ isLast: Bool, ArraySlice<UInt8>) -> Void,
        canWrite: @escaping () -> Bool,
        flush: @escaping () -> Void, accept: @escaping (LinkStream, StreamKind, _ header: [UInt8]) -> Void
    ) {
        self.write = write
        self.writeData = writeData
        self.canWrite = canWrite
        self.flush = flush
        self.accept = accept
        nextID = dialled ? 1 : 2
        theirParity = dialled ? 0 : 1
    }

    /// Streams open now, both sides' together.
    var count: Int { streams.count }
    /// Those of them that carry a call.
    var callCount: Int { streams.values.count { $0.kind == .call } }

    /// Opens a stream towards the peer.
    func open(_ kind: StreamKind, header: [UInt8]) throws(LinkError) -> LinkStream {
        guard !isOver else { throw .closed }
        guard ours < Self.streamsMax else { throw .tooManyStreams }
        guard header.count <= Frame.streamHeaderMax else { throw .headerTooLarge(bytes: header.count) }
        let stream = LinkStream(id: nextID, kind, mux: self)
        nextID += 2
        ours += 1
        streams[stream.id] = stream
        outflow.open(stream.id)
        emit(.open(stream.id, kind, header: header))
        return stream
    }

    /// Takes in what the peer's streams say.
    ///
    /// - Throws: when the peer breaks the rules in a way that makes the whole link worthless.
    func receive(_ frame: Frame) throws {
        switch frame {
        case .open(let id, let kind, let header):
            try accept(id, kind, header)
        case .data(let id, let kind, let isLast, let bytes):
            // It costs no credit, so any number could be sent, and says nothing.
            guard !bytes.isEmpty || isLast else { throw LinkError.violation("an empty piece of a record") }
            try linkWindow.arrived(bytes.count)
            if let grant = linkWindow.consumed(bytes.count) { emit(.credit(0, bytes: grant)) }
            // A stream that is no longer here was reset by us while these bytes were under way.
            guard let stream = streams[id] else { return try checkKnown(id) }
            try stream.received(StreamChunk(kind: kind, isLast: isLast, bytes: bytes))
        case .end(let id):
            streams[id]?.receivedEnd()
        case .reset(let id, let code, let text):
            streams[id]?.tearDown(.reset(code, text: text))
        case .credit(let id, let bytes):
            try outflow.grant(id, bytes)
            pump()
        default:
            throw LinkError.violation("not a frame of streams")
        }
    }

    /// Sends what may be sent; called when the socket takes more, and after anything that made work.
    func pump() {
        guard !isOver, !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        var wrote = false
        while canWrite(), let frame = outflow.next() {
            write(frame)
            wrote = true
            switch frame {
            case .data(let id, _, _, let bytes): streams[id]?.sent(bytes.count)
            case .end(let id): streams[id]?.sentEnd()
            default: break
            }
        }
        if wrote { flush() }
    }

    /// The link is gone: so is every stream.
    func fail() {
        guard !isOver else { return }
        isOver = true
        for stream in streams.values.sorted(by: { $0.id < $1.id }) { stream.tearDown(.linkDown) }
        streams = [:]
        outflow = Outflow()
    }

    // MARK: For LinkStream

    func emit(_ frame: Frame) {
        guard !isOver else { return }
        write(frame)
        flush()
    }

    func queue(_ bytes: [UInt8], kind: UInt8, isLast: Bool, on stream: LinkStream) -> Bool {
        guard !isOver, outflow.waitingBytes + bytes.count <= Self.waitingBytesMax else { return false }
        outflow.send(stream.id, kind: kind, isLast: isLast, bytes)
        return true
    }

    /// Sends bytes at once where nothing waits before them.
    ///
    /// - Returns: `false` where they have to be queued.
    func pass(_ bytes: ArraySlice<UInt8>, kind: UInt8, isLast: Bool, on stream: LinkStream) -> Bool {
        guard !isOver, !isPumping, canWrite(), outflow.pass(stream.id, bytes: bytes.count) else {
            return false
        }
        writeData(stream.id, kind, isLast, bytes)
        flush()
        return true
    }

    func end(_ stream: LinkStream) {
        if !isOver, !isPumping, outflow.isIdle, canWrite() {
            write(.end(stream.id))
            flush()
            return stream.sentEnd()
        }
        outflow.end(stream.id)
        pump()
    }

    func forget(_ stream: LinkStream) {
        guard streams.removeValue(forKey: stream.id) != nil else { return }
        outflow.close(stream.id)
        if stream.id & 1 != theirParity { ours -= 1 }
    }

    // MARK: Private parts

    private func accept(_ id: StreamID, _ kind: StreamKind, _ header: [UInt8]) throws(LinkError) {
        guard id & 1 == theirParity, id > lastTheirs else {
            throw .violation("stream \(id) opened out of turn")
        }
        lastTheirs = id
        guard streams.count - ours < Self.streamsMax else {
            return emit(.reset(id, .limited, text: "more than \(Self.streamsMax) streams on one link"))
        }
        let stream = LinkStream(id: id, kind, mux: self)
        streams[id] = stream
        outflow.open(id)
        accept(stream, kind, header)
    }

    private func checkKnown(_ id: StreamID) throws(LinkError) {
        let isKnown = id & 1 == theirParity ? id <= lastTheirs : id < nextID
        guard isKnown else { throw .violation("bytes for stream \(id), which was never opened") }
    }
}
