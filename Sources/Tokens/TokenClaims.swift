package import JSONSlice

/// What a token says, once its signature and its time have been found good.
package struct TokenClaims: Hashable, Sendable {
    package let issuer: String
    package let subject: String
    /// As the token names them; not empty.
    package let audiences: [String]
    /// The client that acts for the subject (RFC 9068 §2.2; `azp` of OpenID Connect).
    package let client: String?
    package let scopes: Set<String>
    /// Seconds since 1970-01-01T00:00:00Z.
    package let expires: Int64
    /// All of them, as they stand in the token.
    package let all: JSON

    /// The texts of a claim that names groups: one text, a list of texts, or texts with spaces between.
    ///
    /// - Parameter path: the claim's name, or a JSON pointer to a nested one, as in `/realm_access/roles`.
    package func names(at path: String, atMost limit: Int) -> [String] {
        let value = path.hasPrefix("/") ? all.pointer(path) : all[path]
        guard let value else { return [] }
        if let text = value.string { return Array(Self.words(text).prefix(limit)) }
        return Array(value.elements.compactMap(\.string).prefix(limit))
    }

    static func words(_ text: String) -> [String] {
        text.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
    }
}
