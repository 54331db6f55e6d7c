import ArgumentParser
import JSONSlice

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What each part of the node found, and what to do about what is wrong.")

    @OptionGroup var options: NodeOptions

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
                    Terminal.say(
                        "\(verdict)  \(check.words("what")): \(Terminal.singleLine(check.words("found")))")
                    if let mend = check["mend"]?.string { Terminal.say("      → \(mend)") }
                }
            }
            if answer.list("checks").contains(where: { $0.words("verdict") == "bad" }) {
                throw ExitCode.failure
            }
        }
    }
}
