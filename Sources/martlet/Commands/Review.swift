import Admin
import ArgumentParser
import JSONSlice

struct Review: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "What waits for approval, with what changed; what is held back or limited; names that look alike."
    )
    @OptionGroup var options: NodeOptions

    func run() async throws {
        try await options.withNode { node in
            options.show(try await node.get("/v1/review"), ReviewPage.print)
        }
    }
}

struct Approve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lets through what waits of an entry, a server or a node.")
    @Argument(help: "[NODE--]SERVER/ENTRY, [NODE--]SERVER or node:NAME.") var target: String
    @Option(help: "The beginning of the pin that review shows: approves nothing else.") var pin: String?
    @Option(help: "Why; others read it.") var reason: String?
    @Flag(help: "Of this node's own: say it to the whole mesh too (role operator).") var mesh = false
    @Flag(help: "Takes back what this node said to the mesh.") var undo = false
    @OptionGroup var options: NodeOptions

    func run() async throws {
        var body: [(String, JSON)] = [
            ("target", .string(target)), ("mesh", .bool(mesh)), ("undo", .bool(undo)),
        ]
        if let pin { body.append(("pin", .string(pin))) }
        if let reason { body.append(("reason", .string(reason))) }
        try await options.withNode { node in
            options.show(try await node.post("/v1/approve", .object(body))) { answer in
                for item in answer.list("approved") {
                    let where_ = item.words("reach") == "mesh" ? "on every node" : "here, at its owner"
                    Terminal.say(
                        "approved \(Terminal.singleLine(item.words("target")))  pin \(item.words("pin"))  (\(where_))"
                    )
                }
                for item in answer.list("takenBack") {
                    Terminal.say("taken back: the approval of \(Terminal.singleLine(item.string ?? ""))")
                }
            }
        }
    }
}

struct Quarantine: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Holds an entry, a server or a node back: its calls are refused, agents are not shown it.")
    @Argument(help: "[NODE--]SERVER/ENTRY, [NODE--]SERVER or node:NAME.") var target: String
    @Option(help: "Why; others read it.") var reason: String?
    @Flag(help: "For callers of this node only.") var here = false
    @OptionGroup var options: NodeOptions

    func run() async throws {
        var body: [(String, JSON)] = [("target", .string(target)), ("here", .bool(here))]
        if let reason { body.append(("reason", .string(reason))) }
        try await options.withNode { node in
            options.show(try await node.post("/v1/quarantine", .object(body))) { answer in
                for item in answer.list("quarantined") {
                    Terminal.say(
                        Terminal.wrapped(
                            "quarantined \(Terminal.singleLine(item.words("target"))): \(item.words("note"))")
                    )
                }
            }
        }
    }
}

struct Release: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ends a quarantine, or a limit; names exactly what was held back.")
    @Argument(help: "[NODE--]SERVER/ENTRY, [NODE--]SERVER or node:NAME.") var target: String
    @Option(help: "Why; others read it.") var reason: String?
    @Flag(help: "Ends limits, not quarantines.") var limit = false
    @OptionGroup var options: NodeOptions

    func run() async throws {
        var body: [(String, JSON)] = [("target", .string(target))]
        if let reason { body.append(("reason", .string(reason))) }
        if limit {
            return try await options.withNode { node in
                options.show(try await node.post("/v1/unlimit", .object(body))) { answer in
                    for item in answer.list("released") {
                        Terminal.say(
                            "\(Terminal.singleLine(item.words("target"))) is free of the limit \(item.words("allowance")) by \(item.words("by"))"
                        )
                    }
                    for item in answer.list("standing") {
                        Terminal.say(
                            "still limited: \(Terminal.singleLine(item.words("target"))) to \(item.words("allowance")) by \(item.words("by"))"
                        )
                    }
                }
            }
        }
        try await options.withNode { node in
            options.show(try await node.post("/v1/release", .object(body))) { answer in
                for item in answer.list("released") {
                    Terminal.say(
                        "released \(Terminal.singleLine(item.words("target"))), held back by \(item.words("by"))"
                    )
                }
                for item in answer.list("standing") {
                    Terminal.say(
                        Terminal.wrapped(
                            "still held back: \(Terminal.singleLine(item.words("target"))) by \(item.words("by")): \(item.words("why"))"
                        ))
                }
            }
        }
    }
}

