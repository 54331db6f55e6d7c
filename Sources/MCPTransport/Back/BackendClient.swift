import HTTPWire
import Synchronization

/// The client of one backend: sends requests with a token of the backend's source, if it has one.
///
/// A token that is refused with 401 is replaced once, and the request sent once more: 401 says that it was not carried out (RFC 9110
/// §15.5.2). Everything else is the caller's to judge.
struct BackendClient: Sendable {
    let http: HTTPClient
    let tokens: TokenSource?
    /// Whether the client is this backend's alone, and ends with it.
    let isOwn: Bool

    init(_ http: HTTPClient, tokens: TokenSource? = nil, isOwn: Bool = false) {
        self.http = http
        self.tokens = tokens
        self.isOwn = isOwn
    }

    func send(
        _ request: HTTPClientRequest, _ sink: @escaping @Sendable (HTTPClientEvent) -> Void
    ) -> HTTPClientHandle {
        guard let tokens else { return http.send(request, sink) }
        let errand = TokenErrand(request, http, tokens, sink)
        errand.begin()
        return HTTPClientHandle { errand.cancel() }
    }

    /// A person changed something, or wants it looked at again.
    func forget() {
        tokens?.forget()
        if isOwn { http.renewTLS() }
    }

    /// A secret of this backend has a new value, beside which the former one is live: what is open stays open.
    func secretRotated() {
        tokens?.secretRotated()
        if isOwn { http.renewTLS() }
    }

    func close() async {
        await tokens?.close()
        if isOwn { await http.shutdown() }
    }
}

/// One request on its way to a token, out, and perhaps to another token and out again.
private final class TokenErrand: Sendable {
    private struct State: Sendable {
        var isCancelled = false
        /// Of which attempt events still count: 1, then perhaps 2.
        var attempt = 1
        var running: LateHandle?
    }

    private let request: HTTPClientRequest
    private let http: HTTPClient
    private let tokens: TokenSource
    private let sink: @Sendable (HTTPClientEvent) -> Void
    private let state = Mutex(State())

    init(
        _ request: HTTPClientRequest, _ http: HTTPClient, _ tokens: TokenSource,
        _ sink: @escaping @Sendable (HTTPClientEvent) -> Void
    ) {
        self.request = request
        self.http = http
        self.tokens = tokens
        self.sink = sink
    }

    func begin() { tokens.token(nil) { self.go($0, attempt: 1) } }

    func cancel() {
        let running = state.withLock { state in
            state.isCancelled = true
            return state.running
        }
        running?.cancel()
    }

    private func go(_ found: Result<TokenSource.Token, CredentialTrouble>, attempt: Int) {
        guard !state.withLock({ $0.isCancelled }) else { return fail(.cancelled, isUnsent: true) }
        switch found {
        case .failure(let trouble): fail(.credential(trouble), isUnsent: true)
        case .success(let token):
            let running = LateHandle()
            let isCancelled = state.withLock { state in
                state.running = running
                return state.isCancelled
            }
            if isCancelled { running.cancel() }
            running.hold(
                http.send(Self.opened(request, by: token)) {
                    self.take($0, of: token.number, running, attempt)
                })
        }
    }

    /// With the token; so is what is sent in its place, with former values of other secrets.
    private static func opened(
        _ request: HTTPClientRequest, by token: TokenSource.Token
    ) -> HTTPClientRequest {
        var outgoing = request
        outgoing.headers.append(("Authorization", "Bearer \(token.text)"))
        if let again = request.again { outgoing.again = { again().map { opened($0, by: token) } } }
        return outgoing
    }

    private func take(
        _ event: HTTPClientEvent, of token: UInt64, _ running: LateHandle, _ attempt: Int
    ) {
        guard state.withLock({ $0.attempt == attempt }) else { return }
        guard case .head(let head) = event, head.status == 401 || head.status == 403 else {
            return sink(event)
        }
        let challenges = head.headers.all("www-authenticate")
        // What remains of this answer is nobody's.
        state.withLock { $0.attempt = attempt + 1 }
        http.giveUp(running)
        if head.status == 401, attempt == 1 {
            tokens.token(TokenSource.Refusal(number: token, challenges: challenges)) {
                self.go($0, attempt: 2)
            }
        } else {
            let text = tokens.meaning(head.status, challenges)
            fail(.credential(CredentialTrouble(.refused, text)), isUnsent: head.status == 401)
        }
    }

    private func fail(_ cause: HTTPClientError.Cause, isUnsent: Bool) {
        sink(.failed(HTTPClientError(cause, origin: request.url.origin, notSent: isUnsent)))
    }
}

extension BackendFault {
    /// A request that its credential did not bring through; `nil` for any other failure.
    init?(credential error: HTTPClientError) {
        guard case .credential(let trouble) = error.cause else { return nil }
        let kind: Kind =
            switch trouble.kind {
            case .refused: .authNeeded
            case .unavailable: .notReached
            case .sealed: .sealed
            }
        self.init(kind, trouble.text)
        if error.notSent { self = beforeSending }
    }
}
