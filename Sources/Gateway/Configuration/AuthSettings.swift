package import Composition
import JSONSlice
package import Policy
package import Tokens
package import Vault

/// `auth`: who is let in at the MCP listener besides the holders of API keys (docs/reference/doors.md).
package struct AuthSettings: Hashable, Sendable {
    /// Where it stands, for messages.
    static let fetchAllowPath = "auth.fetch.allow"
    package static let issuersMax = 16
    package static let rangesMax = 64
    package static let rootsMax = 16
    package static let usersMax = 256

    /// `https://HOST[:PORT]` by which clients reach the MCP listener; `nil`: as each request names it.
    package var url: String?
    package var issuers: [TokenIssuer]
    package var users: [BasicUser]
    /// Blocks of private addresses that keys may be fetched from.
    package var fetchAllowed: [AddressRange]
    /// Files with roots to trust besides the system's, for fetching.
    package var fetchRoots: [String]

    package init(reading section: inout ConfigSection) {
        url = section.parsed(
            "url", expecting: "https://HOST or https://HOST:PORT, without a path", Self.origin)
        issuers = section.items("jwt", atMost: Self.issuersMax) { TokenIssuer(reading: &$0) }.compactMap {
            $0
        }
        users = section.items("basic", atMost: Self.usersMax) { BasicUser(reading: &$0) }.compactMap { $0 }
        (fetchAllowed, fetchRoots) =
            section.section("fetch") { part in
                (
                    part.list("allow", of: AddressRange.form, atMost: Self.rangesMax) { AddressRange($0) },
                    part.list("roots", of: "the path of a file", atMost: Self.rootsMax) {
                        $0.isEmpty ? nil : $0
                    }
                )
            } ?? ([], [])
        var names: Set<String> = []
        for (index, user) in users.enumerated() where !names.insert(user.name).inserted {
            section.report(
                at: section.path.key("basic").index(index).key("user"),
                "there is another of the same name above")
        }
        var known: Set<String> = []
        for (index, issuer) in issuers.enumerated() where !known.insert(issuer.rules.issuer).inserted {
            section.report(
                at: section.path.key("jwt").index(index).key("issuer"),
                "there is another of the same issuer above")
        }
    }

    /// Whether anybody is let in by it; then nobody comes in without a credential.
    package var isOpenToSome: Bool { !issuers.isEmpty || !users.isEmpty }

    /// Lower case, no port that is the scheme's own: one address has one spelling, for audiences are compared byte for byte.
    private static func origin(_ text: String) -> String? {
        let lowered = text.lowercased()
        guard let scheme = ["https://", "http://"].first(where: lowered.hasPrefix) else { return nil }
        let own = scheme == "https://" ? 443 : 80
        let authority = lowered.dropFirst(scheme.count)
        if HostPort("\(authority):0") != nil { return lowered }
        guard let place = HostPort(authority), place.port != 0 else { return nil }
        return place.port == own ? String(lowered.dropLast(":\(own)".utf8.count)) : lowered
    }

    /// `nil`: nothing is set.
    var json: JSON? {
        var members: [(String, JSON)] = url.map { [("url", .string($0))] } ?? []
        if !issuers.isEmpty { members.append(("jwt", .array(issuers.map(\.json)))) }
        if !users.isEmpty { members.append(("basic", .array(users.map(\.json)))) }
        var fetch: [(String, JSON)] = []
        if !fetchAllowed.isEmpty {
            fetch.append(("allow", .array(fetchAllowed.map { .string($0.description) })))
        }
        if !fetchRoots.isEmpty { fetch.append(("roots", .array(fetchRoots.map(JSON.string)))) }
        if !fetch.isEmpty { members.append(("fetch", .object(fetch))) }
        return members.isEmpty ? nil : .object(members)
    }
}

/// One user with a password (RFC 7617).
package struct BasicUser: Hashable, Sendable {
    package var name: String
    package var hash: PasswordHash

    package init(name: String, hash: PasswordHash) {
        (self.name, self.hash) = (name, hash)
    }

    /// - Returns: `nil` when something is missing; the section then has a problem.
    package init?(reading section: inout ConfigSection) {
        if !section.has("user") { section.report("user", "is missing") }
        if !section.has("hash") { section.report("hash", "is missing: what `martlet token hash` prints") }
        let name = section.parsed("user", expecting: "a name without a colon") { text in
            (1...PasswordDoor.nameBytesMax).contains(text.utf8.count) && !text.contains(":") ? text : nil
        }
        let hash = section.parsed("hash", expecting: PasswordHash.form) { PasswordHash($0) }
        guard let name, let hash else { return nil }
        self.init(name: name, hash: hash)
    }

    var json: JSON { ["user": .string(name), "hash": .string(hash.text)] }
}

