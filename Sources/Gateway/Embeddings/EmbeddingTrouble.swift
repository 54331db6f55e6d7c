import MCPTransport

/// Why texts have no vectors.
struct EmbeddingTrouble: Error, Hashable, Sendable, CustomStringConvertible {
    enum Kind: Hashable, Sendable {
        /// The endpoint is not to be had: nothing else sent there now would fare better.
        case endpoint
        /// It is there, and made nothing of these texts; others may fare better.
        case content
        /// Nobody wanted the answer any more.
        case givenUp
    }

    var kind: Kind
    /// A sentence for an operator. It holds nothing that the endpoint wrote: that could be anything, what it was sent included.
    var description: String
    /// How long it wants to be left alone.
    var retryAfter: Duration?

    init(_ kind: Kind, _ description: String, retryAfter: Duration? = nil) {
        self.kind = kind
        self.description = description
        self.retryAfter = retryAfter
    }

    init(_ failure: JSONPost.Failure) {
        switch failure.kind {
        case .unreachable, .unmade: self.init(.endpoint, failure.text)
        case .answerTooLarge: self.init(.content, failure.text)
        case .cancelled: self.init(.givenUp, failure.text)
        }
    }

    /// What an HTTP status says; `nil` for one of success.
    init?(status: Int, retryAfter: Duration?) {
        switch status {
        case 200..<300: return nil
        case 300..<400:
            self.init(
                .endpoint,
                "it answers with a redirect (HTTP \(status)), which is not followed; give the URL that it leads to"
            )
        case 401, 403:
            self.init(
                .endpoint,
                "it wants a credential, or another one (HTTP \(status)); see search.embeddings.auth")
        case 404:
            self.init(
                .endpoint, "there is nothing at the URL, or no such model (HTTP 404); see search.embeddings")
        case 429:
            self.init(.endpoint, "it wants to be asked less often (HTTP 429)", retryAfter: retryAfter)
        case 400, 413, 422:
            self.init(
                .content,
                "it refuses what it was sent (HTTP \(status)): too much, or a model or dimensions that it does not know"
            )
        default: self.init(.endpoint, "it answers HTTP \(status)", retryAfter: retryAfter)
        }
    }
}
