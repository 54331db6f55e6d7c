package import JSONSlice
package import MCPModel

/// What a front needs of whoever answers behind it; filled by the gateway, or by the sample server.
///
/// Every closure is called on an event loop or on the thread of a pipe, and must neither block nor wait.
package struct MCPService: Sendable {
    /// Who may speak here over HTTP.
    package var door: FrontDoor
    /// What stands at an endpoint for this caller; `nil`: nothing does (HTTP 404).
    package var describe: @Sendable (EndpointName, Principal) -> EndpointDescription?
    /// One page of a list, in final names. A cursor is whatever an earlier page's `nextCursor` said, or
    /// hostile.
    package var list:
        @Sendable (EndpointName, Principal, EntryListKind, _ cursor: String?) -> Result<ListPage, RPCError>
    /// Starts a call. The sink may be called before this returns, and on any thread.
    package var call: @Sendable (EndpointCall, @escaping CallSink) -> CallHandle
    /// Tells of every later change of a list at this endpoint as this caller sees it, until cancelled.
    package var watch:
        @Sendable (EndpointName, Principal, @escaping @Sendable (ListChange) -> Void) -> WatchToken
    /// Tells of updates of one resource, until cancelled.
    package var subscribe: @Sendable (ResourceInterest) -> WatchToken
    /// The definition behind one name of a list, for checks of a request against it (`Mcp-Param-*`); `nil`:
    /// unknown.
    package var definition: @Sendable (EndpointName, Principal, EntryListKind, _ name: String) -> JSON?
    /// Whether a tool may be called as a task, in the terms of 2025-11-25.
    package var taskSupport: @Sendable (EndpointName, Principal, _ tool: String) -> TaskSupport
    /// The short way for this caller's plain calls of a tool; `nil`: they all go the long way.
    package var toolPass: @Sendable (EndpointName, Principal, _ tool: String) -> ToolPass?

    /// Whether ``list`` and ``describe`` say the same as now, as a question for later that costs next to nothing; `nil`: nobody can tell.
    package var unchanged: @Sendable () -> (@Sendable () -> Bool)?

    package init(
        door: FrontDoor,
        describe: @escaping @Sendable (EndpointName, Principal) -> EndpointDescription?,
        list:
            @escaping @Sendable (EndpointName, Principal, EntryListKind, _ cursor: String?) -> Result<
                ListPage, RPCError
            >,
        call: @escaping @Sendable (EndpointCall, @escaping CallSink) -> CallHandle,
        watch:
            @escaping @Sendable (EndpointName, Principal, @escaping @Sendable (ListChange) -> Void) ->
            WatchToken,
        subscribe: @escaping @Sendable (ResourceInterest) -> WatchToken = { interest in
            interest.settled(.methodNotFound(Method.resourcesSubscribe))
            return .none
        },
        definition: @escaping @Sendable (EndpointName, Principal, EntryListKind, _ name: String) -> JSON? = {
            _, _, _, _ in nil
        },
        taskSupport: @escaping @Sendable (EndpointName, Principal, _ tool: String) -> TaskSupport = {
            _, _, _ in
            .forbidden
        },
        toolPass: @escaping @Sendable (EndpointName, Principal, _ tool: String) -> ToolPass? = { _, _, _ in
            nil
        },
        unchanged: @escaping @Sendable () -> (@Sendable () -> Bool)? = { nil }
    ) {
        self.door = door
        self.describe = describe
        self.list = list
        self.call = call
        self.watch = watch
        self.subscribe = subscribe
        self.definition = definition
        self.taskSupport = taskSupport
        self.toolPass = toolPass
        self.unchanged = unchanged
    }
}

/// The answer to "may the sender of this request speak here?".
package enum Authorization: Hashable, Sendable {
    case allowed(Principal)
    /// `status` 401, 403, 429 for who has guessed too often, or 503 where it cannot be decided now; `challenge` becomes
    /// `WWW-Authenticate`, `retryAfter` `Retry-After`; `message` is for a person.
    case refused(status: Int, challenge: String?, message: String, retryAfter: Duration? = nil)
}

