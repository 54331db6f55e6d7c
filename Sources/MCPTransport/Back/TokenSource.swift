/// Where the tokens come from that open a backend (OAuth 2.0): each request asks for one, and says if it was refused.
///
/// A struct of closures: what knows of authorization servers is not this module's.
package struct TokenSource: Sendable {
    package struct Token: Sendable {
        package var text: String
        /// Which one, for whoever has to say that it was refused.
        package var number: UInt64

        package init(text: String, number: UInt64) {
            self.text = text
            self.number = number
        }
    }

    /// The backend's word that a token is no good (HTTP 401), and with it that it did not do what was asked.
    package struct Refusal: Sendable {
        package var number: UInt64
        /// The fields `WWW-Authenticate` of its answer, in order.
        package var challenges: [String]

        package init(number: UInt64, challenges: [String]) {
            self.number = number
            self.challenges = challenges
        }
    }

    package typealias Ready = @Sendable (Result<Token, CredentialTrouble>) -> Void

    /// Calls back once, at once where there is a token, and on any thread.
    package var token: @Sendable (_ after: Refusal?, _ ready: @escaping Ready) -> Void
    /// What a refusal means that no other token mends, as a sentence for a person.
    package var meaning: @Sendable (_ status: Int, _ challenges: [String]) -> String
    /// What was found out and refused so far counts no more, since a person changed something.
    package var forget: @Sendable () -> Void
    /// The client's credential has a new value, and its former one is good for a while: a token that there is stays.
    package var secretRotated: @Sendable () -> Void
    /// Nobody will ask any more.
    package var close: @Sendable () async -> Void

    package init(
        token: @escaping @Sendable (Refusal?, @escaping Ready) -> Void,
        meaning: @escaping @Sendable (Int, [String]) -> String,
        forget: @escaping @Sendable () -> Void = {}, secretRotated: @escaping @Sendable () -> Void = {},
        close: @escaping @Sendable () async -> Void = {}
    ) {
        self.token = token
        self.meaning = meaning
        self.forget = forget
        self.secretRotated = secretRotated
        self.close = close
    }
}

/// Why a request has no credential, or why its credential opened nothing.
package struct CredentialTrouble: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// Somebody says no; a person must change something.
        case refused
        /// It may pass by itself.
        case unavailable
        /// A secret of this node cannot be opened.
        case sealed
    }

    package var kind: Kind
    /// For a person, with what to do; without a word that could be a secret.
    package var text: String

    package init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }
}
