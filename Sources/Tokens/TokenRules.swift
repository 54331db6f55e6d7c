import JSONSlice

/// What is believed of one issuer's tokens.
package struct TokenRules: Hashable, Sendable {
    /// How far clocks may differ where nothing is configured.
    package static let slackDefault = 30
    /// Longer, and an expired token is as good as one that is not.
    package static let slackMax = 300
    /// Scopes of a token that are looked at.
    package static let scopesMax = 256
    private static let nameBytesMax = 512
    private static let audiencesMax = 64

    /// Compared byte for byte (RFC 8414 §2, RFC 9207 §2.4): no two spellings are one issuer.
    package var issuer: String
    package var algorithms: Set<SignatureAlgorithm>
    /// Seconds.
    package var slack: Int

    package init(
        issuer: String, algorithms: Set<SignatureAlgorithm> = SignatureAlgorithm.asymmetric,
        slack: Int = slackDefault
    ) {
        self.issuer = issuer
        self.algorithms = algorithms
        self.slack = slack
    }

    /// Believes a token or says why not.
    ///
    /// - Parameters:
    ///   - keys: the issuer's.
    ///   - audiences: of which the token must name at least one, byte for byte.
    ///   - now: seconds since 1970-01-01T00:00:00Z.
    /// - Complexity: one signature is checked for each key of the set that may have made it.
    package func check(
        _ token: SignedToken, keys: WebKeySet, audiences: Set<String>, at now: Int64
    ) throws(TokenFault) -> TokenClaims {
        guard algorithms.contains(token.algorithm) else {
            throw .algorithmNotAllowed(token.algorithm.rawValue)
        }
        guard let issuer = token.claims["iss"]?.string else { throw .missingClaim("iss") }
        // Before any key: another issuer's token is none of these keys' business.
        guard issuer.utf8.elementsEqual(self.issuer.utf8) else { throw .otherIssuer(issuer) }
        try token.signature.check(by: keys)
        return try believe(token.claims, audiences: audiences, at: now)
    }

    private func believe(
        _ claims: JSON, audiences: Set<String>, at now: Int64
    ) throws(TokenFault) -> TokenClaims {
        let expires = try time("exp", in: claims)
        guard let expires else { throw .missingClaim("exp") }
        let slack = Int64(slack)
        // Good until, not at, the moment (RFC 7519 §4.1.4).
        guard now < expires.addingClamped(slack) else {
            throw .expired(secondsAgo: now.secondsClamped(since: expires))
        }
        if let start = try time("nbf", in: claims), now.addingClamped(slack) < start {
            throw .notYetValid(inSeconds: start.secondsClamped(since: now))
        }
        if let issued = try time("iat", in: claims), now.addingClamped(slack) < issued {
            throw .fromTheFuture(bySeconds: issued.secondsClamped(since: now))
        }
        let named = try Self.audiences(in: claims)
        // Not by `==`, to which different spellings are the same.
        guard named.contains(where: { name in audiences.contains { $0.utf8.elementsEqual(name.utf8) } })
        else { throw .otherAudience }
        // Shown by anyone who has copied it, it would be worth less than its issuer meant (RFC 7800, RFC 8705, RFC 9449).
        if claims["cnf"] != nil { throw .boundToAKey }
        guard let subject = try Self.name("sub", in: claims) else { throw .missingClaim("sub") }
        var client = try Self.name("client_id", in: claims)
        if client == nil { client = try Self.name("azp", in: claims) }
        return TokenClaims(
            issuer: issuer, subject: subject, audiences: named, client: client,
            scopes: try Self.scopes(in: claims), expires: expires, all: claims.detached)
    }

    /// Seconds since 1970; a fraction is cut off (RFC 7519 §2, NumericDate).
    private func time(_ name: String, in claims: JSON) throws(TokenFault) -> Int64? {
        guard let value = claims[name] else { return nil }
        guard let number = value.double, (0...Self.timeMax).contains(number) else { throw .badClaim(name) }
        return Int64(number)
    }

    /// The year 9999: beyond it a number means something else, such as milliseconds.
    private static let timeMax = 253_402_300_799.0

    private static func audiences(in claims: JSON) throws(TokenFault) -> [String] {
        guard let value = claims["aud"] else { throw .missingClaim("aud") }
        if let one = value.string { return [one] }
        guard value.kind == .array else { throw .badClaim("aud") }
        let elements = value.elements
        let texts = elements.compactMap(\.string)
        guard texts.count == elements.count, texts.count <= audiencesMax else { throw .badClaim("aud") }
        return texts
    }

    private static func name(_ claim: String, in claims: JSON) throws(TokenFault) -> String? {
        guard let value = claims[claim] else { return nil }
        guard let text = value.string, (1...nameBytesMax).contains(text.utf8.count),
            text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { throw .badClaim(claim) }
        return text
    }

    /// `scope` (RFC 8693 §4.2: words with spaces between); some issuers write `scp`, as words or as a list.
    private static func scopes(in claims: JSON) throws(TokenFault) -> Set<String> {
        var scopes: Set<String> = []
        for claim in ["scope", "scp"] {
            guard let value = claims[claim] else { continue }
            let words: [String]
            if let text = value.string {
                words = TokenClaims.words(text)
            } else if value.kind == .array {
                words = value.elements.compactMap(\.string)
            } else {
                throw .badClaim(claim)
            }
            guard words.count <= scopesMax else { throw .badClaim(claim) }
            scopes.formUnion(words)
        }
        return scopes
    }
}

extension Int64 {
    fileprivate func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }

    fileprivate func secondsClamped(since other: Int64) -> Int {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? .max : Int(clamping: difference)
    }
}
