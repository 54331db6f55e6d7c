import Catalog
import JSONSlice
import MartletTestKit
import Mesh
import Testing

@testable import Gateway

struct FloodReportTests {
    private let now = Instant.zero + .seconds(1000)

    private func report(_ part: Flood.Part, label: String) throws -> FloodReport {
        let id = NodeID(high: 1, low: 2)
        var snapshot = CatalogSnapshot(me: NodeID(high: 9, low: 9))
        snapshot.nodes[id] = NodeRecord(
            id: id, label: try #require(Label(label)), segment: "here", roles: .ordinary,
            software: "", addresses: [], reachability: .unreachable(since: .zero), heardAt: .zero)
        let flood = Flood(
            node: id, part: part, since: now + .seconds(-12), leftOut: 12_345, lastAt: now)
        return try #require(FloodReport.all([flood], in: snapshot, now: now).first)
    }

    @Test(arguments: [
        (Flood.Part.origin, "plant floods for 12 s: 12345 documents left out (mesh revoke ends it)"),
        (.neighbour, "plant floods its link for 12 s: 12345 frames left out (mesh revoke)"),
    ])
    func `status names who floods, and since when`(part: Flood.Part, line: String) throws {
        #expect(try report(part, label: "plant").line == line)
    }

    @Test(arguments: [Flood.Part.origin, .neighbour])
    func `the longest name leaves it on one line of 100 columns`(part: Flood.Part) throws {
        let line = try report(part, label: String(repeating: "n", count: Label.lengthMax)).line
        #expect("  - \(line)".count <= 100)
    }

    @Test func `scripts see the same`() throws {
        let json = try report(.origin, label: "plant").json
        #expect(json["label"]?.string == "plant")
        #expect(json["id"]?.string == NodeID(high: 1, low: 2).description)
        #expect(json["what"]?.string == "documents")
        #expect(json["leftOut"]?.int == 12_345)
        #expect(json["sinceSeconds"]?.int == 12)
    }

    @Test func `nobody floods, nobody is named`() {
        let empty = CatalogSnapshot(me: NodeID(high: 9, low: 9))
        #expect(FloodReport.all([], in: empty, now: now).isEmpty)
    }
}
