import ArgumentParser
import JSONSlice

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What each part of the node found, and what to do about what is wrong.")

    @OptionGroup var options: NodeOptions

    /// Columns of a verdict, and of the verdict with the two spaces behind it.
    private static let verdictWidth = 4
    private static let margin = String(repeating: " ", count: verdictWidth + 2)

    func run() async throws {
        try await options.withNode { node in
            let answer = try await node.get("/v1/doctor")
            options.show(answer) { answer in
                for check in answer.list("checks") {
                    let verdict =
                        switch check.words("verdict") {
                        case "ok": Terminal.good("ok  ")
                        case "warning": Terminal.warning("warn")
                        default: Terminal.bad("bad ")
                        }
                    let found = Terminal.wrapped(
                        Self.margin + Terminal.singleLine("\(check.words("what")): \(check.words("found"))"))
                    Terminal.say(verdict + found.dropFirst(Self.verdictWidth))
                    if let mend = check["mend"]?.string {
                        Terminal.say(Terminal.wrapped(Self.margin + Terminal.singleLine("→ \(mend)")))
                    }
                }
            }
            if answer.list("checks").contains(where: { $0.words("verdict") == "bad" }) {
                throw ExitCode.failure
            }
        }
    }
}
