package import Catalog
package import JSONSlice
package import MCPModel

/// One endpoint as its clients see it, computed from one catalog snapshot: what is listed, under which names,
/// and what each name stands for.
///
/// Names, order and bindings depend on definitions and labels alone. Whether an owner can be reached changes
/// nothing here: its entries stay listed, and a call fails with the reason.
package struct EndpointView: Sendable {
    package let endpoint: Endpoint
    package let title: String?
    package private(set) var instructions: String?
    /// The capabilities object in the terms of 2026-07-28.
    package private(set) var capabilities: JSON
    /// What a person should know about how this view came about.
    package let notes: [ViewNote]

    /// Whether clients search the tools instead of being shown them all.
    package private(set) var isSearched = false

    private var lists: [EntryKind: [ListedEntry]]
    /// Tools that are listed even where the others are searched.
    private var alwaysListed: [ListedEntry]
    /// By the bytes of the name: `String` would hold canonically equivalent names for one.
    private var places: [EntryKind: [[UInt8]: Int]]
    private let spaces: [ServerKey: ResourceSpace]
    private var authorities: [String: ServerKey]
    /// URIs, outward, of resources that a definition leaves out.
    private var hiddenURIs: Set<String>
    /// Of tools whose definition does not say it, at the servers that have tasks at all.
    private let taskSupport: [ServerKey: TaskSupport]
    /// Servers that tell of updates of their resources.
    private let telling: Set<ServerKey>
    private let basis: ViewBasis
    /// Those behind it, of which instructions and capabilities are made.
    private let known: [CatalogSnapshot.KnownServer]
    private let nodes: NodeNames
    private let me: NodeID

    /// - Parameter nameLengthMax: `names.max` of the configuration.
    /// - Complexity: O(entries of the endpoint's servers), and O(bytes) of each definition that is changed.
    package init(
        of endpoint: Endpoint, in catalog: CatalogSnapshot,
        nameLengthMax: Int = EntryNaming.lengthMaxDefault
    ) {
        let nodes = NodeNames(catalog)
        let draft = ViewDraft(of: endpoint, in: catalog, nodes: nodes, nameLengthMax: nameLengthMax)
        let servers = Self.servers(behind: draft, endpoint, in: catalog)
        let known = servers.compactMap { catalog.servers[$0] }

        var spaces: [ServerKey: ResourceSpace] = [:]
        var authorities: [String: ServerKey] = [:]
        for server in servers {
            spaces[server] = endpoint.space(of: server, me: catalog.me, nodes: nodes)
            authorities[EntryNaming.authority(node: nodes[server.owner], server: server.name)] = server
        }
        for server in servers where server.owner == catalog.me { authorities[server.name.text] = server }
        // What comes of steps is shown under its own server's name, though nothing else there can be reached.
        for server in endpoint.stepServers where spaces[server] == nil {
            spaces[server] = endpoint.space(of: server, me: catalog.me, nodes: nodes)
        }

        var lists: [EntryKind: [ListedEntry]] = [:]
        for row in draft.rows {
            let kind = row.entry.kind
            var definition = spaces[row.server]?.outward(definition: row.definition) ?? row.definition
            if row.name != row.entry.name {
                definition = definition.setting(kind.nameMember, to: .string(row.name))
            }
            let binding = Binding(
                server: row.server, entry: row.entry, fixed: row.fixed, defaults: row.defaults)
            lists[kind, default: []].append(
                ListedEntry(
                    name: row.name, definition: definition, binding: binding, composite: row.composite))
        }

        let face = EndpointFace(
            of: endpoint, servers: known, nodes: nodes, me: catalog.me, listed: Set(lists.keys))
        self.endpoint = endpoint
        self.title = face.title
        self.instructions = face.instructions
        self.capabilities = face.capabilities
        self.notes = draft.notes
        self.spaces = spaces
        self.authorities = authorities
        self.taskSupport = Dictionary(
            uniqueKeysWithValues: known.filter(\.hasTasks).map {
                ($0.record.key, $0.isModern ? TaskSupport.optional : .forbidden)
            })
        self.hiddenURIs = Self.hiddenURIs(of: known, spaces: spaces, shown: lists[.resource] ?? [])
        self.telling = Set(
            known.lazy.filter { server in
                server.record.state != .disabled
                    && server.manifest.map { EndpointFace.tellsOfUpdates($0.capabilities) } == true
            }.map(\.record.key))
        self.lists = lists
        self.alwaysListed = Self.alwaysListed(of: lists[.tool] ?? [], at: endpoint)
        self.places = Self.places(of: lists)
        self.known = known
        self.nodes = nodes
        me = catalog.me
        self.basis = ViewBasis(of: endpoint, in: catalog, nodes: nodes, nameLengthMax: nameLengthMax)
    }

    /// The same endpoint for somebody who may see only part of it: what he may not see is as if it were not there.
    ///
    /// - Parameters:
    ///   - isSeen: whether an entry may be seen.
    ///   - isServerSeen: whether anything of a server may be; of others no instructions, capabilities, resources outside of lists
    ///     or tasks are left either.
    /// - Complexity: O(entries of the endpoint)
    package func seen(
        _ isSeen: (ListedEntry) -> Bool, servers isServerSeen: (ServerKey) -> Bool
    ) -> EndpointView {
        var view = self
        var hidden: [String] = []
        view.lists = lists.compactMapValues { entries in
            let left = entries.filter { entry in
                if isSeen(entry) { return true }
                if entry.binding.kind == .resource { hidden.append(entry.name) }
                return false
            }
            return left.isEmpty ? nil : left
        }
        view.hiddenURIs.formUnion(hidden)
        view.alwaysListed = alwaysListed.filter(isSeen)
        view.places = Self.places(of: view.lists)
        view.authorities = authorities.filter { isServerSeen($0.value) }
        let face = EndpointFace(
            of: endpoint, servers: known.filter { isServerSeen($0.record.key) }, nodes: nodes, me: me,
            listed: Set(view.lists.keys))
        view.instructions = face.instructions
        view.capabilities = face.capabilities
        return view
    }

    private static func places(of lists: [EntryKind: [ListedEntry]]) -> [EntryKind: [[UInt8]: Int]] {
        lists.mapValues { entries in
            Dictionary(entries.enumerated().map { (Array($0.element.name.utf8), $0.offset) }) { first, _ in
                first
            }
        }
    }

    /// All that there is, in the order in which clients see it.
    package func list(_ kind: EntryKind) -> [ListedEntry] { lists[kind] ?? [] }

    /// What a client's list holds of it: where tools are searched, only those that are always listed (and the two of
    /// ``SearchTools`` before them).
    package func shown(_ kind: EntryKind) -> [ListedEntry] {
        isSearched && kind == .tool ? alwaysListed : list(kind)
    }

    /// The same endpoint with its tools shown in a given way.
    ///
    /// - Parameters:
    ///   - mode: what the client asks for; `nil`: as the definition says.
    ///   - listedTools: how many ``ListingMode/auto`` lists where the definition does not say.
    package func shown(as mode: ListingMode?, listedTools: Int) -> EndpointView {
        var (defined, listedTools) = (ListingMode.full, listedTools)
        if case .virtual(let definition) = endpoint {
            defined = definition.mode
            listedTools = definition.listedTools ?? listedTools
        }
        let isSearched =
            switch mode ?? defined {
            case .full: false
            case .search: true
            case .auto: list(.tool).count > listedTools
            }
        // Asked for with every request.
        guard isSearched != self.isSearched else { return self }
        var view = self
        view.isSearched = isSearched
        return view
    }

    private static func alwaysListed(of tools: [ListedEntry], at endpoint: Endpoint) -> [ListedEntry] {
        guard case .virtual(let definition) = endpoint, !definition.always.isEmpty else { return [] }
        return tools.filter { tool in
            SearchTools.Name(rawValue: tool.name) == nil
                && definition.always.contains { $0.matches(tool.name) }
        }
    }

    /// - Complexity: O(length of the name)
    package func entry(_ kind: EntryKind, named name: String) -> ListedEntry? {
        guard let place = places[kind]?[Array(name.utf8)] else { return nil }
        return lists[kind]?[place]
    }

    package func binding(_ kind: EntryKind, named name: String) -> Binding? {
        entry(kind, named: name)?.binding
    }

    /// Whether computing the view anew from this snapshot would give the same: nothing it is made of changed.
    ///
    /// - Complexity: O(servers of the endpoint)
    package func stands(in catalog: CatalogSnapshot) -> Bool {
        basis
            == ViewBasis(
                of: endpoint, in: catalog, nodes: NodeNames(catalog), nameLengthMax: basis.nameLengthMax)
    }

    /// The lists in which clients see something else than before: whom to tell, and of what.
    package func listsChanged(since older: EndpointView) -> Set<EntryKind> {
        Set(
            EntryKind.allCases.filter { kind in
                if kind == .tool, isSearched != older.isSearched { return true }
                let (new, old) = (shown(kind), older.shown(kind))
                return new.count != old.count || !zip(new, old).allSatisfy { $0.definition == $1.definition }
            })
    }

    // MARK: Resources

    /// The server that a URI of this endpoint leads to, and the URI there; also for a URI in no list, since
    /// templates and links lead to many. `nil` when it leads nowhere, or a definition leaves this resource out.
    package func resource(at uri: String) -> (server: ServerKey, uri: String)? {
        if case .oneServer(let server) = endpoint { return (server, uri) }
        guard let (authority, original) = ResourceSpace.inward(uri), let server = authorities[authority],
            let space = spaces[server], !hiddenURIs.contains(space.outward(original))
        else { return nil }
        return (server, original)
    }

    /// The server that a task of this endpoint runs at, and what it is called there; `nil` when it leads nowhere.
    ///
    /// A task's name says whose it is, so that any node can send a question about it there without having heard of it.
    package func task(named id: String) -> (server: ServerKey, id: String)? {
        if case .oneServer(let server) = endpoint { return (server, id) }
        guard let (authority, original) = ResourceSpace.inward(taskID: id),
            let server = authorities[authority]
        else { return nil }
        return (server, original)
    }

    /// Whether a tool may be called as a task, in the terms of 2025-11-25.
    ///
    /// A modern server with the extension decides for each call, so all its tools may; a legacy one says it for each tool,
    /// and by its silence that it may not.
    package func taskSupport(ofTool name: String) -> TaskSupport {
        guard let entry = entry(.tool, named: name), entry.composite == nil,
            let unsaid = taskSupport[entry.binding.server]
        else {
            return .forbidden
        }
        return TaskSupport(of: entry.definition) ?? unsaid
    }

    /// Whether a server tells of updates of its resources, as far as it said.
    package func tellsOfUpdates(_ server: ServerKey) -> Bool { telling.contains(server) }

    /// How this endpoint shows the URIs of a server, for results and notifications that come from it.
    package func space(of server: ServerKey) -> ResourceSpace {
        spaces[server] ?? ResourceSpace(authority: nil)
    }

    /// Those that have a part in the endpoint: of what a choice only looked at, clients hear and reach nothing.
    private static func servers(
        behind draft: ViewDraft, _ endpoint: Endpoint, in catalog: CatalogSnapshot
    ) -> [ServerKey] {
        let all = endpoint.servers(in: catalog)
        guard case .virtual(let definition) = endpoint, !definition.choiceOwners.isEmpty else { return all }
        let part = definition.namedServers.union(
            draft.rows.lazy.filter { $0.composite == nil }.map(\.server))
        return all.filter(part.contains)
    }

    private static func hiddenURIs(
        of servers: [CatalogSnapshot.KnownServer], spaces: [ServerKey: ResourceSpace], shown: [ListedEntry]
    ) -> Set<String> {
        let all = servers.flatMap { server in
            (server.manifest?.entries ?? []).filter { $0.kind == .resource }
                .map { spaces[server.record.key]?.outward($0.name) ?? $0.name }
        }
        return Set(all).subtracting(shown.map(\.name))
    }
}

