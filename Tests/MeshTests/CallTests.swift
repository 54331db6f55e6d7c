import Catalog
import JSONSlice
import MCPModel
import MartletTestKit
import Mesh
import Testing

struct CallCodingTests {
    private let header = CallHeader(
        call: CallID(high: 1, low: 2), owner: NodeID(high: 3, low: 4), ownerIncarnation: 5, server: "files",
        entry: CallHeader.SeenEntry(kind: .tool, hash: ContentHash(of: [1])), method: "tools/call",
        virtualServer: "team",
        principal: WirePrincipal(
            issuer: "https://id.example", subject: "ada", entryNode: NodeID(high: 6, low: 7)),
        timeLeftMS: 30_000,
        client: ClientFacts(
            capabilities: ["elicitation": [:]], info: ["name": "client"], logLevel: "info",
            wantsProgress: true,
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", era: .legacy),
        ticket: CallTicket(number: 8, isRepeat: true))

    @Test func `a call's header comes back as it was`() throws {
        #expect(try CallHeader(canonical: header.canonicalBytes) == header)
        var bare = header
        bare.entry = nil
        bare.virtualServer = nil
        bare.client = ClientFacts()
        bare.ticket = nil
        #expect(try CallHeader(canonical: bare.canonicalBytes) == bare)
        var assumed = header
        assumed.assumedBy = Caller(issuer: "local", subject: "admin:ops")
        #expect(try CallHeader(canonical: assumed.canonicalBytes) == assumed)
        #expect(
            assumed.canonicalBytes.starts(with: header.canonicalBytes), "nodes that read it read the rest")
    }

    @Test func `a header cut anywhere, or with more behind it, is refused`() throws {
        let bytes = header.canonicalBytes
        // Version 1 ends before the client's era, one byte.
        let ofVersion1 = bytes.count - CallTicket(number: 0).canonicalBytes.count - 1
        for count in bytes.indices where count != ofVersion1 {
            #expect(throws: WireError.self) { try CallHeader(canonical: bytes.prefix(count)) }
        }
        var first = header
        first.ticket = nil
        first.client.era = .modern
        #expect(try CallHeader(canonical: bytes.prefix(ofVersion1)) == first)
        #expect(throws: WireError.self) { try CallHeader(canonical: bytes + [0]) }
        var assumed = header
        assumed.assumedBy = Caller(issuer: "local", subject: "admin")
        let more = assumed.canonicalBytes
        #expect(throws: WireError.trailing(bytes: 1)) { try CallHeader(canonical: more + [0]) }
        for count in bytes.count + 1..<more.count {
            #expect(throws: WireError.self) { try CallHeader(canonical: more.prefix(count)) }
        }
    }

    static let records: [CallRecord] =
        [
            .params(["name": "read", "arguments": ["path": "/etc/hosts"]]),
            .notification(method: "notifications/progress", params: ["progress": 1]),
            .result(["resultType": "complete", "content": []]),
            .error(["code": -32602, "message": "no"]),
            .failure(
                CallFailure(
                    .backendUnavailable, "files is down", hint: "martlet servers restart files", node: "lab",
                    callID: CallID(high: 8, low: 9))),
            .failure(CallFailure(.outcomeUnknown, "the link broke")),
            .failure(CallFailure(.limited, "too often", isUnsent: true, retryAfter: .milliseconds(1_500))),
        ] + CallStanding.allCases.map { .standing($0) }

    @Test(arguments: records.indices)
    func `a record comes back as it was, in chunks of any size`(index: Int) throws {
        let record = Self.records[index]
        for size in [1, 7, 16 * 1024] {
            var assembler = RecordAssembler()
            var payload = record.payload[...]
            var whole: CallRecord?
            while !payload.isEmpty {
                let chunk = payload.prefix(size)
                payload = payload.dropFirst(size)
                #expect(whole == nil)
                whole = try assembler.take(kind: record.kind.rawValue, isLast: payload.isEmpty, chunk)
            }
            let read = try whole.orFail("the whole record")
            #expect(read.kind == record.kind)
            #expect(read.payload == record.payload)
        }
    }

