import ArgumentParser
import Gateway
import JSONSlice

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "The configuration file.", subcommands: [Check.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Every problem of a configuration file at once; needs no running node.")
        @Argument(help: "The file.") var file: String
        @Flag(help: "Print the result as JSON.") var json = false

        func run() async throws {
            let problems = LaunchSettings.problems(inConfiguration: try InputFile.text(at: file), file: file)
            if json {
                let answer = JSON.object([
                    ("file", .string(file)), ("ok", .bool(problems.isEmpty)),
                    ("problems", .array(problems.map(JSON.string))),
                ])
                Terminal.data(answer.text)
            } else if problems.isEmpty {
                Terminal.say("\(file): fine")
            } else {
                for problem in problems { Terminal.complain(problem) }
            }
            if !problems.isEmpty { throw ExitCode.failure }
        }
    }
}
