/// What the TXT record of a `_mcp._tcp` service says of an MCP server.
///
/// There is no standard for it: keys are taken as the products in use write them, and what cannot be read is left out. Anybody on
/// the segment can claim anything.
package struct MCPAdvertisement: Hashable, Sendable {
    package static let serviceType = "_mcp._tcp"

    /// How the service is spoken to, as far as it says.
    package enum Way: Hashable, Sendable {
        /// HTTP; `port` where it is another than the service's.
        case http(port: UInt16?, path: String, isEncrypted: Bool)
        /// JSON lines over bare TCP, which no revision of MCP knows.
        case lines
    }

    /// Where no key names another: the path that SDKs use.
    static let usualPath = "/mcp"

    package var way: Way
    /// A name for people; untrusted text.
    package var title: String?

    package init(way: Way, title: String? = nil) {
        self.way = way
        self.title = title
    }

    /// Reads a TXT record (RFC 6763 §6.4): `path` or `mcp_path`, `http` (`PORT/PATH`), `tls`, `name`, and `proto` where it
    /// names a transport; others take it for a revision of MCP.
    package init(strings: some Sequence<some Collection<UInt8>>) {
        let values = TextRecord.values(of: strings)
        title = values["name"].flatMap { $0.isEmpty ? nil : $0 }
        let isEncrypted = ["1", "true", "yes"].contains(values["tls"]?.lowercased() ?? "")
        let own = values["http"].flatMap(Self.portAndPath)
        let path = own?.path ?? values["path"] ?? values["mcp_path"]
        guard own != nil || values["proto"]?.lowercased() != "ndjson" else {
            way = .lines
            return
        }
        let rooted = path.map { $0.hasPrefix("/") ? $0 : "/\($0)" } ?? Self.usualPath
        way = .http(port: own?.port, path: rooted, isEncrypted: isEncrypted)
    }

    /// `8080/mcp`: the path's slash is the one between the two.
    private static func portAndPath(_ text: String) -> (port: UInt16, path: String)? {
        let digits = text.prefix { $0 != "/" }
        guard let port = UInt16(digits), port != 0 else { return nil }
        let path = text.dropFirst(digits.count)
        return (port, path.isEmpty ? usualPath : String(path))
    }
}

extension MCPAdvertisement {
    /// What this node says of a virtual server that it offers to plain clients: readable for all of them, and under 400 bytes.
    ///
    /// - Parameters:
    ///   - node: so that it does not find itself.
    package static func strings(
        name: String, path: String, port: UInt16, software: String, revision: String, node: String
    ) -> [String] {
        [
            "txtvers=1", "name=\(name)", "version=\(software)", "ver=\(software)", "protocol=\(revision)",
            "path=\(path)", "http=\(port)\(path)", "tls=0", "proto=http", "id=\(node)",
        ]
    }
}

/// The keys of a TXT record.
enum TextRecord {
    /// Strings read from one record; ours have ten at most, and strangers get no more of our time than this.
    static let stringsMax = 32

    private static let equals = UInt8(ascii: "=")

    /// Keys in lower case; the first of equal ones counts, strings without a value are skipped (RFC 6763 §6.4).
    static func values(of strings: some Sequence<some Collection<UInt8>>) -> [String: String] {
        var values: [String: String] = [:]
        for string in strings.prefix(stringsMax) {
            guard let end = string.firstIndex(of: equals) else { continue }
            let key = String(decoding: string[..<end], as: UTF8.self).lowercased()
            if values[key] == nil {
                values[key] = String(decoding: string[string.index(after: end)...], as: UTF8.self)
            }
        }
        return values
    }
}
