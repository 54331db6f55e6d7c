/// Why a token is not believed: one case a rule.
///
/// The text is for who runs the node. It is told to whoever sent the token only as far as it says nothing that they could not read
/// in the token themselves: a guesser learns nothing from it.
package enum TokenFault: Error, Hashable, Sendable {
    // What anybody can see who looks at the token.
    case tooLarge
    case malformed
    case algorithmNotAllowed(String)
    case critical(String)
    case otherType(String)
    case otherIssuer(String)
    case missingClaim(String)
    case badClaim(String)
    /// One that rules ask about says more than is looked at.
    case largeClaim(String, bound: String)
    case expired(secondsAgo: Int)
    case notYetValid(inSeconds: Int)
    case fromTheFuture(bySeconds: Int)
    case otherAudience
    case boundToAKey

    // What only the issuer's keys show.
    case unknownKey(String?)
    case badSignature

    /// Stable words for logs, counts and tests.
    package var rule: String {
        switch self {
        case .tooLarge: "token_too_large"
        case .malformed: "token_malformed"
        case .algorithmNotAllowed: "token_algorithm"
        case .critical: "token_critical"
        case .otherType: "token_type"
        case .otherIssuer: "token_issuer"
        case .missingClaim, .badClaim, .largeClaim: "token_claim"
        case .expired: "token_expired"
        case .notYetValid, .fromTheFuture: "token_not_yet_valid"
        case .otherAudience: "token_audience"
        case .boundToAKey: "token_bound"
        case .unknownKey: "token_key"
        case .badSignature: "token_signature"
        }
    }
}

extension TokenFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLarge: "the token is larger than \(CompactSignature.bytesMax / 1024) KiB"
        case .malformed: "the token is no JSON Web Token in compact form"
        case .algorithmNotAllowed(let name): "tokens signed with \(Self.quoted(name)) are not taken here"
        case .critical(let name):
            "the token demands that \(Self.quoted(name)) be understood, and here it is not"
        case .otherType(let type): "a token of type \(Self.quoted(type)) gives no access"
        case .otherIssuer(let issuer): "tokens of the issuer \(Self.quoted(issuer)) are not taken here"
        case .missingClaim(let name): "the token has no claim \(name)"
        case .badClaim(let name): "the token's claim \(name) is not what RFC 7519 says"
        case .largeClaim(let name, let bound):
            "the token's claim \(Self.quoted(name)) says more than is looked at here: \(bound)"
        case .expired(let seconds): "the token expired \(seconds) s ago"
        case .notYetValid(let seconds): "the token is not good before \(seconds) s from now"
        case .fromTheFuture(let seconds): "the token was issued \(seconds) s in the future: a clock is wrong"
        case .otherAudience: "the token is for another audience"
        case .boundToAKey: "the token is bound to a key of its holder, and that cannot be checked here"
        case .unknownKey(let id?): "the issuer has no key \(Self.quoted(id)) for this algorithm"
        case .unknownKey(nil): "the issuer has no key for this algorithm"
        case .badSignature: "the token's signature is not its issuer's"
        }
    }

    /// What a token says is quoted short, and without what a terminal or a header would act on.
    private static func quoted(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(80).map {
            $0.isASCII && $0.value >= 0x20 && $0 != "\"" ? Character($0) : "?"
        }
        return "'\(String(shown))'"
    }
}
