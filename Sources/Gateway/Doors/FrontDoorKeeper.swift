import Catalog
import JSONSlice
import Logging
import MCPModel
import MCPTransport
import Policy
import Storage
import Synchronization
import Tokens

/// Stands at the MCP listener: finds out by which of the doors a request may come in, and says to the others what would let them in.
///
/// Keys are ``CallerDoor``'s, tokens ``TokenDoor``'s; who may come without any credential is ``ListenerPolicy``'s.
final class FrontDoorKeeper: Sendable {
    private let keys: CallerDoor
    private let tokens: TokenDoor?
    private let passwords: PasswordDoor?
    private let settings: AuthSettings
    private let guesses = Mutex(GuessBook())
    private let now: @Sendable () -> Instant

    /// - Parameter now: the clock of failures.
    init(
        keys: CallerDoor, tokens: TokenDoor?, settings: AuthSettings,
        now: @escaping @Sendable () -> Instant = { .zero }
    ) {
        self.now = now
        passwords = settings.users.isEmpty ? nil : PasswordDoor(settings.users)
        self.keys = keys
        self.tokens = tokens
        self.settings = settings
    }

    /// As an MCP front wants it.
    var front: FrontDoor {
        FrontDoor(
            admit: { [self] exchange, place, decided in admit(exchange, place, decided) },
            stillAdmits: { [self] exchange, place, decided in
                admit(exchange, place, isAttempt: false, decided)
            },
            objection: { [self] exchange, place, principal, method in
                objection(exchange, place, principal, method)
            },
            lasting: { [self] exchange in lasting(exchange) },
            resourceMetadata: { [self] exchange, place in metadata(exchange, place) })
    }

    /// Only a key's worth can be told for longer than a request without looking at it anew, and that nobody needs one.
    private func lasting(_ exchange: HTTPExchange) -> (@Sendable () -> Bool)? {
        let headers = exchange.headers.all("authorization")
        guard headers.count <= 1, exchange.peer == nil else { return nil }
        let presented = PresentedCredential(header: headers.first)
        if case .bearer(let text) = presented, tokens != nil, SignedToken.isLike(text) { return nil }
        return keys.lasting(presented, from: CallOrigin(exchange))
    }

    // MARK: Coming in

    /// - Parameter isAttempt: whether what is wrong counts as a guess, and who guessed too often is not listened to.
    private func admit(
        _ exchange: HTTPExchange, _ place: String?, isAttempt: Bool = true,
        _ decided: @escaping FrontDoor.Decided
    ) {
        let headers = exchange.headers.all("authorization")
        let resource = resource(exchange, place)
        guard headers.count <= 1 else {
            return decided(refusal(401, resource, message: "there is more than one Authorization header"))
        }
        let presented = PresentedCredential(header: headers.first)
        if let tokens, case .bearer(let text) = presented, SignedToken.isLike(text) {
            return tokens.examine(text, resource: resource?.identifier, at: .now()) { [self] finding in
                let isGuess =
                    if isAttempt, case .refused(_, isProven: false) = finding { true } else { false }
                decided(judge(exchange, isGuess: isGuess, resource) { decide(finding, resource) })
            }
        }
        if let passwords, case .basic(let encoded) = presented {
            // Looking at one costs a tenth of a second: whoever has failed too often has none looked at but those that were right before.
            // One counts as wrong from the start, so that guesses that come together are counted before the first is looked at.
            let source = isAttempt && !passwords.knows(encoded) ? source(exchange, encoded) : nil
            if let wait = charge(source) { return decided(guessedTooOften(wait, resource)) }
            return passwords.examine(encoded) { [self] finding in
                switch finding {
                case .user(let name):
                    refund(source)
                    decided(answer(keys.decide(.password(user: name), from: CallOrigin(exchange)), resource))
                case .wrong:
                    decided(answer(keys.decide(.wrongPassword, from: CallOrigin(exchange)), resource))
                case .busy:
                    refund(source)
                    decided(
                        .refused(
                            status: 503, challenge: nil,
                            message: "too many passwords are being looked at; try again later"))
                }
            }
        }
        let decision =
            if case .none = presented, let peer = exchange.peer {
                keys.decide(
                    .certificate(
                        CertificateNames(uris: peer.uris, dnsNames: peer.dnsNames, subject: peer.subject)),
                    from: CallOrigin(exchange))
            } else {
                keys.decide(presented, from: CallOrigin(exchange))
            }
        let isBearer = if case .bearer = presented { true } else { false }
        decided(
            judge(exchange, isGuess: isAttempt && decision.isWrongKey, resource) {
                answer(decision, resource, fault: isBearer ? .invalidToken : nil)
            })
    }

    // MARK: Guesses

    private func source(_ exchange: HTTPExchange, _ encoded: Substring? = nil) -> GuessBook.Source? {
        GuessBook.Source(
            address: exchange.remoteAddress, isLoopback: exchange.remoteIsLoopback,
            name: encoded.flatMap(PasswordDoor.name))
    }

    /// - Returns: how long the source has to wait, where it has guessed too often already.
    private func charge(_ source: GuessBook.Source?) -> Duration? {
        source.flatMap { source in guesses.withLock { $0.charge(source, at: now()) } }
    }

    private func refund(_ source: GuessBook.Source?) {
        if let source { guesses.withLock { $0.refund(source, at: now()) } }
    }

