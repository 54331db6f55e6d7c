import Gateway
import MCPTransport
import Testing

struct DescriptorSharesTests {
    @Test(arguments: [
        (256, 96, 16), (1024, 384, 64), (8192, 3072, 512), (16_384, 6144, 1024), (20, 8, 8),
    ])
    func `clients get a part of the descriptors, and the rest of the node the other`(
        all: Int, mcp: Int, admin: Int
    ) {
        let shares = DescriptorShares(of: .count(all))
        #expect(shares.connections(ofListener: "mcp") == mcp)
        #expect(shares.connections(ofListener: "admin") == admin)
    }

    @Test func `what a node raises its limit to is enough for a listener full of clients`() {
        let shares = DescriptorShares(of: .count(16_384))
        #expect(shares.connections(ofListener: "mcp") >= HTTPLimits.standard.connectionsMax)
    }
}
