import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport
import Synchronization

/// The entry node's side of subscriptions to single resources (docs/decisions/0011): a client's URI becomes a server and
/// its own URI, every resource has at most one subscription upstream, and what comes back speaks of resources as the
/// client's endpoint shows them.
final class ResourceSubscriptions: Sendable {
    struct Resource: Hashable, Sendable {
        var server: ServerKey
        /// The server's own.
        var uri: String
    }

    private let access: AccessDesk
    private let hub: SubscriptionHub<Resource>

    init(
        board: CatalogBoard, local: LocalServers, access: AccessDesk? = nil,
        label: @escaping @Sendable () -> String,
        limits: SubscriptionLimits = .standard,
        forward: @escaping @Sendable (ForwardedCall, @escaping CallSink) -> CallHandle
    ) {
        self.access = access ?? AccessDesk(board: board)
        hub = SubscriptionHub(limits: limits, group: EventLoops.shared) { resource, sink in
            // Many clients share it, so it is made in the name of this node, which any member may call in.
            let caller = Caller(issuer: "node", subject: board.me.description)
            let request = CallRequest(
                id: .random(), method: Method.subscriptionsListen,
                params: ResourceSubscription.params(uri: resource.uri), client: ClientFacts(), caller: caller,
                timeLeft: ResourceSubscription.callTime)
            let named: CallSink = { event in
                guard case .failure(var failure) = event else { return sink(event) }
                failure.node = failure.node ?? label()
                sink(.failure(failure))
            }
            let server = resource.server
            guard server.owner != board.me else { return local.call(server.name, request, named) }
            return forward(
                ForwardedCall(
                    owner: server.owner, server: server.name, hash: nil, kind: nil, caller: caller,
                    request: request), named)
        }
    }

    /// Resources that are subscribed upstream.
    var count: Int { hub.count }

    func watch(_ interest: ResourceInterest) -> WatchToken {
        let refuse = { (failure: CallFailure) -> WatchToken in
            interest.settled(CallFailureCode.error(of: failure, uri: interest.uri))
            return .none
        }
        let view: EndpointView
        let route: Route
        switch Self.way(to: interest.uri, of: interest, access) {
        case .open(let seen, let found): (view, route) = (seen, found)
        case .lost(let failure), .closed(let failure): return refuse(failure)
        }
        guard view.tellsOfUpdates(route.server), let uri = route.params["uri"]?.string else {
            interest.settled(
                RPCError(
                    code: RPCError.Code.methodNotFound,
                    message: "The server of this resource does not tell of updates: \(interest.uri)"))
            return .none
        }
        let resource = Resource(server: route.server, uri: uri)
        let access = access
        let watch = HeldWatch()
        watch.hold(
            hub.watch(resource, uri: uri, settled: interest.settled) { params in
                switch Self.way(to: resource, of: interest, access) {
                case .open(let view, _):
                    // As the endpoint shows the server's resources now; a label may have changed meanwhile.
                    interest.updated(view.space(of: resource.server).outward(notification: params))
                case .lost: break
                case .closed: watch.end()
                }
            })
        return WatchToken { watch.end() }
    }

    // MARK: -

    private enum Way {
        case open(EndpointView, Route)
        /// Nothing is there, at this moment.
        case lost(CallFailure)
        /// It is there, and not for whoever asks.
        case closed(CallFailure)
    }

    /// Where a URI leads at an endpoint now, for whoever wants to hear of it.
    private static func way(to uri: String, of interest: ResourceInterest, _ access: AccessDesk) -> Way {
        guard let view = access.view(interest.endpoint, for: interest.principal) else {
            let failure = CallFailure(.unknownEntry, "no server stands at \(interest.endpoint)")
            return access.board.view(interest.endpoint) == nil ? .lost(failure) : .closed(failure)
        }
        let params = ResourceSubscription.updated(uri: uri)
        let route: Route
        do {
            route = try view.route(Method.resourcesSubscribe, params)
        } catch {
            return .lost(error.failure)
        }
        let passage = AccessDesk.Passage(
            subject: access.subject(interest.principal),
            virtualServer: AccessDesk.virtualServer(at: interest.endpoint, view))
        if let failure = access.objection(
            to: Method.resourcesSubscribe, params, along: route, at: view, passage)
        {
            return .closed(failure)
        }
        return .open(view, route)
    }

    /// The same for a resource that is watched already, by the URI it was asked for or the one it has now.
    private static func way(
        to resource: Resource, of interest: ResourceInterest, _ access: AccessDesk
    ) -> Way {
        let asked = way(to: interest.uri, of: interest, access)
        if case .closed = asked { return asked }
        if case .open(_, let route) = asked, leads(route, to: resource) { return asked }
        guard let view = access.view(interest.endpoint, for: interest.principal) else { return asked }
        let renamed = way(to: view.space(of: resource.server).outward(resource.uri), of: interest, access)
        if case .open(_, let route) = renamed, !leads(route, to: resource) {
            return .lost(CallFailure(.unknownEntry, "\(interest.uri) leads elsewhere"))
        }
        return renamed
    }

    private static func leads(_ route: Route, to resource: Resource) -> Bool {
        route.server == resource.server && route.params["uri"]?.string == resource.uri
    }
}

/// A watch that may be ended from within what it tells.
private final class HeldWatch: Sendable {
    private struct State {
        var token: WatchToken?
        var isOver = false
    }

    private let state = Mutex(State())

    func hold(_ token: WatchToken) {
        let isOver = state.withLock { state in
            state.token = token
            return state.isOver
        }
        if isOver { token.cancel() }
    }

    func end() {
        let token = state.withLock { state in
            state.isOver = true
            return state.token
        }
        token?.cancel()
    }
}
