import Catalog
import MartletTestKit
import Mesh
import Testing

/// Frames and values that nobody means well with, from whoever holds a certificate of the mesh.
struct HostileFrameTests {
    private static let frames = (try? Hostile.kept("mesh-frames")) ?? []
    private static let streams = (try? Hostile.kept("mesh-core")) ?? []
    private static let joins = (try? Hostile.kept("joins")) ?? []

    /// - Returns: the frames before the first that is none.
    private func frames(_ pieces: [ArraySlice<UInt8>]) -> [Frame] {
        var decoder = FrameDecoder()
        var frames: [Frame] = []
        for piece in pieces {
            decoder.append(piece)
            while let frame = try? decoder.next() { frames.append(frame) }
        }
        return frames
    }

    @Test(arguments: UInt64(1)...30)
    func `mangled frames are read or refused, in little time, however they are cut`(seed: UInt64) throws {
        var mangler = Mangler(seed: seed)
        for _ in 0..<100 {
            let bytes = mangler.mangled(
                try (Self.frames + Self.streams).randomElement(using: &mangler.random).orFail())
            var read: [Frame] = []
            let took = ProcessorTime.of { read = frames([bytes[...]]) }
            #expect(took < ProcessorTime.inputMax, "replay with seed \(seed)")
            #expect(frames(mangler.random.cut(bytes)) == read, "replay with seed \(seed)")
            for frame in read { #expect(try Frame.decode(frame.encoded.dropFirst(4)) == frame) }
        }
    }

    @Test(arguments: UInt64(1)...10)
    func `a node hears mangled frames from two neighbours, believes all signatures, and goes on`(seed: UInt64)
        throws
    {
        var mangler = Mangler(seed: seed)
        let mesh = try TestMesh(seed: seed, .hashed)
        let node = try mesh.node("here", using: &mangler.random)
        for _ in 0..<10 {
            var core = MeshCore(
                node, trust: mesh.trust,
                checker: SignatureChecker(node: { _, _, _ in true }, root: { _, _, _ in true }))
            _ = core.handle(.started(StoredState()), at: .zero, using: &mangler.random)
            for number in UInt64(1)...2 {
                let hello = Hello(
                    versions: ProtocolVersion.spoken, features: Hello.ownFeatures,
                    node: NodeID(high: 7, low: number),
                    incarnation: 1, life: number, software: "martlet")
                let facts = LinkFacts(hello: hello, openedByMe: number == 1, address: nil)
                _ = core.handle(.linkUp(LinkID(number), facts), at: .zero, using: &mangler.random)
            }
            var now = Instant.zero
            for _ in 0..<10 {
                let bytes = mangler.mangled(try Self.streams.randomElement(using: &mangler.random).orFail())
                for frame in frames([bytes[...]]) where frame.isForCore {
                    now = now + .milliseconds(100)
                    let took = ProcessorTime.of {
                        _ = core.handle(.received(frame, from: LinkID(1)), at: now, using: &mangler.random)
                    }
                    #expect(took < ProcessorTime.inputMax, "replay with seed \(seed)")
                }
                now = now + .seconds(3)
                _ = core.handle(.tick, at: now, using: &mangler.random)
            }
            #expect(core.catalogSnapshot().me == node.id)
        }
    }

    @Test(arguments: UInt64(1)...10)
    func `mangled words of a guest are read or refused`(seed: UInt64) throws {
        var mangler = Mangler(seed: seed)
        for _ in 0..<100 {
            var decoder = JoinMessageDecoder()
            decoder.append(mangler.mangled(try Self.joins.randomElement(using: &mangler.random).orFail()))
            while let message = try? decoder.next() {
                #expect(try JoinMessage.decode(message.encoded().dropFirst(4)) == message)
            }
        }
    }
}
