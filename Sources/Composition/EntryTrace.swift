package import Catalog
import JSONSlice

/// Why an entry of a server is, or is not, at an endpoint, and why under that name.
package struct EntryTrace: Hashable, Sendable {
    /// What it is called there; `nil`: it is not there.
    package let name: String?
    /// Sentences, in the order in which the rules were applied.
    package let reasons: [String]

    package init(name: String?, reasons: [String]) {
        self.name = name
        self.reasons = reasons
    }

    /// Of the endpoint of the whole mesh.
    package static func atWholeMesh(
        _ address: EntryAddress, in view: EndpointView, _ catalog: CatalogSnapshot, nameLengthMax: Int
    ) -> EntryTrace {
        let nodes = NodeNames(catalog)
        let own = address.server.owner == catalog.me
        let listed = listing(of: address, in: view)
        var reasons = ["/mcp shows every entry of every server that is not disabled"]
        if address.kind == .tool || address.kind == .prompt {
            let whole = EntryNaming.whole(
                node: own ? nil : nodes[address.server.owner], server: address.server.name,
                entry: address.name)
            reasons.append(
                own
                    ? "an entry of this node's own servers is called SERVER__ENTRY, so \(whole)"
                    : "an entry of another node's server is called NODE--SERVER__ENTRY, so \(whole)")
            if let listed, listed != whole {
                reasons.append(
                    whole.utf8.count > nameLengthMax
                        ? "that is longer than the \(nameLengthMax) bytes of names.max, so it is cut, and marked by its hash"
                        : EntryNaming.isLegal(whole)
                            ? "another entry would be called the same, so it is marked by its hash"
                            : "clients would not take all of its characters, so it is spelled otherwise, and marked by its hash"
                )
            }
        } else {
            reasons.append("what is read by URI names its server in the URI")
        }
        if listed == nil { reasons += absence(of: address, catalog) }
        return EntryTrace(name: listed, reasons: reasons)
    }

    /// Of a virtual server; `nil` when nothing in its definition is about the entry's server.
    package static func at(
        _ definition: ResolvedDefinition, _ address: EntryAddress, in view: EndpointView,
        _ catalog: CatalogSnapshot
    ) -> EntryTrace? {
        let nodes = NodeNames(catalog)
        let uses = definition.use
        let single = uses.indices.first { index in
            guard case .entry(let single) = uses[index] else { return false }
            return single.server == address.server && single.kind == address.kind
                && single.entry == address.name
        }
        let whole = uses.indices.first { index in
            if case .server(let whole) = uses[index] { whole.from == address.server } else { false }
        }
        var reasons: [String] = []
        for (index, use) in uses.enumerated() {
            let place = "use[\(index)]"
            switch use {
            case .server(let use) where use.from == address.server:
                reasons.append("\(place) \(verdict(of: use, on: address.name, single))")
            case .entry(let use) where index == single:
                reasons.append("\(place) takes it by itself\(changes(by: use))")
            case .choice(let choice)
            where choice.takesApproved || choice.owners.contains(address.server.owner):
                reasons.append(
                    "\(place) \(verdict(of: choice, on: address, single, whole, catalog, nodes))")
            case .composite(let tool):
                let steps = tool.steps.filter {
                    address.kind == .tool && $0.server == address.server && $0.tool == address.name
                }
                if !steps.isEmpty {
                    let names = steps.map(\.id).joined(separator: ", ")
                    reasons.append("\(place) calls it, in step \(names) of composite \(tool.name)")
                }
            case .server, .entry, .choice: break
            }
        }
        guard !reasons.isEmpty else { return nil }
        let listed = listing(of: address, in: view)
        if listed == nil { reasons += absence(of: address, catalog) }
        for note in view.notes where note.concerns(address) { reasons.append("\(note)") }
        return EntryTrace(name: listed, reasons: reasons)
    }

    // MARK: -

    private static func listing(of address: EntryAddress, in view: EndpointView) -> String? {
        view.list(address.kind).first {
            $0.composite == nil && $0.binding.server == address.server && $0.binding.entry == address.name
        }?.name
    }

    /// What keeps an entry from everywhere.
    private static func absence(of address: EntryAddress, _ catalog: CatalogSnapshot) -> [String] {
        guard let known = catalog.servers[address.server] else { return ["its server is not known here"] }
        if known.record.state == .disabled { return ["its server is disabled"] }
        guard let manifest = known.manifest else { return ["its server has not been listed yet"] }
        return manifest.entry(address.kind, named: address.name) == nil
            ? ["its server offers it no more"] : []
    }

    private static func verdict(of whole: WholeServer<ServerKey>, on name: String, _ single: Int?) -> String {
        if let single { return "takes its whole server, without it: use[\(single)] takes it by itself" }
        if let glob = whole.hide.first(where: { $0.matches(name) }) { return "hides it, by hide: \(glob)" }
        guard !whole.only.isEmpty else { return "takes its whole server, and it with it" }
        if let glob = whole.only.first(where: { $0.matches(name) }) { return "takes it, by only: \(glob)" }
        return "leaves it out: none of only fits it"
    }

    private static func verdict(
        of choice: EntryChoice<ServerKey>, on address: EntryAddress, _ single: Int?, _ whole: Int?,
        _ catalog: CatalogSnapshot, _ nodes: NodeNames
    ) -> String {
        if let single { return "does not look at it: use[\(single)] takes it by itself" }
        if let whole { return "does not look at its server: use[\(whole)] is about it" }
        guard let known = catalog.servers[address.server],
            let entry = known.manifest?.entry(address.kind, named: address.name)
        else { return "would look at it" }
        return choice.chooses(entry, of: known.record, in: catalog, nodes)
            ? "chooses it, by where: \(choice.selection.text)"
            : "does not choose it, by where: \(choice.selection.text)"
    }

    private static func changes(by single: SingleEntry<ServerKey>) -> String {
        var changes: [String] = []
        if let name = single.name { changes.append("calls it \(name)") }
        if single.title != nil { changes.append("gives it another title") }
        if single.description != nil { changes.append("gives it another description") }
        if !single.annotations.isEmpty {
            changes.append("sets its \(single.annotations.map(\.name).joined(separator: ", "))")
        }
        if !single.fixed.isEmpty {
            changes.append("fixes and hides \(single.fixed.map(\.name).joined(separator: ", "))")
        }
        if !single.defaults.isEmpty {
            changes.append("has a default for \(single.defaults.map(\.name).joined(separator: ", "))")
        }
        return changes.isEmpty ? "" : ", \(changes.joined(separator: ", "))"
    }
}

extension ViewNote {
    /// Whether it tells something of one entry.
    func concerns(_ address: EntryAddress) -> Bool {
        switch self {
        case .missingEntry(let server, let kind, let name), .repeated(let server, let kind, let name),
            .withheld(let server, let kind, let name, _),
            .contestedURI(let server, let kind, let name, _):
            server == address.server && kind == address.kind && name == address.name
        case .clash(let kind, _, let side, _):
            side.server == address.server && kind == address.kind && side.entry == address.name
        case .unknownServer, .notListedYet, .disabled, .incomplete: false
        }
    }
}
