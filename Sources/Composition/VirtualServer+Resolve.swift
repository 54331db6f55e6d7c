package import Catalog
import JSONSlice

extension VirtualServer where Server == ServerName {
    /// Names every server for good, and checks the definition against what is known now.
    ///
    /// An entry of a server whose manifest has not arrived is taken on trust. Everything that is wrong is told at
    /// once.
    /// - Parameter nameLengthMax: `names.max` of the node where it is applied.
    package func resolve(
        against catalog: CatalogSnapshot, nameLengthMax: Int = EntryNaming.lengthMaxDefault
    ) throws(DefinitionError) -> ResolvedDefinition {
        let nodes = NodeNames(catalog)
        var problems: [DefinitionProblem] = []
        var uses: [ResolvedDefinition.Use] = []
        for (index, use) in self.use.enumerated() {
            let path = ConfigPath.root.key("use").index(index)
            switch use {
            case .server(let whole):
                guard let key = Self.key(of: whole.from, at: path.key("from"), catalog, nodes, &problems)
                else {
                    continue
                }
                uses.append(.server(WholeServer(from: key, only: whole.only, hide: whole.hide)))
            case .entry(let single):
                let place = path.key(single.kind.description)
                guard let key = Self.key(of: single.server, at: place, catalog, nodes, &problems) else {
                    continue
                }
                let resolved = SingleEntry(
                    single.kind, single.entry, of: key, as: single.name, title: single.title,
                    description: single.description, annotations: single.annotations, fixed: single.fixed,
                    defaults: single.defaults)
                resolved.check(
                    at: path, in: catalog.servers[key]?.manifest, called: single.server.reference,
                    nameLengthMax: nameLengthMax, &problems)
                uses.append(.entry(resolved))
            case .choice(let choice):
                var owners: [NodeID] = []
                for (index, owner) in choice.owners.enumerated() {
                    let place = path.key("owners").index(index)
                    guard let node = Self.node(owner.text, at: place, nodes, &problems) else { continue }
                    if !owners.contains(node) { owners.append(node) }
                }
                uses.append(.choice(EntryChoice(where: choice.selection, owners: owners)))
            case .composite(let composite):
                let place = path.key("steps")
                let named = composite.mapServers { step -> ServerKey? in
                    let call = place.key(step.id).key("call")
                    let own = ServerKey(owner: catalog.me, name: step.server.server)
                    if step.server.node == nil, catalog.servers[own] == nil,
                        catalog.virtualServers[step.server.server] != nil
                    {
                        problems.append(.callsVirtualServer(at: call, step.server.reference))
                        return nil
                    }
                    return Self.key(of: step.server, at: call, catalog, nodes, &problems)
                }
                guard let named else { continue }
                named.check(
                    at: path, in: catalog, writtenAs: composite.steps.map(\.server.reference),
                    nameLengthMax: nameLengthMax, &problems)
                uses.append(.composite(named))
            }
        }
        let resolved = ResolvedDefinition(
            title: title, description: description, instructions: instructions, use: uses, mode: mode,
            always: always, listedTools: listedTools, isAdvertised: isAdvertised,
            access: access)
        problems += resolved.reservedNames(nodes, nameLengthMax: nameLengthMax)
        problems += resolved.clashes(in: catalog, nodes: nodes, nameLengthMax: nameLengthMax)
        guard problems.isEmpty else { throw DefinitionError(problems) }
        return resolved
    }

    private static func node(
        _ name: String, at path: ConfigPath, _ nodes: NodeNames, _ problems: inout [DefinitionProblem]
    ) -> NodeID? {
        if let found = nodes.node(name) { return found }
        let nearest = NearestName.to(name, among: nodes.all)
        problems.append(.unknownNode(at: path, name, nearest: nearest))
        return nil
    }

    private static func key(
        of name: ServerName, at path: ConfigPath, _ catalog: CatalogSnapshot, _ nodes: NodeNames,
        _ problems: inout [DefinitionProblem]
    ) -> ServerKey? {
        var owner = catalog.me
        if let node = name.node {
            guard let found = Self.node(node.text, at: path, nodes, &problems) else { return nil }
            owner = found
        }
        let key = ServerKey(owner: owner, name: name.server)
        if catalog.servers[key] != nil { return key }
        let nearest = nearestServer(to: name, catalog, nodes)
        problems.append(.unknownServer(at: path, name.reference, nearest: nearest))
        return nil
    }

