package import Catalog

/// Whom and what a rule or a limit is about. Of each list one must fit; an empty list asks nothing.
package struct AccessScope: Hashable, Sendable {
    package enum Origin: Hashable, Sendable, CustomStringConvertible {
        case node(Glob)
        case segment(Glob)

        package static let form = "node:NAME or segment:NAME"

        package init?(_ text: String) {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[1].isEmpty else { return nil }
            switch parts[0] {
            case "node": self = .node(Glob(String(parts[1])))
            case "segment": self = .segment(Glob(String(parts[1])))
            default: return nil
            }
        }

        package var description: String {
            switch self {
            case .node(let glob): "node:\(glob)"
            case .segment(let glob): "segment:\(glob)"
            }
        }

        package func fits(_ place: AccessSubject.Place) -> Bool {
            switch self {
            case .node(let glob): glob.matches(place.node)
            case .segment(let glob): glob.matches(place.segment)
            }
        }
    }

    package var who: [PrincipalPattern]
    /// Where the caller came in.
    package var from: [Origin]
    package var virtualServers: [Glob]
    package var servers: [Glob]
    package var entries: [EntryPattern]

    package init(
        who: [PrincipalPattern] = [.anybody], from: [Origin] = [], virtualServers: [Glob] = [],
        servers: [Glob] = [], entries: [EntryPattern] = []
    ) {
        self.who = who
        self.from = from
        self.virtualServers = virtualServers
        self.servers = servers
        self.entries = entries
    }

    func fits(_ place: AccessSubject.Place?) -> Bool {
        guard !from.isEmpty else { return true }
        guard let place else { return false }
        return from.contains { $0.fits(place) }
    }

    func fits(_ target: AccessTarget) -> Bool {
        fits(servers: target.servers, virtualServer: target.virtualServer)
            && (entries.isEmpty || entries.contains { $0.matches(target) })
    }

    /// Whether it may be about entries of a server, whichever they are.
    func mayFit(servers: [String], virtualServer: String?) -> Bool {
        fits(servers: servers, virtualServer: virtualServer)
            && (entries.isEmpty || entries.contains { $0.fits(servers: servers) })
    }

    private func fits(servers names: [String], virtualServer: String?) -> Bool {
        guard servers.isEmpty || names.contains(where: { name in servers.contains { $0.matches(name) } })
        else { return false }
        guard !virtualServers.isEmpty else { return true }
        guard let virtualServer else { return false }
        return virtualServers.contains { $0.matches(virtualServer) }
    }
}
