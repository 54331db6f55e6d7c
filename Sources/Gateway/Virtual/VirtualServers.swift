import Catalog
import Composition
import JSONSlice
import Storage

/// The virtual servers that this node defines: takes definitions, checks them against what is known, and hands them to the
/// mesh, or keeps them on this node where it has no role operator.
///
/// What a command defined is stored; what the configuration defines is resolved again at each start, and waits where a node
/// that it names has not been met yet.
actor VirtualServers {
    struct Actions: Sendable {
        /// Defines for the whole mesh; throws when the mesh refuses.
        var publish: @Sendable (VirtualServerRecord) async throws -> Void
        var withdraw: @Sendable (Label) async throws -> Void
        var isOperator: @Sendable () -> Bool
        /// The greatest number under which anything was ever said of a name here, and the way to say that one is gone, where
        /// the mesh does not say it.
        var greatestCounter: @Sendable (Label) async throws -> UInt64 = { _ in 0 }
        var wasRemoved: @Sendable (VirtualServerWord) -> Void = { _ in }
    }

    /// What became of one definition.
    struct Applied: Sendable {
        var name: Label
        var outcome: String
        var note: String?
    }

    /// How long an answer waits for the definition to show; it stands all the same.
    private static let seenMax = Duration.seconds(2)

    private let board: CatalogBoard
    private let assembly: CatalogAssembly
    private let shelf: VirtualShelf
    private let published: ConfiguredVirtualShelf
    private let actions: Actions
    private let nameLengthMax: Int
    private var configured: [NamedVirtualServer]
    private let configFile: String?
    /// Of the configuration, those that cannot be resolved yet, with the reason.
    private(set) var waiting: [Label: String] = [:]
    /// The catalog of which the configuration was last resolved: against the same one it comes out the same.
    private var resolvedVersion: UInt64?
    /// Of those stored, what cannot be served as it is, with the reason.
    private(set) var unreadable: [Label: String] = [:]

    init(
        board: CatalogBoard, assembly: CatalogAssembly, shelf: VirtualShelf,
        published: ConfiguredVirtualShelf,
        configured: [NamedVirtualServer], configFile: String?, nameLengthMax: Int, actions: Actions
    ) {
        self.board = board
        self.assembly = assembly
        self.shelf = shelf
        self.published = published
        self.configured = configured
        self.configFile = configFile
        self.nameLengthMax = nameLengthMax
        self.actions = actions
    }

    /// Takes up again what commands defined in earlier lives, where the mesh knows nothing as new under the same name: an operator
    /// elsewhere may have changed or removed it meanwhile.
    func restore() async throws {
        unreadable = [:]
        for stored in try await shelf.all() {
            // One that is of no use any more must not keep the node, or the others, from being.
            do {
                if isSaid(stored.name, since: stored.counter) { continue }
                let definition = try JSON(validating: stored.definition)
                try await define(
                    VirtualServerRecord(
                        name: stored.name, author: board.me, counter: stored.counter, definition: definition))
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                unreadable[stored.name] = "\(error)"
            }
        }
        await resolveConfigured()
    }

    /// To be called when the catalog has changed: what waited may be resolvable now.
    func catalogChanged() async {
        if !waiting.isEmpty, resolvedVersion != board.version { await resolveConfigured() }
    }

    func apply(yaml: String, source: String) async throws -> [Applied] {
        let definitions: [NamedVirtualServer]
        do {
            definitions = try ConfigurationFile.virtualServers(yaml, file: source)
        } catch {
            throw Refusal(.invalid, error.description)
        }
        // All or none: a file with one mistake changes nothing.
        var resolved: [(Label, ResolvedDefinition)] = []
        var problems: [String] = []
        let snapshot = board.snapshot
        for named in definitions {
            do {
                try checkNotConfigured(named.name)
                try checkNotConfiguredElsewhere(named.name, in: snapshot)
                try checkName(named.name, in: snapshot)
                let definition = try named.definition.resolve(against: snapshot, nameLengthMax: nameLengthMax)
                resolved.append((named.name, definition))
            } catch let error as DefinitionError {
                problems += error.problems.map { "\(named.name): \($0)" }
            } catch {
                problems.append("\(error)")
            }
        }
        guard problems.isEmpty else { throw Refusal(.invalid, problems.joined(separator: "\n")) }
        var applied: [Applied] = []
        for (name, definition) in resolved { applied.append(try await apply(definition, as: name)) }
        await seen(resolved)
        return applied
    }

    /// Waits until this node itself shows what was applied, so that the answer can say what clients will list.
    private func seen(_ definitions: [(Label, ResolvedDefinition)]) async {
        let deadline = ContinuousClock.now + Self.seenMax
        while ContinuousClock.now < deadline {
            let shown = board.snapshot.virtualServers
            if definitions.allSatisfy({ shown[$0.0]?.definition == $0.1.json }) { return }
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
        }
    }

    private func apply(_ definition: ResolvedDefinition, as name: Label) async throws -> Applied {
        let current = board.snapshot.virtualServers[name]
        if current?.definition == definition.json {
            return Applied(name: name, outcome: "unchanged", note: scopeNote)
        }
        var counter = nextCounter(of: name)
        // The mesh counts by what it has; here alone nothing else remembers what was removed.
        if !actions.isOperator() {
            counter = max(counter, VirtualServerWord.counter(after: try await actions.greatestCounter(name)))
        }
        let record = VirtualServerRecord(
            name: name, author: board.me, counter: counter, definition: definition.json)
        // In this order: what the mesh refuses must not be stored, to be refused again at every start.
        try await define(record)
        try await shelf.save(name, definition: definition.json.text, counter: record.counter, at: .now())
        return Applied(name: name, outcome: current == nil ? "defined" : "changed", note: scopeNote)
    }

    func remove(_ name: Label) async throws {
        if unreadable.removeValue(forKey: name) != nil {
            _ = try await shelf.remove(name)
            return
        }
        guard let record = board.snapshot.virtualServers[name] else {
            throw Refusal(
                .notFound, "no virtual server named \(name)", hint: "`martlet virtual list` shows them")
        }
        guard record.author == board.me || actions.isOperator() else {
            throw Refusal(
                .forbidden, "\(name) was defined by another node, and this one has no role operator",
                hint: "remove it there, or on a node with the role")
        }
        try checkNotConfigured(name)
        try checkNotConfiguredElsewhere(name, in: board.snapshot)
        _ = try await shelf.remove(name)
        if assembly.keepsVirtualServer(name) {
            assembly.forgetVirtualServer(name)
            actions.wasRemoved(
                VirtualServerWord(
                    name: name, author: board.me, counter: VirtualServerWord.counter(after: record.counter),
                    replaces: ContentHash(of: record.definition.bytes), definition: nil))
        } else {
            try await actions.withdraw(name)
        }
    }

    /// Takes an earlier definition up again, as a new one.
    ///
    /// - Parameter definition: as it was signed; it need not fit what is there now, which `virtual show` tells then.
    func rollBack(_ name: Label, to definition: JSON) async throws -> Applied {
        try checkNotConfigured(name)
        try checkNotConfiguredElsewhere(name, in: board.snapshot)
        try checkName(name, in: board.snapshot)
        let resolved: ResolvedDefinition
        do {
            resolved = try ResolvedDefinition(json: definition)
        } catch {
            throw Refusal(.invalid, "this version cannot be read any more: \(error)")
        }
        let applied = try await apply(resolved, as: name)
        await seen([(name, resolved)])
        return applied
    }

    /// What a file would change a virtual server from and to, each `nil` where there is none; nothing is applied.
    func compare(yaml: String, source: String) throws -> [(name: Label, old: JSON?, new: ResolvedDefinition)]
    {
        let definitions: [NamedVirtualServer]
        do {
            definitions = try ConfigurationFile.virtualServers(yaml, file: source)
        } catch {
            throw Refusal(.invalid, error.description)
        }
        let snapshot = board.snapshot
        return try definitions.map { named in
            do throws(DefinitionError) {
                let new = try named.definition.resolve(against: snapshot, nameLengthMax: nameLengthMax)
                return (named.name, snapshot.virtualServers[named.name]?.definition, new)
            } catch {
                throw Refusal(
                    .invalid, error.problems.map { "\(named.name): \($0)" }.joined(separator: "\n"))
            }
        }
    }

    /// After a join or a leave the same definitions are signed anew, or stay on this node.
    func restoreAfterMeshChange() async throws {
        for stored in try await shelf.all() { assembly.forgetVirtualServer(stored.name) }
        for named in configured {
            assembly.forgetVirtualServer(named.name)
            // In another mesh nobody has said it yet.
            try await published.remove(named.name)
        }
        try await restore()
    }

    // MARK: -

    private func define(_ record: VirtualServerRecord) async throws {
        if actions.isOperator() {
            try await actions.publish(record)
        } else {
            assembly.keep(record)
        }
    }

    private func resolveConfigured() async {
        // Before the snapshot: one that is newer than its version is only looked at again.
        resolvedVersion = board.version
        let snapshot = board.snapshot
        let published: [Label: ContentHash]
        do {
            published = try await self.published.all()
        } catch {
            // Without it nobody can tell what is news.
            for named in configured { waiting[named.name] = "\(error)" }
            resolvedVersion = nil
            return
        }
        for named in configured {
            do {
                try checkName(named.name, in: snapshot)
                let definition = try named.definition.resolve(against: snapshot, nameLengthMax: nameLengthMax)
                waiting[named.name] = nil
                let record = VirtualServerRecord(
                    name: named.name, author: board.me, counter: nextCounter(of: named.name),
                    isConfigured: true,
                    definition: definition.json)
                let standing = snapshot.virtualServers[named.name]
                if standing?.definition == record.definition, standing?.isConfigured == true { continue }
                let hash = ContentHash(of: record.definition.bytes)
                // The same file again is no news: what an operator said meanwhile counts.
                if actions.isOperator(), published[named.name] == hash, isSaid(named.name) {
                    waiting[named.name] =
                        "an operator said something else since the file last changed; it is said again when it changes"
                    continue
                }
                try await define(record)
                if actions.isOperator() { try await self.published.save(named.name, hash) }
            } catch {
                waiting[named.name] = "\(error)"
                // What the mesh or the disk refused may succeed without a change of the catalog.
                if !(error is DefinitionError) { resolvedVersion = nil }
            }
        }
        await withdrawUnconfigured(snapshot)
    }

    /// What the configuration said once, and says no more.
    private func withdrawUnconfigured(_ snapshot: CatalogSnapshot) async {
        guard actions.isOperator() else { return }
        for (name, record) in snapshot.virtualServers
        where record.isConfigured && record.author == board.me
            && !configured.contains(where: { $0.name == name })
        {
            do {
                try await actions.withdraw(name)
                try await published.remove(name)
                waiting[name] = nil
            } catch {
                waiting[name] = "it is no more in the configuration, and could not be withdrawn: \(error)"
                resolvedVersion = nil
            }
        }
    }

    /// Whether anybody, this node included, has said anything of a name that counts as much as `counter`.
    private func isSaid(_ name: Label, since counter: UInt64 = 0) -> Bool {
        board.snapshot.virtualWords[name]?.contains { $0.counter >= counter } ?? false
    }

    private func nextCounter(of name: Label) -> UInt64 {
        let highest = board.snapshot.virtualWords[name]?.map(\.counter).max() ?? 0
        return VirtualServerWord.counter(after: highest)
    }

    /// What another node's file defines is read-only here.
    private func checkNotConfiguredElsewhere(_ name: Label, in snapshot: CatalogSnapshot) throws(Refusal) {
        guard let standing = snapshot.virtualServers[name], standing.isConfigured, standing.author != board.me
        else { return }
        throw Refusal(
            .conflict,
            "\(name) is defined in the configuration of \(NodeNames(snapshot)[standing.author]), and read-only elsewhere",
            hint: "change it there, or choose another name")
    }

    /// What a file defines is changed only there.
    private func checkNotConfigured(_ name: Label) throws(Refusal) {
        guard configured.contains(where: { $0.name == name }) else { return }
        throw Refusal(
            .conflict, "\(name) is defined in \(configFile ?? "the configuration")",
            hint: "change it there and restart the node")
    }

    private func checkName(_ name: Label, in snapshot: CatalogSnapshot) throws(Refusal) {
        guard snapshot.servers[ServerKey(owner: snapshot.me, name: name)] == nil else {
            throw Refusal(
                .conflict,
                "\(name) is the name of a server of this node; both would answer at /servers/\(name)/mcp",
                hint: "choose another name")
        }
    }

    private var scopeNote: String? {
        actions.isOperator()
            ? nil
            : "served on this node only: the node has no role operator (`martlet mesh token --role member --role entry --role operator` makes one that has)"
    }
}