    /// The same name on another node first: the node is what people forget to write.
    private static func nearestServer(
        to name: ServerName, _ catalog: CatalogSnapshot, _ nodes: NodeNames
    ) -> String? {
        let spelled = catalog.serversInOrder.map { known in
            let key = known.record.key
            let node = key.owner == catalog.me ? nil : nodes[key.owner]
            return (key, EntryNaming.authority(node: node, server: key.name))
        }
        return spelled.first { $0.0.name == name.server }?.1
            ?? NearestName.to(name.reference, among: spelled.map(\.1))
    }
}

extension VirtualServer where Server == ServerKey {
    /// The definition in people's terms, for showing and editing; `resolve` leads back.
    ///
    /// - Parameter catalog: where the labels come from; this node's own servers go without node.
    package func written(in catalog: CatalogSnapshot) -> VirtualServerDefinition {
        let nodes = NodeNames(catalog)
        let name = { (key: ServerKey) in
            let node = key.owner == catalog.me ? nil : Label(nodes[key.owner])
            return ServerName(node: node, server: key.name)
        }
        return VirtualServerDefinition(
            title: title, description: description, instructions: instructions,
            use: use.map { use in
                switch use {
                case .server(let whole):
                    .server(WholeServer(from: name(whole.from), only: whole.only, hide: whole.hide))
                case .choice(let choice):
                    .choice(
                        EntryChoice(
                            where: choice.selection,
                            owners: choice.owners.compactMap { Label(nodes[$0]) }))
                case .composite(let composite): .composite(composite.renamed { name($0.server) })
                case .entry(let single):
                    .entry(
                        SingleEntry(
                            single.kind, single.entry, of: name(single.server), as: single.name,
                            title: single.title, description: single.description,
                            annotations: single.annotations, fixed: single.fixed, defaults: single.defaults))
                }
            }, mode: mode, always: always, listedTools: listedTools, isAdvertised: isAdvertised,
            access: access)
    }

    /// Names given to single entries that are kept for those chosen by `where`.
    fileprivate func reservedNames(_ nodes: NodeNames, nameLengthMax: Int) -> [DefinitionProblem] {
        let prefixes = choiceOwners.map { ChosenNaming.prefix(node: nodes[$0], lengthMax: nameLengthMax) }
            .sorted()
        return use.enumerated().compactMap { index, use in
            let given: (key: String, name: String?) =
                switch use {
                case .entry(let single): ("as", single.name)
                case .composite(let composite): ("composite", composite.name)
                case .server, .choice: ("", nil)
                }
            guard let name = given.name, let prefix = prefixes.first(where: { name.hasPrefix($0) }) else {
                return nil
            }
            return .reservedName(
                at: ConfigPath.root.key("use").index(index).key(given.key), name, prefix: prefix)
        }
    }

    /// Names that two entries would bear.
    fileprivate func clashes(
        in catalog: CatalogSnapshot, nodes: NodeNames, nameLengthMax: Int
    ) -> [DefinitionProblem] {
        let draft = ViewDraft(of: .virtual(self), in: catalog, nodes: nodes, nameLengthMax: nameLengthMax)
        return draft.clashes.map { clash in
            let sides = clash.sides.map { side in
                if side.isComposite { return "the composite \(side.entry)" }
                let server = EntryNaming.authority(node: nodes[side.server.owner], server: side.server.name)
                return "\(server)/\(side.entry)"
            }
            return .clash(clash.kind, name: clash.name, sides: sides)
        }
    }
}

extension SingleEntry where Server == ServerKey {
    /// Checks it against what its server offers, where that is known.
    fileprivate func check(
        at path: ConfigPath, in manifest: Manifest?, called server: String, nameLengthMax: Int,
        _ problems: inout [DefinitionProblem]
    ) {
        if let name, name.utf8.count > nameLengthMax {
            problems.append(.nameTooLong(at: path.key("as"), name, lengthMax: nameLengthMax))
        }
        guard let manifest else { return }
        guard let found = manifest.entry(kind, named: entry) else {
            let names = manifest.entries.lazy.filter { $0.kind == kind }.map(\.name)
            let nearest = NearestName.to(entry, among: names)
            problems.append(
                .unknownEntry(at: path.key(kind.description), kind, entry, server: server, nearest: nearest))
            return
        }
        do {
            _ = try Narrowing.narrow(found.definition, of: kind, fixed: fixed, defaults: defaults)
        } catch {
            problems.append(.notNarrowable(at: path, kind, entry, error))
        }
    }
}
