import Catalog
import MCPTransport
import Testing

@testable import Gateway

struct StateSealTests {
    private static let owner = NodeID(ofKey: [1, 2, 3])

    @Test func `what is sealed opens in the same context, and says nothing to others`() throws {
        let seal = StateSeal.ofThisLife(of: Self.owner)
        let content = Array("which call".utf8)
        let sealed = try #require(seal.seal(content, [1, 2]))
        #expect(seal.open(sealed, [1, 2]) == content)
        #expect(!String(decoding: sealed, as: UTF8.self).contains("which call"))
        #expect(seal.seal(content, [1, 2]) != sealed)
    }

    @Test func `no change of a byte, no other context, no other life and no other owner opens it`() throws {
        let seal = StateSeal.ofThisLife(of: Self.owner)
        let sealed = try #require(seal.seal([7, 7, 7, 7], [1, 2]))
        for place in sealed.indices {
            var changed = sealed
            changed[place] ^= 1
            #expect(seal.open(changed, [1, 2]) == nil)
        }
        for count in 0..<sealed.count { #expect(seal.open(Array(sealed.prefix(count)), [1, 2]) == nil) }
        #expect(seal.open(sealed, [1, 3]) == nil && seal.open(sealed, []) == nil)
        #expect(StateSeal.ofThisLife(of: Self.owner).open(sealed, [1, 2]) == nil)
    }
}
