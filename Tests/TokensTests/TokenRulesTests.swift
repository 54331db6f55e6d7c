import JSONSlice
import MartletTestKit
import Testing

@testable import Tokens

/// Each rule, and the token that breaks it.
struct TokenRulesTests {
    private static let issuer = "https://idp.example.com"
    private static let audience = "https://gw.example.net/mcp"
    private static let now: Int64 = 1_800_000_000
    /// Made once: RSA keys take a while.
    private static let mints: [String: TokenMint] = {
        var mints: [String: TokenMint] = [:]
        for name in SignatureAlgorithm.allCases.map(\.rawValue) {
            mints[name] = try? TokenMint(name, keyID: "k-\(name)")
        }
        return mints
    }()

    private static func mint(_ algorithm: String = "ES256") throws -> TokenMint {
        try #require(mints[algorithm])
    }

    private static func claims(_ changes: [(String, JSON?)] = []) -> JSON {
        var members: [(String, JSON)] = [
            ("iss", .string(issuer)), ("sub", "user-1"), ("aud", .string(audience)),
            ("exp", .number(Int(now) + 300)), ("iat", .number(Int(now) - 10)), ("scope", "mcp:read mcp:call"),
        ]
        for (name, value) in changes {
            members.removeAll { $0.0 == name }
            if let value { members.append((name, value)) }
        }
        return .object(members)
    }

    private static func fault(
        _ text: String, keys: [TokenMint],
        algorithms: Set<SignatureAlgorithm> = Set(SignatureAlgorithm.allCases),
        audiences: Set<String> = [audience], at now: Int64 = now
    ) throws -> TokenFault? {
        let set = try WebKeySet(document: TokenMint.keySet(keys), allowsShared: true)
        let rules = TokenRules(issuer: issuer, algorithms: algorithms)
        do throws(TokenFault) {
            _ = try rules.check(SignedToken(text), keys: set, audiences: audiences, at: now)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `a good token of each algorithm says who is calling`(algorithm: SignatureAlgorithm) throws {
        let mint = try Self.mint(algorithm.rawValue)
        let keys = try WebKeySet(document: TokenMint.keySet(Array(Self.mints.values)), allowsShared: true)
        let rules = TokenRules(issuer: Self.issuer, algorithms: [algorithm])
        let token = try SignedToken(
            try mint.token(Self.claims([("groups", ["ops", "dev"]), ("azp", "cli")])))
        let claims = try rules.check(token, keys: keys, audiences: [Self.audience], at: Self.now)
        #expect(claims.subject == "user-1" && claims.issuer == Self.issuer && claims.client == "cli")
        #expect(claims.scopes == ["mcp:read", "mcp:call"])
        #expect(claims.names(at: "groups", atMost: 8) == ["ops", "dev"])
        #expect(claims.names(at: "/groups/1", atMost: 8) == ["dev"])
        #expect(claims.names(at: "none", atMost: 8) == [])
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `an algorithm that is not allowed is refused, however good the token`(algorithm: SignatureAlgorithm)
        throws
    {
        let mint = try Self.mint(algorithm.rawValue)
        let others = Set(SignatureAlgorithm.allCases).subtracting([algorithm])
        #expect(
            try Self.fault(mint.token(Self.claims()), keys: [mint], algorithms: others)
                == .algorithmNotAllowed(algorithm.rawValue))
    }

    @Test(arguments: [
        "none", "None", "NONE", "nOnE", "", "HS384", "HS512", "PS256", "ES512", "ES256K", "hs256", " HS256",
    ])
    func `no other algorithm is known, none least of all`(name: String) throws {
        let header: JSON = ["alg": .string(name), "kid": "k-ES256"]
        let body = TokenMint.spell(header.bytes) + "." + TokenMint.spell(Self.claims().bytes)
        for signature in ["", "AAAA"] {
            #expect(
                try Self.fault("\(body).\(signature)", keys: Array(Self.mints.values))
                    == .algorithmNotAllowed(name))
        }
    }

    @Test(arguments: ["RS256", "ES256", "EdDSA"])
    func `a public key is never taken for a shared one`(algorithm: String) throws {
        let mint = try Self.mint(algorithm)
        for spelling in mint.publicSpellings {
            for kid: JSON in [.string("k-\(algorithm)"), .null] {
                var header: [(String, JSON)] = [("alg", "HS256")]
                if !kid.isNull { header.append(("kid", kid)) }
                let text = TokenMint.confused(
                    header: .object(header), payload: Array(Self.claims().bytes), key: spelling)
                let fault = try Self.fault(text, keys: [mint])
                #expect(fault == .unknownKey(kid.string))
            }
        }
        #expect(!mint.publicSpellings.isEmpty)
    }

    @Test func `a key that belongs to one algorithm checks no other`() throws {
        let mint = try Self.mint("RS256")
        // The same RSA key, whose set says RS256 only; its holder signs with RS512.
        var key = mint.publicKey.members.map { ($0.key, $0.value) }
        key.append(("alg", "RS256"))
        let set = try WebKeySet(
            document: Array(JSON.object([("keys", [.object(key)])]).bytes), allowsShared: false)
        let other = TokenMint(mint, algorithm: "RS512", keyID: mint.keyID)
        let token = try SignedToken(try other.token(Self.claims()))
        #expect(throws: TokenFault.unknownKey("k-RS256")) {
            try TokenRules(issuer: Self.issuer).check(
                token, keys: set, audiences: [Self.audience], at: Self.now)
        }
    }

