import Catalog
import Composition
import JSONSlice
import Mesh

/// Who floods the mesh, as `status` names them.
struct FloodReport {
    let flood: Flood
    let name: String
    let now: Instant

    private var seconds: Int { max(0, (now - flood.since).wholeSeconds) }

    var json: JSON {
        [
            "id": .string(flood.node.description), "label": .string(name),
            "what": .string(flood.part == .origin ? "documents" : "frames"),
            "leftOut": .number(flood.leftOut), "sinceSeconds": .number(seconds),
        ]
    }

    /// Fits one line of `status`.
    var line: String {
        switch flood.part {
        case .origin:
            "\(name) floods for \(seconds) s: \(flood.leftOut) documents left out (mesh revoke ends it)"
        case .neighbour:
            "\(name) floods its link for \(seconds) s: \(flood.leftOut) frames left out (mesh revoke)"
        }
    }

    static func all(_ floods: [Flood], in snapshot: CatalogSnapshot, now: Instant) -> [FloodReport] {
        guard !floods.isEmpty else { return [] }
        let names = NodeNames(snapshot)
        return floods.map { FloodReport(flood: $0, name: names[$0.node], now: now) }
    }
}
