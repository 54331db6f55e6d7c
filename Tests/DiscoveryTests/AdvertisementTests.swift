import Catalog
import Testing

@testable import Discovery

struct AdvertisementTests {
    private static let mesh = MeshID(ofKey: [1])
    private static let node = NodeID(ofKey: [2])

    @Test func `the TXT strings name the protocol range, the mesh and the node, the range first`() {
        let all = Advertisement(versions: 1...3, mesh: Self.mesh, node: Self.node)
        #expect(all.strings == ["v=1-3", "mesh=\(Self.mesh)", "id=\(Self.node)"])
        #expect(Advertisement(versions: 2...2, mesh: nil, node: nil).strings == ["v=2"])
    }

    @Test(arguments: [
        Advertisement(versions: 1...1, mesh: mesh, node: node),
        Advertisement(versions: 0...UInt16.max, mesh: nil, node: node),
        Advertisement(versions: nil, mesh: nil, node: nil),
    ])
    func `what is written is read back`(advertisement: Advertisement) {
        #expect(Advertisement(strings: advertisement.strings.map(\.utf8)) == advertisement)
    }

    @Test func `every string fits the 255 bytes that TXT allows`() {
        let widest = Advertisement(versions: 65_534...65_535, mesh: Self.mesh, node: Self.node)
        #expect(widest.strings.allSatisfy { $0.utf8.count <= 255 })
    }

    @Test func `keys are read in any case, the first of two counts, and unknown ones are skipped`() {
        let read = Advertisement(strings: ["V=1-2", "flag", "v=7", "ID=\(Self.node)", "x=y", ""].map(\.utf8))
        #expect(read == Advertisement(versions: 1...2, mesh: nil, node: Self.node))
    }

    @Test(arguments: ["v=", "v=x", "v=3-1", "v=-1", "v=1-", "v=1-2-3", "v=70000", "v=+-+", "v"])
    func `an unreadable protocol range is none`(text: String) {
        #expect(Advertisement(strings: [text.utf8]).versions == nil)
    }

    @Test(arguments: ["id=", "id=UPPER", "id=abc", "id=\u{FF}", "id=aaaaaaaaaaaaaaaaaaaaaaaaa1"])
    func `an unreadable node id is none`(text: String) {
        #expect(Advertisement(strings: [text.utf8]).node == nil)
    }

    @Test func `bytes that are no text harm nothing`() {
        let noise: [[UInt8]] = [[0xFF, 0xFE], [UInt8(ascii: "="), 0x80], Array("v=4".utf8)]
        #expect(Advertisement(strings: noise).versions == 4...4)
    }

    @Test func `a record of endless strings is read only so far`() {
        let flood = Array(repeating: "x=1", count: TextRecord.stringsMax) + ["v=1"]
        #expect(Advertisement(strings: flood.map(\.utf8)).versions == nil)
    }

    @Test(arguments: [
        ("0.0.0.0", Announcement.Families.ipv4), ("192.0.2.1", .ipv4), ("::", .both), ("2001:db8::1", .ipv6),
    ])
    func `a service is announced only in the families that its listener takes`(
        host: String, families: Announcement.Families
    ) {
        #expect(Announcement.Families(listeningOn: host) == families)
    }
}
