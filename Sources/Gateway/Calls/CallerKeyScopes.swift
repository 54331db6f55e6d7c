import Catalog
import JSONSlice
import MCPModel

/// What an API key is good for, as it is asked for and kept: `{"servers": ["ops"], "entries": ["github/*"]}`; what is left out is not narrowed.
struct CallerKeyScopes: Hashable, Sendable {
    static let serversMax = 64
    static let entriesMax = 64
    static let patternBytesMax = 256

    /// Names of virtual servers.
    var servers: [String]?
    /// Patterns of entries.
    var entries: [String]?

    /// As a person gives it.
    init(servers: [String], entries: [String]) throws(Refusal) {
        guard servers.count <= Self.serversMax, entries.count <= Self.entriesMax else {
            throw Refusal(
                .invalid,
                "a key is narrowed to \(Self.serversMax) virtual servers and \(Self.entriesMax) patterns of entries at most"
            )
        }
        if let wrong = servers.first(where: { Label($0) == nil }) {
            throw Refusal(
                .invalid, "\"\(wrong)\" is no name of a virtual server",
                hint: "`martlet virtual list` shows them; a pattern of entries goes with --entry")
        }
        if let wrong = entries.first(where: { !Self.isPattern($0) }) {
            throw Refusal(
                .invalid, "\"\(wrong)\" is no pattern of entries",
                hint: "write SERVER/ENTRY, with * for any text, as in 'github/*' or '*/get_*'")
        }
        self.servers = servers.isEmpty ? nil : servers
        self.entries = entries.isEmpty ? nil : entries
    }

    /// As it is kept. What cannot be read narrows to nothing: a key must not gain by damage.
    init(stored text: String) {
        guard let json = try? JSON(validating: text), json.kind == .object,
            let servers = Self.texts(json["servers"]), let entries = Self.texts(json["entries"])
        else {
            (servers, entries) = ([], [])
            return
        }
        (self.servers, self.entries) = (servers, entries)
    }

    var isWhole: Bool { servers == nil && entries == nil }

    /// `nil`: for everything.
    var narrowing: CredentialNarrowing? {
        isWhole ? nil : CredentialNarrowing(virtualServers: servers.map(Set.init), entries: entries)
    }

    var json: JSON {
        var members: [(String, JSON)] = []
        if let servers { members.append(("servers", .array(servers.map(JSON.string)))) }
        if let entries { members.append(("entries", .array(entries.map(JSON.string)))) }
        return .object(members)
    }

    private static func isPattern(_ text: String) -> Bool {
        (1...patternBytesMax).contains(text.utf8.count) && text.unicodeScalars.allSatisfy { $0.value >= 0x20 }
    }

    /// - Returns: `nil` for what is no list of texts; a `nil` within for what is not there.
    private static func texts(_ value: JSON?) -> [String]?? {
        guard let value else { return .some(nil) }
        let elements = value.elements
        let texts = elements.compactMap(\.string)
        guard value.kind == .array, texts.count == elements.count else { return nil }
        return texts
    }
}
