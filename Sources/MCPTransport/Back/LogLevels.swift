import MCPModel

/// How talkative one legacy session was asked to be (`logging/setLevel`), as a state machine: as talkative as the most
/// curious call so far, since other calls of the session may still need it.
struct LogLevels: Sendable {
    enum Need: Hashable, Sendable {
        /// The session is as talkative as that.
        case met
        /// Set this level first.
        case set(String)
        /// Another call sets a level that suffices.
        case wait
    }

    /// What the session was asked for; `nil`: it never was.
    private(set) var level: String?
    /// What it is being asked for.
    private var coming: String?

    mutating func need(_ wanted: String) -> Need {
        if let level, LogLevel.passes(wanted, least: level) { return .met }
        if let coming, LogLevel.passes(wanted, least: coming) { return .wait }
        coming = wanted
        return .set(wanted)
    }

    /// The answer has come, or none will: either way this is not asked again.
    mutating func answered(_ level: String) {
        if self.level.map({ LogLevel.passes($0, least: level) }) ?? true { self.level = level }
        if coming == level { coming = nil }
    }

    /// The session is a new one.
    mutating func reset() { self = LogLevels() }
}