    /// A right credential is let in from wherever it comes: looking at a key or a token costs next to nothing, and others behind the same
    /// address may guess.
    private func judge(
        _ exchange: HTTPExchange, isGuess: Bool, _ resource: ProtectedResource?, _ answer: () -> Authorization
    ) -> Authorization {
        guard isGuess else { return answer() }
        if let wait = charge(source(exchange)) { return guessedTooOften(wait, resource) }
        return answer()
    }

    private func guessedTooOften(_ wait: Duration, _ resource: ProtectedResource?) -> Authorization {
        .refused(
            status: 429, challenge: nil,
            message: "too many wrong credentials came from this address within a minute; try again later",
            retryAfter: wait)
    }

    private func answer(
        _ decision: Decision, _ resource: ProtectedResource?, fault: BearerChallenge.Fault? = nil
    ) -> Authorization {
        switch decision {
        case .allowed(let principal): .allowed(principal)
        case .refused(let denial) where denial.rule == .keyNeeded && (tokens != nil || passwords != nil):
            refusal(401, resource, fault: fault, message: "this node wants a credential: \(ways)")
        case .refused(let denial): refusal(401, resource, fault: fault, message: denial.text)
        }
    }

    private func decide(_ finding: TokenDoor.Outcome, _ resource: ProtectedResource?) -> Authorization {
        switch finding {
        case .believed(let principal, let scopes):
            let missing = scopes.see.filter { principal.scopes?.contains($0) != true }
            guard missing.isEmpty else { return stepUp(resource, scopes.see, missing) }
            return .allowed(principal)
        case .refused(let fault, let isProven):
            // A guesser learns nothing; whoever holds a token that was good once may know why it is not.
            let text = isProven ? "\(fault)" : "the token is not one that is believed here"
            let message =
                isProven
                ? text
                : "\(text); the node's log says why, and `martlet doctor` shows what is wrong with keys"
            return refusal(401, resource, fault: .invalidToken, description: text, message: message)
        case .noKeys:
            return .refused(
                status: 503, challenge: nil,
                message: "the keys of the token's issuer cannot be had at the moment; try again in a while")
        }
    }

    /// By what one may come in, for a person.
    private var ways: String {
        let ways =
            ["a key (`martlet token create NAME` makes one)"]
            + (tokens?.issuerNames ?? []).map { "a token of \($0)" }
            + (passwords == nil ? [] : ["a name with its password"])
        return ways.joined(separator: ", or ")
    }

    // MARK: Doing more

    private func objection(
        _ exchange: HTTPExchange, _ place: String?, _ principal: Principal, _ method: String
    ) -> Authorization? {
        guard let held = principal.scopes, let scopes = tokens?.scopes(of: principal.caller.issuer) else {
            return nil
        }
        let needed = scopes.needed(for: method)
        let missing = needed.filter { !held.contains($0) }
        return missing.isEmpty ? nil : stepUp(resource(exchange, place), needed, missing)
    }

    private func stepUp(_ resource: ProtectedResource?, _ needed: [String], _ missing: [String])
        -> Authorization
    {
        refusal(
            403, resource, fault: .insufficientScope, scopes: needed,
            description: "the token lacks \(missing.joined(separator: " "))",
            message: "the token lacks the scope \(missing.joined(separator: " ")); get one that has it")
    }

    // MARK: What clients are told

    private func metadata(_ exchange: HTTPExchange, _ place: String?) -> JSON? {
        guard let tokens, let resource = resource(exchange, place ?? "/mcp") else { return nil }
        return resource.metadata(issuers: tokens.issuerNames, scopes: tokens.scopes)
    }

    private func resource(_ exchange: HTTPExchange, _ place: String?) -> ProtectedResource? {
        // Whoever takes no tokens has nothing to say of where to get one.
        guard tokens != nil, let place else { return nil }
        let host = exchange.target.authority?.description ?? exchange.headers.first("host")
        return ProtectedResource(
            configured: settings.url, isSecure: exchange.isSecure, host: host,
            localPort: exchange.localPort, path: place)
    }

    private func refusal(
        _ status: Int, _ resource: ProtectedResource?, fault: BearerChallenge.Fault? = nil,
        scopes: [String]? = nil,
        description: String? = nil, message: String
    ) -> Authorization {
        var challenge = BearerChallenge()
        if let tokens {
            challenge = BearerChallenge(
                metadataURL: resource?.metadataURL, scopes: scopes ?? tokens.scopesToEnter, fault: fault,
                description: description)
        }
        let basic = passwords != nil && status == 401 ? #", Basic realm="martlet", charset="UTF-8""# : ""
        return .refused(status: status, challenge: challenge.text + basic, message: message)
    }
}

extension ScopeSettings {
    /// All that a token needs for a method.
    func needed(for method: String) -> [String] {
        switch method {
        case Method.toolsCall, Method.tasksUpdate, Method.tasksCancel: see + call.filter { !see.contains($0) }
        case Method.resourcesRead, Method.promptsGet, Method.resourcesSubscribe, Method.completionComplete:
            see + read.filter { !see.contains($0) }
        default: see
        }
    }
}

extension Decision {
    /// Whether somebody tried a key that is none.
    fileprivate var isWrongKey: Bool {
        guard case .refused(let denial) = self else { return false }
        return denial.rule == .notAKey || denial.rule == .keyUnknown
    }
}

extension CallOrigin {
    init(_ exchange: HTTPExchange) {
        self.init(
            remoteIsLoopback: exchange.remoteIsLoopback, hasHeader: { exchange.headers.first($0) != nil })
    }
}
