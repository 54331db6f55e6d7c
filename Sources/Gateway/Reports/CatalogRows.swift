import Catalog
import Composition
import MCPModel

/// What a caller may know of; the rest is as if it were not there.
struct CatalogSight: Sendable {
    var seesServer: @Sendable (ServerKey) -> Bool
    var seesVirtualServer: @Sendable (Label) -> Bool
    /// Nodes, links and statements.
    var seesMesh: Bool

    /// The operator's, on the admin surface.
    static let everything = CatalogSight(
        seesServer: { _ in true }, seesVirtualServer: { _ in true }, seesMesh: true)
}

/// Listed entries as `where` and SQL see them.
struct CatalogRows: Sendable {
    private struct Facts {
        let server: ServerRecord
        let node: NodeRecord?
        let nodeName: String
        let state: String
    }

    private let facts: [ServerKey: Facts]
    private let now: Instant
    private let report: CatalogReport

    /// - Complexity: O(servers)
    init(_ report: CatalogReport, now: Instant) {
        self.now = now
        self.report = report
        facts = report.snapshot.servers.mapValues { known in
            let key = known.record.key
            return Facts(
                server: known.record, node: report.snapshot.nodes[key.owner],
                nodeName: report.nodes[key.owner], state: report.state(of: key))
        }
    }

    /// - Returns: `nil` for an entry of a server that the catalog does not hold (any more).
    func row(of listed: ListedEntry) -> CatalogRow? {
        let binding = listed.binding
        guard let facts = facts[binding.server] else { return nil }
        let state = listed.composite == nil && !listed.isHeld ? facts.state : report.state(of: listed)
        return CatalogRow(
            kind: binding.kind, name: binding.entry, definition: listed.definition, server: facts.server,
            node: facts.node, nodeName: facts.nodeName,
            moment: CatalogRow.Moment(
                listed: listed.name, state: state,
                isCallable: state == CatalogReport.available,
                era: ProtocolRevision(rawValue: facts.server.revision)?.era.rawValue, now: now))
    }

    func chooses(_ selection: Selection, _ listed: ListedEntry) -> Bool {
        row(of: listed).map { selection.matches($0.value) } ?? false
    }
}
