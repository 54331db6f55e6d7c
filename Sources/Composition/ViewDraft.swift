import Catalog
import JSONSlice

/// An endpoint's entries while they are chosen and named.
struct ViewDraft {
    struct Row {
        let server: ServerKey
        let entry: Entry
        /// The definition with everything changed but its name.
        let definition: JSON
        let fixed: [Argument]
        let defaults: [Argument]
        /// What it would be called if nothing else were.
        var name: String
        let origin: Origin
        /// Of a composite; its server and entry are then what stands for it where there must be some.
        var composite: BoundComposite?

        /// Whether clients read it by URI, instead of calling it by name.
        var isRead: Bool { entry.kind == .resource || entry.kind == .resourceTemplate }
    }

    /// How it came in, which decides whose name it is.
    enum Origin {
        /// A whole server was.
        case server
        /// A definition chose just this entry, so that its name is somebody's decision.
        case name
        /// By what it is: its name is made of it alone (``ChosenNaming``).
        case choice
    }

    /// Entries that would bear one name.
    struct Clash {
        let kind: EntryKind
        let name: String
        let sides: [ViewNote.Clashing]
    }

    /// Notes are for people, who fix the first before they read the hundredth; a server of 10,000 entries that
    /// all clash must not make more.
    static let notesMax = 100

    private(set) var rows: [Row] = []
    private(set) var notes: [ViewNote] = []
    private(set) var clashes: [Clash] = []
    /// Where URIs are shown as they are.
    private(set) var ownURIs: OwnURIs?
    private let catalog: CatalogSnapshot
    private let endpoint: Endpoint
    private let nodes: NodeNames
    private let nameLengthMax: Int
    private var spaces: [ServerKey: ResourceSpace] = [:]

    init(of endpoint: Endpoint, in catalog: CatalogSnapshot, nodes: NodeNames, nameLengthMax: Int) {
        self.endpoint = endpoint
        self.catalog = catalog
        self.nodes = nodes
        self.nameLengthMax = nameLengthMax
        for server in endpoint.servers(in: catalog) + endpoint.stepServers {
            spaces[server] = endpoint.space(of: server, me: catalog.me, nodes: nodes)
        }
        choose()
        if case .oneServer = endpoint { return }
        if case .virtual(let definition) = endpoint, definition.uris == .own { settleURIs() }
        tellApart()
    }

    // MARK: Choosing

    private mutating func choose() {
        switch endpoint {
        case .all:
            for server in endpoint.servers(in: catalog) { addAll(of: server) }
        case .oneServer(let server):
            for entry in manifest(of: server, evenIfDisabled: true)?.entries ?? [] {
                add(entry, of: server, name: entry.name)
            }
        case .virtual(let definition):
            compose(definition)
        }
    }

    private mutating func addAll(of server: ServerKey) {
        let node = server.owner == catalog.me ? nil : nodes[server.owner]
        for entry in manifest(of: server)?.entries ?? [] {
            let name = EntryNaming.whole(node: node, server: server.name, entry: entry.name)
            add(entry, of: server, name: name)
        }
    }

    private mutating func compose(_ definition: ResolvedDefinition) {
        var taken = Set(
            definition.use.compactMap { use -> Address? in
                guard case .entry(let single) = use else { return nil }
                return Address(server: single.server, kind: single.kind, entry: single.entry)
            })
        // What is named comes before what is chosen by what it is, wherever it stands: else an entry's name would change with
        // its tags. And of a server that is named, what its own item leaves out is out: it was hidden on purpose.
        let named = taken
        let whole = Set(
            definition.use.compactMap { use in if case .server(let whole) = use { whole.from } else { nil } })
        for use in definition.use {
            switch use {
            case .server(let whole):
                for entry in manifest(of: whole.from)?.entries ?? [] where whole.selects(entry.name) {
                    let address = Address(server: whole.from, kind: entry.kind, entry: entry.name)
                    if taken.insert(address).inserted { add(entry, of: whole.from, name: entry.name) }
                }
            case .entry(let single):
                add(single)
            case .composite(let tool):
                add(tool)
            case .choice(let choice):
                for server in choice.servers(in: catalog) where !whole.contains(server) {
                    // Nobody named it, so nobody misses it.
                    guard let known = catalog.servers[server], known.record.state != .disabled else {
                        continue
                    }
                    for entry in known.manifest?.entries ?? [] {
                        let address = Address(server: server, kind: entry.kind, entry: entry.name)
                        guard !named.contains(address), !taken.contains(address),
                            choice.chooses(entry, of: known.record, in: catalog, nodes)
                        else { continue }
                        taken.insert(address)
                        add(entry, of: server, name: chosenName(entry.name, of: server), .choice)
                    }
                }
            }
        }
    }

