import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import MeshTransport
import Policy

/// The owner's decisions on calls that other nodes pass on: by its own rules, on what the entry node says of the caller.
///
/// What an entry node may get wrong, or lie about, is its callers; where it is (node, segment) the mesh has proved, and
/// through which virtual server it came is believed only as far as that virtual server leads here with these arguments.
extension AccessDesk {
    struct OwnerView: Sendable {
        var subject: AccessSubject
        /// Through which the caller came, as far as that is believed.
        var virtualServer: Label?
        var decision: AccessDecision
        var isSeen: Bool
        /// Whether the entry node speaks for others: for itself its link speaks.
        var namesOthers: Bool
    }

    func ownersView(of call: IncomingMeshCall) -> OwnerView {
        let principal = call.principal
        let request = call.request
        let isListen = request.method == Method.subscriptionsListen
        let subject = AccessSubject(
            Principal(Caller(issuer: principal.issuer, subject: principal.subject)),
            at: place(of: principal.entryNode),
            isWholeNode: isListen && principal == .node(principal.entryNode))
        let namesOthers = isListen || principal != .node(principal.entryNode)
        guard !rules.isEmpty else {
            return OwnerView(
                subject: subject, decision: .open, isSeen: true, namesOthers: namesOthers)
        }
        let own = ServerKey(owner: board.me, name: call.server)
        if isListen {
            let watched = ResourceSubscription.uris(in: request.params).map {
                decide(
                    .read, self.target(of: own, .resource, $0, through: nil), by: subject,
                    arguments: .emptyObject)
            }
            if let refused = watched.first(where: { !$0.isAllowed }) {
                return OwnerView(
                    subject: subject, decision: refused, isSeen: false,
                    namesOthers: namesOthers)
            }
        }
        guard let (kind, name) = Self.entry(of: request.method, request.params) else {
            // Through a virtual server more may be seen; whose a task is, the server's own book says. What is to be completed
            // has to be said so that it means one thing.
            let isSeen =
                request.method != Method.completionComplete
                && (namesVirtualServers
                    || rules.maySee(anythingOf: names(of: own), through: nil, standing(of: subject)))
            return OwnerView(
                subject: subject, decision: isSeen ? .open : .refused(.noRule), isSeen: isSeen,
                namesOthers: namesOthers)
        }
        let virtualServer = call.virtualServer.flatMap {
            leads($0, to: own, kind, name, request.params) ? $0 : nil
        }
        let target = target(of: own, kind, name, through: virtualServer)
        let arguments = request.params["arguments"] ?? .emptyObject
        let decision = decide(.use(of: kind), target, by: subject, arguments: arguments)
        let isSeen =
            decision.isAllowed || decide(.see, target, by: subject, arguments: .emptyObject).isAllowed
        return OwnerView(
            subject: subject, virtualServer: virtualServer, decision: decision, isSeen: isSeen,
            namesOthers: namesOthers)
    }

    /// The same of all uses of an entry, whatever the arguments; `nil`: they matter.
    func standingView(of call: IncomingMeshCall, _ kind: EntryKind, _ name: String) -> OwnerView? {
        // What a virtual server leads to may depend on what it sets.
        guard call.virtualServer == nil || !namesVirtualServers else { return nil }
        let view = ownersView(of: call)
        guard !rules.isEmpty else { return view }
        let standing = standing(of: view.subject)
        guard view.decision != .open || !standing.isFree else { return view }
        let own = ServerKey(owner: board.me, name: call.server)
        let ruling = rules.ruling(
            standing, .use(of: kind), target(of: own, kind, name, through: view.virtualServer))
        guard case .settled(view.decision) = ruling else { return nil }
        return view
    }

    /// Whether it matters through which virtual server somebody comes.
    private var namesVirtualServers: Bool {
        rules.rules.contains { !$0.scope.virtualServers.isEmpty }
            || rules.limits.contains { !$0.scope.virtualServers.isEmpty }
    }

    /// Whether a virtual server, as this node knows it, leads to an entry with these arguments: what it leaves out is not reached
    /// through it, and what it sets is set.
    private func leads(
        _ name: Label, to server: ServerKey, _ kind: EntryKind, _ entry: String, _ params: JSON
    ) -> Bool {
        guard namesVirtualServers, let view = board.view(.server(name.text)), case .virtual = view.endpoint
        else { return false }
        let isListed = view.list(kind).contains { listed in
            if let composite = listed.composite {
                return composite.bindings.contains { $0.server == server && $0.entry == entry }
            }
            let binding = listed.binding
            guard binding.server == server, binding.entry == entry else { return false }
            return binding.fixed.allSatisfy { fixed in
                params["arguments"]?[fixed.name].map { $0.isSame(as: fixed.value) } ?? false
            }
        }
        if isListed { return true }
        // Templates and links lead to more than is listed.
        guard kind == .resource else { return false }
        return view.resource(at: view.space(of: server).outward(entry))?.server == server
    }
}
