import Catalog
import JSONSlice
import MCPModel
import Mesh
import Testing

/// A header that is cast in a mould is the one that is written whole, and nothing else is taken for it.
struct CallHeaderMouldTests {
    private static let first = CallID(high: 0x0123_4567_89AB_CDEF, low: 0x0F1E_2D3C_4B5A_6978)

    private static func header(_ call: CallID = first, number: UInt64 = 8, timeLeftMS: UInt32 = 30_000)
        -> CallHeader
    {
        CallHeader(
            call: call, owner: NodeID(high: 3, low: 4), ownerIncarnation: 5, server: "files",
            entry: CallHeader.SeenEntry(kind: .tool, hash: ContentHash(of: [1])), method: "tools/call",
            virtualServer: "team",
            principal: WirePrincipal(issuer: "key", subject: "ada", entryNode: NodeID(high: 6, low: 7)),
            timeLeftMS: timeLeftMS,
            client: ClientFacts(
                capabilities: ["elicitation": [:]], info: ["name": "client"],
                traceparent: TraceContext(begunBy: call).traceparent),
            ticket: CallTicket(number: number))
    }

    @Test(
        arguments: [
            first, CallID(high: 0, low: 0), CallID(high: 1, low: 0), CallID(high: 0, low: 1),
            CallID(high: .max, low: .max),
        ])
    func `a call's header is the same to the byte, and read again as what it is`(call: CallID) throws {
        let mould = try #require(CallHeaderMould(Self.header()))
        let cast = CallHeaderMould.Cast(call: call, number: .max - 2, timeLeftMS: 17)
        let whole = Self.header(call, number: .max - 2, timeLeftMS: 17)
        #expect(mould.bytes(of: cast) == whole.canonicalBytes)
        #expect(mould.cast(in: whole.canonicalBytes) == cast)
        #expect(mould.header(of: cast) == whole)
        #expect(mould.key == CallHeaderMould.key(of: whole.canonicalBytes))
    }

    @Test func `a header that differs in one bit is another, or says another number or time`() throws {
        let mould = try #require(CallHeaderMould(Self.header()))
        let bytes = Self.header().canonicalBytes
        for place in bytes.indices {
            for bit in 0..<8 {
                var other = bytes
                other[place] ^= 1 << bit
                guard let cast = mould.cast(in: other) else { continue }
                // Then it says so, and is the canonical form of that.
                #expect(mould.bytes(of: cast) == other)
                #expect(try CallHeader(canonical: other) == mould.header(of: cast))
                #expect(cast.call == Self.first)
            }
        }
        #expect(mould.cast(in: Array(bytes.dropLast())) == nil)
        #expect(mould.cast(in: bytes + [0]) == nil)
        #expect(mould.cast(in: []) == nil)
    }

    @Test func `what is no plain call's has no mould`() {
        var own = Self.header()
        own.client.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        var again = Self.header()
        again.ticket?.isRepeat = true
        var old = Self.header()
        old.ticket = nil
        var untraced = Self.header()
        untraced.client.traceparent = nil
        var long = Self.header()
        long.client.info = ["name": .string(String(repeating: "x", count: CallHeaderMould.bytesMax))]
        for header in [own, again, old, untraced, long] { #expect(CallHeaderMould(header) == nil) }
    }

    @Test func `a key is taken of anything`() {
        let bytes = Self.header().canonicalBytes
        for count in 0...bytes.count { _ = CallHeaderMould.key(of: Array(bytes.prefix(count))) }
        var hostile = bytes
        hostile[43] = 255
        _ = CallHeaderMould.key(of: hostile)
    }
}
