/// Whether a value in somebody's configuration looks like a credential, and why.
///
/// A guess by names and well-known shapes: better one setting too many in the vault than a token in a file.
package enum CredentialGuess: Hashable, Sendable, CustomStringConvertible {
    /// The name says so: `GITHUB_TOKEN`, `X-Api-Key`.
    case name(word: String)
    /// The value starts as an issuer's tokens do: `ghp_`, `sk-`.
    case prefix(String)
    /// An `Authorization` header.
    case authorization
    /// A URL with a password in it.
    case passwordInURL

    package var description: String {
        switch self {
        case .name(let word): "its name contains \(word)"
        case .prefix(let prefix): "its value starts with \(prefix)"
        case .authorization: "it is an authorization header"
        case .passwordInURL: "its value is a URL with a password"
        }
    }

    private static let words = [
        "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "APIKEY", "API_KEY",
        "ACCESS_KEY",
        "PRIVATE_KEY", "AUTH", "COOKIE", "PAT", "PWD", "KEY",
    ]

    /// Names that contain a word of ``words`` and hold no credential.
    private static let harmlessEndings = [
        "_FILE", "_PATH", "_URL", "_URI", "_ID", "_NAME", "_TYPE", "_DIR", "_METHOD",
    ]

    private static let prefixes = [
        "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "sk-", "sk_live_", "sk_test_",
        "rk_live_",
        "xoxb-", "xoxp-", "xoxa-", "xoxs-", "xapp-", "AKIA", "ASIA", "AIza", "ya29.", "eyJ", "hf_", "npm_",
        "pypi-", "dop_v1_", "secret_", "ntn_", "lin_api_", "SG.", "shpat_", "-----BEGIN",
    ]

    /// - Returns: `nil` when nothing speaks for it.
    package static func of(name: String, value: String) -> CredentialGuess? {
        if value.isEmpty { return nil }
        let upper = name.uppercased().replacing("-", with: "_")
        if upper == "AUTHORIZATION" || upper == "PROXY_AUTHORIZATION" { return .authorization }
        if let guess = of(value: value) { return guess }
        if harmlessEndings.contains(where: upper.hasSuffix) { return nil }
        // A switch, or a number of tokens.
        if value == "true" || value == "false" || (upper.hasSuffix("TOKENS") && Int(value) != nil) {
            return nil
        }
        let parts = upper.split(separator: "_").map(String.init)
        return words.first { word in
            // Short words stand alone, or `PATH` and `MONKEY` would be credentials.
            word.utf8.count <= 4 ? parts.contains(word) : upper.contains(word)
        }.map(CredentialGuess.name)
    }

    /// By the value alone, as for command line arguments, which have no names.
    package static func of(value: String) -> CredentialGuess? {
        if let prefix = prefixes.first(where: { value.hasPrefix($0) && value.utf8.count >= $0.utf8.count + 8 }
        ) {
            return .prefix(prefix)
        }
        guard let scheme = value.firstRange(of: "://") else { return nil }
        let authority = value[scheme.upperBound...].prefix { !"/?#".contains($0) }
        guard let at = authority.lastIndex(of: "@"), authority[..<at].contains(":") else { return nil }
        return .passwordInURL
    }
}
