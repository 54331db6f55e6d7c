package import JSONSlice

/// The wish to be told of one task, as it travels inside the gateway and from node to node: a long-lived call of
/// `subscriptions/listen` about one id in its server's own terms, in the name of the caller whose task it is.
///
/// What comes back: the acknowledgement, then `notifications/tasks` whenever the server says something of the task by
/// itself. Nobody relies on it: a server need not say anything, and whoever must know asks with `tasks/get`.
package enum TaskSubscription {
    /// The member of a `subscriptions/listen` filter that asks for tasks.
    package static let filterMember = "taskIds"

    package static func params(taskID: String) -> JSON {
        ["notifications": .object([(filterMember, .array([.string(taskID)]))])]
    }

    /// The one id that such params are about; `nil` for params that ask for anything else, or for more.
    package static func taskID(in params: JSON) -> String? {
        guard let wanted = params["notifications"], wanted.members.map(\.key) == [filterMember],
            let ids = wanted[filterMember]?.elements, ids.count == 1
        else { return nil }
        return ids.first?.string
    }

    /// The acknowledgement of one.
    package static func acknowledged(taskID: String) -> CallEvent {
        .notification(method: Method.subscriptionsAcknowledged, params: params(taskID: taskID))
    }
}
