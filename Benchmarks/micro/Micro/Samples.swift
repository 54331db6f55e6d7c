import Catalog
import JSONSlice
import Search
import Vault

/// What the benchmarks work on: the same in every run.
enum Samples {
    /// As a client of 2026-07-28 sends it.
    static let call = [UInt8](
        #"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"micro","version":"1"}},"name":"server__small","arguments":{"text":"a few words of it","count":3}}}"#
            .utf8)

    static let result = [UInt8](
        #"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"\#(String(repeating: "x", count: 200))"}]}}"#
            .utf8)

    static func definition(_ number: Int) -> String {
        #"{"name":"tool_\#(number)","description":"Tool number \#(number): looks something up and says what it found.","inputSchema":{"type":"object","properties":{"key":{"type":"string"},"count":{"type":"integer"}},"required":["key"]}}"#
    }

    static func list(tools: Int) -> [UInt8] {
        let definitions = (0..<tools).map(definition).joined(separator: ",")
        return [UInt8](
            #"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[\#(definitions)]}}"#.utf8)
    }

    /// A node with so many servers of its own and of nine others.
    static func catalog(servers: Int, tools: Int) throws -> CatalogSnapshot {
        let ids = (0..<10).map { NodeID(ofKey: [UInt8]("node \($0)".utf8)) }
        var catalog = CatalogSnapshot(me: ids[0])
        for (number, id) in ids.enumerated() {
            catalog.nodes[id] = NodeRecord(
                id: id, label: try label("node-\(number)"), segment: try label("here"), roles: [],
                software: "1",
                addresses: [], reachability: number == 0 ? .me : .reachable(path: [id]), heardAt: .zero)
        }
        let entries = try (0..<tools).map { number in
            let json = try JSON(validating: definition(number))
            guard let entry = Entry(kind: .tool, definition: json) else { throw SampleTrouble.entry }
            return entry
        }
        let manifest = Manifest(
            entries: entries, instructions: nil, capabilities: .object([("tools", .emptyObject)]),
            serverInfo: .emptyObject)
        for number in 0..<servers {
            let key = ServerKey(owner: ids[number % ids.count], name: try label("server-\(number)"))
            catalog.servers[key] = CatalogSnapshot.KnownServer(
                record: ServerRecord(key: key, state: .up, revision: "2026-07-28"), manifest: manifest)
        }
        return catalog
    }

    private static func label(_ text: String) throws -> Label {
        guard let label = Label(text) else { throw SampleTrouble.label }
        return label
    }

    static func document(_ number: Int) -> SearchDocument {
        let nouns = [
            "invoice", "customer", "ticket", "machine", "order", "calendar", "message", "file", "branch",
            "sensor",
        ]
        let verbs = ["get", "list", "create", "close", "find", "update", "delete", "count", "send", "move"]
        let (noun, verb) = (nouns[number % 10], verbs[number / 10 % 10])
        return SearchDocument(
            server: "server-\(number % 50)", name: "\(verb)_\(noun)_\(number)",
            description: "Lets you \(verb) a \(noun) by its key, and says what came of it.",
            parameters: ["key", "\(noun)_id"])
    }
}

enum SampleTrouble: Error { case label, entry, vault }

/// A vault with a key file. Its chance is not the system's, whose price would be that of the kernel.
final class SampleVault {
    private let keyring: VaultKeyring
    private let header: VaultHeader
    private let context: RecordContext
    private var random = SplitMix64(state: 1)

    init() throws {
        var header: VaultHeader?
        keyring = try VaultKeyring.make(
            node: [UInt8](repeating: 0xa5, count: 16),
            credential: try .keyFile(Secret(copying: [UInt8](0..<32))),
            header: &header, using: &random)
        guard let header, let name = SecretName("a-token") else { throw SampleTrouble.vault }
        self.header = header
        context = RecordContext(
            name: name, version: 7, kind: .credential,
            audience: SecretAudience(
                server: "server", origin: "https://api.example.com", resource: "/mcp", issuer: ""))
    }

    func sealed() throws -> SealedRecord {
        try keyring.seal(
            Secret(copying: [UInt8](repeating: 0x61, count: 40)), as: context, under: header, using: &random)
    }

    func opened(_ record: SealedRecord) throws -> Int { try keyring.open(record, as: context).count }
}

/// Steele, Lea, Flood 2014: the same in every run.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
