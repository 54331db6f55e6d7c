import Mesh
import Testing

@testable import MeshTransport

/// Two multiplexers joined by two queues that are delivered by hand.
private final class Wire {
    /// What one of them writes, and what it is told of.
    final class End: StreamCarrier {
        var toOther: [Frame] = []
        var sent: [Frame] = []
        var accepted: [(stream: LinkStream, kind: StreamKind, header: [UInt8])] = []
        /// What the socket takes before it is full.
        var room = Int.max

        var takesMore: Bool { room > 0 }

        func carry(_ frame: Frame) {
            toOther.append(frame)
            sent.append(frame)
            if case .data(_, _, _, let bytes) = frame { room -= bytes.count }
        }

        func carryData(_ stream: StreamID, kind: UInt8, isLast: Bool, _ bytes: ArraySlice<UInt8>) {
            carry(.data(stream, kind: kind, isLast: isLast, Array(bytes)))
        }

        func flushSoon() {}

        func opened(_ stream: LinkStream, _ kind: StreamKind, header: [UInt8]) {
            accepted.append((stream, kind, header))
        }
    }

    let (endA, endB) = (End(), End())
    let a: StreamMultiplexer
    let b: StreamMultiplexer
    var sent: [Frame] { endA.sent }
    var accepted: [(stream: LinkStream, kind: StreamKind, header: [UInt8])] { endB.accepted }

    init() {
        a = StreamMultiplexer(on: endA, dialled: true)
        b = StreamMultiplexer(on: endB, dialled: false)
    }

    deinit {
        a.fail()
        b.fail()
    }

    func deliver() throws {
        while !endA.toOther.isEmpty || !endB.toOther.isEmpty {
            let (forA, forB) = (endB.toOther, endA.toOther)
            (endA.toOther, endB.toOther) = ([], [])
            for frame in forB { try b.receive(frame) }
            for frame in forA { try a.receive(frame) }
        }
    }
}

@Suite struct StreamTests {
    @Test func `what goes in at one end comes out at the other, and both ends are forgotten`() throws {
        let wire = Wire()
        let stream = try wire.a.open(.call, header: [1, 2, 3])
        stream.send([9, 9], kind: 1, isLast: true)
        stream.finish()
        try wire.deliver()
        let other = try #require(wire.accepted.first)
        #expect(other.kind == .call && other.header == [1, 2, 3])
        var got: [UInt8] = []
        var ended = false
        // Set late: what came before anybody read is kept.
        other.stream.reader = Listener(data: { got += $0.bytes }, end: { ended = true })
        #expect(got == [9, 9] && ended)
        var answer: [UInt8] = []
        stream.reader = Listener(data: { answer += $0.bytes })
        other.stream.send([7], kind: 3, isLast: true)
        other.stream.finish()
        try wire.deliver()
        #expect(answer == [7])
        #expect(wire.a.count == 0 && wire.b.count == 0)
    }

    @Test func `no more is sent than the reader has room for, and the rest follows`() throws {
        let wire = Wire()
        let stream = try wire.a.open(.call, header: [])
        let total = 3 * SendWindow.streamInitial
        stream.send([UInt8](repeating: 1, count: total), kind: 1, isLast: true)
        try wire.deliver()
        var waiting: [StreamChunk] = []
        var got = 0
        let other = try #require(wire.accepted.first?.stream)
        other.reader = Listener(data: {
            waiting.append($0)
            got += $0.bytes.count
        })
        #expect(got == SendWindow.streamInitial)
        #expect(stream.bytesWaiting == total - got)
        while got < total {
            try #require(!waiting.isEmpty)
            for chunk in waiting { other.consumed(chunk.bytes.count) }
            waiting = []
            try wire.deliver()
        }
        #expect(got == total)
    }

