import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import Policy
import Synchronization

/// Carries out what this node's rules say (docs/reference/access.md): what each principal is shown at an endpoint, and
/// whether a call may be made. The rules themselves are ``AccessRules``'; here are the facts, and what is remembered.
///
/// Asked on event loops: a question that was asked before costs a look into a dictionary.
final class AccessDesk: Sendable {
    /// Principals whose part of the rules is remembered; one costs a few hundred bytes. At one more all are found anew.
    static let standingsMax = 4_096
    /// Answers that are remembered: principals of equal standing, times entries that they call.
    static let rulingsMax = 65_536
    /// The longest entry of which an answer is remembered.
    static let rememberedBytesMax = 1_024
    /// Endpoints as somebody sees them, by standing. A view holds all of an endpoint's names, so there are fewer of them.
    static let viewsMax = 256
    /// What they take together, by a careful guess: an entry's definition is shared, its places in a view are not. Fifty views of ten thousand
    /// entries; at one more than fit all are made anew.
    static let viewBytesMax = 256 << 20
    /// Of one entry in one view: its row, its name, and its places in what is looked up by name.
    static let viewEntryBytes = 512

    /// What a call passes through on its way, as far as rules ask.
    struct Passage: Sendable {
        var subject: AccessSubject
        /// Of an endpoint that is a virtual server.
        var virtualServer: Label?
    }

    private struct Known {
        let standing: AccessStanding
        /// Never another standing's: what is looked up by it cannot be somebody else's, whatever was forgotten meanwhile.
        let number: Int
    }

    private struct Question: Hashable {
        let standing: Int
        let verb: AccessVerb
        let target: AccessTarget
    }

    private struct Sight: Hashable {
        let endpoint: EndpointName
        let standing: Int
    }

    private struct Seen {
        /// Of the whole view that it was made from.
        let basis: UInt64
        let made: CatalogBoard.Made
        let bytes: Int
    }

    private struct State {
        var standings: [AccessSubject: Known] = [:]
        var numbers: [AccessStanding: Int] = [:]
        var rulings: [Question: AccessRuling] = [:]
        var views: [Sight: Seen] = [:]
        var viewBytes = 0
        var viewNumbers: UInt64 = 0
        var lastNumber = 0
    }

    let rules: AccessRules
    /// Whether any rule wants a record before a call.
    let wantsRecords: Bool
    let board: CatalogBoard
    private let state = Mutex(State())
    let book: Mutex<LimitBook>
    let now: @Sendable () -> Instant

    private let viewBytesMax: Int

    /// What is remembered of views, by the same guess.
    var viewBytes: Int { state.withLock { $0.viewBytes } }

    /// - Parameter now: the clock of the limits.
    init(
        rules: AccessRules = AccessRules(), board: CatalogBoard,
        viewBytesMax: Int = AccessDesk.viewBytesMax,
        now: @escaping @Sendable () -> Instant = { .zero }
    ) {
        self.viewBytesMax = viewBytesMax
        self.rules = rules
        wantsRecords = rules.rules.contains(where: \.isRecordRequired)
        self.board = board
        self.now = now
        book = Mutex(LimitBook(rules.limits))
    }

    // MARK: Who

    /// A caller of this node.
    func subject(_ principal: Principal) -> AccessSubject {
        // Where nothing is asked, nothing need be known.
        AccessSubject(principal, at: rules.isEmpty ? nil : place(of: board.me))
    }

    /// Whether nothing is kept from anybody with such a credential.
    func isOpen(to principal: Principal) -> Bool { rules.rules.isEmpty && principal.narrowing == nil }

    /// Whether calls are counted at all.
    var hasLimits: Bool { !rules.limits.isEmpty || !board.snapshot.limits.isEmpty }

    func place(of node: NodeID) -> AccessSubject.Place? {
        let (snapshot, names) = (board.snapshot, board.names)
        return snapshot.nodes[node].map { .init(node: names[node], segment: $0.segment.text) }
    }

    private func known(_ subject: AccessSubject) -> Known {
        if let known = state.withLock({ $0.standings[subject] }) { return known }
        let standing = rules.standing(of: subject)
        return state.withLock { state in
            if state.standings.count >= Self.standingsMax {
                state = State(viewNumbers: state.viewNumbers, lastNumber: state.lastNumber)
            }
            if state.numbers[standing] == nil { state.lastNumber += 1 }
            let number = state.numbers[standing] ?? state.lastNumber
            state.numbers[standing] = number
            let known = Known(standing: standing, number: number)
            state.standings[subject] = known
            return known
        }
    }

    func standing(of subject: AccessSubject) -> AccessStanding { known(subject).standing }

    // MARK: What is shown

