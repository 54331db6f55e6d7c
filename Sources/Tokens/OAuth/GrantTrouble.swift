/// Why there is no token for a backend.
///
/// Words of the other side are quoted only where they are names that a person has to compare; what an authorization server says in prose
/// is not, since it may repeat what it was sent.
package enum GrantTrouble: Error, Hashable, Sendable {
    /// What becomes of it by itself.
    package enum Kind: Hashable, Sendable {
        /// A person must change something, here or there.
        case refused
        /// It may pass.
        case unavailable
        /// The credential cannot be opened here.
        case sealed
    }

    case unreachable(String)
    case busy(what: String, status: Int)
    case tooMuchWork(max: Int)
    case notAnAddress(String)
    case notMetadata(String)
    case otherResource(named: String, asked: String)
    case issuerNotChosen(offered: [String])
    case otherIssuer(configured: String, offered: [String])
    case issuerMismatch(configured: String, found: String)
    case noServerMetadata(issuer: String)
    case insecure(String)
    case redirected(String)
    case grantNotOffered(issuer: String)
    case methodNotOffered(wanted: String, offered: [String])
    case algorithmNotOffered(able: [String], offered: [String])
    case badKey(String)
    case sealed(String)
    case noSecret(String)
    case rejected(status: Int, code: String?)
    case notAToken(String)
    case freshTokenRefused

    /// Whether the credential was not sent because it is not to be had here: nobody outside was asked.
    package var isOfThisNode: Bool {
        switch self {
        case .sealed, .noSecret: true
        default: false
        }
    }

    /// Whether it was the client's credential that was not believed (RFC 6749 §5.2).
    package var isOfCredential: Bool {
        switch self {
        case .rejected(_, "invalid_client"?), .rejected(401, nil): true
        default: false
        }
    }

    package var kind: Kind {
        switch self {
        case .unreachable, .busy, .tooMuchWork: .unavailable
        case .sealed: .sealed
        default: .refused
        }
    }
}

extension GrantTrouble: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreachable(let why): "no token can be had: \(why)"
        case .busy(let what, let status): "no token can be had: \(what) answers HTTP \(status)"
        case .tooMuchWork(let max): "\(max) requests wait for a token already"
        case .notAnAddress(let what): "\(what) is no URL that a token could be asked for at"
        case .notMetadata(let url): "what \(Quoted.text(url)) answers is no OAuth metadata"
        case .otherResource(let named, let asked):
            "its metadata is of another resource, \"\(Quoted.text(named))\" instead of \"\(asked)\"; spell url as it does, if that is the same"
        case .issuerNotChosen(let offered) where offered.isEmpty:
            "it does not say which authorization server gives tokens for it; name one in auth.clientCredentials.issuer"
        case .issuerNotChosen(let offered):
            "it takes tokens of \(Quoted.list(offered)); if you trust that with this credential, name it in auth.clientCredentials.issuer"
        case .otherIssuer(let configured, let offered):
            "it takes tokens of \(Quoted.list(offered)), and auth.clientCredentials.issuer is \(configured): the credential goes to nobody else"
        case .issuerMismatch(let configured, let found):
            "the metadata of \(configured) is of another issuer, \"\(Quoted.text(found))\"; auth.clientCredentials.issuer must be spelled as it spells itself"
        case .noServerMetadata(let issuer):
            "\(issuer) has no metadata at any of the places where an authorization server has it (RFC 8414, OpenID Connect Discovery)"
        case .insecure(let url): "\(Quoted.text(url)) has no TLS, and no credential goes there"
        case .redirected(let url):
            "\(Quoted.text(url)) redirects to another place, and redirects are not followed"
        case .grantNotOffered(let issuer):
            "\(issuer) does not offer client credentials (grant_types_supported)"
        case .methodNotOffered(let wanted, let offered):
            "the authorization server does not take \(wanted), but \(Quoted.list(offered)) (token_endpoint_auth_methods_supported)"
        case .algorithmNotOffered(let able, let offered):
            "the key signs with \(able.joined(separator: ", ")), and the authorization server takes \(Quoted.list(offered))"
        case .badKey(let why): "the secret named as key is no private key: \(why)"
        case .sealed(let why), .noSecret(let why): "a credential of this node's cannot be opened: \(why)"
        case .rejected(_, let code?):
            "the authorization server refuses: \(code) (\(Self.advice[code] ?? "see its log"))"
        case .rejected(let status, nil): "the authorization server refuses (HTTP \(status))"
        case .notAToken(let why): "the authorization server's answer is no token: \(why)"
        case .freshTokenRefused:
            "it refuses a token that was made for it a moment ago; compare the audience that its authorization server puts into tokens, and the scopes"
        }
    }

    /// The codes of RFC 6749 §5.2 and RFC 8707 §2 that a token endpoint gives, and what each asks for.
    static let advice: [String: String] = [
        "invalid_request": "it does not understand the request; see its log",
        "invalid_client": "check clientId and its secret or key: martlet secret set",
        "invalid_grant": "see its log",
        "unauthorized_client": "this client may not use client credentials there",
        "unsupported_grant_type": "it does not offer client credentials",
        "invalid_scope": "check auth.clientCredentials.scopes",
        "invalid_target": "it gives no tokens for this resource; register the server's URL there",
        "access_denied": "see its log",
    ]
}