    @Test func `a record that changes its kind, grows too large or is no JSON is refused`() throws {
        var assembler = RecordAssembler(max: 10)
        _ = try assembler.take(kind: 3, isLast: false, [UInt8](repeating: 0x20, count: 6))
        #expect(throws: WireError.self) { try assembler.take(kind: 4, isLast: false, []) }
        #expect(throws: WireError.tooLong("record", max: 10)) {
            try assembler.take(kind: 3, isLast: false, [UInt8](repeating: 0x20, count: 5))
        }
        var other = RecordAssembler()
        #expect(throws: WireError.self) { try other.take(kind: 3, isLast: true, Array("{".utf8)) }
        #expect(throws: WireError.self) { try other.take(kind: 99, isLast: true, []) }
    }
}

/// The bytes of calls and questions, as another implementation would write them.
struct CallGoldenTests {
    static let vectors: [(name: String, bytes: [UInt8])] = {
        let header = CallHeader(
            call: CallID(high: 1, low: 2), owner: NodeID(high: 3, low: 4), ownerIncarnation: 5,
            server: "files",
            entry: CallHeader.SeenEntry(kind: .tool, hash: ContentHash(of: [1])), method: "tools/call",
            principal: WirePrincipal(issuer: "key", subject: "ada", entryNode: NodeID(high: 6, low: 7)),
            timeLeftMS: 30_000, client: ClientFacts())
        var numbered = header
        numbered.ticket = CallTicket(number: 9, isRepeat: false)
        let ask = AskHeader(
            call: CallID(high: 1, low: 2), number: 9, owner: NodeID(high: 3, low: 4), ownerLife: 0xABCD)
        let failure = CallRecord.failure(
            CallFailure(.outcomeUnknown, "?", hint: "!", node: "lab", callID: CallID(high: 1, low: 2)))
        return [
            ("call-1", header.canonicalBytes), ("call-2", numbered.canonicalBytes),
            ("ask", Frame.open(7, .ask, header: ask.canonicalBytes).encoded),
            ("failure", failure.payload),
        ]
            + CallStanding.allCases.map { standing in
                let record = CallRecord.standing(standing)
                let frame = Frame.data(7, kind: record.kind.rawValue, isLast: true, record.payload)
                return ("standing-\(standing)", frame.encoded)
            }
    }()

    @Test func `calls and questions are written as their golden bytes`() throws {
        let golden = try Fixture.vectors("mesh/calls.txt")
        for (name, bytes) in Self.vectors {
            #expect(Hex.encode(bytes) == Hex.encode(golden[name] ?? []), "\(name)")
        }
        #expect(Set(golden.keys) == Set(Self.vectors.map(\.name)))
    }

    @Test func `golden headers are read as what they say`() throws {
        let golden = try Fixture.vectors("mesh/calls.txt")
        let first = try CallHeader(canonical: golden["call-1"].orFail())
        #expect(first.ticket == nil && first.method == "tools/call")
        let second = try CallHeader(canonical: golden["call-2"].orFail())
        #expect(second.ticket == CallTicket(number: 9))
        guard case .open(7, .ask, let header)? = try Frame.decode(golden["ask"].orFail().dropFirst(4)) else {
            Issue.record("no question")
            return
        }
        #expect(try AskHeader(canonical: header).ownerLife == 0xABCD)
    }

    @Test(arguments: UInt64(1)...300)
    func `no bytes make the decoders of calls and questions do anything but read or refuse`(seed: UInt64)
        throws
    {
        var random = SplitMix64(seed: seed)
        for (name, bytes) in Self.vectors {
            var bytes = name == "ask" ? Array(bytes.dropFirst(14)) : bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0:
                    bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                case 1: bytes = Array(bytes.prefix(Int.random(in: 1...bytes.count, using: &random)))
                default: bytes.append(UInt8.random(in: 0...255, using: &random))
                }
            }
            // What is read has one spelling only: the one that came.
            if let call = try? CallHeader(canonical: bytes) { #expect(call.canonicalBytes == bytes) }
            if let ask = try? AskHeader(canonical: bytes) { #expect(ask.canonicalBytes == bytes) }
            for kind in UInt8(0)...8 {
                switch try? CallRecord(kind: kind, payload: bytes) {
                case .failure?, .standing?:
                    #expect(try CallRecord(kind: kind, payload: bytes).payload == bytes)
                default: break  // JSON may stand in white space
                }
            }
        }
    }
}

struct StreamWindowTests {
    @Test func `a sender sends what it was granted and not a byte more`() throws {
        var window = SendWindow(100)
        #expect(window.take(upTo: 60) == 60)
        #expect(window.take(upTo: 60) == 40)
        #expect(window.take(upTo: 60) == 0)
        try window.grant(10)
        #expect(window.take(upTo: 60) == 10)
        #expect(throws: WireError.self) { try window.grant(.max) }
    }

