import Catalog
@testable import Discovery
import JSONSlice
@testable import Tokens
@testable import Translate
@testable import Vault

extension FuzzTarget {
    /// Tokens that callers show, and sets of keys that issuers publish; the first byte says which.
    static let tokens = FuzzTarget(name: "tokens") { input in
        guard let kind = input.first else { return }
        let bytes = Array(input.dropFirst())
        let text = String(decoding: bytes, as: UTF8.self)
        switch kind % 4 {
        case 0:
            if let token = try? SignedToken(text) { check(token) }
        case 1:
            // Header and claims as plain JSON, since no search finds its way through base64.
            let parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
            guard parts.count >= 2 else { return }
            let encoded = parts.prefix(2).map { Base64URL.encode($0) } + ["AAAA"]
            if let token = try? SignedToken(encoded.joined(separator: ".")) { check(token) }
        case 2:
            if let set = try? WebKeySet(document: bytes, allowsShared: true) {
                claim(set.keys.count + set.flaws.count <= WebKeySet.keysMax, "a set has at most so many keys")
            }
        default:
            _ = SignedToken.isLike(text)
            if let decoded = Base64URL.decode(bytes) {
                claim(Base64URL.encode(decoded) == text, "base64url has one spelling")
            }
        }
    }

    private static func check(_ token: SignedToken) {
        guard let keys else { refuse("the fixed keys cannot be read") }
        let rules = TokenRules(issuer: "i", algorithms: Set(SignatureAlgorithm.allCases))
        let believed = try? rules.check(token, keys: keys, audiences: ["a"], at: 1_785_200_000)
        claim(believed == nil, "no token is believed that none of the keys has signed")
    }

    /// RFC 8037 §A.2's and RFC 7517 §A.1's.
    private static let keys = try? WebKeySet(
        document: Array(
            """
            {"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}
            """.utf8), allowsShared: false)

    /// What servers and issuers say on the way to a token; the first byte says what.
    static let grants = FuzzTarget(name: "grants") { input in
        guard let kind = input.first else { return }
        let bytes = Array(input.dropFirst())
        let text = String(decoding: bytes, as: UTF8.self)
        guard let asked = WebAddress("https://r/m") else { refuse("no address") }
        switch kind % 5 {
        case 0: _ = ResourceChallenge(headers: text.split(separator: "\n").map(String.init))
        case 1: _ = try? ResourceMetadata.read(bytes, at: "https://r", of: asked, isWhole: true)
        case 2: _ = try? AuthorizationServer.read(bytes, at: "https://i", of: "https://i")
        case 3:
            for status in [200, 400, 503] {
                _ = try? AccessToken.read(GrantAnswer(status: status, body: bytes), at: "https://i")
            }
        default:
            if let address = WebAddress(text) {
                claim(
                    WebAddress(address.canonical)?.canonical == address.canonical,
                    "an address reads as it is written: \(address)")
                _ = (address.isLoopback, address.wellKnown("x"))
            }
        }
    }

    /// An API's description, and arguments for what it became.
    static let translate = FuzzTarget(name: "translate", bytesMax: 8192) { input in
        guard let document = try? JSON(validating: input), let description = try? APIDescription(document)
        else { return }
        for tool in description.tools.prefix(16) {
            claim((try? JSON(validating: tool.definition.bytes)) != nil, "a definition is valid")
            let arguments = JSON.object(tool.plan.places.map { ($0.argument, "a/../b ?") })
            guard let filled = try? tool.plan.fill(arguments) else { continue }
            claim(!filled.headers.contains { $0.value.contains("\n") }, "no argument begins a line")
        }
    }

    /// Headers, records and backups of a vault: files that anybody may have touched. The first byte says which.
    static let vault = FuzzTarget(name: "vault") { input in
        guard let kind = input.first else { return }
        let bytes = Array(input.dropFirst())
        switch kind % 3 {
        case 0: _ = try? VaultHeader.peek(bytes)
        case 1:
            if let record = try? SealedRecord(bytes) {
                claim(record.bytes == bytes, "a record has one spelling")
            }
            _ = SealedRecord.generation(of: bytes)
        default:
            _ = try? VaultBackup.seal(of: bytes)
            var key = [UInt8](repeating: 7, count: KeySlot.keyFileBytes)
            if let credential = try? SlotCredential.keyFile(Secret(moving: &key)) {
                let opened = (try? VaultBackup.open(bytes, slot: credential).rows) != nil
                claim(!opened, "no backup is opened whose key nobody has")
            }
        }
    }

    /// The grammar of `where`, labels, globs, ids.
    static let selection = FuzzTarget(name: "selection", bytesMax: 1024) { input in
        let text = String(decoding: input, as: UTF8.self)
        if let chosen = try? Selection(text) {
            for value in [SelectionValue.null, .text(text)] { _ = chosen.matches { _ in value } }
            _ = (chosen.sql, chosen.columns)
        }
        if let pattern = LikePattern(text) { _ = pattern.matches(text + text) }
        claim(Glob(text).matches(text) || text.contains("*") || text.contains("?"), "a name matches itself")
        if let label = Label(fitting: text) { claim(Label(label.text) == label, "a fitted label is one") }
        if let bytes = Base32.decode(text) {
            claim(Base32.decode(Base32.encode(bytes)) == bytes, "base32 reads as it is written")
        }
        if let id = NodeID(text) { claim(NodeID(id.description) == id, "an id reads as it is written") }
        _ = PrincipalPattern(text)
    }

    /// DNS answers and TXT records: what anybody on the segment can send. The first byte says which.
    static let discovery = FuzzTarget(name: "discovery") { input in
        guard let kind = input.first else { return }
        let bytes = Array(input.dropFirst())
        guard kind % 2 == 1 else {
            if let answer = SRVAnswer(message: bytes) {
                claim(answer.records.count <= SRVAnswer.recordsMax, "an answer has at most so many records")
            }
            return
        }
        let strings = bytes.split(separator: 0)
        let said = Advertisement(strings: strings)
        claim(
            Advertisement(strings: said.strings.map { Array($0.utf8) }) == said,
            "an advertisement reads as it is written")
        if case .http(_, let path, _) = MCPAdvertisement(strings: strings).way {
            claim(path.utf8.first == UInt8(ascii: "/"), "a path begins with a slash")
        }
    }
}
