import JSONSlice

/// One endpoint as OAuth sees it: what a token must be meant for, and where one comes from (RFC 9728, RFC 8707).
struct ProtectedResource: Hashable, Sendable {
    static let wellKnown = "/.well-known/oauth-protected-resource"

    /// `https://HOST[:PORT]`
    let origin: String
    /// `/servers/NAME/mcp`
    let path: String

    /// - Parameters:
    ///   - configured: `auth.url`; it outranks what a request says.
    ///   - host: as the request names it, `HOST` or `HOST:PORT`; the listener has checked that the host is one of ours.
    ///   - localPort: where the request came in. A host may have other services on other ports, and a token for one of
    ///     those must not become one for us because a request names that port.
    /// - Returns: `nil` where the request names another place.
    init?(configured: String?, isSecure: Bool, host: String?, localPort: Int?, path: String) {
        self.path = path
        if let configured {
            origin = configured
            return
        }
        guard let host = host?.lowercased(), !host.isEmpty, host.utf8.allSatisfy(Self.isInHost), let localPort
        else { return nil }
        let ownPort = isSecure ? 443 : 80
        let isNumbered = !host.hasSuffix("]") && host.contains(":")
        let name = isNumbered ? host[..<(host.lastIndex(of: ":") ?? host.endIndex)] : host[...]
        let port = isNumbered ? Int(host[name.endIndex...].dropFirst()) : ownPort
        guard port == localPort else { return nil }
        origin = (isSecure ? "https://" : "http://") + name + (localPort == ownPort ? "" : ":\(localPort)")
    }

    /// What stands in a token's `aud`.
    var identifier: String { origin + path }
    var metadataURL: String { origin + Self.wellKnown + path }

    func metadata(issuers: [String], scopes: [String]) -> JSON {
        var members: [(String, JSON)] = [
            ("resource", .string(identifier)), ("authorization_servers", .array(issuers.map(JSON.string))),
        ]
        if !scopes.isEmpty { members.append(("scopes_supported", .array(scopes.map(JSON.string)))) }
        members.append(("bearer_methods_supported", ["header"]))
        members.append(("resource_name", "Martlet"))
        return .object(members)
    }

    private static func isInHost(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
            UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }
}

/// What a refused client is told of how to come in (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1).
struct BearerChallenge: Hashable, Sendable {
    /// RFC 6750 §3.1.
    enum Fault: String, Hashable, Sendable {
        case invalidToken = "invalid_token"
        case insufficientScope = "insufficient_scope"
    }

    var metadataURL: String?
    /// All that the operation needs.
    var scopes: [String] = []
    var fault: Fault?
    var description: String?

    /// The value of `WWW-Authenticate`.
    var text: String {
        var parts = [#"realm="martlet""#]
        if let fault { parts.append(#"error="\#(fault.rawValue)""#) }
        if let description { parts.append(#"error_description="\#(Self.quotable(description))""#) }
        if let metadataURL { parts.append(#"resource_metadata="\#(Self.quotable(metadataURL))""#) }
        if !scopes.isEmpty { parts.append(#"scope="\#(scopes.joined(separator: " "))""#) }
        return "Bearer " + parts.joined(separator: ", ")
    }

    /// What may stand between quotes without being escaped (RFC 6750 §3).
    private static func quotable(_ text: String) -> String {
        String(
            decoding: text.utf8.map {
                (0x20...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C ? $0 : UInt8(ascii: "?")
            },
            as: UTF8.self)
    }
}
