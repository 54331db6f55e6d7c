import Catalog
import Logging
import MCPTransport
import Storage
import Synchronization
import Vault

/// Owns this node's servers: starts and stops their backends, and tells the mesh what each offers and how it fares.
///
/// ``run()`` holds every backend as a child task; adding and removing one are words to it.
actor ServerSupervisor {
    /// What the supervisor needs of the rest of the node.
    struct Actions: Sendable {
        var publish: @Sendable (ServerDefinition, ServerRecord, Manifest?) async -> Void
        var withdraw: @Sendable (Label) async -> Void
        var makeBackend: @Sendable (ServerDefinition, @escaping @Sendable (BackendEvent) -> Void) -> Backend
        /// What is to be listed of what a server offers; `nil`: as before. To be asked before anything of it is told.
        var judge: @Sendable (ServerDefinition, Manifest) async -> Manifest? = { $1 }
    }

    /// How long `servers add` and `servers test` wait for a first word of health.
    static let patience = Duration.seconds(20)
    /// Events of all backends that wait to be taken in; each is small, and a node has at most 1,000 servers.
    private static let eventsMax = 65_536

    private enum Order: Sendable {
        case start(Label, Backend, stop: AsyncStream<Never>)
    }

    private struct Running {
        var book: ServerBook
        var backend: Backend?
        var stop: AsyncStream<Never>.Continuation?

        /// Calls do not pass here: when they were last answered, the backend knows.
        mutating func noteAnswer() {
            guard let last = backend?.lastAnswer else { return }
            book.answered(at: .now().advanced(by: .zero - last.duration(to: .now)))
        }
    }

    private let local: LocalServers
    private let actions: Actions
    private let log: Logger
    private let orders: AsyncStream<Order>
    private let giveOrder: AsyncStream<Order>.Continuation
    private let events: AsyncStream<(Label, UInt64, BackendEvent)>
    private let tell: AsyncStream<(Label, UInt64, BackendEvent)>.Continuation

    private let owner: NodeID
    private var servers: [Label: Running] = [:]
    private var generations: [Label: UInt64] = [:]

    init(owner: NodeID, local: LocalServers, actions: Actions, log: Logger) {
        self.owner = owner
        self.local = local
        self.actions = actions
        self.log = log
        (orders, giveOrder) = AsyncStream.makeStream()
        (events, tell) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.eventsMax))
    }

    /// Runs every backend until cancelled, then ends them.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.takeEvents() }
            for await order in orders {
                switch order {
                case .start(let name, let backend, let stop):
                    group.addTask { await Self.hold(backend, until: stop, named: name) }
                }
            }
            group.cancelAll()
        }
    }

    /// One backend's life: it ends when the node does, or when its server is removed.
    private static func hold(_ backend: Backend, until stop: AsyncStream<Never>, named name: Label) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await backend.run() }
            group.addTask { for await _ in stop {} }
            await group.next()
            group.cancelAll()
        }
    }

    private func takeEvents() async {
        for await (name, generation, event) in events {
            guard generations[name] == generation, var running = servers[name] else { continue }
            running.noteAnswer()
            let isNews: Bool
            if case .listed(let listing) = event {
                let made = ServerBook.manifest(from: listing)
                let shown = await actions.judge(running.book.definition, made.manifest)
                // A person may have replaced it meanwhile.
                guard generations[name] == generation, let latest = servers[name] else { continue }
                running = latest
                isNews = running.book.take(listing, made.remarks, showing: shown)
            } else {
                isNews = running.book.take(event, at: .now())
            }
            servers[name] = running
            if case .listed = event, let manifest = running.book.manifest { local.put(manifest, of: name) }
            if isNews, case .state(let state, let reason) = event {
                log.notice(
                    "A server's state changed.",
                    metadata: ["mcp.server": "\(name)", "state": "\(state)", "reason": "\(reason)"])
            }
            if isNews { await publish(running.book) }
        }
    }

    // MARK: What a person does

    /// Fronts one more server; one of the same name is replaced.
    func put(_ definition: ServerDefinition, from origin: ServerBook.Origin) async {
        let name = definition.name
        stop(name)
        let book = ServerBook(definition: definition, origin: origin, at: .now())
        let generation = (generations[name] ?? 0) + 1
        generations[name] = generation
        guard definition.isEnabled, !definition.isAwaited else {
            servers[name] = Running(book: book)
            return await publish(book)
        }
        let (stream, continuation) = AsyncStream<Never>.makeStream()
        let tell = tell
        let backend = actions.makeBackend(definition) { tell.yield((name, generation, $0)) }
        servers[name] = Running(book: book, backend: backend, stop: continuation)
        local.put(
            name, backend, concurrency: definition.concurrency,
            repeatable: definition.tools.filter(\.isRepeatable).map(\.pattern),
            callersFrom: definition.callersFrom.map(ServerScope.init), demands: definition.demands)
        giveOrder.yield(.start(name, backend, stop: stream))
        await publish(book)
    }

    /// - Returns: whether there was one.
    func remove(_ name: Label) async -> Bool {
        guard servers[name] != nil else { return false }
        stop(name)
        servers[name] = nil
        await actions.withdraw(name)
        return true
    }

    private func stop(_ name: Label) {
        servers[name]?.stop?.finish()
        local.remove(name)
    }

    /// Waits until a server has said how it fares: up with its lists, down, or wanting a credential.
    func settled(_ name: Label) async -> ServerBook? {
        let deadline = ContinuousClock.now + Self.patience
        while let book = servers[name]?.book {
            if book.isSettled || ContinuousClock.now > deadline { return book }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return book }
        }
        return nil
    }

    /// What each server's process last wrote besides messages, oldest first.
    var lastLines: [Label: [String]] { servers.compactMapValues { $0.backend?.recentLines } }

    /// What each server told that could not be told on.
    var strayRemarks: [Label: String] { servers.compactMapValues { $0.backend?.strayRemark } }

    /// Has a server's backend asked again now, whatever it said before.
    func recheck(_ name: Label) {
        guard var running = servers[name] else { return }
        running.book.askAgain()
        servers[name] = running
        running.backend?.recheck()
    }

    /// The same for every server that refers to a secret.
    ///
    /// A child had it in its environment, so it is started anew.
    ///
    /// - Parameter isRotation: whether the former value is live too.
    func secretChanged(_ secret: String, isRotation: Bool = false) {
        for (name, running) in servers
        where running.book.definition.secrets.contains(where: { $0.text == secret }) {
            var running = running
            running.book.askAgain()
            servers[name] = running
            running.backend?.restart(isRotation: isRotation)
        }
    }

    /// The vault was opened: every server that waited for a secret is started with it now.
    func vaultOpened() {
        for (name, running) in servers where !running.book.definition.secrets.isEmpty {
            var running = running
            running.book.askAgain()
            servers[name] = running
            running.backend?.restart()
        }
    }

    /// Somebody approved something, or it is approved no more: what is listed from now on.
    func show(_ manifest: Manifest, of name: Label) async {
        guard var running = servers[name], running.backend != nil, running.book.show(manifest) else { return }
        servers[name] = running
        local.put(manifest, of: name)
        await publish(running.book)
    }

    // MARK: What others ask

    func book(_ name: Label) -> ServerBook? { servers[name]?.book }

    var books: [ServerBook] {
        servers.values.map { running in
            var running = running
            running.noteAnswer()
            return running.book
        }.sorted { $0.definition.name < $1.definition.name }
    }

    var names: Set<Label> { Set(servers.keys) }

    /// Says everything again, as another node's id would if this node joined or left a mesh.
    func publishAll() async {
        for book in books { await publish(book) }
    }

    private func publish(_ book: ServerBook) async {
        await actions.publish(book.definition, book.record(owner: owner), book.manifest)
    }
}
