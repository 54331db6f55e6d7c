import MCPModel
import Testing

@testable import MCPTransport

struct LogLevelsTests {
    @Test func `a session is asked for more, never for less, and once at a time`() {
        var levels = LogLevels()
        #expect(levels.need("warning") == .set("warning"))
        #expect(levels.need("error") == .wait)
        #expect(levels.need("debug") == .set("debug"), "what comes does not suffice")
        levels.answered("warning")
        #expect(levels.need("warning") == .met)
        #expect(levels.need("info") == .wait)
        levels.answered("debug")
        for level in LogLevel.names { #expect(levels.need(level) == .met) }
    }

    @Test func `a new session knows of nothing`() {
        var levels = LogLevels()
        _ = levels.need("info")
        levels.answered("info")
        levels.reset()
        #expect(levels.level == nil)
        #expect(levels.need("info") == .set("info"))
    }
}
