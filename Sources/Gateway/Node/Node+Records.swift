import Audit
import Catalog
import Composition
import FoundationEssentials
package import JSONSlice
import Storage

/// What became of calls: `martlet logs` and `martlet audit`.
extension Node {
    /// Records in one answer.
    private static let recordsMax = 1_000
    private static let recordsDefault = 100

    /// The log as the settings want it; `nil`: none.
    static func records(as settings: AuditSettings, in folder: DataFolder) throws -> RecordLog? {
        guard settings.isOn else { return nil }
        return RecordLog(in: folder.path, key: try recordKey(in: folder), keep: settings.keep)
    }

    /// The key of digests; made at the first start.
    private static func recordKey(in folder: DataFolder) throws -> RecordKey {
        if let bytes = try folder.read(.recordKey) {
            guard let key = RecordKey(bytes) else {
                throw Refusal(
                    .failed, "\(folder.path(of: .recordKey)) holds no key of records",
                    hint:
                        "restore it from a backup, or move it away: digests from then on are others than those before"
                )
            }
            return key
        }
        var random = SystemRandomNumberGenerator()
        let bytes = (0..<RecordKey.length).map { _ in UInt8.random(in: 0...255, using: &random) }
        try folder.create(.recordKey, with: bytes)
        guard let key = RecordKey(bytes) else {
            throw Refusal(.failed, "a key of records has \(RecordKey.length) bytes")
        }
        return key
    }

    /// The last records that fit.
    ///
    /// - Parameter query: `tool`, `principal` (patterns), `outcome` (a list by commas), `since` (seconds back), `id` (the beginning of
    ///   a trace's or a call's), `limit`.
    package func listRecords(_ query: [String: String]) async throws -> JSON {
        let log = try recordLog()
        var query = query
        var limit = Self.recordsDefault
        if let text = query.removeValue(forKey: "limit") {
            guard let count = Int(text), (1...Self.recordsMax).contains(count) else {
                throw Refusal(
                    .invalid, "limit: expected a whole number from 1 to \(Self.recordsMax), found \(text)")
            }
            limit = count
        }
        let found = await log.find(try RecordFilter(query: query, now: WallTime.now()), limit: limit)
        return .object([
            ("node", .string(seat.label.text)),
            ("records", .array(found.lines.map(\.json))),
            ("more", .bool(found.isCut)), ("unreadable", .number(found.unreadable)),
        ])
    }

    /// Each record from now on that fits, until its reader has gone or the node ends.
    package func followRecords(
        _ query: [String: String], notice: @escaping @Sendable (JSON) -> Void
    ) async throws -> JSON {
        let log = try recordLog()
        guard let stream = log.follow(try RecordFilter(query: query, now: WallTime.now())) else {
            throw Refusal(
                .unavailable, "\(RecordLog.followersMax) follow the records already", hint: "end one of them")
        }
        notice(["following": .string(seat.label.text)])
        for await item in stream {
            switch item {
            case .line(let line): notice(line.json)
            case .dropped(let count): notice(["dropped": .number(count)])
            }
        }
        return .emptyObject
    }

    /// For `status`.
    func recordsReport() -> JSON {
        guard let records else { return ["state": "off"] }
        let (standing, segments, bytes) = records.facts()
        var members: [(String, JSON)] = [
            ("state", "on"), ("written", .number(standing.written)), ("lost", .number(standing.lost)),
            ("segments", .number(segments)), ("bytes", .number(bytes)),
            ("refusedAtDoor", .number(recorder.refusalsAtDoor)),
        ]
        if let trouble = standing.trouble { members.append(("trouble", .string(trouble))) }
        return .object(members)
    }

    /// What a person should know of the records.
    func recordsLine() -> String? {
        guard let standing = records?.facts().standing else { return nil }
        if let trouble = standing.trouble {
            return
                "records of calls are not written, \(standing.lost) are lost since the start: \(trouble) (calls go on; make room, or see audit.keep)"
        }
        guard standing.lost > 0 else { return nil }
        return "\(standing.lost) records of calls are lost since the start; the log says where (martlet logs)"
    }

    private func recordLog() throws(Refusal) -> RecordLog {
        guard let records else {
            throw Refusal(
                .conflict, "this node writes no records of calls",
                hint: "audit.records in its configuration is off; take that out and start it again")
        }
        return records
    }
}

extension RecordFilter {
    /// How a question is spelled at the admin surface.
    init(query: [String: String], now: WallTime) throws(Refusal) {
        self.init()
        for (key, text) in query.sorted(by: { $0.key < $1.key }) {
            switch key {
            case "tool": entry = Glob(text)
            case "principal": principal = Glob(text)
            case "outcome":
                var chosen: Set<AuditRecord.Outcome> = []
                for word in text.split(separator: ",") {
                    guard let outcome = AuditRecord.Outcome(rawValue: String(word)) else {
                        let all = AuditRecord.Outcome.allCases.map(\.rawValue).joined(separator: ", ")
                        throw Refusal(.invalid, "outcome: expected some of \(all), found \(word)")
                    }
                    chosen.insert(outcome)
                }
                outcomes = chosen
            case "since":
                guard let seconds = Int64(text), (1...315_360_000).contains(seconds) else {
                    throw Refusal(.invalid, "since: expected seconds back, such as 900, found \(text)")
                }
                since = now.milliseconds - seconds * 1_000
            case "id":
                guard text.utf8.count >= Self.idPrefixMin, text.allSatisfy(\.isHexDigit) else {
                    throw Refusal(
                        .invalid,
                        "id: expected the first \(Self.idPrefixMin) or more hex digits of a trace's or a call's id, found \(text)"
                    )
                }
                id = text.lowercased()
            default:
                throw Refusal(
                    .invalid, "records are not chosen by \(key)",
                    hint: "by tool, principal, outcome, since, id; limit says how many")
            }
        }
    }
}