    /// What stands at an endpoint for one principal; `nil`: nothing, as far as he may know.
    func made(_ name: EndpointName, for principal: Principal) -> CatalogBoard.Made? {
        guard let whole = board.made(name.asDefined) else { return nil }
        let virtualServer = Self.virtualServer(at: name, whole.view)
        let isAdministrator = principal.role == .admin && principal.narrowing == nil
        if case .virtual(let definition) = whole.view.endpoint, !definition.access.isEmpty, !isAdministrator,
            !rules.includes(principal, in: definition.access)
        {
            return nil
        }
        guard !isOpen(to: principal) else { return whole }
        let known = known(subject(principal))
        guard known.standing.admits(to: virtualServer?.text) else { return nil }
        guard !known.standing.isFree else { return whole }
        if case .oneServer(let server) = whole.view.endpoint,
            !rules.maySee(anythingOf: names(of: server), through: nil, known.standing)
        {
            return nil
        }
        let sight = Sight(endpoint: name.asDefined, standing: known.number)
        if let seen = state.withLock({ $0.views[sight] }), seen.basis == whole.number { return seen.made }
        let view = seen(whole.view, through: virtualServer, known.standing)
        let bytes = EntryKind.allCases.reduce(0) { $0 + view.list($1).count } * Self.viewEntryBytes
        return state.withLock { state in
            state.viewNumbers += 1
            // Apart from the numbers of whole views.
            let made = CatalogBoard.Made(
                view: view, number: state.viewNumbers | 1 << 63, shelf: ViewShelf(board.writtenRoom))
            if let old = state.views.removeValue(forKey: sight) { state.viewBytes -= old.bytes }
            if state.views.count >= Self.viewsMax || state.viewBytes + bytes > viewBytesMax {
                (state.views, state.viewBytes) = ([:], 0)
            }
            guard bytes <= viewBytesMax else { return made }
            state.views[sight] = Seen(basis: whole.number, made: made, bytes: bytes)
            state.viewBytes += bytes
            return made
        }
    }

    /// The same as the client wants it shown.
    func view(_ name: EndpointName, for principal: Principal) -> EndpointView? {
        made(name, for: principal).map { shown($0.view, at: name) }
    }

    func shown(_ view: EndpointView, at name: EndpointName) -> EndpointView {
        view.shown(as: name.mode, listedTools: board.listedTools)
    }

    private func seen(_ whole: EndpointView, through virtualServer: Label?, _ standing: AccessStanding)
        -> EndpointView
    {
        var servers: [ServerKey: [String]] = [:]
        return whole.seen { entry in
            if let composite = entry.composite { return mayRun(composite, through: virtualServer, standing) }
            let binding = entry.binding
            let own = servers[binding.server] ?? names(of: binding.server)
            servers[binding.server] = own
            let target = AccessTarget(
                servers: own, kind: binding.kind, entry: binding.entry, virtualServer: virtualServer?.text)
            return rules.decide(rules.ruling(standing, .see, target), arguments: .emptyObject).isAllowed
        } servers: {
            rules.maySee(anythingOf: names(of: $0), through: virtualServer?.text, standing)
        }
    }

    /// A composite is its steps: who may not call each of them has no use for it. A rule that denies may name it besides.
    func mayRun(
        _ composite: BoundComposite, through virtualServer: Label?, _ standing: AccessStanding
    ) -> Bool {
        let own = AccessTarget(
            servers: [], kind: .tool, entry: composite.tool.name, virtualServer: virtualServer?.text)
        for verb in [AccessVerb.see, .call] {
            if case .settled(.refused(.rule)) = rules.ruling(standing, verb, own) { return false }
        }
        return composite.bindings.allSatisfy { binding in
            if case .settled(let decision) = rules.ruling(
                standing, .call, target(binding, through: virtualServer))
            {
                return decision.isAllowed
            }
            return true
        }
    }

    // MARK: What is done

    /// - Complexity: O(1) for a question that was asked before, and O(bytes of the arguments) for each condition on them
    func decide(_ verb: AccessVerb, _ target: AccessTarget, by subject: AccessSubject, arguments: JSON)
        -> AccessDecision
    {
        guard !isOpen(to: subject.principal) else { return .open }
        let known = known(subject)
        guard !known.standing.isFree else { return .open }
        let question = Question(standing: known.number, verb: verb, target: target)
        if let ruling = state.withLock({ $0.rulings[question] }) {
            return rules.decide(ruling, arguments: arguments)
        }
        let ruling = rules.ruling(known.standing, verb, target)
        // A caller may ask for URIs as long and as many as he likes.
        guard target.entry.utf8.count <= Self.rememberedBytesMax else {
            return rules.decide(ruling, arguments: arguments)
        }
        state.withLock { state in
            if state.rulings.count >= Self.rulingsMax { state.rulings = [:] }
            state.rulings[question] = ruling
        }
        return rules.decide(ruling, arguments: arguments)
    }

    // MARK: Names

    /// Of an endpoint that is one.
    static func virtualServer(at name: EndpointName, _ view: EndpointView) -> Label? {
        guard case .virtual = view.endpoint, case .server(let text) = name.place else { return nil }
        return Label(text)
    }

    func target(_ binding: Binding, through virtualServer: Label?) -> AccessTarget {
        target(of: binding.server, binding.kind, binding.entry, through: virtualServer)
    }

    func target(of server: ServerKey, _ kind: EntryKind, _ entry: String, through virtualServer: Label?)
        -> AccessTarget
    {
        AccessTarget(
            servers: names(of: server), kind: kind, entry: entry, virtualServer: virtualServer?.text)
    }

    /// Every name by which rules may mean a server.
    func names(of server: ServerKey) -> [String] {
        let whole = ServerName.authority(node: board.names[server.owner], server: server.name)
        return server.owner == board.me ? [server.name.text, whole] : [whole]
    }
}

extension ServerName {
    fileprivate static func authority(node: String, server: Label) -> String { "\(node)--\(server)" }
}
