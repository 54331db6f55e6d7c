/// How many are at a front, now.
package struct FrontStanding: Hashable, Sendable {
    /// Legacy sessions over Streamable HTTP.
    package var sessions: Int
    /// Legacy sessions over HTTP+SSE of 2024-11-05.
    package var eventSessions: Int
    /// Answers and listens that are being streamed.
    package var streams: Int
}

extension MCPFront {
    package var standing: FrontStanding {
        FrontStanding(
            sessions: sessions.withLock { $0.count }, eventSessions: eventSessions.withLock { $0.count },
            streams: streams.count)
    }
}