extension CatalogSnapshot.KnownServer {
    /// Whether its calls can become tasks.
    var hasTasks: Bool {
        record.state != .disabled && TasksExtension.isDeclared(in: manifest?.capabilities)
    }

    fileprivate var isModern: Bool { ProtocolRevision(rawValue: record.revision)?.era == .modern }
}

/// All that a view is made of, for telling cheaply whether it still stands.
private struct ViewBasis: Equatable, Sendable {
    struct Source: Equatable, Sendable {
        var server: ServerKey
        var node: String
        var segment: Label?
        var tags: [String]
        var title: String?
        var isDisabled: Bool
        var isModern: Bool
        /// Compares by storage first, so an unchanged one costs nothing.
        var manifest: Manifest?
    }

    var me: NodeID
    var sources: [Source?]
    var nameLengthMax: Int

    init(of endpoint: Endpoint, in catalog: CatalogSnapshot, nodes: NodeNames, nameLengthMax: Int) {
        me = catalog.me
        self.nameLengthMax = nameLengthMax
        sources = (endpoint.servers(in: catalog) + endpoint.stepServers).map { server in
            catalog.servers[server].map {
                Source(
                    server: server, node: nodes[server.owner], segment: catalog.nodes[server.owner]?.segment,
                    tags: $0.record.tags, title: $0.record.title,
                    isDisabled: $0.record.state == .disabled, isModern: $0.isModern, manifest: $0.manifest)
            }
        }
    }
}
