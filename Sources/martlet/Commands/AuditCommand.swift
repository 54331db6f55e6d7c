import Admin
import ArgumentParser
import JSONSlice

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "What is on record, over both ends of a call.",
        subcommands: [Trace.self])

    struct Trace: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Every record of one trace: entry node, owner, and the steps of a composite.",
            discussion: """
                Asks the node itself, and through the mesh the nodes that its records name, if it has the role \
                operator and its token is an administrator's; then the other nodes that this user runs on this \
                machine, and those named with --also. What is missing is named, with why.
                """)
        @Argument(
            help: "A trace's or a call's id, or its first 8 digits; `logs` and `call --trace` print them.")
        var id: String
        @Option(help: "Admin address of another node to ask, host:port; may be given more than once.")
        var also: [String] = []
        @OptionGroup var options: NodeOptions

        func run() async throws {
            var told: [Told] = [
                try await options.withNode { node in
                    let answer = try await node.get(AdminClient.path("v1", "trace", id))
                    return Told(node: answer.words("node"), answer: answer)
                }
            ]
            let others = RunningNode.all().map(\.admin).filter { !also.contains($0) && $0 != options.node }
            for address in also + others {
                let client = try AdminClient.locate(address: address)
                do {
                    told.append(try await ask(client, where: address))
                } catch  where !also.contains(address) {
                    Terminal.complain(Terminal.warning("\(address) was not asked: \(error)"))
                }
                await client.close()
            }
            show(told)
        }

        private struct Told {
            let node: String
            let answer: JSON
        }

        private func ask(_ client: AdminClient, where place: String) async throws -> Told {
            let answer = try await client.get(
                "/v1/records" + RecordPage.query([("id", id), ("limit", "1000")]))
            return Told(node: answer.words("node"), answer: answer)
        }

        private func show(_ told: [Told]) {
            var seen: Set<String> = []
            var records: [JSON] = []
            for item in told {
                for record in item.answer.list("records")
                where ["call", "intent"].contains(record.words("kind")) && seen.insert(record.text).inserted {
                    records.append(record)
                }
            }
            let missing = Self.missing(records)
            let asked = Set(told.map(\.node) + (told.first?.answer.list("asked") ?? []).compactMap(\.string))
                .sorted()
            // What another way has brought by now is not missing.
            let unreached = (told.first?.answer.list("unreached") ?? []).filter { item in
                !told.contains { $0.node == item.words("node") }
            }
            if options.json {
                return Terminal.data(
                    JSON.object([
                        ("records", .array(records)), ("missing", .array(missing.map(JSON.string))),
                        ("unreached", .array(unreached)), ("asked", .array(asked.map(JSON.string))),
                    ]).text)
            }
            guard !records.isEmpty else {
                return Terminal.say(
                    "No record of \(id) at \(asked.joined(separator: ", "))."
                        + " Records go with the oldest segment, and a call that runs has none yet.")
            }
            for record in Self.inOrder(records) { Self.print(record) }
            for node in missing {
                Terminal.say(
                    Terminal.wrapped(
                        "The owner's record is at \(Terminal.singleLine(node)), which \(Self.why(node, unreached)): `martlet audit trace \(id)` there, or here with --also HOST:PORT"
                    ))
            }
            // Some answered, and not all of it is to be believed.
            for item in unreached where asked.contains(item.words("node")) {
                Terminal.say(Terminal.singleLine("\(item.words("node")) \(item.words("why"))"))
            }
            for item in told { RecordPage.sayUnreadable(item.answer) }
        }

        private static func why(_ node: String, _ unreached: [JSON]) -> String {
            guard let item = unreached.first(where: { $0.words("node") == node }) else {
                return "was not asked, or has it no more"
            }
            return "did not show it (\(Terminal.singleLine(item.words("why"))))"
        }

        /// Nodes that must have a record of their own which is not among these. A call that never reached its owner has none there.
        static func missing(_ records: [JSON]) -> [String] {
            var nodes: Set<String> = []
            for record in records
            where record.words("end") == "entry" && record.words("decision") == "allowed" {
                guard let owner = record["owner"], owner.words("id") != record["entryNode"]?.words("id"),
                    ["ok", "error", "refused"].contains(record.words("outcome")),
                    !records.contains(where: {
                        $0.words("end") == "owner" && $0.words("trace") == record.words("trace")
                            && $0["owner"]?.words("id") == owner.words("id")
                    })
                else { continue }
                nodes.insert(owner.words("label"))
            }
            return nodes.sorted()
        }

        /// Each call with the record of its other end behind it, and steps behind their composite.
        static func inOrder(_ records: [JSON]) -> [JSON] {
            func rank(_ record: JSON) -> (Int, Int) {
                (record.words("end") == "entry" ? 0 : 1, record.count("at"))
            }
            let calls = records.filter { $0.words("end") == "entry" && $0["parent"] == nil }
            var left = records
            var ordered: [JSON] = []
            func take(_ isChosen: (JSON) -> Bool) {
                ordered += left.filter(isChosen).sorted { rank($0) < rank($1) }
                left.removeAll(where: isChosen)
            }
            for call in calls {
                let id = call.words("call")
                take { $0.words("call") == id }
                let steps = left.filter { $0.words("parent") == id }.sorted {
                    $0.count("at") < $1.count("at")
                }
                for step in steps { take { $0.words("call") == step.words("call") } }
            }
            take { _ in true }
            return ordered
        }

        private static func print(_ record: JSON) {
            let isOwner = record.words("end") == "owner"
            let indent = (record["parent"] == nil ? "" : "  ") + (isOwner ? "  " : "")
            let node = isOwner ? record["owner"] : record["entryNode"]
            var lines = [
                Terminal.bold("\(indent)\(record.words("end")) \(node?.words("label") ?? "")")
                    + "  \(RecordPage.time(record.count("at")))  \(RecordPage.outcome(record))  \(RecordPage.took(record))"
            ]
            func say(_ key: String, _ text: String?) {
                guard let text, !text.isEmpty else { return }
                lines.append(
                    "\(indent)  \(key)\(String(repeating: " ", count: max(1, 11 - key.count)))\(text)")
            }
            say("what", "\(RecordPage.what(record))  (\(record.words("method")))")
            say(
                "who",
                record.words("principal") + (record["assumedBy"]?.string.map { ", really \($0)" } ?? ""))
            say("through", record["virtualServer"]?.string)
            say("path", record.list("path").compactMap(\.string).joined(separator: " → "))
            say("decision", "\(record.words("decision")), rule \(record["rule"]?.string ?? "none")")
            say("ended", RecordPage.why(record))
            say("arguments", digest(record.count("argumentsBytes"), record["arguments"]?.string))
            if record["outcome"] != nil {
                say("result", digest(record.count("resultBytes"), record["result"]?.string))
            }
            say("definition", record["definition"]?.string)
            say("call", record.words("call") + (record["parent"]?.string.map { ", of \($0)" } ?? ""))
            say("trace", record.words("trace"))
            for line in lines { Terminal.say(line) }
        }

        private static func digest(_ bytes: Int, _ digest: String?) -> String {
            "\(bytes) bytes" + (digest.map { ", hmac \($0)" } ?? "")
        }
    }
}
