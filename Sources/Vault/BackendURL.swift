/// Why an address cannot be an audience.
package enum BackendURLError: Error, Hashable, Sendable {
    case notHTTP
    case userInfo
    case host
    case port
    case characters
}

extension BackendURLError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notHTTP: "the address does not begin with http:// or https://"
        case .userInfo:
            "the address holds a user or password before @; store it with `martlet secret set` instead"
        case .host: "the address has no valid host name"
        case .port: "the address has a port that is no number from 1 to 65535"
        case .characters: "the address holds spaces, control or non-ASCII characters; percent-encode them"
        }
    }
}

/// An `http` or `https` address, split into canonical origin (RFC 6454 §4: scheme, host, port) and resource.
///
/// Strict, because two spellings must not pass for one: only scheme and host are folded to lower case and
/// a default port dropped. Path and query stay as written; another spelling of a path is another resource.
package struct BackendURL: Hashable, Sendable {
    package let origin: String
    /// Begins with `/`; no fragment (RFC 8707 §2 forbids it in a resource).
    package let resource: String

    package init(_ text: String) throws(BackendURLError) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\\") }) else {
            throw .characters
        }
        let (scheme, defaultPort, rest) = try Self.splitScheme(text)
        let authority = rest.prefix { !"/?#".contains($0) }
        guard !authority.contains("@") else { throw .userInfo }
        let (host, port) = try Self.splitPort(authority)
        origin = "\(scheme)://\(host)" + (port == nil || port == defaultPort ? "" : ":\(port ?? 0)")
        let tail = rest[authority.endIndex...].prefix { $0 != "#" }
        resource = tail.hasPrefix("/") ? String(tail) : "/" + tail
    }

    private static func splitScheme(
        _ text: String
    ) throws(BackendURLError) -> (scheme: String, defaultPort: UInt16, rest: Substring) {
        for (scheme, port) in [("https", UInt16(443)), ("http", UInt16(80))] {
            let mark = scheme + "://"
            if text.prefix(mark.count).lowercased() == mark {
                return (scheme, port, text.dropFirst(mark.count))
            }
        }
        throw .notHTTP
    }

    private static func splitPort(
        _ authority: Substring
    ) throws(BackendURLError) -> (host: String, port: UInt16?) {
        let host: Substring
        let rest: Substring
        if authority.hasPrefix("[") {  // RFC 3986 §3.2.2: an IPv6 address
            guard let end = authority.firstIndex(of: "]") else { throw .host }
            host = authority[...end]
            rest = authority[authority.index(after: end)...]
            let inner = host.dropFirst().dropLast()
            guard inner.contains(":"), inner.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else {
                throw .host
            }
        } else {
            host = authority.prefix { $0 != ":" }
            rest = authority[host.endIndex...]
            guard !host.isEmpty, host.allSatisfy({ $0.isLetter || $0.isNumber || "-._".contains($0) }) else {
                throw .host
            }
        }
        guard !rest.isEmpty else { return (host.lowercased(), nil) }
        let digits = rest.dropFirst()
        guard rest.hasPrefix(":"), digits.allSatisfy({ $0.isNumber }), let port = UInt16(digits), port > 0
        else {
            throw .port
        }
        return (host.lowercased(), port)
    }
}
