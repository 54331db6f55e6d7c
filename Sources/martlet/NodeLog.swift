import Glibc
import Logging

/// Where a node's log goes: standard error, at the level of `MARTLET_LOG` (default `notice`).
enum NodeLog {
    static func make() -> Logger {
        var logger = Logger(label: "martlet") { StreamLogHandler.standardError(label: $0) }
        let wanted = getenv("MARTLET_LOG").map { String(cString: $0) } ?? ""
        logger.logLevel = Logger.Level(rawValue: wanted) ?? .notice
        return logger
    }
}
