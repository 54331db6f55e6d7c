import Catalog
import JSONSlice
import Logging
import MCPModel
import Policy
import Storage
import Synchronization
import Tokens

/// Believes tokens of the configured issuers, or says why not.
final class TokenDoor: Sendable {
    /// What was found of one token.
    enum Outcome: Sendable {
        case believed(Principal, ScopeSettings)
        /// `isProven`: its issuer did make it, so whoever shows it may know what is wrong with it.
        case refused(TokenFault, isProven: Bool)
        /// The issuer's keys are not to be had now.
        case noKeys
    }

    private enum Source: Sendable {
        case network(IssuerKeys)
        case file(KeyFile)
    }

    private struct Issuer: Sendable {
        let settings: TokenIssuer
        let source: Source
    }

    /// Values of one claim that rules ask about. A token that says more is refused: of a cut list nobody can tell whether a
    /// rule that denies was about what is missing.
    static let valuesMax = 1_024
    /// Bytes of all that is kept of one token: what the largest token can carry, once.
    static let claimsBytesMax = CompactSignature.bytesMax
    /// The name under which the teams of ``TokenIssuer/teamsClaim`` stand among a principal's claims.
    static let teams = "teams"
    /// Between two words about refused tokens in the log: who guesses must not fill the disk.
    private static let wordPause = Duration.seconds(1)

    private let issuers: [String: Issuer]
    private let order: [String]
    /// Names of the claims that rules ask about; nothing else of a token is kept, so that one that changes with every renewal
    /// makes no new principal.
    private let asked: Set<String>
    private let log: Logger
    private let now: @Sendable () -> Instant
    private let saidAt = Mutex<Instant?>(nil)

    /// - Parameter asked: the claims that rules ask about (``AccessRules/claimsAsked``).
    /// - Throws: ``Refusal`` for a file of keys that cannot be used.
    init(
        _ settings: [TokenIssuer], asked: Set<String>, fetch: @escaping IssuerKeys.Fetch,
        now: @escaping @Sendable () -> Instant,
        log: Logger
    ) throws(Refusal) {
        var issuers: [String: Issuer] = [:]
        for one in settings {
            let source: Source =
                switch one.keys {
                case .url(let url):
                    .network(
                        IssuerKeys(issuer: one.rules.issuer, url: url, fetch: fetch, now: now, log: log))
                case .file(let path): .file(try KeyFile(path))
                }
            issuers[one.rules.issuer] = Issuer(settings: one, source: source)
        }
        self.issuers = issuers
        order = settings.map(\.rules.issuer)
        self.asked = asked
        self.log = log
        self.now = now
    }

    var issuerNames: [String] { order }
    /// All that any issuer's tokens may need.
    var scopes: [String] { Set(issuers.values.flatMap(\.settings.scopes.all)).sorted() }
    /// What a token must have at the least to come in, whatever its issuer.
    var scopesToEnter: [String] { Set(issuers.values.flatMap(\.settings.scopes.see)).sorted() }

    func scopes(of issuer: String) -> ScopeSettings? { issuers[issuer]?.settings.scopes }

    /// What keeps an issuer's keys away, by issuer.
    var troubles: [(issuer: String, trouble: String)] {
        order.compactMap { name in
            let trouble: String? =
                switch issuers[name]?.source {
                case .network(let keys)?: keys.trouble
                case .file(let file)?: file.trouble
                case nil: nil
                }
            return trouble.map { (name, $0) }
        }
    }

    /// For `martlet doctor`.
    var findings: [Finding] {
        let troubles = Dictionary(
            troubles.map { ($0.issuer, $0.trouble) }, uniquingKeysWith: { first, _ in first })
        return order.map { issuer in
            troubles[issuer].map {
                Finding(
                    "tokens", .bad, "the keys of \(issuer) do not come: \($0)",
                    mend: "jwks of auth.jwt, and auth.fetch where the issuer is inside")
            } ?? Finding("tokens", .ok, "of \(issuer) are believed")
        }
    }

    /// Has keys fetched that will be needed.
    func begin() {
        for case .network(let keys) in issuers.values.map(\.source) { keys.begin() }
    }