    private mutating func add(_ entry: Entry, of server: ServerKey, name: String, _ origin: Origin = .server)
    {
        rows.append(
            Row(
                server: server, entry: entry, definition: entry.definition, fixed: [], defaults: [],
                name: name, origin: origin))
    }

    private mutating func add(_ single: SingleEntry<ServerKey>) {
        guard let manifest = manifest(of: single.server) else { return }
        guard let entry = manifest.entry(single.kind, named: single.entry) else {
            return note(.missingEntry(single.server, single.kind, single.entry))
        }
        do {
            let narrowed = try Narrowing.narrow(
                entry.definition, of: entry.kind, fixed: single.fixed, defaults: single.defaults)
            rows.append(
                Row(
                    server: single.server, entry: entry, definition: single.describing(narrowed),
                    fixed: single.fixed, defaults: single.defaults, name: single.name ?? entry.name,
                    origin: .name))
        } catch {
            note(.withheld(single.server, single.kind, single.entry, error))
        }
    }

    /// A composite is shown whole or not at all.
    private mutating func add(_ tool: CompositeTool<ServerKey>) {
        var entries: [Entry] = []
        for step in tool.steps {
            guard let known = catalog.servers[step.server], known.record.state != .disabled,
                let entry = known.manifest?.entry(.tool, named: step.tool)
            else {
                return note(
                    .incomplete(composite: tool.name, step: step.id, step.server, step.tool))
            }
            entries.append(entry)
        }
        let composite = BoundComposite(tool, entries: entries)
        guard let first = tool.steps.first,
            let entry = Entry(kind: .tool, definition: composite.definition)
        else { return }
        rows.append(
            Row(
                server: first.server, entry: entry, definition: entry.definition, fixed: [], defaults: [],
                name: tool.name, origin: .name, composite: composite))
    }

    private mutating func manifest(of server: ServerKey, evenIfDisabled: Bool = false) -> Manifest? {
        guard let known = catalog.servers[server] else {
            note(.unknownServer(server))
            return nil
        }
        if known.record.state == .disabled, !evenIfDisabled {
            note(.disabled(server))
            return nil
        }
        if known.manifest == nil { note(.notListedYet(server)) }
        return known.manifest
    }

    private mutating func note(_ note: ViewNote) {
        if notes.count < Self.notesMax, !notes.contains(note) { notes.append(note) }
    }

    /// Of a URI that two servers could mean, neither is shown.
    private mutating func settleURIs() {
        let settled = OwnURIs(
            rows.filter(\.isRead).map {
                OwnURIs.Row(server: $0.server, kind: $0.entry.kind, uri: $0.entry.name)
            })
        for contest in settled.contests {
            note(.contestedURI(contest.row.server, contest.row.kind, contest.row.uri, others: contest.others))
        }
        let contested = Set(settled.contests.map(\.row))
        rows = rows.filter { row in
            !row.isRead
                || !contested.contains(
                    OwnURIs.Row(server: row.server, kind: row.entry.kind, uri: row.entry.name))
        }
        ownURIs = settled
    }

    // MARK: Naming

    /// Makes all names legal, and different where they would be alike, by rules that look at nothing but
    /// definitions and labels.
    ///
    /// A name that a definition gives to one entry stays with it. Otherwise a name that needed no change stays,
    /// and if two of whole servers are alike neither keeps it: a server that copies another's tool name must not
    /// get its calls. Names of entries chosen by `where` move for nobody: what could come to bear one is told
    /// apart from the start, whether it does or not.
    private mutating func tellApart() {
        let kept = keptPrefixes
        for index in rows.indices {
            let row = rows[index]
            rows[index].name =
                row.isRead
                ? spaces[row.server]?.outward(row.entry.name) ?? row.entry.name
                : row.origin == .choice
                    ? row.name
                    : kept.contains(where: row.name.hasPrefix)
                        ? chosenName(row) : EntryNaming.fitted(row.name, lengthMax: nameLengthMax)
        }
        dropRepeated()
        let alike = Dictionary(grouping: rows.indices) { Name(rows[$0]) }.values
            .filter { $0.count > 1 }.sorted { $0[0] < $1[0] }
        for places in alike {
            let sides = places.map { ViewNote.Clashing(rows[$0]) }
            clashes.append(Clash(kind: rows[places[0]].entry.kind, name: rows[places[0]].name, sides: sides))
            separate(places)
        }
        // What was renamed may, by somebody's design, meet a name that was there: the hash then grows.
        var used: Set<Name> = []
        for index in rows.indices where !used.insert(Name(rows[index])).inserted {
            rename(index, to: longName(rows[index]))
            used.insert(Name(rows[index]))
        }
    }

