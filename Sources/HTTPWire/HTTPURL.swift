/// Why a text is no URL that can be called.
package enum HTTPURLError: Error, Hashable, Sendable {
    case noScheme(String)
    case unsupportedScheme(String)
    case userInformation
    case badAuthority(String)
    case illegalCharacter(at: Int)
}

extension HTTPURLError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noScheme(let text): "\"\(text)\" is no URL; write it as https://HOST/PATH"
        case .unsupportedScheme(let scheme): "\"\(scheme)\" URLs cannot be called; use https or http"
        case .userInformation:
            "the URL holds a user name or password; put the credential into `auth` or `headers` instead"
        case .badAuthority(let text):
            "\"\(text)\" is no host with an optional port; international names are written in punycode (xn--…)"
        case .illegalCharacter(let offset):
            "the URL holds a character at offset \(offset) that must be percent-encoded"
        }
    }
}

/// An `http` or `https` URL, as far as a client needs one: where to connect, and what to ask for.
package struct HTTPURL: Hashable, Sendable, CustomStringConvertible {
    package enum Scheme: String, Hashable, Sendable {
        case http
        case https

        package var defaultPort: Int { self == .https ? 443 : 80 }
    }

    /// Who answers: scheme, host and port. Connections and credentials are kept by it.
    package struct Origin: Hashable, Sendable, CustomStringConvertible {
        package let scheme: Scheme
        /// Lower case; an IPv6 address without its brackets.
        package let host: String
        package let port: Int

        package var authority: HTTPAuthority {
            HTTPAuthority(host: host, port: port == scheme.defaultPort ? nil : port)
        }

        package var description: String { "\(scheme.rawValue)://\(authority)" }
    }

    package let origin: Origin
    /// Path and query as they stand in a request line; never empty.
    package let target: String

    /// Reads an absolute URL; a fragment is dropped, since it is never sent.
    package init(_ text: String) throws(HTTPURLError) {
        let (scheme, rest) = try Self.cutScheme(text)
        guard let scheme else { throw .noScheme(text) }
        guard let known = Scheme(rawValue: scheme) else { throw .unsupportedScheme(scheme) }
        guard rest.hasPrefix("//") else { throw .noScheme(text) }
        try self.init(scheme: known, afterSlashes: rest.dropFirst(2))
    }

    /// What `reference` means where this URL is the base (RFC 3986 §5.2): `../a`, `/b`, `?c`, `//host/d`,
    /// `https://…`.
    package func resolving(_ reference: String) throws(HTTPURLError) -> HTTPURL {
        let (scheme, _) = try Self.cutScheme(reference)
        if scheme != nil { return try HTTPURL(reference) }
        let text = reference.prefix { $0 != "#" }
        if text.hasPrefix("//") { return try HTTPURL(scheme: origin.scheme, afterSlashes: text.dropFirst(2)) }
        if text.isEmpty { return self }
        let basePath = target.prefix { $0 != "?" }
        if text.hasPrefix("?") { return HTTPURL(origin: origin, target: basePath + text) }
        let query = text.drop { $0 != "?" }
        let path = text.prefix { $0 != "?" }
        let folder = basePath[...(basePath.lastIndex(of: "/") ?? basePath.startIndex)]
        let whole = path.hasPrefix("/") ? path : folder + path
        return HTTPURL(origin: origin, target: Self.withoutDots(whole) + query)
    }

    package var description: String { "\(origin)\(target)" }

    private init(origin: Origin, target: some StringProtocol) {
        self.origin = origin
        self.target = String(target)
    }

    private init(scheme: Scheme, afterSlashes rest: Substring) throws(HTTPURLError) {
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let host = rest[..<end]
        guard !host.contains("@") else { throw .userInformation }
        guard let authority = HTTPAuthority(host) else { throw .badAuthority(String(host)) }
        let target = rest[end...].prefix { $0 != "#" }
        self.init(
            origin: Origin(scheme: scheme, host: authority.host, port: authority.port ?? scheme.defaultPort),
            target: target.hasPrefix("/") ? String(target) : "/" + target)
    }

    /// - Returns: the scheme in lower case, if there is one before any of `/?#`, and what follows its colon.
    private static func cutScheme(_ text: String) throws(HTTPURLError) -> (String?, Substring) {
        var offset = 0
        for byte in text.utf8 {
            guard byte > 0x20, byte < 0x7F else { throw .illegalCharacter(at: offset) }
            offset += 1
        }
        guard let colon = text.firstIndex(of: ":") else { return (nil, text[...]) }
        let scheme = text[..<colon]
        guard !scheme.contains(where: { "/?#".contains($0) }) else { return (nil, text[...]) }
        return (scheme.lowercased(), text[text.index(after: colon)...])
    }

    /// RFC 3986 §5.2.4.
    private static func withoutDots(_ path: some StringProtocol) -> String {
        var kept: [Substring] = []
        let segments = Substring(path).split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        for segment in segments {
            switch segment {
            case ".": continue
            case "..": _ = kept.popLast()
            default: kept.append(segment)
            }
        }
        let endsInFolder = segments.last == "." || segments.last == ".."
        return "/" + kept.joined(separator: "/") + (endsInFolder && !kept.isEmpty ? "/" : "")
    }
}

extension HTTPURL {
    /// The same place with query parameters in place of those of the same name; names and values are percent-encoded.
    package func setting(_ parameters: [(name: String, value: [UInt8])]) -> HTTPURL {
        let names = Set(parameters.map { PercentCoding.encode($0.name) })
        let path = target.prefix { $0 != "?" }
        let kept = target.drop { $0 != "?" }.dropFirst().split(separator: "&").filter { part in
            !names.contains(String(part.prefix { $0 != "=" }))
        }
        let added = parameters.map {
            "\(PercentCoding.encode($0.name))=\(PercentCoding.encode(bytes: $0.value))"
        }
        return HTTPURL(
            origin: origin, target: path + "?" + (kept.map(String.init) + added).joined(separator: "&"))
    }
}
