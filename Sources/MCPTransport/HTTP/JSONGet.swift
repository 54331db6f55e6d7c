import HTTPWire

/// A URL that answers to GET with JSON, without any credential. A redirect is an answer like any other.
package struct JSONGet: Sendable {
    private let url: String
    private let http: HTTPClient

    package init(url: String, http: HTTPClient) {
        self.url = url
        self.http = http
    }

    /// - Parameters:
    ///   - time: from now to the last byte of the answer.
    ///   - answerBytesMax: of the answer's body.
    ///   - answered: called once, on a loop of the client's, or at once where the URL is none; must not block.
    package func send(
        within time: Duration, answerBytesMax: Int,
        _ answered: @escaping @Sendable (Result<JSONPost.Answer, JSONPost.Failure>) -> Void
    ) {
        let place: HTTPURL
        do throws(HTTPURLError) {
            place = try HTTPURL(url)
        } catch {
            return answered(.failure(JSONPost.Failure(kind: .unmade, text: "\(error)")))
        }
        let request = HTTPClientRequest(place, headers: [("Accept", "application/json")], timeout: time)
        _ = http.collect(request, bodyBytesMax: answerBytesMax) { result in
            switch result {
            case .success((let head, let body)): answered(.success(JSONPost.answer(head, body)))
            case .failure(let error): answered(.failure(JSONPost.failure(error)))
            }
        }
    }
}
