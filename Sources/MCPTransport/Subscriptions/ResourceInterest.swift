package import JSONSlice
package import MCPModel

/// A client's wish to hear of the updates of one resource.
package struct ResourceInterest: Sendable {
    package var endpoint: EndpointName
    package var principal: Principal
    /// In the endpoint's terms.
    package var uri: String
    /// Called once, perhaps at once: `nil` when updates will be told; an error, in modern terms, when they will not.
    package var settled: @Sendable (RPCError?) -> Void
    /// The params of each `notifications/resources/updated`, in the endpoint's terms. Only after `settled(nil)`.
    package var updated: @Sendable (JSON) -> Void

    package init(
        endpoint: EndpointName, principal: Principal, uri: String,
        settled: @escaping @Sendable (RPCError?) -> Void, updated: @escaping @Sendable (JSON) -> Void
    ) {
        self.endpoint = endpoint
        self.principal = principal
        self.uri = uri
        self.settled = settled
        self.updated = updated
    }
}

extension EndpointDescription {
    /// Whether it tells of updates of single resources.
    var tellsOfUpdates: Bool { capabilities["resources"]?["subscribe"]?.bool == true }
}
