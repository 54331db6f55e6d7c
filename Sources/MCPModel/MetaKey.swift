/// Keys of `_meta` that MCP defines.
package enum MetaKey {
    package static let protocolVersion = "io.modelcontextprotocol/protocolVersion"
    package static let clientCapabilities = "io.modelcontextprotocol/clientCapabilities"
    package static let clientInfo = "io.modelcontextprotocol/clientInfo"
    package static let logLevel = "io.modelcontextprotocol/logLevel"
    package static let serverInfo = "io.modelcontextprotocol/serverInfo"
    package static let subscriptionId = "io.modelcontextprotocol/subscriptionId"
    package static let relatedTask = "io.modelcontextprotocol/related-task"
    package static let progressToken = "progressToken"
    package static let traceparent = "traceparent"
    package static let tracestate = "tracestate"
    package static let baggage = "baggage"

    /// What belongs to one connection, or to ``ClientFacts``, and is put in anew by each back.
    package static let connectionBound: Set<String> = [
        protocolVersion, clientCapabilities, clientInfo, logLevel, progressToken, traceparent,
    ]

    /// What only 2026-07-28 knows, and strict legacy sides must not see.
    package static let modernOnly: Set<String> = [
        protocolVersion, clientCapabilities, clientInfo, logLevel, serverInfo, subscriptionId,
    ]

    /// Whether MCP keeps the key to itself: the second label of its prefix is `modelcontextprotocol` or `mcp`.
    package static func isReserved(_ key: String) -> Bool {
        guard let slash = key.utf8.firstIndex(of: UInt8(ascii: "/")) else { return false }
        let labels = key[..<slash].split(separator: ".", omittingEmptySubsequences: false)
        return labels.count > 1 && (labels[1] == "modelcontextprotocol" || labels[1] == "mcp")
    }
}
