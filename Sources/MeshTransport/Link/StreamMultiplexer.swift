import Mesh

/// What a multiplexer asks of the link that it belongs to: ``LinkHandler``, and a hand-driven wire in tests. One reference instead of a closure for
/// each question, since most frames of a call ask several.
protocol StreamCarrier: AnyObject {
    /// Whether the socket takes more without piling up.
    var takesMore: Bool { get }
    /// Hands a frame of a stream to the socket; ``flushSoon()`` makes it leave.
    func carry(_ frame: Frame)
    /// The same of a data frame, whose bytes need not be copied out of what they are part of.
    func carryData(_ stream: StreamID, kind: UInt8, isLast: Bool, _ bytes: ArraySlice<UInt8>)
    func flushSoon()
    /// The peer has opened a stream.
    func opened(_ stream: LinkStream, _ kind: StreamKind, header: [UInt8])
}

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

    /// Until the link is gone: each holds the other.
    private var carrier: (any StreamCarrier)?
    private var streams: [StreamID: LinkStream] = [:]
    private var outflow = Outflow()
    private var linkWindow = ReceiveWindow(SendWindow.linkInitial)
    private var nextID: StreamID
    private let theirParity: StreamID
    private var lastTheirs: StreamID = 0
    private var ours = 0
    private var isPumping = false

    /// - Parameter dialled: whether this side opened the link; it then takes odd stream ids, the other even ones.
    init(on carrier: any StreamCarrier, dialled: Bool) {
        self.carrier = carrier
        nextID = dialled ? 1 : 2
        theirParity = dialled ? 0 : 1
    }

    /// Streams open now, both sides' together.
    var count: Int { streams.count }
    /// Those of them that carry a call.
    var callCount: Int { streams.values.count { $0.kind == .call } }

    /// Opens a stream towards the peer.
    func open(_ kind: StreamKind, header: [UInt8]) throws(LinkError) -> LinkStream {
        guard carrier != nil else { throw .closed }
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
        guard let carrier, !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        var wrote = false
        while carrier.takesMore, let frame = outflow.next() {
            carrier.carry(frame)
            wrote = true
            switch frame {
            case .data(let id, _, _, let bytes): streams[id]?.sent(bytes.count)
            case .end(let id): streams[id]?.sentEnd()
            default: break
            }
        }
        if wrote { carrier.flushSoon() }
    }

    /// The link is gone: so is every stream.
    func fail() {
        guard carrier != nil else { return }
        carrier = nil
        for stream in streams.values.sorted(by: { $0.id < $1.id }) { stream.tearDown(.linkDown) }
        streams = [:]
        outflow = Outflow()
    }

    // MARK: For LinkStream

    func emit(_ frame: Frame) {
        guard let carrier else { return }
        carrier.carry(frame)
        carrier.flushSoon()
    }

    func queue(_ bytes: [UInt8], kind: UInt8, isLast: Bool, on stream: LinkStream) -> Bool {
        guard carrier != nil, outflow.waitingBytes + bytes.count <= Self.waitingBytesMax else { return false }
        outflow.send(stream.id, kind: kind, isLast: isLast, bytes)
        return true
    }

    /// Sends bytes at once where nothing waits before them.
    ///
    /// - Returns: `false` where they have to be queued.
    func pass(_ bytes: ArraySlice<UInt8>, kind: UInt8, isLast: Bool, on stream: LinkStream) -> Bool {
        guard let carrier, !isPumping, carrier.takesMore, outflow.pass(stream.id, bytes: bytes.count) else {
            return false
        }
        carrier.carryData(stream.id, kind: kind, isLast: isLast, bytes)
        carrier.flushSoon()
        return true
    }

    func end(_ stream: LinkStream) {
        if let carrier, !isPumping, outflow.isIdle, carrier.takesMore {
            carrier.carry(.end(stream.id))
            carrier.flushSoon()
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
        carrier?.opened(stream, kind, header: header)
    }

    private func checkKnown(_ id: StreamID) throws(LinkError) {
        let isKnown = id & 1 == theirParity ? id <= lastTheirs : id < nextID
        guard isKnown else { throw .violation("bytes for stream \(id), which was never opened") }
    }
}