    private mutating func separate(_ places: [Int]) {
        let keeper =
            places.first { rows[$0].origin == .choice } ?? places.first { rows[$0].origin == .name }
            ?? (isWholeMesh ? places.first { rows[$0].name == whole(rows[$0]) } : nil)
        for place in places where place != keeper {
            let row = rows[place]
            let name =
                isWholeMesh ? longName(row) : EntryNaming.fitted(qualified(row), lengthMax: nameLengthMax)
            rename(place, to: name)
        }
    }

    private mutating func rename(_ index: Int, to name: String) {
        let row = rows[index]
        note(.clash(row.entry.kind, name: row.name, ViewNote.Clashing(row), shownAs: name))
        rows[index].name = name
    }

    /// What one server lists twice is shown once, and no URI is shown twice.
    private mutating func dropRepeated() {
        var seen: Set<Name> = []
        var seenEntries: Set<Address> = []
        rows = rows.filter { row in
            let isNew =
                row.isRead
                ? seen.insert(Name(row)).inserted
                : row.origin == .name
                    || seenEntries.insert(
                        Address(server: row.server, kind: row.entry.kind, entry: row.entry.name)
                    ).inserted
            if !isNew { note(.repeated(row.server, row.entry.kind, row.entry.name)) }
            return isNew
        }
    }

    private var keptPrefixes: [String] {
        guard case .virtual(let definition) = endpoint else { return [] }
        return definition.choiceOwners(in: catalog).map {
            ChosenNaming.prefix(node: nodes[$0], lengthMax: nameLengthMax)
        }
    }

    private func chosenName(_ row: Row) -> String { chosenName(row.entry.name, of: row.server) }

    private func chosenName(_ entry: String, of server: ServerKey) -> String {
        ChosenNaming.name(
            node: nodes[server.owner], server: server.name, entry: entry, lengthMax: nameLengthMax)
    }

    private var isWholeMesh: Bool {
        if case .all = endpoint { true } else { false }
    }

    /// Its name on the endpoint of the whole mesh, before it is made to fit.
    private func whole(_ row: Row) -> String {
        let node = row.server.owner == catalog.me ? nil : nodes[row.server.owner]
        return EntryNaming.whole(node: node, server: row.server.name, entry: row.entry.name)
    }

    /// The same on every node.
    private func qualified(_ row: Row) -> String {
        EntryNaming.whole(node: nodes[row.server.owner], server: row.server.name, entry: row.entry.name)
    }

    /// With 80 bits of hash instead of 30, over who owns it as well.
    private func longName(_ row: Row) -> String {
        EntryNaming.marked(
            "\(row.server)__\(row.entry.name)", lengthMax: nameLengthMax, hashLength: 16)
    }

    private struct Address: Hashable {
        let server: ServerKey
        let kind: EntryKind
        let entry: String
    }

    private struct Name: Hashable {
        let kind: EntryKind
        let name: String

        init(_ row: Row) {
            kind = row.entry.kind
            name = row.name
        }
    }
}

extension ViewNote.Clashing {
    fileprivate init(_ row: ViewDraft.Row) {
        self.init(server: row.server, entry: row.entry.name, isComposite: row.composite != nil)
    }
}

extension SingleEntry {
    /// The definition with title, description and annotations as this item says.
    fileprivate func describing(_ definition: JSON) -> JSON {
        var result = definition
        if let title { result = result.setting("title", to: .string(title)) }
        if let description { result = result.setting("description", to: .string(description)) }
        var changes = annotations
        // Clients before 2025-06-18 know a tool's title only as an annotation.
        if let title, kind == .tool, result["annotations"]?["title"] != nil {
            changes.insert(Argument("title", .string(title)), at: 0)
        }
        guard !changes.isEmpty else { return result }
        let old = result["annotations"] ?? .emptyObject
        let new = changes.reduce(old.kind == .object ? old : .emptyObject) {
            $0.setting($1.name, to: $1.value)
        }
        return result.setting("annotations", to: new)
    }
}
