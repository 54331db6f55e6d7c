package import JSONSlice

/// A leaf as it lies in a file: its bytes, then, where values are kept, a tab and those, then a line feed.
///
/// The leaf is one object of JSON without white space, its members in the order of ``RecordLeaf/bytes`` and absent ones left out, so
/// that one leaf has one spelling: those bytes are what a Merkle tree hashes. Kept values stand outside of it, bound to
/// it by their digests, so that they can be erased without breaking the log. JSON has no raw tab or line feed in it.
package struct RecordLine: Hashable, Sendable {
    /// A version that this build does not know is not guessed at.
    package static let version = 1
    /// Far above the longest leaf that is written: whatever is longer is none.
    package static let leafBytesMax = 64 * 1024
    /// Kept values that are longer are left out; they are for looking at, not for keeping documents.
    package static let valuesBytesMax = 16 * 1024
    private static let tab = UInt8(ascii: "\t")

    package var leaf: RecordLeaf
    /// `{"arguments": …, "result": …}`, what of it is allowed to be kept.
    package var values: JSON?

    package init(_ leaf: RecordLeaf, values: JSON? = nil) {
        self.leaf = leaf
        self.values = values
    }

    /// With values beside the leaf, as they went over the wire; what is no JSON is left out.
    package init(
        _ leaf: RecordLeaf, keepingArguments arguments: ArraySlice<UInt8>?, result: ArraySlice<UInt8>?
    ) {
        var members: [(String, JSON)] = []
        for (key, bytes) in [("arguments", arguments), ("result", result)] {
            if let bytes, let json = try? JSON(validating: bytes) { members.append((key, json)) }
        }
        self.init(leaf, values: members.isEmpty ? nil : .object(members))
    }

    /// The line, its line feed included.
    package var bytes: [UInt8] {
        var bytes = leaf.bytes
        if let values = values?.onOneLine, values.bytes.count <= Self.valuesBytesMax,
            !values.bytes.contains(Self.tab)
        {
            bytes.append(Self.tab)
            bytes += values.bytes
        }
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    /// Reads a line without its line feed; `nil` for one that is none, such as the torn last one of a crash.
    package init?(_ line: ArraySlice<UInt8>) {
        let end = line.firstIndex(of: Self.tab) ?? line.endIndex
        guard let leaf = RecordLeaf(line[..<end]) else { return nil }
        self.leaf = leaf
        values = end == line.endIndex ? nil : try? JSON(validating: line[line.index(after: end)...])
    }

    /// For programs: the leaf's members, and `values` where any were kept.
    package var json: JSON {
        let leaf = (try? JSON(validating: leaf.bytes)) ?? .emptyObject
        return values.map { leaf.setting("values", to: $0) } ?? leaf
    }
}

extension RecordLeaf {
    /// One spelling for one leaf, at most ``RecordLine/leafBytesMax``: what a Merkle tree hashes.
    package var bytes: [UInt8] {
        var writer = JSONObjectWriter(capacity: 1_024)
        writer.put("v", RecordLine.version)
        switch self {
        case .lost(let lost):
            writer.put("kind", "lost")
            writer.put("at", Int(lost.at))
            writer.put("count", lost.count)
            writer.put("why", lost.why.cut(to: AuditRecord.textMax))
        case .call(let record):
            writer.put("kind", "call")
            record.write(into: &writer)
        case .intent(let record):
            writer.put("kind", "intent")
            record.write(into: &writer, isOver: false)
        }
        return writer.finished()
    }

    package init?(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count <= RecordLine.leafBytesMax, let json = try? JSON(validating: bytes),
            json["v"]?.int == RecordLine.version, let at = json["at"]?.int
        else { return nil }
        switch json["kind"]?.string {
        case "lost":
            self = .lost(
                LostRecords(
                    at: Int64(at), count: json["count"]?.int ?? 0, why: json["why"]?.string ?? ""))
        case "call":
            guard let record = AuditRecord(json, at: Int64(at)) else { return nil }
            self = .call(record)
        case "intent":
            guard let record = AuditRecord(json.setting("outcome", to: "unknown"), at: Int64(at)) else {
                return nil
            }
            self = .intent(record)
        default: return nil
        }
    }
}

extension AuditRecord {
    /// Names, rules, words: whatever is longer is cut, since callers choose some of them. An identity has two parts of this.
    static let textMax = 512
    /// Nodes on a path are at most nine (mesh-wide bound of hops); more are left out.
    static let pathMax = 16

    /// - Parameter isOver: whether what only an end has is written.
    fileprivate func write(into writer: inout JSONObjectWriter, isOver: Bool = true) {
        writer.put("at", Int(at))
        writer.put("end", end.rawValue)
        writer.put("call", call.cut(to: Self.textMax))
        if let parent { writer.put("parent", parent.cut(to: Self.textMax)) }
        writer.put("trace", trace.cut(to: Self.textMax))
        writeStanding(into: &writer)
        if isOver {
            writer.put("outcome", outcome.rawValue)
            if let reason { writer.put("reason", reason.cut(to: Self.textMax)) }
            if let answer { writer.put("answer", answer.cut(to: Self.textMax)) }
        }
        writer.put("argumentsBytes", argumentsBytes)
        if isOver { writer.put("resultBytes", resultBytes) }
        if let argumentsDigest { writer.put("arguments", argumentsDigest.cut(to: Self.textMax)) }
        guard isOver else { return }
        if let resultDigest { writer.put("result", resultDigest.cut(to: Self.textMax)) }
        writer.put("microseconds", microseconds)
        writePath(into: &writer)
    }

    /// What may be the same of many calls (``RecordMould``).
    func writeStanding(into writer: inout JSONObjectWriter) {
        func put(_ key: StaticString, _ text: String?, max: Int = Self.textMax) {
            if let text { writer.put(key, text.cut(to: max)) }
        }
        func put(_ key: StaticString, _ node: Node?) {
            guard let node else { return }
            writer.put(key, ["label": .string(node.label.cut(to: 64)), "id": .string(node.id.cut(to: 64))])
        }
        put("principal", principal, max: 2 * Self.textMax)
        put("assumedBy", assumedBy, max: 2 * Self.textMax)
        put("entryNode", entryNode)
        put("virtualServer", virtualServer)
        put("owner", owner)
        put("server", server)
        put("method", method)
        put("entry", entry)
        put("definition", definition)
        put("decision", isAllowed ? "allowed" : "refused")
        put("rule", rule)
        if isIntended { writer.put("intended", true) }
    }

    func writePath(into writer: inout JSONObjectWriter) {
        guard !path.isEmpty else { return }
        writer.put("path", .array(path.prefix(Self.pathMax).map { .string($0.cut(to: 64)) }))
    }

    fileprivate init?(_ json: JSON, at: Int64) {
        guard let end = json["end"]?.string.flatMap(End.init), let call = json["call"]?.string,
            let trace = json["trace"]?.string, let entryNode = Node(json["entryNode"]),
            let method = json["method"]?.string, let outcome = json["outcome"]?.string.flatMap(Outcome.init)
        else { return nil }
        self.init(
            at: at, end: end, call: call, parent: json["parent"]?.string, trace: trace,
            principal: json["principal"]?.string ?? "", assumedBy: json["assumedBy"]?.string,
            entryNode: entryNode, virtualServer: json["virtualServer"]?.string, owner: Node(json["owner"]),
            server: json["server"]?.string, method: method, entry: json["entry"]?.string,
            definition: json["definition"]?.string, isAllowed: json["decision"]?.string == "allowed",
            rule: json["rule"]?.string, outcome: outcome, reason: json["reason"]?.string,
            answer: json["answer"]?.string, argumentsBytes: json["argumentsBytes"]?.int ?? 0,
            resultBytes: json["resultBytes"]?.int ?? 0, argumentsDigest: json["arguments"]?.string,
            resultDigest: json["result"]?.string, microseconds: json["microseconds"]?.int ?? 0,
            path: json["path"]?.elements.compactMap(\.string) ?? [])
        isIntended = json["intended"]?.bool ?? false
    }
}

extension AuditRecord.Node {
    fileprivate init?(_ json: JSON?) {
        guard let label = json?["label"]?.string, let id = json?["id"]?.string else { return nil }
        self.init(label: label, id: id)
    }
}

extension String {
    /// At most so many bytes of UTF-8, and no half character.
    fileprivate func cut(to bytesMax: Int) -> String {
        guard utf8.count > bytesMax else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: bytesMax)
        while end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
