import Catalog

/// The resources of a virtual server that shows its sources' URIs as they are (`uris: own`): which of them two sources could both
/// mean, and where a URI leads.
///
/// A URI that two sources can match must not go to the one that happened to come first, least of all to one that copied it. Such a
/// definition is refused; where sources change so later, none of the two is shown until somebody hides one.
struct OwnURIs: Sendable {
    struct Row: Hashable, Sendable {
        let server: ServerKey
        /// ``EntryKind/resource`` or ``EntryKind/resourceTemplate``.
        let kind: EntryKind
        let uri: String
    }

    /// A URI or template, and the servers that could mean it.
    struct Contest: Hashable, Sendable {
        let row: Row
        let others: [ServerKey]
    }

    /// Rows that another server's rows could mean too, in the order of the rows.
    let contests: [Contest]
    private let servers: [String: ServerKey]
    private let templates: [(pattern: URITemplatePattern, server: ServerKey)]

    /// Two templates count as overlapping where the beginning of one, up to its first expression, begins the other's: what follows is
    /// for their servers to say.
    ///
    /// - Complexity: O(bytes of all URIs × distinct lengths of templates' beginnings)
    init(_ rows: [Row]) {
        var byPrefix: [[UInt8]: [(pattern: URITemplatePattern, row: Row)]] = [:]
        var byURI: [String: Set<ServerKey>] = [:]
        for row in rows {
            if row.kind == .resourceTemplate {
                let pattern = URITemplatePattern(row.uri)
                byPrefix[pattern.prefix, default: []].append((pattern, row))
            } else {
                byURI[row.uri, default: []].insert(row.server)
            }
        }
        let lengths = Set(byPrefix.keys.map(\.count)).sorted()
        var others: [Row: Set<ServerKey>] = [:]
        for row in rows {
            let isTemplate = row.kind == .resourceTemplate
            let start = isTemplate ? URITemplatePattern(row.uri).prefix : Array(row.uri.utf8)
            if !isTemplate {
                others[row, default: []].formUnion(byURI[row.uri]?.subtracting([row.server]) ?? [])
            }
            for length in lengths where length <= start.count {
                for (pattern, other) in byPrefix[Array(start.prefix(length))] ?? []
                where other.server != row.server && (isTemplate || pattern.matches(row.uri)) {
                    others[row, default: []].insert(other.server)
                    others[other, default: []].insert(row.server)
                }
            }
        }
        contests = rows.compactMap { row in
            guard let found = others[row], !found.isEmpty else { return nil }
            return Contest(row: row, others: found.sorted())
        }
        let free = rows.filter { others[$0]?.isEmpty ?? true }
        servers = Dictionary(
            free.lazy.filter { $0.kind == .resource }.map { ($0.uri, $0.server) }
        ) { first, _ in first }
        templates = free.filter { $0.kind == .resourceTemplate }.map {
            (URITemplatePattern($0.uri), $0.server)
        }
    }

    /// Whose it is: by its own line of the list, else by a template that matches; `nil` where none does.
    ///
    /// - Complexity: O(1) for a listed one, else O(templates × URI)
    func server(of uri: String) -> ServerKey? {
        servers[uri] ?? templates.first { $0.pattern.matches(uri) }?.server
    }
}
