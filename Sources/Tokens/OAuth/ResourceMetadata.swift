import JSONSlice

/// What a protected resource says of itself (RFC 9728), as far as a client needs it.
package struct ResourceMetadata: Hashable, Sendable {
    package static let wellKnownName = "oauth-protected-resource"
    /// Of any metadata document; real ones have some kilobytes.
    package static let bytesMax = 256 * 1024
    private static let issuersMax = 16

    /// As it spells itself.
    package let resource: String
    package let issuers: [String]
    package let scopes: [String]

    /// Where it may be, in the order of MCP's authorization specification, and whose each must be.
    static func places(of resource: WebAddress) -> [(url: String, isWhole: Bool)] {
        let own = resource.wellKnown(wellKnownName)
        let root = resource.origin + "/.well-known/" + wellKnownName
        return own == root ? [(own, false)] : [(own, false), (root, true)]
    }

    /// - Parameter isWhole: whether it may also be of the whole origin: where it was found at the origin's own place.
    /// - Returns: `nil` if this is no JSON at all, as the page that some servers have for whatever is not there.
    static func read(
        _ document: [UInt8], at url: String, of asked: WebAddress, isWhole: Bool
    ) throws(GrantTrouble) -> ResourceMetadata? {
        guard let json = CompactSignature.object(document) else { return nil }
        guard let named = json["resource"]?.string, let address = WebAddress(named) else {
            throw .notMetadata(url)
        }
        // To the byte, but for what RFC 3986 §6.2 says is no difference (RFC 9728 §3.3).
        let isOrigin = isWhole && address.canonical == asked.origin + "/"
        guard address.canonical == asked.canonical || isOrigin else {
            throw .otherResource(named: named, asked: asked.canonical)
        }
        let issuers = json["authorization_servers"]?.elements.compactMap(\.string) ?? []
        guard issuers.count <= issuersMax else { throw .notMetadata(url) }
        let scopes = json["scopes_supported"]?.elements.compactMap(\.string) ?? []
        return ResourceMetadata(resource: named, issuers: issuers, scopes: scopes)
    }

    private init(resource: String, issuers: [String], scopes: [String]) {
        self.resource = resource
        self.issuers = issuers
        let areScopes = scopes.count <= ScopeWord.countMax && scopes.allSatisfy { ScopeWord.isOne($0) }
        self.scopes = areScopes ? scopes : []
    }

    /// Whether it names an issuer: byte for byte, but that a bare host may have its slash, which some libraries add.
    func names(_ issuer: String) -> Bool {
        issuers.contains { offered in
            if offered.utf8.elementsEqual(issuer.utf8) { return true }
            guard let one = WebAddress(offered), let other = WebAddress(issuer) else { return false }
            let areBare = [one, other].allSatisfy { ($0.path.isEmpty || $0.path == "/") && $0.query.isEmpty }
            return areBare && one.origin == other.origin
        }
    }
}
