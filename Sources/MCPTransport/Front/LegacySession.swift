package import JSONSlice
package import MCPModel

/// What one legacy client said of itself when it initialized, and has set since.
package struct LegacySession: Hashable, Sendable {
    package let revision: ProtocolRevision
    /// Its capabilities in the terms of 2026-07-28, no more than its revision knows.
    package let capabilities: JSON
    package let clientInfo: JSON?
    /// Of `logging/setLevel`; `nil`: no log messages.
    package private(set) var logLevel: String?
    package private(set) var isInitialized = false

    /// Reads the params of `initialize`. A revision that is not a legacy one is answered with the newest that
    /// is.
    package init(initialize params: JSON?) {
        revision = EraBridge.negotiated(requested: params?["protocolVersion"]?.string)
        clientInfo = params?["clientInfo"]?.detached
        capabilities = EraBridge.modernClientCapabilities(
            fromLegacy: params?["capabilities"]?.detached ?? .emptyObject, revision: revision)
    }

    /// The result of `initialize`.
    package func welcome(_ endpoint: EndpointDescription) -> JSON {
        EraBridge.initializeResult(
            revision: revision, capabilities: endpoint.capabilities, serverInfo: endpoint.serverInfo,
            instructions: endpoint.instructions)
    }

    package mutating func initialized() { isInitialized = true }

    /// - Returns: `false` for a level that does not exist.
    package mutating func setLogLevel(_ level: String?) -> Bool {
        guard let level, LogLevel.names.contains(level) else { return false }
        logLevel = level
        return true
    }

    /// The facts of one request in this session.
    package func facts(wantsProgress: Bool, traceparent: String?) -> ClientFacts {
        ClientFacts(
            capabilities: capabilities, info: clientInfo, logLevel: logLevel,
            wantsProgress: wantsProgress, traceparent: traceparent, era: .legacy)
    }
}