    @Test func `a receiver grants half a window at a time and refuses what it did not allow`() throws {
        var window = ReceiveWindow(100)
        try window.arrived(100)
        #expect(throws: WireError.self) { try window.arrived(1) }
        #expect(window.consumed(49) == nil)
        #expect(window.consumed(1) == 50)
        try window.arrived(50)
        #expect(throws: WireError.self) { try window.arrived(1) }
    }

    @Test(arguments: UInt64(1)...30)
    func `streams take turns, keep their order and lose nothing`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var outflow = Outflow()
        var sent: [StreamID: [UInt8]] = [:]
        var received: [StreamID: [UInt8]] = [:]
        var records: [StreamID: Int] = [:]
        var ended: Set<StreamID> = []
        let streams: [StreamID] = [1, 3, 5]
        for stream in streams {
            outflow.open(stream)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let bytes = random.bytes(Int.random(in: 0...60_000, using: &random))
                sent[stream, default: []] += bytes
                records[stream, default: 0] += 1
                outflow.send(stream, kind: 2, isLast: true, bytes)
            }
            outflow.end(stream)
        }
        var stalls = 0
        while ended.count < streams.count, stalls < 10_000 {
            guard let frame = outflow.next() else {
                stalls += 1
                try outflow.grant(streams.randomElement(using: &random).orFail(), 3000)
                continue
            }
            switch frame {
            case .data(let stream, _, let isLast, let chunk):
                #expect(chunk.count <= Frame.chunkBytes)
                received[stream, default: []] += chunk
                if isLast { records[stream, default: 0] -= 1 }
            case .end(let stream): #expect(ended.insert(stream).inserted)
            default: Issue.record("\(frame)")
            }
        }
        #expect(ended == Set(streams))
        for stream in streams {
            #expect(received[stream] ?? [] == sent[stream] ?? [])
            #expect(records[stream] == 0)
        }
        #expect(outflow.waitingBytes == 0)
        #expect(outflow.next() == nil)
    }

    @Test func `a long answer does not hold up a short one`() {
        var outflow = Outflow()
        outflow.open(1)
        outflow.open(3)
        outflow.send(1, kind: 3, isLast: true, [UInt8](repeating: 0, count: 200_000))
        outflow.send(3, kind: 3, isLast: true, [1])
        let order = (0..<3).compactMap { _ in outflow.next()?.stream }
        #expect(order == [1, 3, 1])
    }

    @Test func `the link's own credit bounds all streams together`() throws {
        var outflow = Outflow()
        let count = SendWindow.linkInitial / SendWindow.streamInitial + 4
        for stream in 0..<UInt64(count) {
            outflow.open(stream * 2 + 1)
            outflow.send(
                stream * 2 + 1, kind: 3, isLast: true, [UInt8](repeating: 0, count: SendWindow.streamInitial))
        }
        var bytes = 0
        while case .data(_, _, _, let chunk)? = outflow.next() { bytes += chunk.count }
        #expect(bytes == SendWindow.linkInitial)
        try outflow.grant(0, UInt32(SendWindow.streamInitial * 4))
        while case .data(_, _, _, let chunk)? = outflow.next() { bytes += chunk.count }
        #expect(bytes == count * SendWindow.streamInitial)
    }

    @Test func `a stream that was reset takes what it had to send with it`() {
        var outflow = Outflow()
        outflow.open(1)
        outflow.send(1, kind: 3, isLast: true, [1, 2, 3])
        outflow.close(1)
        #expect(outflow.next() == nil)
        #expect(outflow.waitingBytes == 0)
    }
}

struct ManifestCodecTests {
    @Test func `a manifest comes back as it was`() throws {
        let manifest = try Manifest.sample(tools: 20, padding: 30)
        #expect(try ManifestCodec.decode(ManifestCodec.encode(manifest)) == manifest)
        #expect(try ManifestCodec.decode(ManifestCodec.encode(.empty)) == .empty)
    }

    @Test func `a definition without a name is refused`() throws {
        var bytes = try ManifestCodec.encode(try Manifest.sample(tools: 1))
        let at = try bytes.indices.first {
            Array(bytes[$0...].prefix(6)) == Array("\"name\"".utf8) && $0 > 60
        }.orFail()
        bytes[at + 1] = UInt8(ascii: "m")
        #expect(throws: WireError.self) { try ManifestCodec.decode(bytes) }
    }
}
