import Catalog
import Composition
import MCPModel
import MCPTransport
import Policy
import Synchronization

/// What stands between callers and servers: quarantines that this node knows, and the panes of its own servers. Asked with every
/// call, at its entry node and at its owner; the owner's is the last word.
final class Glass: Sendable {
    private let board: CatalogBoard
    private struct Behind: Sendable {
        let pane: GlassPane
        let templates: [(text: String, pattern: URITemplatePattern)]

        init(_ pane: GlassPane) {
            self.pane = pane
            templates = pane.templates.map { ($0, URITemplatePattern($0)) }
        }

        func objection(to entry: NamedEntry?) -> Denial? {
            pane.objection(to: entry) { uri in
                templates.filter { $0.pattern.matches(uri) }.map(\.text)
            }
        }
    }

    private let panes = Mutex<[Label: Behind]>([:])

    init(board: CatalogBoard) { self.board = board }

    func put(_ pane: GlassPane, of server: Label) { panes.withLock { $0[server] = Behind(pane) } }

    /// A server is only coming up: what it offered before counts, or else nothing does until it has said what it offers.
    func expect(_ server: Label, under policy: ApprovalPolicy) {
        panes.withLock { panes in
            if panes[server]?.pane.isUnder(policy) == true { return }
            panes[server] = policy == .auto ? nil : Behind(GlassPane(server, under: policy, listing: nil))
        }
    }

    func remove(_ server: Label) { panes.withLock { _ = $0.removeValue(forKey: server) } }

    /// Why a call may not go to a server of any node.
    func objection(to request: CallRequest, at server: ServerKey) -> CallFailure? {
        // Whoever ends what runs may always do so.
        guard request.method != Method.tasksCancel else { return nil }
        let snapshot = board.snapshot
        guard !snapshot.holds.isEmpty else { return nil }
        let entry = Self.entry(of: request)
        var hold = snapshot.holds.on(server)
        if let entry {
            hold =
                snapshot.holds.on(EntryAddress(server: server, kind: entry.kind, name: entry.name))
                ?? Self.holdOnTemplate(of: entry, at: server, in: snapshot)
        }
        return hold.map {
            Self.failure(Denial($0, signer: NodeNames(snapshot)[$0.signer]), request)
        }
    }

    /// A URI that is not listed may be one of a template, and is held with that.
    private static func holdOnTemplate(
        of entry: NamedEntry, at server: ServerKey, in snapshot: CatalogSnapshot
    ) -> Hold? {
        guard entry.kind == .resource else { return nil }
        let held = snapshot.holds.all.compactMap { hold -> EntryAddress? in
            guard case .entry(let address) = hold.target, address.server == server,
                address.kind == .resourceTemplate
            else { return nil }
            return address
        }
        guard !held.isEmpty else { return nil }
        let manifest = snapshot.servers[server]?.manifest
        guard manifest?.entry(.resource, named: entry.name) == nil else { return nil }
        // By what is offered too: a long name stands in a hold by its beginning.
        let offered = ((manifest?.entries ?? []) + (manifest?.pending ?? []))
            .filter { $0.kind == .resourceTemplate }
            .map { EntryAddress(server: server, kind: $0.kind, name: $0.name) }
        for address in held + offered where URITemplatePattern(address.name).matches(entry.name) {
            if let hold = snapshot.holds.on(address) { return hold }
        }
        return nil
    }

    /// Why a call may not run at a server of this node.
    func objection(to request: CallRequest, atOwn server: Label) -> CallFailure? {
        if let failure = objection(to: request, at: ServerKey(owner: board.me, name: server)) {
            return failure
        }
        guard let pane = panes.withLock({ $0[server] }),
            let denial = pane.objection(to: Self.entry(of: request))
        else { return nil }
        return Self.failure(denial, request)
    }

    private static func failure(_ denial: Denial, _ request: CallRequest) -> CallFailure {
        CallFailure(
            denial.reason, denial.detail, hint: denial.hint, callID: request.id, isUnsent: true,
            rule: denial.rule.rawValue)
    }

    /// The entry that a request is about, in its server's own terms.
    static func entry(of request: CallRequest) -> NamedEntry? {
        let params = request.params
        let named = { (kind: EntryKind, name: String?) in name.map { NamedEntry(kind: kind, name: $0) } }
        switch request.method {
        case Method.toolsCall: return named(.tool, params["name"]?.string)
        case Method.promptsGet: return named(.prompt, params["name"]?.string)
        case Method.resourcesRead: return named(.resource, params["uri"]?.string)
        case Method.completionComplete:
            let reference = params["ref"]
            return named(.prompt, reference?["name"]?.string)
                ?? named(.resourceTemplate, reference?["uri"]?.string)
        case Method.subscriptionsListen: return named(.resource, ResourceSubscription.uri(in: params))
        default: return nil
        }
    }
}
