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

    /// Templates of one definition that are told apart; of more, each counts as one that anything could be.
    static let templatesMax = 256
    /// The longest beginning of a URI or template that is looked at; what is longer counts as contested.
    static let uriBytesMax = 1_024

    /// Rows that another server's rows could mean too, in the order of the rows.
    let contests: [Contest]
    private let servers: [[UInt8]: ServerKey]
    private let templates: [(pattern: URITemplatePattern, server: ServerKey)]

    /// Two templates count as overlapping where the beginning of one, up to its first expression, begins the other's: what follows is
    /// for their servers to say.
    ///
    /// - Complexity: O(rows × ``templatesMax`` × ``uriBytesMax``) at worst
    init(_ rows: [Row]) {
        var under: [[UInt8]: Beginning] = [:]
        var byURI: [[UInt8]: Set<ServerKey>] = [:]
        let all = Set(rows.map(\.server))
        let patterns = rows.map { $0.kind == .resourceTemplate ? URITemplatePattern($0.uri) : nil }
        let isTooMany = patterns.count { $0 != nil } > Self.templatesMax
        for (row, pattern) in zip(rows, patterns) {
            if let pattern {
                under[pattern.prefix, default: Beginning()].add(pattern, of: row.server)
            } else {
                byURI[Array(row.uri.utf8), default: []].insert(row.server)
            }
        }
        let lengths = Set(under.keys.lazy.map(\.count)).sorted()
        var others: [Set<ServerKey>] = []
        for (row, pattern) in zip(rows, patterns) {
            let isTemplate = pattern != nil
            let uri = Array(row.uri.utf8)
            let start = pattern?.prefix ?? uri
            guard !isTooMany, start.count <= Self.uriBytesMax else {
                others.append(all.subtracting([row.server]))
                continue
            }
            var found = isTemplate ? [] : byURI[uri] ?? []
            for length in lengths.prefix(while: { $0 <= start.count }) {
                let key = Array(start.prefix(length))
                guard let beginning = under[key] else { continue }
                if isTemplate {
                    found.formUnion(beginning.servers)
                    under[key]?.alsoMeant.insert(row.server)
                } else {
                    for (pattern, server) in beginning.templates
                    where server != row.server && pattern.matches(uri) {
                        found.insert(server)
                        under[key]?.meant(by: row.server, pattern)
                    }
                }
            }
            others.append(found.subtracting([row.server]))
        }
        for (place, pattern) in patterns.enumerated() {
            guard let pattern, let beginning = under[pattern.prefix] else { continue }
            others[place].formUnion(beginning.alsoMeant.union(beginning.byResources[pattern] ?? []))
            others[place].remove(rows[place].server)
        }
        contests = zip(rows, others).compactMap { row, others in
            others.isEmpty ? nil : Contest(row: row, others: others.sorted())
        }
        var (servers, templates): ([[UInt8]: ServerKey], [(URITemplatePattern, ServerKey)]) = ([:], [])
        for (place, row) in rows.enumerated() where others[place].isEmpty {
            if let pattern = patterns[place] {
                templates.append((pattern, row.server))
            } else {
                servers[Array(row.uri.utf8)] = row.server
            }
        }
        self.servers = servers
        self.templates = templates
    }

    /// The templates that begin alike.
    private struct Beginning {
        var templates: [(pattern: URITemplatePattern, server: ServerKey)] = []
        var servers: Set<ServerKey> = []
        /// Servers with a template that begins so and then goes on.
        var alsoMeant: Set<ServerKey> = []
        /// Servers with a resource that a template matches.
        var byResources: [URITemplatePattern: Set<ServerKey>] = [:]

        mutating func add(_ pattern: URITemplatePattern, of server: ServerKey) {
            templates.append((pattern, server))
            servers.insert(server)
        }

        mutating func meant(by server: ServerKey, _ pattern: URITemplatePattern) {
            byResources[pattern, default: []].insert(server)
        }
    }

    /// Whose it is: by its own line of the list, else by a template that matches; `nil` where none does.
    ///
    /// - Complexity: O(URI) for a listed one, else O(templates × URI)
    func server(of uri: String) -> ServerKey? {
        let uri = Array(uri.utf8)
        return servers[uri] ?? templates.first { $0.pattern.matches(uri) }?.server
    }
}