    /// Takes files anew that have changed; blocks as files do.
    func refreshFiles() {
        for case .file(let file) in issuers.values.map(\.source) {
            if let trouble = file.refresh() {
                log.warning(
                    "A file of keys cannot be used; the former keys stay.", metadata: ["error": "\(trouble)"])
            }
        }
    }

    /// Decides about a token.
    ///
    /// - Parameters:
    ///   - resource: the endpoint's own name, of which a token must be where no audience is configured; `nil`: it has none.
    ///   - found: called once, at once or later and on any thread.
    func examine(
        _ text: Substring, resource: String?, at time: WallTime,
        _ found: @escaping @Sendable (Outcome) -> Void
    ) {
        let token: SignedToken
        do throws(TokenFault) {
            token = try SignedToken(text)
        } catch {
            return found(refuse(error, isProven: false))
        }
        guard let name = token.claimedIssuer else {
            return found(refuse(.missingClaim("iss"), isProven: false))
        }
        guard let issuer = issuers[name] else { return found(refuse(.otherIssuer(name), isProven: false)) }
        let audiences = Set(
            issuer.settings.audiences.isEmpty ? resource.map { [$0] } ?? [] : issuer.settings.audiences)
        let decide: @Sendable (WebKeySet?) -> Void = { [self] keys in
            guard let keys else { return found(.noKeys) }
            do throws(TokenFault) {
                let claims = try issuer.settings.rules.check(
                    token, keys: keys, audiences: audiences, at: time.milliseconds / 1000)
                found(.believed(try principal(claims, issuer.settings), issuer.settings.scopes))
            } catch {
                found(refuse(error, isProven: error.isFoundAfterTheSignature))
            }
        }
        switch issuer.source {
        case .network(let keys): keys.keys(for: token.signature, decide)
        case .file(let file): decide(file.keys)
        }
    }

    // MARK: -

    private func refuse(_ fault: TokenFault, isProven: Bool) -> Outcome {
        let moment = now()
        let isDue = saidAt.withLock { said in
            guard said.map({ moment - $0 >= Self.wordPause }) ?? true else { return false }
            said = moment
            return true
        }
        if isDue {
            log.notice("A token was refused.", metadata: ["auth.rule": "\(fault.rule)", "why": "\(fault)"])
        }
        return .refused(fault, isProven: isProven)
    }

    private func principal(_ claims: TokenClaims, _ settings: TokenIssuer) throws(TokenFault) -> Principal {
        var said: [String: [String]] = [:]
        for name in asked where !Self.own.contains(name) {
            if name == Self.teams, let path = settings.teamsClaim {
                said[name] = claims.names(at: path, atMost: Self.valuesMax + 1)
            } else if let value = claims.all[name] {
                said[name] = value.string.map { [$0] } ?? value.elements.compactMap(\.string)
            }
        }
        said = said.filter { !$0.value.isEmpty }
        var bytes = 0
        for name in said.keys.sorted() {
            let values = said[name, default: []]
            bytes += values.reduce(0) { $0 + $1.utf8.count }
            guard values.count <= Self.valuesMax, bytes <= Self.claimsBytesMax else {
                throw .largeClaim(
                    name, bound: "\(Self.valuesMax) values, and \(Self.claimsBytesMax / 1024) KiB together")
            }
        }
        return Principal(
            Caller(issuer: claims.issuer, subject: claims.subject), claims: said, scopes: claims.scopes)
    }

    /// What says when, by and for whom; not what the bearer is.
    private static let own: Set<String> = [
        "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "nonce", "at_hash",
    ]
}

extension TokenFault {
    /// Whether an issuer of ours had signed it, so that the issuer's own words are what is wrong.
    fileprivate var isFoundAfterTheSignature: Bool {
        switch self {
        case .expired, .notYetValid, .fromTheFuture, .otherAudience, .boundToAKey, .missingClaim, .badClaim,
            .largeClaim:
            true
        case .tooLarge, .malformed, .algorithmNotAllowed, .critical, .otherType, .otherIssuer, .unknownKey,
            .badSignature:
            false
        }
    }
}
