import MartletTestKit
import Testing

@testable import MCPTransport

struct GatheredBodyTests {
    @Test(arguments: [0, 1, 1 << 20, 5 << 20, 64 << 20, -1], 0..<4)
    func `a body is what came, in order, whatever was said of its length`(expected: Int, seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        var (body, all) = (GatheredBody(expecting: expected), [UInt8]())
        let most = seed == 0 ? 100 : 3 << 20
        while all.count < most {
            let piece = [UInt8](
                repeating: UInt8.random(in: 0...255, using: &random),
                count: Int.random(in: 1...(most / 3), using: &random))
            body.append(piece)
            all += piece
            #expect(body.count == all.count)
        }
        #expect(body.take() == all)
        #expect(body.count == 0 && body.take().isEmpty)
    }
}
