import HTTPWire

/// A URL that takes JSON by POST and answers with it; its headers may hold secrets, opened for each request and kept by nobody.
///
/// A redirect is an answer like any other: the credential goes to no other place.
package struct JSONPost: Sendable {
    package struct Answer: Sendable {
        package var status: Int
        /// What it says of when to come back (RFC 9110 §10.2.3), if it says it in seconds.
        package var retryAfter: Duration?
        package var body: [UInt8]

        package init(status: Int, retryAfter: Duration? = nil, body: [UInt8]) {
            self.status = status
            self.retryAfter = retryAfter
            self.body = body
        }
    }

    /// Why there is no answer.
    package struct Failure: Error, Hashable, Sendable {
        package enum Kind: Hashable, Sendable {
            /// It was not reached, or did not answer in time, or not in HTTP.
            case unreachable
            case answerTooLarge
            /// The request could not be made: a secret does not open, the URL is none.
            case unmade
            /// Nobody wanted it any more.
            case cancelled
        }

        package var kind: Kind
        /// A sentence for an operator, without a word of the other side's.
        package var text: String
        /// Where a secret that the connection needs was the trouble.
        package var credential: CredentialTrouble.Kind?
    }

    /// A day: no one means more, and nothing overflows.
    private static let retryAfterSecondsMax = 86_400

    private let url: String
    private let headers: [(String, SecretText)]
    private let http: HTTPClient
    private let secrets: @Sendable (String) throws -> [UInt8]

    /// - Parameter headers: beside those that say that both bodies are JSON, which win.
    package init(
        url: String, headers: [(String, SecretText)], http: HTTPClient,
        secrets: @escaping @Sendable (String) throws -> [UInt8]
    ) {
        self.url = url
        self.headers = headers
        self.http = http
        self.secrets = secrets
    }

    /// - Parameters:
    ///   - time: from now to the last byte of the answer.
    ///   - answerBytesMax: of the answer's body.
    package func send(
        _ body: [UInt8], within time: Duration, answerBytesMax: Int
    ) async throws(Failure) -> Answer {
        let request = try request(body, within: time)
        do throws(HTTPClientError) {
            let (head, body) = try await http.collect(request, bodyBytesMax: answerBytesMax)
            return Self.answer(head, body)
        } catch {
            throw Self.failure(error)
        }
    }

    /// The same for those who have no task to wait in.
    ///
    /// - Parameter answered: called once, on a loop of the client's, or at once where there is nothing to send; must not block.
    /// - Returns: what cancels it; `nil` when it was answered at once.
    package func send(
        _ body: [UInt8], within time: Duration, answerBytesMax: Int,
        _ answered: @escaping @Sendable (Result<Answer, Failure>) -> Void
    ) -> HTTPClientHandle? {
        do throws(Failure) {
            let request = try request(body, within: time)
            return http.collect(request, bodyBytesMax: answerBytesMax) { result in
                switch result {
                case .success((let head, let body)): answered(.success(Self.answer(head, body)))
                case .failure(let error): answered(.failure(Self.failure(error)))
                }
            }
        } catch {
            answered(.failure(error))
            return nil
        }
    }

    private func request(_ body: [UInt8], within time: Duration) throws(Failure) -> HTTPClientRequest {
        do throws(BackendFault) {
            return try AuthorizedURL(url, headers: headers, secrets: secrets).request(
                "POST", fields: [("Content-Type", "application/json"), ("Accept", "application/json")],
                body: body, timeout: time)
        } catch {
            throw Failure(kind: .unmade, text: error.detail)
        }
    }

    static func answer(_ head: HTTPResponseHead, _ body: [UInt8]) -> Answer {
        let seconds = head.headers.first("Retry-After").flatMap { Int($0) }
        return Answer(
            status: head.status,
            retryAfter: seconds.map { .seconds(min(max($0, 0), retryAfterSecondsMax)) }, body: body)
    }

    static func failure(_ error: HTTPClientError) -> Failure {
        switch error.cause {
        case .cancelled, .shutDown: Failure(kind: .cancelled, text: "\(error)")
        case .answerTooLarge: Failure(kind: .answerTooLarge, text: "\(error)")
        case .badResponse:
            // What is wrong with it may be said in its own words, and those may hold what it was sent.
            Failure(kind: .unreachable, text: "\(error.origin): it answered something that is no HTTP/1.1")
        case .credential(let trouble):
            Failure(kind: .unreachable, text: "\(error)", credential: trouble.kind)
        default: Failure(kind: .unreachable, text: "\(error)")
        }
    }
}
