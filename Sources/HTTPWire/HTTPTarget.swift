/// What a request line asks for, taken apart (RFC 9112 §3.2).
package struct HTTPTarget: Hashable, Sendable {
    /// Of a target in absolute form, as clients send it to proxies; it then outranks the Host field.
    package let authority: HTTPAuthority?
    /// As it came, still percent-encoded; `*` for the asterisk form.
    package let rawPath: String
    /// What follows the first `?`, still percent-encoded.
    package let rawQuery: String?
    /// Percent-decoded. Two different targets can have one path (`%2F` is a slash here): route by
    /// ``segments`` where that matters.
    package let path: String

    /// - Throws: ``HTTPWireError/badTarget(_:)``.
    package init(_ target: String, method: String) throws(HTTPWireError) {
        var rest = Substring(target)
        var authority: HTTPAuthority?
        if method == "CONNECT" { throw .unknownMethod }  // this is no proxy
        if target == "*" {
            guard method == "OPTIONS" else { throw .badTarget("`*` goes with OPTIONS only") }
        } else if !target.hasPrefix("/") {
            let lowered = target.prefix(8).lowercased()
            let schemeLength = lowered.hasPrefix("http://") ? 7 : lowered.hasPrefix("https://") ? 8 : 0
            guard schemeLength > 0 else { throw .badTarget("it starts with neither `/` nor a scheme") }
            rest = target.dropFirst(schemeLength)
            let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
            guard let named = HTTPAuthority(rest[..<end]) else { throw .badTarget("it names no host") }
            authority = named
            rest = rest[end...]
        }
        let mark = rest.firstIndex(of: "?")
        let rawPath = String(rest[..<(mark ?? rest.endIndex)])
        guard let path = PercentCoding.decode(rawPath) else {
            throw .badTarget("its percent-encoding is broken")
        }
        self.authority = authority
        self.rawPath = rawPath.isEmpty ? "/" : rawPath
        self.path = path.isEmpty ? "/" : path
        rawQuery = mark.map { String(rest[rest.index(after: $0)...]) }
    }

    /// The path cut at its slashes and then decoded, so that an encoded slash stays within its segment:
    /// `/a/b%2Fc` is `a`, `b/c`; `/` is one empty segment.
    package var segments: [String] {
        rawPath.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            PercentCoding.decode($0) ?? String($0)
        }
    }

    /// `name=value` pairs in order, decoded as forms are (`+` is a space); what cannot be decoded stays as it
    /// is.
    package var query: [(String, String)] {
        (rawQuery ?? "").split(separator: "&").map { pair in
            let mark = pair.firstIndex(of: "=")
            let name = pair[..<(mark ?? pair.endIndex)]
            let value = mark.map { pair[pair.index(after: $0)...] } ?? ""
            return (Self.form(name), Self.form(value))
        }
    }

    private static func form(_ text: Substring) -> String {
        PercentCoding.decode(text, plusIsSpace: true) ?? String(text)
    }
}
