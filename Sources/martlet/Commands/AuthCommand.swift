import Admin
import ArgumentParser
import JSONSlice

struct AuthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "auth", abstract: "Who may do what, by this node's rules.", subcommands: [CanCall.self])

    struct CanCall: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "can-call", abstract: "Whether a caller may use an entry, and which rule says so.",
            discussion: """
                martlet auth can-call key:alice erp__get_order
                martlet auth can-call key:alice file_ticket --server ops --args '{"amount": 5}'
                martlet auth can-call jwt:https://idp.example.com#4711 erp__get_order --claim groups=plant-ops
                """)

        @Argument(
            help: "The caller: key:NAME, basic:NAME, certificate:NAME, local:NAME or jwt:ISSUER#SUBJECT.")
        var who: String
        @Argument(help: "The entry, as it is called at the endpoint.") var entry: String
        @Option(help: "At this virtual server, or server, instead of the whole catalog.") var server: String?
        @Option(help: "A claim of the caller's token, as NAME=VALUE; may be given more than once.")
        var claim: [String] = []
        @Option(help: "Arguments of the call as one JSON object; @FILE and - work too.") var args: String?
        @OptionGroup var options: NodeOptions

        func run() async throws {
            var body: [(String, JSON)] = [("who", .string(who)), ("entry", .string(entry))]
            if let server { body.append(("server", .string(server))) }
            var claims: [(String, [JSON])] = []
            for text in claim {
                guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                    throw ValidationError("--claim: expected NAME=VALUE, found \"\(text)\"")
                }
                let (name, value) = (
                    String(text[..<equals]), JSON.string(String(text[text.index(after: equals)...]))
                )
                if let place = claims.firstIndex(where: { $0.0 == name }) {
                    claims[place].1.append(value)
                } else {
                    claims.append((name, [value]))
                }
            }
            if !claims.isEmpty { body.append(("claims", .object(claims.map { ($0.0, .array($0.1)) }))) }
            if let args { body.append(("arguments", try InputFile.jsonObject(args, of: "--args"))) }
            let answer = try await options.withNode { try await $0.post("/v1/auth/can-call", .object(body)) }
            options.show(answer, show)
            if answer["allowed"]?.bool != true { throw ExitCode.failure }
        }

        private func show(_ answer: JSON) {
            let isAllowed = answer["allowed"]?.bool == true
            let verb = answer.list("parts").first?.words("verb") ?? "call"
            let what = "\(answer.words("who")) may \(isAllowed ? "" : "not ")\(verb) \(answer.words("entry"))"
            Terminal.say(isAllowed ? what : Terminal.bad(what))
            let teams = answer.list("teams").compactMap(\.string)
            if !teams.isEmpty { Terminal.say("  in team \(teams.joined(separator: ", "))") }
            Terminal.say("  \(answer.words("door"))")
            let parts = answer.list("parts")
            for part in parts {
                if parts.count > 1 { Terminal.say("  \(part.words("server")) \(part.words("name")):") }
                Terminal.say("  see: \(part.words("see"))")
                Terminal.say("  \(part.words("verb")): \(part.words("decision"))")
                for rule in part.list("rules") {
                    let conditions = rule.list("if").compactMap(\.string)
                    let fate =
                        rule["why"]?.string.map { "not this: \($0)" }
                        ?? (conditions.isEmpty
                            ? "applies" : "applies if \(conditions.joined(separator: " and "))")
                    Terminal.say("    \(rule.words("effect")) \(rule.words("name")): \(fate)")
                }
                for limit in part.list("limits") { Terminal.say("    limit \(Self.text(of: limit))") }
            }
            for note in answer.list("notes").compactMap(\.string) { Terminal.say(Terminal.dim("  \(note)")) }
        }

        private static func text(of limit: JSON) -> String {
            var parts: [String] = []
            if limit["rate"] != nil { parts.append("\(limit.words("rate")), \(limit.count("left")) left") }
            if limit["concurrency"] != nil {
                parts.append("\(limit.count("running")) of \(limit.count("concurrency")) at once")
            }
            return "\(limit.words("name")): \(parts.joined(separator: "; "))"
        }
    }
}
