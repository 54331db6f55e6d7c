/// The address of a server over HTTP, checked as text: resolving and parsing it in full is the client's affair.
package enum BackendURL {
    package static let lengthMax = 2_048

    /// - Returns: what is wrong with it, or `nil`.
    package static func problem(_ url: String) -> String? {
        let lowered = url.lowercased()
        guard let scheme = ["http://", "https://"].first(where: lowered.hasPrefix) else {
            return "expected a URL that starts with https:// or http://"
        }
        guard url.utf8.count <= lengthMax else { return "longer than \(lengthMax) bytes" }
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return "contains a character that must be percent-encoded in a URL"
        }
        let rest = url.dropFirst(scheme.count)
        let authority = rest.prefix { !"/?#".contains($0) }
        if authority.contains("@") { return "must not contain a user or password; use auth: {basic: …}" }
        if rest.contains("#") { return "must not have a fragment (#…)" }
        let hasPort = !authority.hasSuffix("]") && authority.contains(":")
        let port = scheme == "https://" ? ":443" : ":80"
        guard HostPort(hasPort ? String(authority) : authority + port) != nil else {
            return "\"\(authority)\" is no host"
        }
        return nil
    }
}