struct Limit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Limits how often an entry, a server or a node is called, on every node (role operator).")
    @Argument(help: "[NODE--]SERVER/ENTRY, [NODE--]SERVER or node:NAME.") var target: String
    @Option(help: "Calls in a time, as in 10/s or \"100 in 5m\".") var rate: String?
    @Option(help: "Calls at once.") var concurrent: Int?
    @Option(help: "Why; others read it.") var reason: String?
    @OptionGroup var options: NodeOptions

    func run() async throws {
        var body: [(String, JSON)] = [("target", .string(target))]
        if let rate { body.append(("rate", .string(rate))) }
        if let concurrent { body.append(("concurrency", .number(concurrent))) }
        if let reason { body.append(("reason", .string(reason))) }
        try await options.withNode { node in
            options.show(try await node.post("/v1/limit", .object(body))) { answer in
                for item in answer.list("limited") {
                    Terminal.say(
                        Terminal.wrapped(
                            "limited \(Terminal.singleLine(item.words("target"))) to \(item.words("allowance")): \(item.words("note"))"
                        ))
                }
            }
        }
    }
}

/// `martlet review` as text.
enum ReviewPage {
    /// Of a value that is no text.
    private static let valueMax = 300

    static func print(_ answer: JSON) {
        let (waiting, held, alike) = (
            answer.list("waiting"), answer.list("quarantined"), answer.list("lookAlikes")
        )
        if waiting.isEmpty { Terminal.say("Nothing waits for approval.") }
        for item in waiting { show(item) }
        if !held.isEmpty {
            Terminal.say("\nQuarantined")
            var table = Table("target", "by", "reach", "reason")
            for item in held {
                table.add(item.words("target"), item.words("by"), item.words("reach"), item.words("reason"))
            }
            Terminal.say(table.rendered())
        }
        let limited = answer.list("limited")
        if !limited.isEmpty {
            Terminal.say("\nLimited")
            var table = Table("target", "by", "allowance", "reason")
            for item in limited {
                table.add(
                    item.words("target"), item.words("by"), item.words("allowance"), item.words("reason"))
            }
            Terminal.say(table.rendered())
        }
        if !alike.isEmpty {
            Terminal.say("\nNames that look alike")
            for item in alike {
                Terminal.say(
                    "  \(Terminal.singleLine(item.words("entry")))  looks like  \(Terminal.singleLine(item.words("other")))"
                )
            }
        }
    }

    private static func show(_ item: JSON) {
        let since = item["sinceSeconds"]?.int.map { ", for \(age(seconds: $0))" } ?? ""
        Terminal.say(
            "\(Terminal.bold(Terminal.singleLine(item.words("target"))))  \(item.words("kind")), \(item.words("state"))\(since)  pin \(item.words("pin"))"
        )
        if let likeness = item["likeness"]?.string {
            Terminal.say("  \(Terminal.warning("its name looks like \(Terminal.singleLine(likeness))"))")
        }
        for change in item.list("changes") { show(change: change) }
        Terminal.say(
            "  martlet approve \(Terminal.singleLine(item.words("target"))) --pin \(item.words("pin").prefix(8))   or   martlet quarantine \(Terminal.singleLine(item.words("target")))"
        )
    }

    private static func show(change: JSON) {
        Terminal.say("  \(Terminal.singleLine(change.words("place")))")
        let words = change.list("words")
        if !words.isEmpty {
            let line = words.map { run -> String in
                let text = Terminal.singleLine(run.words("text"))
                return switch run.words("kind") {
                case "removed": Terminal.bad("[-\(text)-]")
                case "added": Terminal.good("{+\(text)+}")
                default: text
                }
            }.joined(separator: " ")
            return Terminal.say("    \(line)")
        }
        if let old = change["old"] { Terminal.say("    \(Terminal.bad("- \(value(old))"))") }
        if let new = change["new"] { Terminal.say("    \(Terminal.good("+ \(value(new))"))") }
    }

    private static func value(_ value: JSON) -> String {
        let text = Terminal.singleLine(value.text)
        return text.count > valueMax ? text.prefix(valueMax) + "…" : text
    }
}
