import Catalog
import Composition
import JSONSlice
import MCPModel
import Mesh
import Storage

/// The catalog as the tables of `catalog sql`; docs/reference/catalog.md lists the columns, whose names and types stay.
struct CatalogTables {
    let report: CatalogReport
    let sight: CatalogSight
    /// What every node lists of its links.
    var links: [NodeID: [NodeID: ListedLink]] = [:]
    var revocations: [Revocation] = []
    /// Decisions on what may be called.
    var decisions = StatementBook()
    /// What stands at a virtual server's endpoint.
    var view: @Sendable (Label) -> EndpointView?
    let now: Instant

    /// - Parameter selection: of the entries.
    func all(selecting selection: Selection?) -> [QueryTable] {
        var entries = entries
        entries.selection = selection
        return [nodes, linkTable, servers, entries, virtualServers, statements]
    }

    // MARK: Tables

    private var nodes: QueryTable {
        let (snapshot, names, now) = (report.snapshot, report.nodes, now)
        let all =
            sight.seesMesh
            ? snapshot.nodes.values.sorted { (names[$0.id], $0.id) < (names[$1.id], $1.id) } : []
        return Self.table(
            "nodes", over: all,
            [
                .text("id") { $0.id.description }, .text("name") { names[$0.id] },
                .text("segment") { $0.segment.text }, .text("roles") { $0.roles.description },
                .text("software") { $0.software },
                .text("state") { node in
                    switch node.reachability {
                    case .me: "this node"
                    case .reachable: "reachable"
                    case .unreachable: "unreachable"
                    }
                },
                .number("hops") { $0.hops },
                .text("via") { node in
                    guard case .reachable(let path) = node.reachability else { return nil }
                    return SelectionSQL.array(of: path.dropLast().map { names[$0] })
                },
                .real("rtt_ms") { $0.roundTrip?.milliseconds },
                .number("age") { Self.age(of: $0, at: now) },
                .text("addresses") { SelectionSQL.array(of: $0.addresses) },
            ])
    }

    private struct Link: Sendable {
        let node: NodeID
        let peer: NodeID
        let listed: ListedLink
        let isMutual: Bool
    }

    private var linkTable: QueryTable {
        let names = report.nodes
        let all =
            sight.seesMesh
            ? links.flatMap { node, peers in
                peers.map { peer, listed in
                    Link(
                        node: node, peer: peer, listed: listed, isMutual: links[peer]?[node] != nil)
                }
            }.sorted { ($0.node, $0.peer) < ($1.node, $1.peer) } : []
        return Self.table(
            "links", over: all,
            [
                .text("node") { names[$0.node] }, .text("peer") { names[$0.peer] },
                .text("node_id") { $0.node.description }, .text("peer_id") { $0.peer.description },
                .number("rtt_below_ms") { $0.listed.roundTrip.cost }, .flag("relays") { $0.listed.relays },
                .flag("mutual") { $0.isMutual },
            ])
    }

    private var servers: QueryTable {
        let (report, now) = (report, now)
        let (snapshot, names) = (report.snapshot, report.nodes)
        let all = snapshot.serversInOrder.filter { sight.seesServer($0.record.key) }
        let owner = { @Sendable (known: CatalogSnapshot.KnownServer) in snapshot.nodes[known.record.key.owner]
        }
        let count = { @Sendable (known: CatalogSnapshot.KnownServer, kind: EntryKind) in
            known.manifest?.entries.count { $0.kind == kind }
        }
        return Self.table(
            "servers", over: all,
            [
                .text("name") { $0.record.key.name.text }, .text("node") { names[$0.record.key.owner] },
                .text("owner") { $0.record.key.owner.description },
                .text("segment") { owner($0)?.segment.text },
                .text("title") { $0.record.title }, .text("tags") { SelectionSQL.array(of: $0.record.tags) },
                .text("state") { report.state(of: $0.record.key) },
                .text("health") { $0.record.state.description },
                .text("reason") { $0.record.stateReason.isEmpty ? nil : $0.record.stateReason },
                .number("since") { $0.record.stateSince == 0 ? nil : Int(clamping: $0.record.stateSince) },
                .text("revision") { $0.record.revision.isEmpty ? nil : $0.record.revision },
                .text("era") { ProtocolRevision(rawValue: $0.record.revision)?.era.rawValue },
                .number("tools") { count($0, .tool) }, .number("resources") { count($0, .resource) },
                .number("templates") { count($0, .resourceTemplate) },
                .number("prompts") { count($0, .prompt) },
                .number("age") { owner($0).map { Self.age(of: $0, at: now) } },
                .text("instructions") { $0.manifest?.instructions },
            ])
    }

