import ArgumentParser
import JSONSlice

struct CallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "call", abstract: "Call a tool, wherever in the mesh its server is.",
        discussion: """
            martlet call sample__add a=2 b=3
            martlet call lab--time__get_current_time timezone=UTC
            martlet call sample__echo --args '{"text": "hello"}'
            """)

    @Argument(
        help: "The tool, as `catalog search` prints it; SERVER__TOOL here, NODE--SERVER__TOOL elsewhere.")
    var entry: String
    @Argument(help: "Arguments as key=value; a value that is JSON is taken as JSON, else as text.")
    var arguments: [String] = []
    @Option(help: "All arguments as one JSON object; @FILE and - work too.") var args: String?
    @Option(help: "Call through this virtual server instead of the whole catalog.") var server: String?
    @Option(
        name: .customLong("as"),
        help: "As whom, e.g. key:alice: what this node's rules let that caller do. Needs the role admin.")
    var caller: String?
    @Flag(help: "Say which way the call went and how long it took.") var trace = false
    @OptionGroup var options: NodeOptions

    func run() async throws {
        let arguments = try collectedArguments()
        try await options.withNode { node in
            var body: [(String, JSON)] = [("entry", .string(entry)), ("arguments", arguments)]
            if let server { body.append(("server", .string(server))) }
            if let caller { body.append(("as", .string(caller))) }
            let answer = try await node.call("/v1/call", .object(body)) { notice in
                guard !options.json, Terminal.isInteractive else { return }
                Terminal.complain(Terminal.dim("… \(Terminal.singleLine(notice.words("message")))"))
            }
            options.show(answer, show)
            if answer["ok"]?.bool != true { throw ExitCode.failure }
        }
    }

    private func show(_ answer: JSON) {
        if let error = answer["error"] {
            Terminal.complain(
                Terminal.bad("\(error["data"]?.words("reason") ?? "error"): ") + error.words("message"))
            if let hint = error["data"]?["hint"]?.string { Terminal.complain("→ \(hint)") }
        }
        if let result = answer["result"] {
            for block in result.list("content") {
                Terminal.say(block["text"]?.string ?? block.text)
            }
            if result.list("content").isEmpty { Terminal.say(result.text) }
        }
        let steps = answer["error"]?["data"]?["steps"] ?? answer["result"]?["_meta"]?["martlet/steps"]
        if let steps, steps.kind == .array {
            let told = steps.elements.map { "\($0.words("id")) \($0.words("outcome"))" }
            Terminal.complain(Terminal.dim("steps: \(told.joined(separator: ", "))"))
        }
        if trace {
            let path = answer.list("path").compactMap(\.string).joined(separator: " → ")
            Terminal.complain(
                Terminal.dim(
                    "path \(path), \(answer.words("milliseconds")) ms, call \(answer.words("callId"))"))
        }
    }

    private func collectedArguments() throws -> JSON {
        var object = try args.map { try InputFile.jsonObject($0, of: "--args") } ?? .emptyObject
        for argument in arguments {
            guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
                throw ValidationError("expected key=value, found \"\(argument)\"")
            }
            let text = String(argument[argument.index(after: equals)...])
            let value = (try? JSON(validating: text)) ?? .string(text)
            object = object.setting(String(argument[..<equals]), to: value)
        }
        return object
    }
}