/// What an endpoint says about itself in `server/discover` and `initialize`.
package struct EndpointDescription: Hashable, Sendable {
    /// The Implementation object (`name`, `version`, …).
    package var serverInfo: JSON
    package var instructions: String?
    /// The ServerCapabilities object of 2026-07-28: what the entries behind the endpoint really can do.
    package var capabilities: JSON
    /// How long a client may reuse the description.
    package var ttl: Duration

    package init(
        serverInfo: JSON, instructions: String? = nil, capabilities: JSON, ttl: Duration = .seconds(30)
    ) {
        self.serverInfo = serverInfo
        self.instructions = instructions
        self.capabilities = capabilities
        self.ttl = ttl
    }
}

/// The four lists of MCP.
package enum EntryListKind: Hashable, Sendable, CaseIterable {
    case tools
    case resources
    case resourceTemplates
    case prompts

    /// The method that asks for it.
    package var method: String {
        switch self {
        case .tools: Method.toolsList
        case .resources: Method.resourcesList
        case .resourceTemplates: Method.resourceTemplatesList
        case .prompts: Method.promptsList
        }
    }

    /// The member of the result that holds the items.
    package var member: String {
        switch self {
        case .tools: "tools"
        case .resources: "resources"
        case .resourceTemplates: "resourceTemplates"
        case .prompts: "prompts"
        }
    }

    /// The server capability under which it stands.
    package var capability: String {
        switch self {
        case .tools: "tools"
        case .resources, .resourceTemplates: "resources"
        case .prompts: "prompts"
        }
    }

    /// The member of an item that names it.
    package var nameMember: String {
        switch self {
        case .tools, .prompts: "name"
        case .resources: "uri"
        case .resourceTemplates: "uriTemplate"
        }
    }

    package init?(method: String) {
        guard let kind = Self.allCases.first(where: { $0.method == method }) else { return nil }
        self = kind
    }
}

/// One page of a list.
package struct ListPage: Sendable {
    package var items: [JSON]
    /// Opaque to the client; `nil` on the last page.
    package var nextCursor: String?
    /// How long a client may reuse the page. It is always private to the caller: what one may see, another
    /// may not.
    package var ttl: Duration

    /// Where what is written of it is kept; `nil` for a page that is made for one request.
    package var written: WrittenPage?

    package init(
        items: [JSON], nextCursor: String? = nil, ttl: Duration = .seconds(30), written: WrittenPage? = nil
    ) {
        self.items = items
        self.nextCursor = nextCursor
        self.ttl = ttl
        self.written = written
    }
}

/// One request of a client to something behind an endpoint.
package struct EndpointCall: Sendable {
    package var endpoint: EndpointName
    package var principal: Principal
    /// `tools/call`, `resources/read`, `prompts/get`, `completion/complete`, `tasks/get`, `tasks/update` or
    /// `tasks/cancel`.
    package var method: String
    /// The client's params in the endpoint's names; `_meta` without the members that belong to the
    /// connection.
    package var params: JSON
    package var client: ClientFacts

    package init(
        endpoint: EndpointName, principal: Principal, method: String, params: JSON, client: ClientFacts
    ) {
        self.endpoint = endpoint
        self.principal = principal
        self.method = method
        self.params = params
        self.client = client
    }

    package var caller: Caller { principal.caller }
}

/// Which list of an endpoint has changed; resources and their templates change together.
package enum ListChange: Hashable, Sendable, CaseIterable {
    case tools
    case prompts
    case resources

    /// The notification that tells of it.
    package var method: String {
        switch self {
        case .tools: Method.toolsListChanged
        case .prompts: Method.promptsListChanged
        case .resources: Method.resourcesListChanged
        }
    }

    /// The member of a `subscriptions/listen` filter that asks for it.
    package var filterMember: String {
        switch self {
        case .tools: "toolsListChanged"
        case .prompts: "promptsListChanged"
        case .resources: "resourcesListChanged"
        }
    }

    /// The server capability whose `listChanged` promises it.
    package var capability: String {
        switch self {
        case .tools: "tools"
        case .prompts: "prompts"
        case .resources: "resources"
        }
    }
}

/// The hold on a watch.
package struct WatchToken: Sendable {
    /// Ends the watch. May be called more than once, from anywhere.
    package let cancel: @Sendable () -> Void

    package init(cancel: @escaping @Sendable () -> Void) { self.cancel = cancel }

    /// Of a watch that never tells anything.
    package static let none = WatchToken(cancel: {})
}
