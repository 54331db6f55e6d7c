import Admin
import ArgumentParser
import JSONSlice

#if canImport(Glibc)
    import Glibc
#endif

struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "The calls that came by this node, and what became of each.",
        discussion: """
            martlet logs --since 15m --failed
            martlet logs --follow --tool 'erp/*' --principal 'key:agent-*'
            """)

    @Flag(help: "Go on with each call as it ends.") var follow = false
    @Option(help: "Of tools, resources and prompts like this: get_*, erp/get_*, erp__get_*.") var tool:
        String?
    @Option(help: "Of callers like this: key:alice, 'jwt:*'.") var principal: String?
    @Flag(help: "Calls that were refused.") var denied = false
    @Flag(help: "Calls that failed, ended in an error, or of which nobody knows.") var failed = false
    @Option(help: "As far back as this, e.g. 15m, 2h, 7d.") var since: String?
    @Option(help: "At most so many of those that there are, the last ones.") var limit = 100
    @OptionGroup var options: NodeOptions

    func run() async throws {
        let query = try self.query()
        try await options.withNode { node in
            // What ends between the two is in neither or in both; following first would show it out of order.
            let answer = try await node.get(
                "/v1/records" + RecordPage.query(query + [("limit", "\(limit)")]))
            if options.json, !follow { return Terminal.data(answer.text) }
            if options.json {
                for record in answer.list("records") { Terminal.data(record.text) }
            } else {
                RecordPage.show(answer, isFollowed: follow)
            }
            guard follow else { return }
            let isJSON = options.json
            // The past was shown above.
            let path = "/v1/records/follow" + RecordPage.query(query.filter { $0.0 != "since" })
            try await node.follow(path) { item in
                if let count = item["dropped"]?.int {
                    Terminal.complain(
                        Terminal.warning("\(count) left out: they came faster than they were read"))
                } else if item["following"] == nil {
                    if isJSON { Terminal.data(item.text) } else { Terminal.say(RecordPage.line(item)) }
                }
            }
            Terminal.complain("The node has ended.")
        }
    }

    private func query() throws -> [(String, String)] {
        var query: [(String, String)] = []
        if let tool { query.append(("tool", tool)) }
        if let principal { query.append(("principal", principal)) }
        var outcomes: [String] = denied ? ["refused"] : []
        if failed { outcomes += ["error", "failed", "unknown"] }
        if !outcomes.isEmpty { query.append(("outcome", outcomes.joined(separator: ","))) }
        if let since {
            guard let seconds = seconds(from: since) else {
                throw ValidationError("--since: expected a duration such as 15m or 2h, found \"\(since)\"")
            }
            query.append(("since", "\(seconds)"))
        }
        return query
    }
}

/// Records of calls as text; fits 100 columns.
enum RecordPage {
    static func query(_ items: [(String, String)]) -> String {
        "?" + items.map { "\($0.0)=\(AdminClient.path($0.1).dropFirst())" }.joined(separator: "&")
    }

    static func show(_ answer: JSON, isFollowed: Bool) {
        let records = answer.list("records")
        if records.isEmpty, !isFollowed { return Terminal.say("None.") }
        Terminal.say(Terminal.dim(row("time", "end", "who", "what", "outcome", "took", "trace")))
        if answer["more"]?.bool == true {
            Terminal.say(Terminal.dim("… older ones are left out; --limit shows more"))
        }
        for record in records { Terminal.say(line(record)) }
        sayUnreadable(answer)
    }

    static func sayUnreadable(_ answer: JSON) {
        let count = answer.count("unreadable")
        guard count > 0 else { return }
        Terminal.complain(
            Terminal.warning(
                "\(count) lines could not be read: the last one before a crash, or a changed file"))
    }

    /// One record; what refused or ended the call stands on a line of its own.
    static func line(_ record: JSON) -> String {
        if record.words("kind") == "lost" {
            return Terminal.wrapped(
                Terminal.singleLine(
                    "\(time(record.count("at")))  \(record.count("count")) records were lost here: \(record.words("why"))"
                ))
        }
        let outcome = Self.outcome(record)
        let text = row(
            time(record.count("at")), record.words("end"), record.words("principal"), what(record),
            record["answer"]?.string ?? outcome, took(record), String(record.words("trace").prefix(8)))
        let styled =
            switch outcome {
            case "ok": text
            case "cancelled": Terminal.dim(text)
            case "refused": Terminal.warning(text)
            default: Terminal.bad(text)
            }
        guard let why = why(record) else { return styled }
        return styled + "\n" + Terminal.wrapped("      → \(why)")
    }

    /// Of an intent without an end: the call went out, or was about to.
    static func outcome(_ record: JSON) -> String { record["outcome"]?.string ?? "begun" }

    static func why(_ record: JSON) -> String? {
        var parts: [String] = []
        if let reason = record["reason"]?.string { parts.append(reason) }
        if record.words("decision") == "refused" {
            let node = record.words("end") == "owner" ? record["owner"] : record["entryNode"]
            let rule = record["rule"]?.string.map { ", rule \($0)" } ?? ""
            parts.append("refused by \(node?.words("label") ?? "")\(rule)")
        } else if record.words("outcome") == "refused", let owner = record["owner"],
            owner.words("id") != record["entryNode"]?.words("id"), record.words("end") == "entry"
        {
            parts.append("not refused here; \(owner.words("label")) has the rule")
        }
        return parts.isEmpty ? nil : Terminal.singleLine(parts.joined(separator: ", "))
    }

    static func what(_ record: JSON) -> String {
        let entry = record["entry"]?.string ?? record.words("method")
        guard let server = record["server"]?.string else { return entry }
        let isHere = record["owner"]?.words("id") == record["entryNode"]?.words("id")
        return (isHere ? "" : "\(record["owner"]?.words("label") ?? "")--") + "\(server)/\(entry)"
    }

    static func took(_ record: JSON) -> String {
        guard record["microseconds"] != nil else { return "-" }
        let microseconds = record.count("microseconds")
        return microseconds < 1_000_000
            ? "\(microseconds / 1_000).\(microseconds % 1_000 / 100) ms" : "\(microseconds / 1_000_000) s"
    }

    /// In this machine's time, without the year.
    static func time(_ milliseconds: Int) -> String {
        var seconds = time_t(milliseconds / 1_000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return
            "\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }

    private static func row(
        _ time: String, _ end: String, _ who: String, _ what: String, _ outcome: String, _ took: String,
        _ trace: String
    ) -> String {
        [
            pad(time, 14), pad(end, 5), pad(who, 18), pad(what, 26), pad(outcome, 9), pad(took, 8), trace,
        ].joined(separator: "  ")
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        let text = Terminal.singleLine(text)
        return text.count > width
            ? text.prefix(width - 1) + "…" : text + String(repeating: " ", count: width - text.count)
    }
}
