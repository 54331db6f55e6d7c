/// Every method and notification of MCP, all revisions, by its name on the wire.
package enum Method {
    // MARK: Requests of a client

    package static let initialize = "initialize"
    package static let ping = "ping"
    package static let serverDiscover = "server/discover"
    package static let toolsList = "tools/list"
    package static let toolsCall = "tools/call"
    package static let resourcesList = "resources/list"
    package static let resourceTemplatesList = "resources/templates/list"
    package static let resourcesRead = "resources/read"
    package static let resourcesSubscribe = "resources/subscribe"
    package static let resourcesUnsubscribe = "resources/unsubscribe"
    package static let promptsList = "prompts/list"
    package static let promptsGet = "prompts/get"
    package static let completionComplete = "completion/complete"
    package static let loggingSetLevel = "logging/setLevel"
    package static let subscriptionsListen = "subscriptions/listen"
    package static let tasksGet = "tasks/get"
    package static let tasksUpdate = "tasks/update"
    package static let tasksCancel = "tasks/cancel"
    package static let tasksResult = "tasks/result"
    package static let tasksList = "tasks/list"

    // MARK: Requests of a legacy server

    package static let samplingCreateMessage = "sampling/createMessage"
    package static let elicitationCreate = "elicitation/create"
    package static let rootsList = "roots/list"

    // MARK: Notifications

    package static let initialized = "notifications/initialized"
    package static let cancelled = "notifications/cancelled"
    package static let progress = "notifications/progress"
    package static let message = "notifications/message"
    package static let toolsListChanged = "notifications/tools/list_changed"
    package static let resourcesListChanged = "notifications/resources/list_changed"
    package static let promptsListChanged = "notifications/prompts/list_changed"
    package static let resourcesUpdated = "notifications/resources/updated"
    package static let rootsListChanged = "notifications/roots/list_changed"
    package static let elicitationComplete = "notifications/elicitation/complete"
    package static let subscriptionsAcknowledged = "notifications/subscriptions/acknowledged"
    package static let tasks = "notifications/tasks"
    package static let tasksStatus = "notifications/tasks/status"
}

/// What the specification says of whole groups of methods.
extension Method {
    /// Complete results of these carry `ttlMs` and `cacheScope`.
    package static let cacheable: Set<String> = [
        serverDiscover, toolsList, promptsList, resourcesList, resourceTemplatesList, resourcesRead,
    ]

    /// Only these may answer `input_required`.
    package static let multiRound: Set<String> = [toolsCall, promptsGet, resourcesRead]

    /// What a task is asked and told by.
    package static let ofTasks: Set<String> = [tasksGet, tasksUpdate, tasksCancel]

    /// Gone in 2026-07-28: with modern metadata they are answered like a method that never was.
    package static let removedInModern: Set<String> = [
        initialize, ping, loggingSetLevel, resourcesSubscribe, resourcesUnsubscribe, tasksResult, tasksList,
    ]

    /// Whether a notification is none that any revision knows, so that it may pass from a server to the client of a call
    /// as it is: nothing of it can mean anything to the protocol itself. (JSON-RPC keeps `rpc.` for itself.)
    package static func isForeignNotification(_ method: String) -> Bool {
        !known.contains(method) && !method.hasPrefix("rpc.")
    }

    private static let known: Set<String> = [
        initialize, ping, serverDiscover, toolsList, toolsCall, resourcesList, resourceTemplatesList,
        resourcesRead, resourcesSubscribe, resourcesUnsubscribe, promptsList, promptsGet, completionComplete,
        loggingSetLevel, subscriptionsListen, tasksGet, tasksUpdate, tasksCancel, tasksResult, tasksList,
        samplingCreateMessage, elicitationCreate, rootsList,
        initialized, cancelled, progress, message, toolsListChanged, resourcesListChanged, promptsListChanged,
        resourcesUpdated, rootsListChanged, elicitationComplete, subscriptionsAcknowledged, tasks,
        tasksStatus,
    ]

    /// The member of a list's result that holds its definitions; `nil` for what is no list.
    package static func listMember(of method: String) -> String? {
        switch method {
        case toolsList: "tools"
        case resourcesList: "resources"
        case resourceTemplatesList: "resourceTemplates"
        case promptsList: "prompts"
        default: nil
        }
    }

    /// The member of `params` that `Mcp-Name` mirrors; `nil` where the header does not belong.
    package static func nameMember(of method: String) -> String? {
        switch method {
        case toolsCall, promptsGet: "name"
        case resourcesRead: "uri"
        case tasksGet, tasksUpdate, tasksCancel: "taskId"
        default: nil
        }
    }
}
