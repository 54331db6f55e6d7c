import FoundationEssentials
import Logging

/// What all connections of one listener have in common.
struct HTTPServerSetup: Sendable {
    let limits: HTTPLimits
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
}
