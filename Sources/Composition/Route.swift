package import Catalog
package import JSONSlice
package import MCPModel

/// Where a client's request goes, and as what.
package struct Route: Hashable, Sendable {
    package var server: ServerKey
    /// The listed entry that is meant; `nil` for a URI that stands in no list.
    package var binding: Binding?
    /// The params with the server's own names and URIs.
    package var params: JSON
    /// What is to be run instead of one call at ``server``; the params are the client's then.
    package var composite: BoundComposite?

    package init(
        server: ServerKey, binding: Binding?, params: JSON, composite: BoundComposite? = nil
    ) {
        self.server = server
        self.binding = binding
        self.params = params
        self.composite = composite
    }
}

/// Why a request goes nowhere.
package enum RouteError: Error, Hashable, Sendable {
    case unknown(EntryKind, String, nearest: String?)
    case unknownTask(String)
    case missing(member: String, method: String)
    /// The method concerns no entry, so there is no server it would belong to.
    case notRouted(method: String)

    /// The answer to the client.
    package var failure: CallFailure {
        switch self {
        case .unknown(let kind, let name, let nearest):
            CallFailure(
                .unknownEntry, "there is no \(kind) \(name) here",
                hint: nearest.map { "did you mean \($0)?" }
                    ?? "`martlet catalog search` shows what is offered")
        case .unknownTask(let id):
            CallFailure(
                .unknownEntry, "there is no task \(id) here",
                hint: "it may be over for too long, or its node was started anew; call again")
        case .missing(let member, let method):
            CallFailure(.invalidArguments, "\(method) needs \(member) in its params")
        case .notRouted(let method):
            CallFailure(.invalidArguments, "\(method) is not about an entry of a server")
        }
    }
}

extension EndpointView {
    /// Finds the server that a request is for, and turns its params into that server's terms.
    ///
    /// For `tools/call`, `prompts/get`, `resources/read`, `resources/subscribe`, `resources/unsubscribe`,
    /// `completion/complete`, `tasks/get`, `tasks/update` and `tasks/cancel`, and `subscriptions/listen` to one task.
    /// - Complexity: O(bytes of the params)
    package func route(_ method: String, _ params: JSON) throws(RouteError) -> Route {
        switch method {
        case Method.toolsCall:
            try entryRoute(.tool, method, params)
        case Method.promptsGet:
            try entryRoute(.prompt, method, params)
        case Method.resourcesRead, Method.resourcesSubscribe, Method.resourcesUnsubscribe:
            try resourceRoute(method, params)
        case Method.completionComplete:
            try completionRoute(method, params)
        case Method.tasksGet, Method.tasksUpdate, Method.tasksCancel:
            try taskRoute(method, params)
        case Method.subscriptionsListen:
            try listenRoute(method, params)
        default:
            throw .notRouted(method: method)
        }
    }

    /// The longest name or URI in no list that is looked at: what callers make up is held against rules and templates.
    static var unlistedBytesMax: Int { 8 * 1024 }

    private func listenRoute(_ method: String, _ params: JSON) throws(RouteError) -> Route {
        guard let id = TaskSubscription.taskID(in: params) else {
            throw .missing(member: "notifications.taskIds", method: method)
        }
        var route = try taskRoute(method, ["taskId": .string(id)])
        route.params = TaskSubscription.params(taskID: route.params["taskId"]?.string ?? id)
        return route
    }

    private func entryRoute(
        _ kind: EntryKind, _ method: String, _ params: JSON
    ) throws(RouteError) -> Route {
        guard let name = params["name"]?.string else { throw .missing(member: "name", method: method) }
        guard let entry = entry(kind, named: name) else {
            return try unlistedRoute(kind, name, params)
        }
        let binding = entry.binding
        if let composite = entry.composite {
            return Route(server: binding.server, binding: nil, params: params, composite: composite)
        }
        return Route(
            server: binding.server, binding: binding, params: binding.arguments(applyingTo: params))
    }

    private func resourceRoute(_ method: String, _ params: JSON) throws(RouteError) -> Route {
        guard let uri = params["uri"]?.string else { throw .missing(member: "uri", method: method) }
        guard binding(.resource, named: uri) != nil || uri.utf8.count <= Self.unlistedBytesMax else {
            throw unknown(.resource, uri)
        }
        guard let (server, original) = resource(at: uri) else { throw unknown(.resource, uri) }
        return Route(
            server: server, binding: binding(.resource, named: uri),
            params: original == uri ? params : params.setting("uri", to: .string(original)))
    }

