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
    private let changes = Atomic<UInt64>(0)

    init(board: CatalogBoard) { self.board = board }

    /// Grows with every change of a pane.
    var version: UInt64 { changes.load(ordering: .acquiring) }

    func put(_ pane: GlassPane, of server: Label) {
        panes.withLock { $0[server] = Behind(pane) }
        changes.add(1, ordering: .releasing)
    }

    /// A server is only coming up: what it offered before counts, or else nothing does until it has said what it offers.
    func expect(_ server: Label, under policy: ApprovalPolicy) {
        panes.withLock { panes in
            if panes[server]?.pane.isUnder(policy) == true { return }
            panes[server] = policy == .auto ? nil : Behind(GlassPane(server, under: policy, listing: nil))
        }
        changes.add(1, ordering: .releasing)
    }

    func remove(_ server: Label) {
        panes.withLock { _ = $0.removeValue(forKey: server) }
        changes.add(1, ordering: .releasing)
    }

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
        let address = EntryAddress(server: server, kind: entry.kind, name: entry.name)
        return templates(of: address, among: snapshot.holds.all.lazy.map(\.target), in: snapshot)
            .lazy.compactMap { snapshot.holds.on($0) }.first
    }

    /// The limits by operators that count a call of an entry.
    static func limits(on address: EntryAddress, in snapshot: CatalogSnapshot) -> [StatedLimit] {
        let limits = snapshot.limits
        guard !limits.isEmpty else { return [] }
        var found = limits.on(address)
        for template in templates(of: address, among: limits.all.lazy.map(\.target), in: snapshot) {
            found += limits.exactly(.of(template)).filter { !found.contains($0) }
        }
        return found
    }

    /// The templates of which a URI that is not listed may be one, where any template of its server is a target.
    private static func templates(
        of address: EntryAddress, among targets: some Sequence<StatementTarget>, in snapshot: CatalogSnapshot
    ) -> [EntryAddress] {
        guard address.kind == .resource else { return [] }
        let named = targets.compactMap { target -> EntryAddress? in
            guard case .entry(let named) = target, named.server == address.server,
                named.kind == .resourceTemplate
            else { return nil }
            return named
        }
        guard !named.isEmpty else { return [] }
        let manifest = snapshot.servers[address.server]?.manifest
        guard manifest?.entry(.resource, named: address.name) == nil else { return [] }
        // By what is offered too: a long name stands in a statement by its beginning.
        let offered = ((manifest?.entries ?? []) + (manifest?.pending ?? []))
            .filter { $0.kind == .resourceTemplate }
            .map { EntryAddress(server: address.server, kind: $0.kind, name: $0.name) }
        return (named + offered).filter { URITemplatePattern($0.name).matches(address.name) }
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
