import JSONSlice
import Logging
import MCPTransport
import Storage
import Synchronization
import Tokens

/// Keeps the token that opens one backend: has it fetched and renewed by ``GrantErrand`` as ``GrantCourse`` decides, once for all who ask.
///
/// The token is in this memory and nowhere else. It belongs to the backend as it was defined when this was made: one that is defined
/// otherwise gets another keeper, which knows nothing of it.
final class GrantKeeper: Sendable {
    /// Callers that wait for one errand: as many as calls may run at one backend, several times.
    static let waitingMax = 1_000
    /// How long what was found out of resource and authorization server is good.
    static let knownFor = Duration.seconds(3_600)

    private struct Waiting {
        let refusal: TokenSource.Refusal?
        let ready: TokenSource.Ready
    }

    private struct State {
        var course = GrantCourse()
        var waiting: [Waiting] = []
        var known = Perishable<GrantErrand.Discovery>(life: GrantKeeper.knownFor)
        /// One more whenever a person changed something: what an errand from before brings is not taken.
        var epoch = 0
        var news = RepeatedTrouble()
    }

    /// One errand on its way.
    private struct Round {
        let epoch: Int
        let deadline: ContinuousClock.Instant
        /// Whether the credential's former value is shown, the current one having been refused.
        var showsFormer = false
    }

    private enum Then {
        case give(Result<TokenSource.Token, CredentialTrouble>)
        case fetch(epoch: Int, GrantErrand.Discovery?)
        case giveAndFetch(TokenSource.Token, epoch: Int, GrantErrand.Discovery?)
        case wait
    }

    private let server: String
    private let settings: GrantSettings
    /// By which the backend itself is asked.
    private let backend: HTTPClient
    /// By which everybody else is.
    private let wire: HTTPClient
    private let credential: @Sendable () throws -> [UInt8]
    private let former: @Sendable () throws -> [UInt8]?
    private let patience: GrantPatience
    private let start = ContinuousClock.now
    private let log: Logger
    private let state = Mutex(State())

    /// - Parameters:
    ///   - wire: asks about each address that it goes to; shut down with this.
    ///   - credential: opens the client's secret or private key for one use.
    ///   - former: the value before, while it is live too; `nil`: there is none.
    init(
        server: String, settings: GrantSettings, backend: HTTPClient, wire: HTTPClient,
        credential: @escaping @Sendable () throws -> [UInt8],
        former: @escaping @Sendable () throws -> [UInt8]? = { nil }, patience: GrantPatience = .standard,
        log: Logger
    ) {
        self.server = server
        self.settings = settings
        self.backend = backend
        self.wire = wire
        self.credential = credential
        self.former = former
        self.patience = patience
        self.log = log
    }

    /// As a backend wants it.
    var source: TokenSource {
        TokenSource(
            token: { self.token(after: $0, $1) }, meaning: { self.meaning(of: $0, $1) },
            forget: { self.forget() }, secretRotated: { self.secretRotated() },
            close: { await self.wire.shutdown() })
    }

    // MARK: Asked

    private func token(after refusal: TokenSource.Refusal?, _ ready: @escaping TokenSource.Ready) {
        let now = milliseconds
        let then = state.withLock { state -> Then in
            switch state.course.next(refusing: refusal?.number, at: now) {
            case .use(let held): return .give(.success(Self.token(held)))
            case .useAndFetch(let held):
                return .giveAndFetch(Self.token(held), epoch: state.epoch, state.known.value(at: .now))
            case .refuse(let trouble):
                if trouble == .freshTokenRefused { state.known.drop() }
                return .give(.failure(Self.trouble(trouble)))
            case .fetch:
                state.waiting.append(Waiting(refusal: refusal, ready: ready))
                return .fetch(epoch: state.epoch, state.known.value(at: .now))
            case .wait:
                guard state.waiting.count < Self.waitingMax else {
                    return .give(.failure(Self.trouble(.tooMuchWork(max: Self.waitingMax))))
                }
                state.waiting.append(Waiting(refusal: refusal, ready: ready))
                return .wait
            }
        }
        switch then {
        case .give(let result): ready(result)
        case .giveAndFetch(let token, let epoch, let known):
            ready(.success(token))
            begin(knowing: known, challenge: nil, epoch)
        case .fetch(let epoch, let known):
            let challenge = refusal.flatMap { ResourceChallenge(headers: $0.challenges) }
            begin(knowing: known, challenge: challenge, epoch)
        case .wait: break
        }
    }

    private func meaning(of status: Int, _ challenges: [String]) -> String {
        guard status == 403 else {
            state.withLock { $0.known.drop() }
            return GrantTrouble.freshTokenRefused.description
        }
        let challenge = ResourceChallenge(headers: challenges)
        guard let scopes = challenge?.scopes, !scopes.isEmpty else {
            return
                "it refuses what the token is used for (HTTP 403); ask whoever runs it what this client may do"
        }
        return
            "it wants a token with the scopes \(scopes.joined(separator: " ")) (HTTP 403); name them in auth.clientCredentials.scopes"
    }

    private func forget() {
        startAnew { state in
            state.course.forget()
            state.known.drop()
        }
    }

    private func secretRotated() { startAnew { $0.course.credentialRotated() } }

    private func startAnew(_ body: (inout State) -> Void) {
        let waiting = state.withLock { state in
            state.epoch += 1
            body(&state)
            defer { state.waiting = [] }
            return state.waiting
        }
        for one in waiting { token(after: nil, one.ready) }
    }

    // MARK: The errand