/// One issuer whose tokens are believed.
package struct TokenIssuer: Hashable, Sendable {
    /// Where its keys come from.
    package enum Keys: Hashable, Sendable {
        case url(String)
        case file(String)
    }

    package static let nameLengthMax = 512
    package static let audiencesMax = 16

    package var rules: TokenRules
    package var keys: Keys
    /// Of which a token must name one; empty: the URL of the endpoint that is asked (RFC 8707).
    package var audiences: [String]
    /// The claim that names teams, by name or JSON pointer.
    package var teamsClaim: String?
    package var scopes: ScopeSettings

    /// - Returns: `nil` when there is no telling whom to believe; the section then has a problem.
    package init?(reading section: inout ConfigSection) {
        if !section.has("issuer") { section.report("issuer", "is missing: what the tokens' claim iss says") }
        let issuer = section.parsed("issuer", expecting: "a URL, spelled as the tokens' claim iss spells it")
        {
            $0.contains("://") && $0.utf8.count <= Self.nameLengthMax ? $0 : nil
        }
        if !section.has("jwks") { section.report("jwks", "is missing: a URL, or the path of a file") }
        let keys = section.parsed(
            "jwks", expecting: "an https URL (http to this host only), or the absolute path of a file",
            Self.keys)
        audiences = section.textOrList("audience", atMost: Self.audiencesMax)
        var algorithms = Set(
            section.list(
                "algorithms",
                of: "one of \(SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))",
                atMost: SignatureAlgorithm.allCases.count
            ) { SignatureAlgorithm(rawValue: $0) })
        if algorithms.contains(.hs256), case .url = keys {
            section.report(
                "algorithms", "HS256 goes with a file only: its key makes tokens as well as it checks them")
        }
        if algorithms.isEmpty { algorithms = SignatureAlgorithm.asymmetric }
        teamsClaim = section.text("teamsClaim")
        let slack = section.duration(
            "clockSlack", default: .seconds(TokenRules.slackDefault),
            in: .zero ... .seconds(TokenRules.slackMax))
        scopes = section.section("scopes") { ScopeSettings(reading: &$0) } ?? ScopeSettings()
        guard let issuer, let keys else { return nil }
        rules = TokenRules(issuer: issuer, algorithms: algorithms, slack: Int(slack.components.seconds))
        self.keys = keys
    }

    /// Keys that came over plain HTTP would be anybody's on the way.
    private static func keys(_ text: String) -> Keys? {
        if text.hasPrefix("/") { return .file(text) }
        guard BackendURL.problem(text) == nil else { return nil }
        let lowered = text.lowercased()
        if lowered.hasPrefix("https://") { return .url(text) }
        let authority = lowered.dropFirst("http://".count).prefix { !"/?".contains($0) }
        let isHere = ["localhost", "127.0.0.1", "[::1]"].contains {
            authority == $0 || authority.hasPrefix("\($0):")
        }
        return isHere ? .url(text) : nil
    }

    var json: JSON {
        let keys =
            switch keys {
            case .url(let text), .file(let text): text
            }
        var members: [(String, JSON)] = [
            ("issuer", .string(rules.issuer)), ("jwks", .string(keys)),
            ("audience", .array(audiences.map(JSON.string))),
            ("algorithms", .array(rules.algorithms.map(\.rawValue).sorted().map(JSON.string))),
        ]
        if let teamsClaim { members.append(("teamsClaim", .string(teamsClaim))) }
        members.append(("clockSlack", .string(DurationText.spell(.seconds(rules.slack)))))
        members.append(("scopes", scopes.json))
        return .object(members)
    }
}

/// The scopes that a token must have, by what is asked.
package struct ScopeSettings: Hashable, Sendable {
    package static let scopesMax = 16

    /// For anything at all.
    package var see: [String] = []
    /// To read resources and take prompts, besides.
    package var read: [String] = []
    /// To call tools, besides.
    package var call: [String] = []

    package init(see: [String] = [], read: [String] = [], call: [String] = []) {
        (self.see, self.read, self.call) = (see, read, call)
    }

    package init(reading section: inout ConfigSection) {
        for (key, place) in [("see", \ScopeSettings.see), ("read", \.read), ("call", \.call)] {
            self[keyPath: place] = section.list(key, of: "a scope of OAuth", atMost: Self.scopesMax) {
                Self.isScope($0) ? $0 : nil
            }
        }
    }

    package var all: [String] { Set(see + read + call).sorted() }

    /// RFC 6749 §3.3.
    private static func isScope(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
    }

    var json: JSON {
        [
            "see": .array(see.map(JSON.string)), "read": .array(read.map(JSON.string)),
            "call": .array(call.map(JSON.string)),
        ]
    }
}

extension ConfigSection {
    /// One text, or a list of them.
    fileprivate mutating func textOrList(_ key: String, atMost limit: Int) -> [String] {
        if let one = value(key)?.string { return [one] }
        return texts(key, atMost: limit)
    }
}