    @Test(arguments: ["jwk", "jku", "x5c", "x5u", "x5t"])
    func `keys that a token brings along are not looked at`(member: String) throws {
        let ours = try Self.mint("ES256")
        let theirs = try TokenMint("ES256", keyID: "k-ES256")
        let value: JSON = member == "jwk" ? theirs.publicKey : "https://evil.example/keys"
        let text = try theirs.token(Self.claims(), header: [(member, value)])
        #expect(try Self.fault(text, keys: [ours]) == .badSignature)
    }

    private static let demands: [JSON] = [
        ["exp"], ["b64"], [], "exp", .null, ["https://example.com/ext"],
    ]

    @Test(arguments: demands)
    func `what a token demands to be understood refuses it`(critical: JSON) throws {
        let mint = try Self.mint()
        let fault = try Self.fault(mint.token(Self.claims(), header: [("crit", critical)]), keys: [mint])
        guard case .critical = fault else {
            Issue.record("\(String(describing: fault))")
            return
        }
    }

    @Test(arguments: [
        (type: "JWT", isTaken: true), ("jwt", true), ("at+jwt", true), ("AT+JWT", true),
        ("application/at+jwt", true),
        ("dpop+jwt", false), ("logout+jwt", false), ("secevent+jwt", false), ("oauth-id-jag+jwt", false),
        ("entity-statement+jwt", false), ("", false),
    ])
    func `only tokens that give access are taken for one`(type: String, isTaken: Bool) throws {
        let mint = try Self.mint()
        let text = try mint.sign(
            header: ["alg": "ES256", "kid": "k-ES256", "typ": .string(type)],
            payload: Array(Self.claims().bytes))
        #expect(try Self.fault(text, keys: [mint]) == (isTaken ? nil : .otherType(type)))
    }

