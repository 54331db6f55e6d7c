import Catalog
import Composition
import JSONSlice
import MCPModel
import MCPTransport

/// The entry node's side of subscriptions to single resources (docs/decisions/0011): a client's URI becomes a server and
/// its own URI, every resource has at most one subscription upstream, and what comes back speaks of resources as the
/// client's endpoint shows them.
final class ResourceSubscriptions: Sendable {
    struct Resource: Hashable, Sendable {
        var server: ServerKey
        /// The server's own.
        var uri: String
    }

    private let board: CatalogBoard
    private let access: AccessDesk
    private let hub: SubscriptionHub<Resource>

    init(
        board: CatalogBoard, local: LocalServers, access: AccessDesk? = nil,
        label: @escaping @Sendable () -> String,
        limits: SubscriptionLimits = .standard,
        forward: @escaping @Sendable (ForwardedCall, @escaping CallSink) -> CallHandle
    ) {
        self.board = board
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
        guard let view = access.view(interest.endpoint, for: interest.principal) else {
            return refuse(CallFailure(.unknownEntry, "no server stands at \(interest.endpoint)"))
        }
        let route: Route
        do {
            route = try view.route(Method.resourcesSubscribe, ResourceSubscription.updated(uri: interest.uri))
        } catch {
            return refuse(error.failure)
        }
        let passage = AccessDesk.Passage(
            subject: access.subject(interest.principal),
            virtualServer: AccessDesk.virtualServer(at: interest.endpoint, view))
        let params = ResourceSubscription.updated(uri: interest.uri)
        if let failure = access.objection(
            to: Method.resourcesSubscribe, params, along: route, at: view, passage)
        {
            return refuse(failure)
        }
        guard view.tellsOfUpdates(route.server), let uri = route.params["uri"]?.string else {
            interest.settled(
                RPCError(
                    code: RPCError.Code.methodNotFound,
                    message: "The server of this resource does not tell of updates: \(interest.uri)"))
            return .none
        }
        let (board, endpoint) = (board, interest.endpoint)
        return hub.watch(
            Resource(server: route.server, uri: uri), uri: uri, settled: interest.settled,
            updated: { params in
                // As the endpoint shows the server's resources now; a label may have changed meanwhile.
                guard let view = board.view(endpoint) else { return }
                interest.updated(view.space(of: route.server).outward(notification: params))
            })
    }
}