    /// `ref` names a prompt, or the URI (template) of a resource; which one says its type, and nothing else of it goes on.
    private func completionRoute(_ method: String, _ params: JSON) throws(RouteError) -> Route {
        guard let reference = params["ref"] else { throw .missing(member: "ref", method: method) }
        guard let subject = CompletionSubject(of: reference) else {
            throw .missing(member: "ref.type, and ref.name or ref.uri with it,", method: method)
        }
        switch subject {
        case .prompt(let name):
            let rest = reference.removing("uri")
            guard let binding = binding(.prompt, named: name) else {
                return try unlistedRoute(.prompt, name, params.settingUnlessSame("ref", to: rest))
            }
            let own = binding.entry == name ? rest : rest.setting("name", to: .string(binding.entry))
            return Route(
                server: binding.server, binding: binding, params: params.settingUnlessSame("ref", to: own))
        case .resource(let uri):
            let rest = reference.removing("name")
            let binding = binding(.resourceTemplate, named: uri) ?? binding(.resource, named: uri)
            // What a definition leaves out is not completed; elsewhere it is the server's to know.
            if case .virtual = endpoint, binding == nil { throw unknown(.resourceTemplate, uri) }
            guard let (server, original) = resource(at: uri) else { throw unknown(.resourceTemplate, uri) }
            let own = original == uri ? rest : rest.setting("uri", to: .string(original))
            return Route(server: server, binding: binding, params: params.settingUnlessSame("ref", to: own))
        }
    }

    private func taskRoute(_ method: String, _ params: JSON) throws(RouteError) -> Route {
        guard let id = params["taskId"]?.string else { throw .missing(member: "taskId", method: method) }
        guard let (server, original) = task(named: id) else { throw .unknownTask(id) }
        return Route(
            server: server, binding: nil,
            params: original == id ? params : params.setting("taskId", to: .string(original)))
    }

    /// A name in no list. On the endpoint of one server it is that server's to know, like a URI: it may have more than it
    /// lists, or have it since a moment ago, and says in its own words that it has not. Elsewhere it leads nowhere.
    private func unlistedRoute(
        _ kind: EntryKind, _ name: String, _ params: JSON
    ) throws(RouteError) -> Route {
        guard case .oneServer(let server) = endpoint, name.utf8.count <= Self.unlistedBytesMax else {
            throw unknown(kind, name)
        }
        return Route(server: server, binding: nil, params: params)
    }

    /// That there is no such entry here, and what may have been meant.
    package func unknown(_ kind: EntryKind, _ name: String) -> RouteError {
        guard name.utf8.count <= Self.unlistedBytesMax else {
            return .unknown(kind, "\(name.prefix(64))…", nearest: nil)
        }
        return .unknown(
            kind, name, nearest: NearestName.to(name, among: list(kind).lazy.map(\.name)))
    }
}

/// What is to be completed: by its `type`, as servers go by it (MCP, `PromptReference`, `ResourceTemplateReference`).
package enum CompletionSubject: Hashable, Sendable {
    case prompt(String)
    case resource(String)

    /// - Parameter reference: the `ref` of `completion/complete`; without a type it is what the one member says.
    /// - Returns: `nil` where the type is another, or its member is missing.
    package init?(of reference: JSON) {
        let (name, uri) = (reference["name"]?.string, reference["uri"]?.string)
        switch (reference["type"]?.string, name, uri) {
        case ("ref/prompt", let name?, _), (nil, let name?, nil): self = .prompt(name)
        case ("ref/resource", _, let uri?), (nil, nil, let uri?): self = .resource(uri)
        default: return nil
        }
    }

    package var entry: (kind: EntryKind, name: String) {
        switch self {
        case .prompt(let name): (.prompt, name)
        case .resource(let uri): (.resourceTemplate, uri)
        }
    }
}

extension JSON {
    /// The same bytes where nothing changes.
    fileprivate func settingUnlessSame(_ key: String, to value: JSON) -> JSON {
        self[key] == value ? self : setting(key, to: value)
    }
}
