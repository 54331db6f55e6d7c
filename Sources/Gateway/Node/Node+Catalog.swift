import Catalog
import Composition
package import JSONSlice
import MCPModel
import MCPTransport
import Synchronization

extension Node {
    /// - Parameter selection: what of the catalog is searched, as `where` says it; empty: all.
    package func searchCatalog(query: String, where selection: String, limit: Int) async throws -> JSON {
        let chosen = try Self.selection(selection)
        let meaning = await embedder?.meaning(of: query) ?? .ofModel
        // Before the view: one that is newer than its version is only looked at again.
        let version = board.version
        guard let report = catalogReport() else { return .object([("total", 0), ("entries", [])]) }
        let rows = CatalogRows(report, now: seat.now())
        return report.search(
            query, meaning: meaning, limit: limit, with: catalogSearch, version: version,
            isChosen: chosen.map { selection in { rows.chooses(selection, $0) } })
    }

    package func showEntry(named name: String) async throws -> JSON {
        guard let report = catalogReport() else {
            throw Refusal(.unavailable, "the catalog is not ready yet")
        }
        guard let entry = report.show(name, try await history(of: name, in: report)) else {
            throw Refusal(
                .notFound, "no entry named \(name)", hint: "`martlet catalog search` shows what is offered")
        }
        return entry
    }

    /// Calls a tool as a client of this node would, and says how it went.
    ///
    /// - Parameters:
    ///   - visitor: who asks.
    ///   - other: as whom instead, e.g. `key:alice`: the rules hold for that one. Only role admin may.
    ///   - notice: hears progress and log messages while the call runs.
    package func callTool(
        named name: String, server: String?, arguments: JSON, by visitor: AdminVisitor = .owner,
        as other: String? = nil, notice: @escaping @Sendable (JSON) -> Void
    ) async throws -> JSON {
        let principal = try principal(of: visitor, as: other)
        let endpoint = server.map(EndpointName.server) ?? .all
        let id = CallID.random()
        let served = Mutex<(server: ServerKey?, path: [String])>((nil, []))
        let call = EndpointCall(
            endpoint: endpoint, principal: principal, method: Method.toolsCall,
            params: .object([("name", .string(name)), ("arguments", arguments)]),
            client: ClientFacts(wantsProgress: true))
        let start = ContinuousClock.now
        let (events, continuation) = AsyncStream<CallEvent>.makeStream()
        let sent: @Sendable (ServerKey) -> Void = { [paths] server in
            let path = paths.labels(to: server)
            served.withLock { $0 = (server, path) }
        }
        let handle = router.call(call, id: id, sent: sent) { event in
            continuation.yield(event)
            if event.isFinal { continuation.finish() }
        }
        continuation.onTermination = { _ in handle.cancel() }
        var members: [(String, JSON)] = []
        for await event in events {
            switch event {
            case .notification(_, let params): notice(params)
            case .result(let result):
                members.append(("ok", .bool(result["isError"]?.bool != true)))
                members.append(("result", result))
            case .error(let error):
                members.append(("ok", false))
                members.append(("error", error))
            case .failure(let failure):
                members.append(("ok", false))
                members.append(("error", CallFailureCode.error(of: failure).json))
            }
        }
        guard !members.isEmpty else { throw CancellationError() }
        let elapsed = ContinuousClock.now - start
        let (server, pathThen) = served.withLock { $0 }
        let pathNow = paths.labels(to: server)
        // The way that was found for it; where that is gone since it was answered, the one that was known when it went out.
        let path = pathNow.count > 1 ? pathNow : pathThen.isEmpty ? pathNow : pathThen
        members.append(("path", .array(path.map(JSON.string))))
        members.append(("milliseconds", .string("\(elapsed.milliseconds)")))
        members.append(("callId", .string(id.description)))
        if let by = principal.assumedBy {
            members.append(("as", .string(principal.caller.written)))
            members.append(("by", .string(by.written)))
        }
        return .object(members)
    }

    // MARK: -

    private func principal(of visitor: AdminVisitor, as other: String?) throws(Refusal) -> Principal {
        guard let other else { return visitor.principal }
        guard visitor.role == .admin else {
            throw Refusal(
                .forbidden, "calling as somebody else needs the role admin, not \(visitor.role.rawValue)")
        }
        guard let caller = Caller(written: other) else {
            throw Refusal(
                .invalid, "\"\(other)\" names no caller",
                hint: "write key:NAME, basic:NAME, certificate:NAME, local:NAME or jwt:ISSUER#SUBJECT")
        }
        let by = visitor.principal.caller
        log.notice(
            "A tool is called as somebody else.",
            metadata: ["caller": "\(caller.written)", "caller.by": "\(by.written)"])
        return Principal(caller, narrowing: door.narrowing(of: caller), assumedBy: by)
    }

    func catalogReport() -> CatalogReport? {
        board.view(.all).map { CatalogReport(snapshot: board.snapshot, view: $0) }
    }
}
