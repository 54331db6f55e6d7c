package import JSONSlice

/// One subscription to one resource, as it travels inside the gateway and from node to node: a long-lived call of
/// `subscriptions/listen` about one URI in its server's own terms (docs/decisions/0011).
///
/// What comes back: the acknowledgement once the server, or whoever fronts it, keeps the subscription; then
/// `notifications/resources/updated` for as long as the call runs; an end of any kind means that updates may be
/// missed from here on.
package enum ResourceSubscription {
    /// How long one call of a subscription is used. Then its holder opens the next before it lets this one go, so
    /// that what a holder forgot to end ends by itself.
    package static let lease = Duration.seconds(10 * 60)
    /// What each call is given: the lease, and time for its successor to be acknowledged.
    package static let callTime = lease + .seconds(60)

    package static func params(uri: String) -> JSON { ["notifications": notifications([uri])] }

    /// The one URI that such params are about; `nil` for params that ask for anything else, or for more.
    package static func uri(in params: JSON) -> String? {
        guard let wanted = params["notifications"], wanted.members.map(\.key) == [filterMember] else {
            return nil
        }
        let uris = self.uris(in: params)
        return uris.count == 1 ? uris.first : nil
    }

    /// The URIs that a `subscriptions/listen` asks for, or that its acknowledgement honours, in order and each once.
    package static func uris(in params: JSON) -> [String] {
        var seen: Set<String> = []
        return (params["notifications"]?[filterMember]?.elements ?? []).compactMap(\.string)
            .filter { seen.insert($0).inserted }
    }

    /// The `notifications` object that names these URIs.
    package static func notifications(_ uris: [String]) -> JSON {
        .object([(filterMember, .array(uris.map { .string($0) }))])
    }

    /// The member of a `subscriptions/listen` filter that asks for single resources.
    package static let filterMember = "resourceSubscriptions"

    /// The acknowledgement of one subscription.
    package static func acknowledged(uri: String) -> CallEvent {
        .notification(method: Method.subscriptionsAcknowledged, params: params(uri: uri))
    }

    /// What is said where something may have been missed.
    package static func updated(uri: String) -> JSON { ["uri": .string(uri)] }
}
