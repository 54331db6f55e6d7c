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
    private let actions: Actions
    private let nameLengthMax: Int
    private var configured: [NamedVirtualServer]
    private let configFile: String?
    /// Of the configuration, those that cannot be resolved yet, with the reason.
    private(set) var waiting: [Label: String] = [:]
    /// Of those stored, what cannot be served as it is, with the reason.
    private(set) var unreadable: [Label: String] = [:]

    init(
        board: CatalogBoard, assembly: CatalogAssembly, shelf: VirtualShelf, configured: [NamedVirtualServer],
        configFile: String?, nameLengthMax: Int, actions: Actions
    ) {
        self.board = board
        self.assembly = assembly
        self.shelf = shelf
        self.configured = configured
        self.configFile = configFile
        self.nameLengthMax = nameLengthMax
        self.actions = actions
    }

    /// Takes up again what commands defined in earlier lives.
    func restore() async throws {
        unreadable = [:]
        for stored in try await shelf.all() {
            // One that is of no use any more must not keep the node, or the others, from being.
            do {
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
        if !waiting.isEmpty { await resolveConfigured() }
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
        let record = VirtualServerRecord(
            name: name, author: board.me, counter: (current?.counter ?? 0) + 1, definition: definition.json)
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
        guard record.author == board.me else {
            throw Refusal(.forbidden, "\(name) was defined by another node", hint: "remove it there")
        }
        try checkNotConfigured(name)
        _ = try await shelf.remove(name)
        if assembly.keepsVirtualServer(name) {
            assembly.forgetVirtualServer(name)
        } else {
            try await actions.withdraw(name)
        }
    }

    /// After a join or a leave the same definitions are signed anew, or stay on this node.
    func restoreAfterMeshChange() async throws {
        for stored in try await shelf.all() { assembly.forgetVirtualServer(stored.name) }
        for named in configured { assembly.forgetVirtualServer(named.name) }
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
        let snapshot = board.snapshot
        for named in configured {
            do {
                try checkName(named.name, in: snapshot)
                let definition = try named.definition.resolve(against: snapshot, nameLengthMax: nameLengthMax)
                waiting[named.name] = nil
                guard snapshot.virtualServers[named.name]?.definition != definition.json else { continue }
                try await define(
                    VirtualServerRecord(
                        name: named.name, author: board.me,
                        counter: (snapshot.virtualServers[named.name]?.counter ?? 0) + 1,
                        definition: definition.json))
            } catch {
                waiting[named.name] = "\(error)"
            }
        }
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