    private func begin(
        knowing known: GrantErrand.Discovery?, challenge: ResourceChallenge?, _ epoch: Int
    ) {
        run(
            GrantErrand(settings, challenge: challenge, knowing: known),
            Round(epoch: epoch, deadline: .now + patience.errand))
    }

    private func run(_ errand: GrantErrand, _ round: Round) {
        switch errand.next() {
        case .over(.failure(let trouble))
        where trouble.isOfCredential && !round.showsFormer && errand.discovery != nil:
            // The authorization server has not changed over yet.
            guard let bytes = try? former() else {
                return finish(.failure(trouble), errand.discovery, round.epoch)
            }
            var round = round
            round.showsFormer = true
            order(GrantErrand(settings, challenge: nil, knowing: errand.discovery), with: bytes, round)
        case .over(let result): finish(result, errand.discovery, round.epoch)
        case .fetch(let fetch): send(fetch, errand, round)
        case .order:
            do throws(GrantTrouble) {
                order(errand, with: try opened(), round)
            } catch {
                fail(errand, error, round)
            }
        }
    }

    private func order(_ errand: GrantErrand, with credential: [UInt8], _ round: Round) {
        guard case .order(let order) = errand.next() else { return run(errand, round) }
        var random = SystemRandomNumberGenerator()
        let id = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        do throws(GrantTrouble) {
            let fetch = try order.request(
                with: credential, id: Base64URL.encode(id), at: WallTime.now().milliseconds / 1_000)
            send(fetch, errand, round)
        } catch {
            fail(errand, error, round)
        }
    }

    private func fail(_ errand: GrantErrand, _ trouble: GrantTrouble, _ round: Round) {
        var errand = errand
        errand.take(.failure(trouble))
        run(errand, round)
    }

    private func opened() throws(GrantTrouble) -> [UInt8] {
        do {
            return try credential()
        } catch let error as SecretNotForUse {
            throw .noSecret(error.description)
        } catch {
            throw .sealed("\(error)")
        }
    }

    private func send(_ fetch: GrantFetch, _ errand: GrantErrand, _ round: Round) {
        let left = ContinuousClock.now.duration(to: round.deadline)
        let answered = { @Sendable (answer: Result<GrantAnswer, GrantTrouble>) in
            var errand = errand
            errand.take(answer)
            self.run(errand, round)
        }
        guard left > .zero else {
            return answered(.failure(.unreachable("no answer within \(patience.errand)")))
        }
        let exchange = JSONExchange(
            url: fetch.url, method: fetch.method, headers: fetch.headers, body: fetch.body,
            wantsBody: fetch.wants == .whole)
        exchange.send(
            by: fetch.way == .backend ? backend : wire, within: min(left, patience.fetch),
            answerBytesMax: ResourceMetadata.bytesMax
        ) { result in
            switch result {
            case .success(let answer):
                answered(
                    .success(
                        GrantAnswer(status: answer.status, challenges: answer.challenges, body: answer.body)))
            case .failure(let failure) where failure.kind == .answerTooLarge:
                answered(.failure(.notMetadata(fetch.url)))
            case .failure(let failure) where failure.credential == .sealed:
                answered(.failure(.sealed(failure.text)))
            case .failure(let failure) where failure.credential == .refused:
                answered(.failure(.noSecret(failure.text)))
            case .failure(let failure): answered(.failure(.unreachable(failure.text)))
            }
        }
    }

    private func finish(
        _ result: Result<AccessToken, GrantTrouble>, _ discovery: GrantErrand.Discovery?, _ epoch: Int
    ) {
        let now = milliseconds
        let (outcome, waiting, said) = state.withLock { state in
            guard state.epoch == epoch else {
                return (Result<TokenSource.Token, CredentialTrouble>?.none, [Waiting](), String?.none)
            }
            defer { state.waiting = [] }
            switch result {
            case .success(let token):
                if let discovery { state.known.keep(discovery, at: .now) }
                let held = state.course.granted(token, at: now)
                _ = state.news.news(nil)
                return (.success(Self.token(held)), state.waiting, nil)
            case .failure(let trouble):
                if !trouble.isOfThisNode {
                    state.known.drop()
                } else if let discovery {
                    state.known.keep(discovery, at: .now)
                }
                state.course.failed(trouble, at: now)
                return (
                    .failure(Self.trouble(trouble)), state.waiting, state.news.news(trouble.description)
                )
            }
        }
        if let said {
            log.warning(
                "A token for a server could not be had.",
                metadata: ["mcp.server": "\(server)", "error": "\(said)"])
        }
        guard let outcome else { return }
        for one in waiting { one.ready(outcome) }
    }

    // MARK: -

    private var milliseconds: GrantCourse.Milliseconds {
        let (seconds, attoseconds) = start.duration(to: .now).components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }

    private static func token(_ held: GrantCourse.Held) -> TokenSource.Token {
        TokenSource.Token(text: held.token.text, number: held.number)
    }

    private static func trouble(_ trouble: GrantTrouble) -> CredentialTrouble {
        let kind: CredentialTrouble.Kind =
            switch trouble.kind {
            case .refused: .refused
            case .unavailable: .unavailable
            case .sealed: .sealed
            }
        return CredentialTrouble(kind, trouble.description)
    }
}

/// How long a token may take; callers wait for it.
struct GrantPatience: Hashable, Sendable {
    /// One request of an errand, from sending it to the last byte.
    var fetch = Duration.seconds(5)
    /// A whole errand, which has nine requests at most. Shorter than a server is given to say which era it speaks
    /// (`BackendLimits.probeTimeout`), or it would be taken for one that says nothing.
    var errand = Duration.seconds(8)

    static let standard = GrantPatience()
}
