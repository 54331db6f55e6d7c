import JSONSlice

/// What an authorization server says of itself (RFC 8414, OpenID Connect Discovery 1.0), as far as client credentials need it.
package struct AuthorizationServer: Hashable, Sendable {
    private static let wordsMax = 64

    /// Byte for byte what the configuration names.
    package let issuer: String
    package let tokenEndpoint: WebAddress
    let tokenURL: String
    /// How a client may prove itself; `nil`: not said.
    let methods: [String]?
    /// How a client's assertion may be signed; `nil`: not said.
    let algorithms: [String]?

    /// Where its metadata may be, in the order of MCP's authorization specification.
    static func places(of issuer: WebAddress) -> [String] {
        let (oauth, openID) = ("oauth-authorization-server", "openid-configuration")
        let inserted = [issuer.wellKnown(oauth), issuer.wellKnown(openID)]
        guard !issuer.path.isEmpty, issuer.path != "/" else { return inserted }
        let path = issuer.path.hasSuffix("/") ? String(issuer.path.dropLast()) : issuer.path
        return inserted + ["\(issuer.origin)\(path)/.well-known/\(openID)"]
    }

    /// - Returns: `nil` if this is no JSON at all.
    static func read(
        _ document: [UInt8], at url: String, of issuer: String
    ) throws(GrantTrouble) -> AuthorizationServer? {
        guard let json = CompactSignature.object(document) else { return nil }
        guard let named = json["issuer"]?.string else { throw .notMetadata(url) }
        // Whoever could pass for the issuer would be sent its clients' credentials (RFC 8414 §3.3, RFC 9207 §2.4).
        guard named.utf8.elementsEqual(issuer.utf8) else {
            throw .issuerMismatch(configured: issuer, found: named)
        }
        guard let place = json["token_endpoint"]?.string, let endpoint = WebAddress(place) else {
            throw .notMetadata(url)
        }
        guard endpoint.keepsSecrets else { throw .insecure(place) }
        if let grants = words("grant_types_supported", in: json), !grants.contains("client_credentials") {
            throw .grantNotOffered(issuer: issuer)
        }
        return AuthorizationServer(
            issuer: issuer, tokenEndpoint: endpoint, tokenURL: place,
            methods: words("token_endpoint_auth_methods_supported", in: json),
            algorithms: words("token_endpoint_auth_signing_alg_values_supported", in: json))
    }

    private static func words(_ name: String, in json: JSON) -> [String]? {
        guard let value = json[name], value.kind == .array else { return nil }
        return Array(value.elements.prefix(wordsMax).compactMap(\.string))
    }
}
