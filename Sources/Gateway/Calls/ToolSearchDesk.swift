import Catalog
import Composition
import Dispatch
import JSONSlice
import MCPModel
import MCPTransport
import Synchronization

/// Answers `search_tools`: on a thread of its own, one after the other, since a first search embeds every tool of the endpoint, and
/// event loops have calls to carry meanwhile.
final class ToolSearchDesk: Sendable {
    /// Searches that wait or run; one takes milliseconds.
    static let searchesMax = 256
    /// Endpoints whose index is kept; one more, and all but the whole catalog's are made anew when they are searched next.
    static let indexesMax = 32

    private let board: CatalogBoard
    /// Of `/mcp`, shared with everybody else who searches the catalog.
    private let whole: CatalogSearch
    private let now: @Sendable () -> Instant
    private let thread = DispatchQueue(label: "martlet.tool-search")
    private let open = Mutex(0)
    private let indexes = Mutex<[EndpointName: CatalogSearch]>([:])

    init(
        board: CatalogBoard, whole: CatalogSearch = CatalogSearch(), now: @escaping @Sendable () -> Instant
    ) {
        self.board = board
        self.whole = whole
        self.now = now
    }

    /// - Parameters:
    ///   - call: of `search_tools`.
    ///   - sink: called on another thread, later; at once when there is no room.
    func answer(_ call: EndpointCall, _ sink: @escaping CallSink) -> CallHandle {
        let query: ToolQuery
        do throws(ToolQuery.Complaint) {
            query = try ToolQuery(arguments: call.params["arguments"] ?? .emptyObject)
        } catch {
            sink(.result(error.result))
            return .finished
        }
        let hasRoom = open.withLock { open in
            guard open < Self.searchesMax else { return false }
            open += 1
            return true
        }
        guard hasRoom else {
            sink(
                .failure(
                    CallFailure(
                        .limited, "\(Self.searchesMax) searches are waiting here already",
                        hint: "ask again in a second")))
            return .finished
        }
        let sign = GivenUp()
        thread.async { [self] in
            defer { open.withLock { $0 -= 1 } }
            guard !sign.isSet else {
                return sink(.failure(CallFailure(.cancelled, "the client cancelled the search")))
            }
            sink(.result(answer(query, at: call.endpoint.asDefined)))
        }
        return CallHandle { sign.set() }
    }

    private func answer(_ query: ToolQuery, at endpoint: EndpointName) -> JSON {
        // Before the view: an index that is newer than its version is only looked at again.
        let version = board.version
        guard let view = board.view(endpoint) else {
            return SearchTools.complaint("Nothing stands at \(endpoint) any more.")
        }
        let report = CatalogReport(snapshot: board.snapshot, view: view)
        let rows = query.selection.map { ($0, CatalogRows(report, now: now())) }
        let isChosen = { (entry: ListedEntry) in
            guard entry.binding.kind == .tool else { return false }
            return rows.map { $1.chooses($0, entry) } ?? true
        }
        let (tools, total) = best(
            query, of: report, with: index(of: endpoint), version: version, isChosen: isChosen)
        return Self.result(tools.dropFirst(query.offset), query, total: total, report)
    }

    /// The first of all that fit, best first; in the order of the list for a query without words.
    private func best(
        _ query: ToolQuery, of report: CatalogReport, with index: CatalogSearch, version: UInt64,
        isChosen: @escaping (ListedEntry) -> Bool
    ) -> (tools: [ListedEntry], total: Int) {
        let limit = query.offset + query.limit
        guard query.query.contains(where: { !$0.isWhitespace }) else {
            let all = report.view.list(.tool).filter(isChosen)
            return (Array(all.prefix(limit)), all.count)
        }
        let (found, total) = index.search(
            query.query, among: report.entries, version: version, limit: limit, isChosen: isChosen,
            describe: report.document)
        return (found.map(\.entry), total)
    }

    private func index(of endpoint: EndpointName) -> CatalogSearch {
        if endpoint == .all { return whole }
        return indexes.withLock { indexes in
            if let known = indexes[endpoint] { return known }
            if indexes.count >= Self.indexesMax { indexes = [:] }
            let fresh = CatalogSearch()
            indexes[endpoint] = fresh
            return fresh
        }
    }

    private static func result(
        _ tools: ArraySlice<ListedEntry>, _ query: ToolQuery, total: Int, _ report: CatalogReport
    ) -> JSON {
        var definitions: [JSON] = []
        var unavailable: [(String, JSON)] = []
        var bytes = 0
        for tool in tools {
            bytes += tool.definition.bytes.count
            guard bytes <= SearchTools.bytesMax || definitions.isEmpty else { break }
            definitions.append(tool.definition)
            let state = report.state(of: tool)
            if state != CatalogReport.available { unavailable.append((tool.name, .string(state))) }
        }
        var members: [(String, JSON)] = [("tools", .array(definitions)), ("total", .number(total))]
        let end = query.offset + definitions.count
        if end < total, !definitions.isEmpty, let cursor = ToolQuery.cursor(after: end) {
            members.append(("nextCursor", .string(cursor)))
        }
        if !unavailable.isEmpty { members.append(("unavailable", .object(unavailable))) }
        let found = JSON.object(members)
        return [
            "resultType": "complete", "content": [["type": "text", "text": .string(found.text)]],
            "structuredContent": found,
        ]
    }

    /// Set once, when nobody waits for the answer any more.
    private final class GivenUp: Sendable {
        private let state = Atomic(false)
        var isSet: Bool { state.load(ordering: .relaxed) }
        func set() { state.store(true, ordering: .relaxed) }
    }
}