    private var entries: QueryTable {
        let rows = CatalogRows(report, now: now)
        let all = EntryKind.allCases.flatMap { report.view.list($0) }
            .filter { sight.seesServer($0.binding.server) }
        let columns = SelectionColumn.allCases.map { column in
            Column<ListedEntry>(column.rawValue, column.columnType) { entry in
                rows.row(of: entry).map { QueryValue($0.value(column)) } ?? .null
            }
        }
        return Self.table(
            "entries", over: all,
            columns + [
                .text("hash") { $0.binding.hash.description }, .text("definition") { $0.definition.text },
            ])
    }

    private var virtualServers: QueryTable {
        let (snapshot, names, view) = (report.snapshot, report.nodes, view)
        let all = snapshot.virtualServers.values.sorted { $0.name < $1.name }
            .filter { sight.seesVirtualServer($0.name) }
        return Self.table(
            "virtual_servers", over: all,
            [
                .text("name") { $0.name.text }, .text("title") { view($0.name)?.title },
                .text("author") { names[$0.author] }, .text("author_id") { $0.author.description },
                .number("counter") { Int(clamping: $0.counter) },
                .number("entries") { record in
                    view(record.name).map { view in EntryKind.allCases.reduce(0) { $0 + view.list($1).count }
                    }
                },
                .text("definition") { record in
                    let resolved = try? ResolvedDefinition(json: record.definition)
                    return (resolved?.written(in: snapshot).json ?? record.definition).text
                },
            ])
    }

    private var statements: QueryTable {
        let (names, snapshot) = (report.nodes, report.snapshot)
        let all =
            sight.seesMesh
            ? StatementRow.all(
                revocations, decisions, holds: snapshot.holds, approvals: snapshot.approvals,
                limits: snapshot.limits)
            : []
        return Self.table(
            "statements", over: all,
            [
                .text("kind") { $0.kind }, .text("target") { $0.target.map { names[$0] } },
                .text("target_id") { $0.target?.description },
                .text("signer") { $0.signer.map { names[$0] } ?? "root" },
                .text("signer_id") { $0.signer?.description }, .text("reason") { $0.reason },
                .text("server") { $0.server?.text }, .text("entry") { $0.entry?.name },
                .text("entry_kind") { $0.entry?.kind.description }, .text("pin") { $0.pin?.description },
                .text("allowance") { $0.allowance?.text },
                .text("state") { $0.state.rawValue }, .text("reach") { $0.reach?.word },
                .number("at") { $0.at.map { Int(clamping: $0) } },
            ])
    }

    private static func age(of node: NodeRecord, at now: Instant) -> Int {
        if case .me = node.reachability { 0 } else { max(0, (now - node.heardAt).wholeSeconds) }
    }

    // MARK: Making them

    /// A column, and what stands in it.
    private struct Column<Item: Sendable>: Sendable {
        let column: QueryTable.Column
        let value: @Sendable (Item) -> QueryValue

        init(_ name: String, _ type: QueryTable.ColumnType, _ value: @escaping @Sendable (Item) -> QueryValue)
        {
            column = QueryTable.Column(name, type)
            self.value = value
        }

        /// SQLite's functions end a text at its first NUL, so there is none.
        static func text(_ name: String, _ value: @escaping @Sendable (Item) -> String?) -> Self {
            Self(name, .text) { item in
                value(item).map { .text($0.utf8.contains(0) ? $0.replacing("\u{0}", with: "\u{FFFD}") : $0) }
                    ?? .null
            }
        }

        static func number(_ name: String, _ value: @escaping @Sendable (Item) -> Int?) -> Self {
            Self(name, .integer) { value($0).map { .integer(Int64($0)) } ?? .null }
        }

        static func real(_ name: String, _ value: @escaping @Sendable (Item) -> Double?) -> Self {
            Self(name, .real) { value($0).map(QueryValue.real) ?? .null }
        }

        static func flag(_ name: String, _ value: @escaping @Sendable (Item) -> Bool) -> Self {
            Self(name, .integer) { .integer(value($0) ? 1 : 0) }
        }
    }

    private static func table<Item: Sendable>(
        _ name: String, over items: [Item], _ columns: [Column<Item>]
    ) -> QueryTable {
        QueryTable(name, columns.map(\.column)) { wanted, take in
            let chosen = wanted.compactMap { name in columns.first { $0.column.name == name } }
            for item in items { try take(chosen.map { $0.value(item) }) }
        }
    }
}

extension SelectionColumn {
    fileprivate var columnType: QueryTable.ColumnType {
        switch type {
        case .text, .words: .text
        case .number, .flag: .integer
        }
    }
}

extension NodeRecord {
    /// Links to cross; `nil` while there is no way.
    fileprivate var hops: Int? {
        switch reachability {
        case .me: 0
        case .reachable(let path): path.count
        case .unreachable: nil
        }
    }
}