    @Test func `a peer that sends beyond its credit breaks the link`() throws {
        let wire = Wire()
        _ = try wire.a.open(.call, header: [])
        try wire.deliver()
        let chunk = [UInt8](repeating: 0, count: Frame.chunkBytes)
        #expect(throws: WireError.self) {
            for _ in 0...(SendWindow.streamInitial / chunk.count) {
                try wire.b.receive(.data(1, kind: 1, isLast: false, chunk))
            }
        }
    }

    @Test(arguments: [
        Frame.open(2, .call, header: []),  // our own parity
        Frame.data(3, kind: 1, isLast: true, [1]),  // never opened
        Frame.data(1, kind: 1, isLast: false, []),  // says nothing, costs nothing
        Frame.heartbeat,
    ])
    func `frames out of turn break the link`(frame: Frame) throws {
        let wire = Wire()
        #expect(throws: LinkError.self) { try wire.b.receive(frame) }
    }

    @Test func `a small record passes a large one on its way`() throws {
        let wire = Wire()
        wire.endA.room = 0
        let large = try wire.a.open(.call, header: [])
        let small = try wire.a.open(.call, header: [])
        large.send([UInt8](repeating: 1, count: 10 * Frame.chunkBytes), kind: 1, isLast: true)
        small.send([2], kind: 1, isLast: true)
        wire.endA.room = .max
        wire.a.pump()
        let order = wire.sent.compactMap { frame in
            if case .data(let id, _, _, _) = frame { id } else { nil }
        }
        #expect(try #require(order.firstIndex(of: small.id)) <= 1)
        #expect(order.count { $0 == large.id } == 10)
    }

    @Test func `a reset ends a stream at both ends and leaves the others alone`() throws {
        let wire = Wire()
        let doomed = try wire.a.open(.call, header: [])
        let other = try wire.a.open(.call, header: [])
        try wire.deliver()
        var why: StreamBreak?
        wire.accepted[0].stream.reader = Listener(broken: { why = $0 })
        doomed.reset(.cancelled, "enough")
        try wire.deliver()
        #expect(why == .reset(.cancelled, text: "enough"))
        #expect(doomed.isOver && !other.isOver)
        #expect(wire.a.count == 1 && wire.b.count == 1)
    }

    @Test func `what no longer fits the link ends its stream with a word that says nothing of what ran`()
        throws
    {
        let wire = Wire()
        let stream = try wire.a.open(.call, header: [])
        try wire.deliver()
        var why: StreamBreak?
        wire.accepted[0].stream.reader = Listener(broken: { why = $0 })
        let most = [UInt8](repeating: 0, count: StreamMultiplexer.waitingBytesMax + 1)
        stream.send(most, kind: 3, isLast: true)
        try wire.deliver()
        guard case .reset(.overflow, _)? = why else {
            Issue.record("the stream ended as \(String(describing: why))")
            return
        }
        #expect(wire.a.count == 0 && wire.b.count == 0)
    }

    @Test func `who reads a stream is let go of when it is over, and when it is over already`() throws {
        let wire = Wire()
        let stream = try wire.a.open(.call, header: [])
        weak var reader: Listener?
        do {
            let listener = Listener()
            reader = listener
            stream.reader = listener
        }
        #expect(reader != nil)
        stream.reset(.cancelled)
        #expect(reader == nil)
        do {
            let listener = Listener()
            reader = listener
            stream.reader = listener
        }
        #expect(reader == nil)
    }

    @Test func `a link that goes down takes all its streams with it`() throws {
        let wire = Wire()
        var broken = 0
        for _ in 0..<5 {
            try wire.a.open(.call, header: []).reader = Listener(broken: { _ in broken += 1 })
        }
        wire.a.fail()
        #expect(broken == 5 && wire.a.count == 0)
        #expect(throws: LinkError.closed) { try wire.a.open(.call, header: []) }
    }

    @Test func `streams beyond the bound are refused, ours here and theirs there`() throws {
        let wire = Wire()
        for _ in 0..<StreamMultiplexer.streamsMax { _ = try wire.a.open(.call, header: []) }
        #expect(throws: LinkError.tooManyStreams) { try wire.a.open(.call, header: []) }
        try wire.deliver()
        try wire.b.receive(.open(StreamID(StreamMultiplexer.streamsMax * 2 + 1), .call, header: []))
        #expect(wire.b.count == StreamMultiplexer.streamsMax)
    }
}