    @Test(arguments: [
        "https://idp.example.com/", "https://IDP.example.com", "http://idp.example.com",
        "https://idp.example.com:443",
        "https://idp.example.com.evil.example", "https://idp.example.co", "", " https://idp.example.com",
        "https://idp.example.c\u{043E}m",
    ])
    func `an issuer is compared byte for byte`(issuer: String) throws {
        let mint = try Self.mint()
        #expect(
            try Self.fault(mint.token(Self.claims([("iss", .string(issuer))])), keys: [mint])
                == .otherIssuer(issuer))
    }

    private static let audiences: [(audience: JSON, isTaken: Bool)] = [
        ("https://gw.example.net/mcp", true),
        (["https://other.example", "https://gw.example.net/mcp"], true),
        ("https://gw.example.net/mcp/", false), ("https://gw.example.net", false),
        ("https://gw.example.net/servers/ops/mcp", false), ("https://GW.example.net/mcp", false),
        ("https://gw.example.net/mcp#x", false), ([], false), (["https://gw.example.net/mc"], false),
    ]

    @Test(arguments: audiences)
    func `a token must be meant for this place`(audience: JSON, isTaken: Bool) throws {
        let mint = try Self.mint()
        #expect(
            try Self.fault(mint.token(Self.claims([("aud", audience)])), keys: [mint])
                == (isTaken ? nil : .otherAudience))
    }

    @Test func `another spelling of an audience is another audience`() throws {
        let mint = try Self.mint()
        for (said, expected) in [("api://\u{212A}", TokenFault.otherAudience), ("api://K", nil)] {
            let token = try mint.token(Self.claims([("aud", .string(said))]))
            #expect(try Self.fault(token, keys: [mint], audiences: ["api://K"]) == expected)
        }
    }

    private static let badClaims: [(String, JSON?, TokenFault)] = [
        ("iss", nil, .missingClaim("iss")), ("iss", 7, .missingClaim("iss")),
        ("aud", nil, .missingClaim("aud")), ("aud", 7, .badClaim("aud")),
        ("aud", ["a", 7], .badClaim("aud")),
        ("exp", nil, .missingClaim("exp")), ("exp", "1900000000", .badClaim("exp")),
        ("exp", -1, .badClaim("exp")),
        ("exp", 1_800_000_300_000, .badClaim("exp")), ("exp", 1e300, .badClaim("exp")),
        ("nbf", "soon", .badClaim("nbf")), ("iat", true, .badClaim("iat")),
        ("sub", nil, .missingClaim("sub")), ("sub", "", .badClaim("sub")), ("sub", 7, .badClaim("sub")),
        ("sub", "a\nb", .badClaim("sub")),
        ("sub", .string(String(repeating: "s", count: 513)), .badClaim("sub")),
        ("scope", 7, .badClaim("scope")), ("scp", ["a": 1], .badClaim("scp")),
        ("cnf", ["x5t#S256": "abc"], .boundToAKey), ("cnf", ["jkt": "abc"], .boundToAKey),
    ]

    @Test(arguments: badClaims)
    func `a claim that is missing or wrong refuses the token`(name: String, value: JSON?, fault: TokenFault)
        throws
    {
        let mint = try Self.mint()
        #expect(try Self.fault(mint.token(Self.claims([(name, value)])), keys: [mint]) == fault)
    }

    private static let times: [(exp: Int, nbf: Int?, iat: Int?, fault: TokenFault?)] = [
        (300, nil, nil, nil),
        (1, nil, nil, nil), (0, nil, nil, nil), (-29, nil, nil, nil),
        (-30, nil, nil, .expired(secondsAgo: 30)), (-31, nil, nil, .expired(secondsAgo: 31)),
        (300, 0, nil, nil), (300, 30, nil, nil), (300, 31, nil, .notYetValid(inSeconds: 31)),
        (300, nil, 30, nil), (300, nil, 31, .fromTheFuture(bySeconds: 31)),
        (300, nil, 86_400, .fromTheFuture(bySeconds: 86_400)),
    ]

    @Test(arguments: times)
    func `clocks may differ by the slack and not by a second more`(
        exp: Int, nbf: Int?, iat: Int?, fault: TokenFault?
    ) throws {
        let mint = try Self.mint()
        let time = { (offset: Int) in JSON.number(Int(Self.now) + offset) }
        let claims = Self.claims([("exp", time(exp)), ("nbf", nbf.map(time)), ("iat", iat.map(time))])
        #expect(try Self.fault(mint.token(claims), keys: [mint]) == fault)
    }

    @Test(arguments: [Int64.min, -1, 0, .max])
    func `no clock makes the sums overflow`(now: Int64) throws {
        let mint = try Self.mint()
        let claims = Self.claims([("nbf", 0), ("exp", 253_402_300_799)])
        #expect(try Self.fault(mint.token(claims), keys: [mint], at: now) != .badSignature)
    }

    @Test func `a key that a token names is the one that is tried`() throws {
        let first = try TokenMint("ES256", keyID: "a")
        let second = try TokenMint("ES256", keyID: "b")
        let liar = TokenMint(second, keyID: "a")
        let stranger = TokenMint(first, keyID: "c")
        let nameless = TokenMint(second, keyID: nil)
        #expect(try Self.fault(first.token(Self.claims()), keys: [first, second]) == nil)
        #expect(try Self.fault(liar.token(Self.claims()), keys: [first, second]) == .badSignature)
        #expect(try Self.fault(stranger.token(Self.claims()), keys: [first, second]) == .unknownKey("c"))
        #expect(try Self.fault(nameless.token(Self.claims()), keys: [first, second]) == nil)
    }

    @Test(arguments: [
        #"{"alg":"ES256","alg":"none"}"#, #"{"alg":"none","alg":"ES256"}"#,
        #"{"kid":"a","kid":"b","alg":"ES256"}"#,
        #"["ES256"]"#, #"{"alg":["ES256"]}"#, #"{"alg":null}"#, #"{}"#, #"{"alg":"ES256"}x"#,
        "\u{FEFF}{\"alg\":\"ES256\"}",
        #"{"alg":"ES256","kid":7}"#, #"{"alg":"ES256","typ":7}"#, "",
    ])
    func `a header that two readers might read in two ways is none`(header: String) throws {
        let mint = try Self.mint()
        let good = try mint.token(Self.claims()).split(separator: ".")
        let text = "\(TokenMint.spell(header.utf8)).\(good[1]).\(good[2])"
        #expect(try Self.fault(text, keys: [mint]) == .malformed)
    }

    @Test(arguments: [
        #"{"iss":"https://idp.example.com","iss":"https://evil.example"}"#, "null", "[]", "7", #""iss""#, "",
        "{",
    ])
    func `claims that are signed but no single object are none`(payload: String) throws {
        let mint = try Self.mint()
        let text = try mint.sign(header: ["alg": "ES256", "kid": "k-ES256"], payload: Array(payload.utf8))
        #expect(try Self.fault(text, keys: [mint]) == .malformed)
    }

    @Test func `only one spelling of a token is taken`() throws {
        let mint = try Self.mint("EdDSA")
        let good = try mint.token(Self.claims())
        #expect(try Self.fault(good, keys: [mint]) == nil)
        let parts = good.split(separator: ".").map(String.init)
        for place in 0..<3 {
            for change in ["=", "==", " ", "\n", "\u{0}", "+", "/", "A", "AA", "é"] {
                for isInFront in [true, false] {
                    var other = parts
                    other[place] = isInFront ? change + parts[place] : parts[place] + change
                    #expect(try Self.fault(other.joined(separator: "."), keys: [mint]) != nil)
                }
            }
            // The bits left over of the last character.
            if parts[place].utf8.count % 4 != 0, let last = parts[place].utf8.last {
                var other = parts
                let next = Character(UnicodeScalar(last + 1))
                other[place] = parts[place].dropLast() + String(next)
                #expect(try Self.fault(other.joined(separator: "."), keys: [mint]) != nil)
            }
        }
        for text in [
            "\(good).", ".\(good)", "\(good).\(parts[2])", "\(parts[0]).\(parts[1])", "..", "a.b.c", "",
        ] {
            #expect(try Self.fault(text, keys: [mint]) == .malformed)
        }
    }

    @Test func `what is too large is not even taken apart`() throws {
        let mint = try Self.mint()
        let text = try mint.token(Self.claims([("pad", .string(String(repeating: "x", count: 16_000)))]))
        #expect(try Self.fault(text, keys: [mint]) == .tooLarge)
        #expect(try Self.fault(String(repeating: "A", count: 1_000_000), keys: [mint]) == .tooLarge)
        let deep = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
        let nested = try mint.sign(header: ["alg": "ES256"], payload: Array("{\"a\":\(deep)}".utf8))
        #expect(try Self.fault(nested, keys: [mint]) == .malformed)
    }

    @Test func `what a token says is quoted without what a terminal would obey`() {
        let text = TokenFault.otherIssuer("\u{1B}[31m\"\r\n\u{202E}evil" + String(repeating: "x", count: 500))
            .description
        #expect(text.unicodeScalars.allSatisfy { $0.isASCII && $0.value >= 0x20 && $0 != "\"" })
        #expect(text.count < 200)
    }
}
