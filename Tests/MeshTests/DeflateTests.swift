import Catalog
import JSONSlice
import MartletTestKit
import Mesh
import Testing

/// Frames that are deflated on their way.
struct DeflateTests {
    /// As a peer that deflates writes them: the golden bytes of one frame, of another zlib than ours maybe.
    private static let golden: Frame = .documents(
        (0..<20).map { index in Array("document \(index) of twenty that are much alike".utf8) })

    private func read(_ bytes: [UInt8]) throws(WireError) -> Frame? {
        var decoder = FrameDecoder()
        decoder.append(bytes)
        return try decoder.next()
    }

    /// A frame of type 31 around any bytes.
    private func wrap(_ deflated: [UInt8], stating size: Int, stream: UInt64 = 0) -> [UInt8] {
        var encoder = CanonicalEncoder()
        encoder.put(count: 13 + deflated.count)
        encoder.put(UInt8(31))
        encoder.put(stream)
        encoder.put(count: size)
        encoder.put(fixed: deflated)
        return encoder.bytes
    }

    private func deflated(_ bytes: [UInt8]) throws -> [UInt8] { try Deflate.deflated(bytes).orFail("less") }

    private func body(_ frame: Frame) -> [UInt8] { Array(frame.encoded.dropFirst(4)) }

    @Test func `a deflated frame is read as its golden bytes`() throws {
        let golden = try Fixture.vectors("mesh/deflated.txt")["documents"].orFail("the vector")
        #expect(golden.count < Self.golden.encoded.count / 2)
        #expect(try read(golden) == Self.golden)
    }

    @Test(arguments: UInt64(1)...40)
    func `whatever is deflated is read as it was`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let documents = (0..<Int.random(in: 1...40, using: &random)).map { _ -> [UInt8] in
            let count = Int.random(in: 0...1500, using: &random)
            return Bool.random(using: &random)
                ? random.bytes(count) : [UInt8](repeating: UInt8(seed), count: count)
        }
        let frame = Frame.documents(documents)
        let bytes = frame.encoded(inflates: true)
        #expect(bytes.count <= frame.encoded.count)
        #expect(try read(bytes) == frame)
    }

    @Test func `a list of tools takes a fifth of its bytes`() throws {
        let list = try ManifestCodec.encode(.sample(tools: 120, padding: 40))
        let page = ManifestPage(
            manifest: ContentHash(of: list), index: 0, bytes: Array(list.prefix(ManifestCodec.pageBytes)))
        let frame = Frame.manifestPage(page)
        #expect(frame.encoded(inflates: true).count < frame.encoded.count / 5)
        #expect(frame.encoded(inflates: false) == frame.encoded)
    }

    @Test func `what is small, does not shrink, or carries calls goes as it is`() {
        var random = SplitMix64(seed: 4)
        for frame: Frame in [
            .documents([[UInt8](repeating: 1, count: 400)]),
            .documents([random.bytes(40_000)]),
            .data(3, kind: 1, isLast: true, [UInt8](repeating: 1, count: 10_000)),
            .open(3, .call, header: [UInt8](repeating: 1, count: 10_000)),
        ] {
            #expect(frame.encoded(inflates: true) == frame.encoded)
        }
    }

    @Test func `a bomb is refused at the size that it states, and no more is set aside`() throws {
        let bomb = try deflated([UInt8](repeating: 0, count: 8 * 1024 * 1024))
        #expect(bomb.count < 64 * 1024)
        let max = Frame.payloadMax + Frame.headByteCount
        for size in [8 * 1024 * 1024, max + 1, Int(UInt32.max)] {
            #expect(throws: WireError.frameTooLong(bytes: size, max: max)) {
                try read(wrap(bomb, stating: size))
            }
        }
        for size in [9, 1000, max] {
            #expect(throws: WireError.invalid("a deflated frame")) { try read(wrap(bomb, stating: size)) }
        }
    }

    @Test func `bytes cut off, left over, or of nothing are refused`() throws {
        let frame = body(Self.golden)
        let good = try deflated(frame)
        #expect(try read(wrap(good, stating: frame.count)) == Self.golden)
        for bytes in [
            [], Array(good.prefix(1)), Array(good.dropLast()), Array(good.dropLast(5)), good + [0],
            good + good, [UInt8](repeating: 0x78, count: 300), Array(good.dropFirst()),
        ] {
            #expect(throws: WireError.self) { try read(wrap(bytes, stating: frame.count)) }
        }
        for size in [0, 8, frame.count - 1, frame.count + 1] {
            #expect(throws: WireError.self) { try read(wrap(good, stating: size)) }
        }
    }

    @Test func `frames of calls, of a stream, and those deflated twice are refused`() throws {
        let data = body(.data(3, kind: 1, isLast: true, [UInt8](repeating: 1, count: 2000)))
        #expect(throws: WireError.self) { try read(wrap(deflated(data), stating: data.count)) }
        let good = body(Self.golden)
        #expect(throws: WireError.self) {
            try read(wrap(deflated(good), stating: good.count, stream: 5))
        }
        let twice = Array(wrap(try deflated(good), stating: good.count).dropFirst(4))
        // Bytes that do not shrink are stored, which is well-formed too.
        let stored =
            [0x78, 0x01, 0x01] + [UInt8(twice.count & 255), UInt8(twice.count >> 8)]
            + [UInt8(~twice.count & 255), UInt8((~twice.count >> 8) & 255)] + twice + adler(twice)
        #expect(throws: WireError.invalid("a frame deflated twice")) {
            try read(wrap(stored, stating: twice.count))
        }
    }

    @Test func `a frame of a newer type is passed over, deflated too`() throws {
        let newer: [UInt8] = [200] + [UInt8](repeating: 0, count: 2000)
        var decoder = FrameDecoder()
        decoder.append(wrap(try deflated(newer), stating: newer.count) + Frame.heartbeat.encoded)
        #expect(try decoder.next() == .heartbeat)
        #expect(decoder.skippedCount == 1)
    }

    @Test(arguments: UInt64(1)...300)
    func `no bytes make inflating do anything but read or refuse`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let frame = body(Self.golden)
        var bytes = wrap(try deflated(frame), stating: frame.count)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            bytes[Int.random(in: 13..<bytes.count, using: &random)] = UInt8.random(
                in: 0...255, using: &random)
        }
        // Its own sum guards the bytes: what is read at all is what was written.
        if let read = try? read(bytes) { #expect(read == Self.golden) }
    }

    private func adler(_ bytes: [UInt8]) -> [UInt8] {
        var (a, b) = (UInt32(1), UInt32(0))
        for byte in bytes {
            a = (a + UInt32(byte)) % 65_521
            b = (b + a) % 65_521
        }
        return [UInt8(b >> 8), UInt8(b & 255), UInt8(a >> 8), UInt8(a & 255)]
    }
}
