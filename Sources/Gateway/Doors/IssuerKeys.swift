import Catalog
import Logging
import MCPTransport
import Synchronization
import Tokens

/// Holds the keys of one issuer, and has them fetched when ``KeySetCache`` says so.
///
/// Whoever asks for keys that are just being fetched is called back when they are there; nobody waits on a thread.
final class IssuerKeys: Sendable {
    typealias Ready = @Sendable (WebKeySet?) -> Void

    /// From the question to the last byte. A caller waits for it.
    static let fetchMax = Duration.seconds(5)
    /// Callers that wait for one fetch; more are told to come again. Each holds one request.
    static let waitingMax = 1_000

    private struct Waiting {
        let token: CompactSignature
        let ready: Ready
    }

    private struct State {
        var cache = KeySetCache()
        var waiting: [Waiting] = []
        var trouble: String?
        var news = RepeatedTrouble()
    }

    private let issuer: String
    private let url: String
    private let fetch: Fetch
    private let now: @Sendable () -> Instant
    private let log: Logger
    private let state = Mutex(State())

    /// Asks for the document at a URL, and answers once, on any thread.
    typealias Fetch =
        @Sendable (
            _ url: String, _ answered: @escaping @Sendable (Result<[UInt8], KeyFetchTrouble>) -> Void
        ) -> Void

    init(
        issuer: String, url: String, fetch: @escaping Fetch, now: @escaping @Sendable () -> Instant,
        log: Logger
    ) {
        self.issuer = issuer
        self.url = url
        self.fetch = fetch
        self.now = now
        self.log = log
    }

    /// Why there are no keys, or no newer ones.
    var trouble: String? { state.withLock { $0.trouble } }

    /// So that a wrong address is seen before the first caller comes.
    func begin() {
        if state.withLock({ $0.cache.shouldFetchAtStart() }) { ask() }
    }

    /// Calls back once with the keys to check a token by, at once where they are there; with `nil` where there are none.
    func keys(for token: CompactSignature, _ ready: @escaping Ready) {
        enum Then {
            case answer(WebKeySet?)
            case fetch
            case answerAndFetch(WebKeySet)
            case wait
        }
        let seconds = seconds
        let then = state.withLock { state -> Then in
            switch state.cache.next(for: token, at: seconds) {
            case .use(let keys): return .answer(keys)
            case .useAndFetch(let keys): return .answerAndFetch(keys)
            case .noKeys: return .answer(nil)
            case .fetch:
                state.waiting.append(Waiting(token: token, ready: ready))
                return .fetch
            case .wait:
                guard state.waiting.count < Self.waitingMax else { return .answer(nil) }
                state.waiting.append(Waiting(token: token, ready: ready))
                return .wait
            }
        }
        switch then {
        case .answer(let keys): ready(keys)
        case .answerAndFetch(let keys):
            ready(keys)
            ask()
        case .fetch: ask()
        case .wait: break
        }
    }

    private var seconds: KeySetCache.Seconds { now().nanoseconds / 1_000_000_000 }

    private func ask() {
        fetch(url) { [self] answer in take(answer) }
    }

    private func take(_ answer: Result<[UInt8], KeyFetchTrouble>) {
        let result: Result<WebKeySet, KeyFetchTrouble> = answer.flatMap { document in
            do throws(WebKeySet.Fault) {
                return .success(try WebKeySet(document: document, allowsShared: false))
            } catch {
                return .failure(KeyFetchTrouble(text: "what \(url) answers is no set of keys: \(error)"))
            }
        }
        let seconds = seconds
        let (waiting, said) = state.withLock { state -> ([Waiting], String?) in
            switch result {
            case .success(let keys):
                state.cache.fetched(keys, at: seconds)
                state.trouble = nil
            case .failure(let trouble):
                state.cache.failed(at: seconds)
                state.trouble = trouble.text
            }
            defer { state.waiting = [] }
            return (state.waiting, state.news.news(state.trouble))
        }
        if let said {
            log.warning(
                "The keys of an issuer could not be fetched.",
                metadata: ["auth.issuer": "\(issuer)", "error": "\(said)"])
        }
        for one in waiting { keys(for: one.token, one.ready) }
    }
}

/// Why an issuer's keys did not come, for an operator.
struct KeyFetchTrouble: Error, Hashable, Sendable {
    var text: String
}
