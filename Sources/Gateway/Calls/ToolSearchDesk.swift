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
    private let access: AccessDesk
    /// Of `/mcp`, shared with everybody else who searches the catalog.
    private let whole: CatalogSearch
    private let embedder: Embedder?
    private let now: @Sendable () -> Instant
    private let thread = DispatchQueue(label: "martlet.tool-search")
    private let open = Mutex(0)
    private let indexes = Mutex<[EndpointName: CatalogSearch]>([:])

    /// - Parameters:
    ///   - access: who sees what; `nil`: everybody everything.
    ///   - embedder: says what queries mean, as it does for `whole`; `nil`: the compiled-in model.
    init(
        board: CatalogBoard, access: AccessDesk? = nil, whole: CatalogSearch = CatalogSearch(),
        embedder: Embedder? = nil,
        now: @escaping @Sendable () -> Instant
    ) {
        self.board = board
        self.access = access ?? AccessDesk(board: board, now: now)
        self.whole = whole
        self.embedder = embedder
        self.now = now
    }

    /// - Parameters:
    ///   - call: of `search_tools`.
    ///   - sink: called on another thread, later; at once when there is no room.
    func answer(_ call: EndpointCall, _ sink: @escaping CallSink) -> CallHandle {
        let query: ToolQuery
        do throws(SearchTools.Complaint) {
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
        let isGivenUp = Flag()
        let search = { @Sendable [self] (meaning: QueryMeaning) in
            thread.async { [self] in
                defer { open.withLock { $0 -= 1 } }
                guard !isGivenUp.isRaised else {
                    return sink(.failure(CallFailure(.cancelled, "the client cancelled the search")))
                }
                sink(.result(answer(query, meaning, at: call.endpoint.asDefined, for: call.principal)))
            }
        }
        // Nobody waits on the thread for an endpoint: it has others to answer.
        guard let embedder, query.hasWords else {
            search(.ofModel)
            return CallHandle { isGivenUp.raise() }
        }
        let asked = embedder.meaning(of: query.query, search)
        return CallHandle {
            isGivenUp.raise()
            asked?.cancel()
        }
    }

    private func answer(
        _ query: ToolQuery, _ meaning: QueryMeaning, at endpoint: EndpointName, for principal: Principal
    ) -> JSON {
        // Before the view: an index that is newer than its version is only looked at again.
        let version = board.version
        guard let view = board.view(endpoint), let seen = access.view(endpoint, for: principal) else {
            return SearchTools.complaint("Nothing stands at \(endpoint) any more.")
        }
        let report = CatalogReport(snapshot: board.snapshot, view: view)
        let rows = query.selection.map { ($0, CatalogRows(report, now: now())) }
        let isChosen = { (entry: ListedEntry) in
            // What this caller may not see is not looked at: the index is of all, and shared.
            guard entry.binding.kind == .tool, seen.entry(.tool, named: entry.name) != nil else {
                return false
            }
            return rows.map { $1.chooses($0, entry) } ?? true
        }
        let (tools, total, remark) = best(
            query, meaning, of: report, with: index(of: endpoint), version: version, isChosen: isChosen)
        return Self.result(tools.dropFirst(query.offset), query, total: total, remark, report)
    }

    /// The first of all that fit, best first; in the order of the list for a query without words.
    private func best(
        _ query: ToolQuery, _ meaning: QueryMeaning, of report: CatalogReport, with index: CatalogSearch,
        version: UInt64, isChosen: @escaping (ListedEntry) -> Bool
    ) -> (tools: [ListedEntry], total: Int, remark: MeaningRemark?) {
        let limit = query.offset + query.limit
        guard query.hasWords else {
            let all = report.view.list(.tool).filter(isChosen)
            return (Array(all.prefix(limit)), all.count, nil)
        }
        let answer = index.search(
            query.query, meaning: meaning, among: report.entries, version: version, limit: limit,
            isChosen: isChosen, describe: report.document)
        return (answer.found.map(\.entry), answer.total, answer.remark)
    }

    private func index(of endpoint: EndpointName) -> CatalogSearch {
        if endpoint == .all { return whole }
        return indexes.withLock { indexes in
            if let known = indexes[endpoint] { return known }
            if indexes.count >= Self.indexesMax { indexes = [:] }
            let fresh = CatalogSearch(embedder: embedder)
            indexes[endpoint] = fresh
            return fresh
        }
    }

    private static func result(
        _ tools: ArraySlice<ListedEntry>, _ query: ToolQuery, total: Int, _ remark: MeaningRemark?,
        _ report: CatalogReport
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
        if let remark { members.append(("meaning", .string(remark.brief))) }
        let found = JSON.object(members)
        return [
            "resultType": "complete", "content": [["type": "text", "text": .string(found.text)]],
            "structuredContent": found,
        ]
    }
}

extension ToolQuery {
    fileprivate var hasWords: Bool { query.contains { !$0.isWhitespace } }
}
