import Catalog
import MartletTestKit
import Mesh
import Testing

struct FrameTests {
    @Test(arguments: UInt64(1)...50)
    func `however the bytes are cut, the same frames come out`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let frames = (0..<40).compactMap { _ in GoldenTests.frames.randomElement(using: &random)?.frame }
        var bytes = frames.flatMap(\.encoded)[...]
        var decoder = FrameDecoder()
        var read: [Frame] = []
        while !bytes.isEmpty {
            let count = Int.random(in: 1...200, using: &random)
            decoder.append(bytes.prefix(count))
            bytes = bytes.dropFirst(count)
            while let frame = try decoder.next() { read.append(frame) }
        }
        #expect(read == frames)
    }

    @Test func `a frame of a newer type is passed over`() throws {
        var decoder = FrameDecoder()
        decoder.append([0, 0, 0, 12, 200, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3] + Frame.heartbeat.encoded)
        #expect(try decoder.next() == .heartbeat)
        #expect(decoder.skippedCount == 1)
    }

    @Test(arguments: [
        "00000008",  // shorter than a head
        "ffffffff",  // longer than any frame
        "0000000a02000000000000000001",  // a heartbeat with something behind it
        "00000009020000000000000001",  // a heartbeat on a stream
        "00000009220000000000000000",  // end of the link as a stream
        "0000000b2100000000000000030102",  // neither last nor not
    ])
    func `what is no frame breaks the link for good`(hex: String) throws {
        var decoder = FrameDecoder()
        decoder.append(try Hex.decode(hex).orFail())
        #expect(throws: WireError.self) { try decoder.next() }
        decoder.append(Frame.heartbeat.encoded)
        #expect(throws: WireError.self) { try decoder.next() }
    }

    @Test(arguments: UInt64(1)...300)
    func `no bytes make the decoder do anything but read or refuse`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let sample = try GoldenTests.frames.randomElement(using: &random).orFail().frame
        var bytes = sample.encoded
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            bytes[Int.random(in: 4..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        var decoder = FrameDecoder()
        decoder.append(bytes)
        if let frame = try? decoder.next() {
            // What is read has one spelling only: the one that came (unknown numbers of reasons apart).
            switch frame {
            case .goodbye, .reset, .pull, .announce, .digestRows: break
            default: #expect(frame.encoded == bytes)
            }
        }
    }

    @Test func `rows out of order are refused`() throws {
        let key = { (name: Label) in DocumentKey.server(NodeID(high: 1, low: 1), name) }
        let rows = ["b", "a"].map { (name: Label) in
            DocumentRow(
                key: key(name), version: DocumentVersion(incarnation: 1, life: 1, sequence: 1),
                hash: ContentHash(of: []))
        }
        let bytes = Frame.digestRows(DigestPage(after: nil, rows: rows, isLast: true)).encoded
        #expect(throws: WireError.self) { try Frame.decode(bytes.dropFirst(4)) }
    }

    @Test func `versions meet at the greatest that both speak`() {
        func hello(_ versions: ClosedRange<UInt16>) -> Hello {
            Hello(versions: versions, node: NodeID(high: 0, low: 0), incarnation: 0, life: 0, software: "")
        }
        #expect(hello(1...3).version(with: hello(2...9)) == 3)
        #expect(hello(1...1).version(with: hello(2...2)) == nil)
        #expect(hello(4...6).version(with: hello(1...4)) == 4)
    }

    @Test func `a long text is cut between characters`() throws {
        let text = String(repeating: "é", count: 400)
        #expect(text.cut(toBytes: 511).utf8.count == 510)
        let frame = try Frame.decode(Frame.goodbye(.leaving, text: text).encoded.dropFirst(4))
        #expect(frame == .goodbye(.leaving, text: String(repeating: "é", count: 256)))
    }
}

struct CanonicalCodingTests {
    @Test func `a list longer than its bytes is refused before memory is set aside`() {
        var decoder = CanonicalDecoder([0xFF, 0xFF, 0xFF, 0xFF])
        #expect(throws: WireError.truncated("things")) { try decoder.count(max: .max, "things") }
    }

    @Test(
        arguments: [[UInt8]]([
            [0, 0, 0, 1, 0xFF], [0, 0, 0, 2, 0xC0, 0x80], [0, 0, 0, 3, 0xED, 0xA0, 0x80],
        ]))
    func `text that is not UTF-8 is refused`(bytes: [UInt8]) {
        var decoder = CanonicalDecoder(bytes)
        #expect(throws: WireError.invalid("text")) { try decoder.text(max: 10, "text") }
    }

    @Test func `links are a set: sorted, without repeats`() throws {
        let body = LinksBody(links: [
            NodeID(high: 2, low: 0): ListedLink(roundTrip: RoundTripClass(level: 1), relays: true),
            NodeID(high: 1, low: 0): ListedLink(roundTrip: RoundTripClass(level: 1), relays: true),
        ])
        let bytes = body.canonicalBytes
        #expect(try LinksBody(canonical: bytes) == body)
        let swapped = bytes.prefix(4) + bytes[22..<40] + bytes[4..<22]
        #expect(throws: WireError.invalid("order of links")) { try LinksBody(canonical: swapped) }
    }
}
