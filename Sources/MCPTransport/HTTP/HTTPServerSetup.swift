import FoundationEssentials
import Logging

/// What all connections of one listener have in common, in memory once.
final class HTTPServerSetup: Sendable {
    let limits: HTTPLimits
    let patience: HTTPServerPatience
    let hosts: HostPolicy
    /// Bytes of bodies, over all connections.
    let budget: BodyBudget
    let connections: HTTPConnections
    /// Whether they are TLS.
    let isSecure: Bool
    let log: Logger
    /// By which clients' certificates run out.
    let now: @Sendable () -> Date
    /// Called on the connection's loop with each request; must not block.
    let handler: @Sendable (HTTPExchange) -> Void

    init(
        limits: HTTPLimits, hosts: HostPolicy, budget: BodyBudget, connections: HTTPConnections,
        isSecure: Bool,
        log: Logger, now: @escaping @Sendable () -> Date, handler: @escaping @Sendable (HTTPExchange) -> Void
    ) {
        self.limits = limits
        patience = HTTPServerPatience(limits)
        self.hosts = hosts
        self.budget = budget
        self.connections = connections
        self.isSecure = isSecure
        self.log = log
        self.now = now
        self.handler = handler
    }
}
