/// An absolute `https` or `http` address, as far as OAuth needs one: where it leads, and how it is spelled.
///
/// Strict: what two readers could read in two ways (a user before `@`, a backslash, a fragment) is none.
package struct WebAddress: Hashable, Sendable {
    package static let bytesMax = 2_048

    package let isSecure: Bool
    /// Lower case; an IPv6 address with its brackets.
    package let host: String
    package let port: Int
    /// As written; empty where nothing follows the host.
    package let path: String
    /// With its question mark; empty where there is none.
    package let query: String

    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.bytesMax,
            bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "#") }
            )
        else { return nil }
        let text = String(text)
        let lowered = text.lowercased()
        guard let scheme = ["https://", "http://"].first(where: lowered.hasPrefix) else { return nil }
        isSecure = scheme == "https://"
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.contains("@"), let (host, port) = Self.split(authority, default: isSecure ? 443 : 80)
        else { return nil }
        (self.host, self.port) = (host, port)
        let tail = rest[authority.endIndex...]
        path = String(tail.prefix { $0 != "?" })
        query = String(tail.drop { $0 != "?" })
    }

    /// `scheme://host[:port]`, in one spelling (RFC 6454 §6.2).
    package var origin: String {
        let scheme = isSecure ? "https" : "http"
        return "\(scheme)://\(host)" + (port == (isSecure ? 443 : 80) ? "" : ":\(port)")
    }

    /// In one spelling as far as no two places could have it: scheme and host in lower case, no port that is the scheme's own, and
    /// no difference between no path and `/` (RFC 3986 §6.2.3). Path and query stay as written.
    package var canonical: String { origin + (path.isEmpty ? "/" : path) + query }

    /// Whether it leads to the very host that asks, by what it says.
    package var isLoopback: Bool {
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        return host == "localhost" || host == "[::1]"
            || (labels.count == 4 && labels[0] == "127" && labels.allSatisfy { UInt8($0) != nil })
    }

    /// Whether a credential may go there: by TLS, or without leaving this host.
    package var keepsSecrets: Bool { isSecure || isLoopback }

    /// The same place, with a well-known name put between host and path (RFC 8615 §3, RFC 8414 §3.1, RFC 9728 §3.1).
    func wellKnown(_ name: String) -> String {
        origin + "/.well-known/" + name + (path == "/" ? "" : path) + query
    }

    private static func split(_ authority: Substring, default fallback: Int) -> (String, Int)? {
        let host: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[...end]
            guard host.dropFirst().dropLast().contains(":"),
                host.dropFirst().dropLast().allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." })
            else { return nil }
        } else {
            host = authority.prefix { $0 != ":" }
            guard !host.isEmpty, host.allSatisfy({ $0.isLetter || $0.isNumber || "-._".contains($0) })
            else { return nil }
        }
        let rest = authority[host.endIndex...]
        guard !rest.isEmpty else { return (host.lowercased(), fallback) }
        guard rest.hasPrefix(":"), rest.dropFirst().allSatisfy(\.isNumber),
            let port = UInt16(rest.dropFirst()),
            port > 0
        else { return nil }
        return (host.lowercased(), Int(port))
    }
}
