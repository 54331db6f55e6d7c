import HTTPWire

/// One request and its answer, for whoever speaks with neither a backend nor an embedder: authorization servers, metadata.
///
/// A redirect is an answer like any other.
package struct JSONExchange: Sendable {
    package struct Answer: Sendable {
        package var status: Int
        /// The fields `WWW-Authenticate`, in order.
        package var challenges: [String]
        /// Empty where only the head was wanted.
        package var body: [UInt8]
    }

    private let url: String
    private let method: String
    private let headers: [(String, String)]
    private let body: [UInt8]
    private let wantsBody: Bool

    package init(
        url: String, method: String, headers: [(String, String)], body: [UInt8] = [], wantsBody: Bool = true
    ) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
        self.wantsBody = wantsBody
    }

    /// - Parameters:
    ///   - time: from now to the last byte that is wanted.
    ///   - answered: called once, on a loop of the client's, or at once where the URL is none; must not block. A failure's text is
    ///     without a word of the other side's.
    package func send(
        by http: HTTPClient, within time: Duration, answerBytesMax: Int,
        _ answered: @escaping @Sendable (Result<Answer, JSONPost.Failure>) -> Void
    ) {
        let place: HTTPURL
        do throws(HTTPURLError) {
            place = try HTTPURL(url)
        } catch {
            return answered(.failure(JSONPost.Failure(kind: .unmade, text: "\(error)")))
        }
        let request = HTTPClientRequest(place, method: method, headers: headers, body: body, timeout: time)
        guard wantsBody else { return sendForHead(request, by: http, answered) }
        _ = http.collect(request, bodyBytesMax: answerBytesMax) { result in
            switch result {
            case .success((let head, let body)): answered(.success(Self.answer(head, body)))
            case .failure(let error): answered(.failure(JSONPost.failure(error)))
            }
        }
    }

    /// The body may be a stream without an end.
    private func sendForHead(
        _ request: HTTPClientRequest, by http: HTTPClient,
        _ answered: @escaping @Sendable (Result<Answer, JSONPost.Failure>) -> Void
    ) {
        let running = LateHandle()
        let answered = OnlyFirst(answered)
        running.hold(
            http.send(request) { event in
                switch event {
                case .head(let head):
                    answered.give(.success(Self.answer(head, [])))
                    running.cancel()
                case .failed(let error): answered.give(.failure(JSONPost.failure(error)))
                case .body, .end: break
                }
            })
    }

    private static func answer(_ head: HTTPResponseHead, _ body: [UInt8]) -> Answer {
        Answer(status: head.status, challenges: head.headers.all("www-authenticate"), body: body)
    }
}
