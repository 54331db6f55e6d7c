import Catalog
import Composition
import JSONSlice
import Logging
import Mesh
import Policy
import Storage

/// Keeps what this node pinned of its servers: judges what they offer, on disk before anybody sees it, and what people approve.
actor PinDesk {
    /// One entry that waits.
    struct Waiting: Sendable {
        var server: Label
        var key: PinKey
        var pinned: PinnedEntry
    }

    private struct Offer {
        var policy: ApprovalPolicy
        var manifest: Manifest
    }

    /// How often a judgement is made anew because another one was stored meanwhile.
    private static let attemptsMax = 8

    private let shelf: PinShelf
    private let board: CatalogBoard
    nonisolated let glass: Glass
    private let log: Logger
    private let now: @Sendable () -> WallTime
    private var books: [Label: PinBook]
    /// What each server offered last.
    private var offers: [Label: Offer] = [:]
    /// Grow with each change of a book, so that two changes at once do not undo each other.
    private var versions: [Label: UInt64] = [:]
    /// Whose pins are being written, and who waits for that to be over.
    private var storing: Set<Label> = []
    private var turns: [Label: [CheckedContinuation<Void, Never>]] = [:]
    /// Why what a server offers could not be judged; what was judged before stands.
    private(set) var troubles: [Label: String] = [:]

    init(
        shelf: PinShelf, board: CatalogBoard, glass: Glass, log: Logger,
        now: @escaping @Sendable () -> WallTime = { .now() }
    ) async throws {
        self.shelf = shelf
        self.board = board
        self.glass = glass
        self.log = log
        self.now = now
        var entries: [Label: [PinKey: PinnedEntry]] = [:]
        for stored in try await shelf.all() {
            let (key, pinned) = Self.understood(stored)
            entries[stored.server, default: [:]][key] = pinned
        }
        books = entries.mapValues { PinBook($0) }
    }

    // MARK: Judging

    /// - Returns: what is to be listed of what a server offers; `nil`: it could not be judged, and what was listed stays.
    func judge(_ definition: ServerDefinition, _ manifest: Manifest) async -> Manifest? {
        offers[definition.name] = Offer(policy: definition.approve, manifest: manifest)
        return await judgeAgain(definition.name)
    }

    /// The same for what it offered last, when something else has changed: a statement came, or went.
    ///
    /// Where it cannot be stored, what it approves anew waits: refusing needs no disk, and nothing runs that only memory knows of.
    func judgeAgain(_ name: Label) async -> Manifest? {
        do {
            for _ in 0..<Self.attemptsMax {
                guard let offer = offers[name] else { return nil }
                var book = books[name] ?? PinBook()
                let version = versions[name] ?? 0
                let (listing, changed) = book.judge(
                    offer.manifest, under: offer.policy, asking: questions(of: name),
                    at: now().milliseconds)
                if try await store(book, changed, of: name, unlessPast: version) {
                    glass.put(GlassPane(name, under: offer.policy, listing: listing), of: name)
                    troubles[name] = nil
                    return Self.told(listing)
                }
            }
            troubles[name] = "others changed it at the same time again and again"
        } catch {
            troubles[name] = "\(error)"
            log.error(
                "What a server offers could not be pinned, so what is new of it waits.",
                metadata: ["mcp.server": "\(name)", "error": "\(error)"])
            return unstored(name)
        }
        return nil
    }

    /// Judged by what is on disk, with all that has changed since waiting.
    private func unstored(_ name: Label) -> Manifest? {
        guard let offer = offers[name] else { return nil }
        let before = books[name] ?? PinBook()
        var book = before
        let (judged, changed) = book.judge(
            offer.manifest, under: offer.policy, asking: questions(of: name), at: now().milliseconds)
        let isKept = { (entry: Entry) in
            let key = PinKey(entry)
            guard changed.contains(key) else { return true }
            let record = before.entries[key]
            return [record?.approved, record?.granted].contains { $0?.hash == entry.hash }
        }
        let listing = Manifest(
            entries: judged.entries.filter(isKept),
            pending: judged.pending + judged.entries.filter { !isKept($0) },
            instructions: judged.instructions, capabilities: judged.capabilities,
            serverInfo: judged.serverInfo)
        glass.put(GlassPane(name, under: offer.policy, listing: listing), of: name)
        return Self.told(listing)
    }

    /// Of the name of what an entry could be mistaken for: enough to know it by. It is another's, and may be anything.
    private static let twinBytesMax = 256

    /// Of what waits, as much as others are told beside what is listed: a manifest of both must fit the mesh.
    private static let pendingBytesMax = 8 * 1024 * 1024

    private static func told(_ listing: Manifest) -> Manifest {
        let listed = listing.entries.reduce(0) { $0 + $1.definition.bytes.count }
        var room = min(pendingBytesMax, ManifestCodec.bytesMax - ManifestCodec.bytesMax / 16 - listed)
        let fitting = listing.pending.prefix { entry in
            room -= entry.definition.bytes.count + 8
            return room >= 0
        }
        guard fitting.count < listing.pending.count else { return listing }
        return Manifest(
            entries: listing.entries, pending: Array(fitting), instructions: listing.instructions,
            capabilities: listing.capabilities, serverInfo: listing.serverInfo)
    }

    private func questions(of name: Label) -> PinBook.Questions {
        let snapshot = board.snapshot
        let server = ServerKey(owner: snapshot.me, name: name)
        var index: LikenessIndex?
        return PinBook.Questions(
            isGranted: { snapshot.approvals.contains($0, of: server) },
            likeness: { entry in
                let made = index ?? Self.likenesses(in: snapshot, without: server)
                index = made
                let address = EntryAddress(server: server, kind: entry.kind, name: entry.name)
                return made.twin(of: address).map { twin in
                    let owner =
                        twin.server.owner == snapshot.me ? nil : NodeNames(snapshot)[twin.server.owner]
                    return
                        "\(ServerSpelling.text(owner, twin.server.name))/\(Revealed.text(twin.name).shortened(toBytes: Self.twinBytesMax))"
                }
            })
    }

    static func likenesses(in snapshot: CatalogSnapshot, without server: ServerKey? = nil) -> LikenessIndex {
        LikenessIndex(
            snapshot.servers.sorted { $0.key < $1.key }.lazy.filter { $0.key != server }.flatMap {
                key, known in
                (known.manifest?.entries ?? []).map {
                    EntryAddress(server: key, kind: $0.kind, name: $0.name)
                }
            })
    }

    /// - Returns: whether the book was still the one that it was made of. What was not has left nothing on the disk either.
    private func store(
        _ book: PinBook, _ changed: Set<PinKey>, of name: Label, unlessPast version: UInt64
    ) async throws -> Bool {
        await takeTurn(at: name)
        defer { endTurn(at: name) }
        guard versions[name] ?? 0 == version else { return false }
        let rows = changed.sorted().compactMap { key in
            book.entries[key].map { Self.stored(name, key, $0) }
        }
        if !rows.isEmpty { try await shelf.save(rows) }
        books[name] = book
        if !rows.isEmpty { versions[name] = version + 1 }
        return true
    }

    /// One at a time writes the pins of a server: the disk takes a while, and what another wrote meanwhile would be undone by what is then
    /// the older.
    private func takeTurn(at name: Label) async {
        while storing.contains(name) {
            await withCheckedContinuation { turns[name, default: []].append($0) }
        }
        storing.insert(name)
    }

    private func endTurn(at name: Label) {
        storing.remove(name)
        for next in turns.removeValue(forKey: name) ?? [] { next.resume() }
    }

    /// The server is configured no more.
    func forget(_ name: Label) async {
        await takeTurn(at: name)
        defer { endTurn(at: name) }
        glass.remove(name)
        offers[name] = nil
        troubles[name] = nil
        versions[name, default: 0] += 1
        guard books.removeValue(forKey: name) != nil else { return }
        do {
            try await shelf.remove(name)
        } catch {
            log.warning("Pins of a server could not be forgotten.", metadata: ["error": "\(error)"])
        }
    }

    // MARK: What people ask

    /// All that waits, by server and entry.
    var waiting: [Waiting] {
        books.keys.sorted().flatMap { server in
            (books[server]?.waiting ?? []).map { Waiting(server: server, key: $0.key, pinned: $0.entry) }
        }
    }

    /// Approves entries that wait.
    ///
    /// - Parameter pin: which definition; of one entry.
    /// - Returns: those that were approved.
    func approve(_ keys: [PinKey], of name: Label, pin: Pin?) async throws -> [PinKey] {
        for _ in 0..<Self.attemptsMax {
            guard var book = books[name] else { return [] }
            let version = versions[name] ?? 0
            let time = now().milliseconds
            let done = keys.filter { book.approve($0, pin, at: time) }
            if try await store(book, Set(done), of: name, unlessPast: version) { return done }
        }
        throw Refusal(
            .conflict, "\(name) changes what it offers again and again", hint: "try again in a moment")
    }

    // MARK: Rows

    private static func stored(_ server: Label, _ key: PinKey, _ entry: PinnedEntry) -> StoredPin {
        StoredPin(
            server: server, kind: key.kind, name: key.name, approved: bytes(entry.approved),
            ground: entry.ground.rawValue, granted: bytes(entry.granted), pending: bytes(entry.pending),
            since: entry.since, likeness: entry.likeness)
    }

    private static func bytes(_ entry: Entry?) -> [UInt8]? { entry.map { Array($0.definition.bytes) } }

    /// What cannot be read any more counts as approved by nobody: its entry waits, rather than being seen for the first time.
    private static func understood(_ stored: StoredPin) -> (PinKey, PinnedEntry) {
        let entry = { (bytes: [UInt8]?) -> Entry? in
            guard let bytes, let definition = try? JSON(validating: bytes, limits: limits) else { return nil }
            return Entry(kind: stored.kind, definition: definition)
        }
        return (
            PinKey(kind: stored.kind, name: stored.name),
            PinnedEntry(
                approved: entry(stored.approved),
                ground: PinnedEntry.Ground(rawValue: stored.ground) ?? .firstSight,
                granted: entry(stored.granted), pending: entry(stored.pending), since: stored.since,
                likeness: stored.likeness)
        )
    }

    /// Whoever listed it held it to a limit of nesting of its own.
    private static let limits: JSONLimits = {
        var limits = JSONLimits()
        limits.depthMax = 512
        return limits
    }()
}

/// A server as people write it: `SERVER` of this node, `NODE--SERVER` of another.
enum ServerSpelling {
    static func text(_ node: String?, _ server: Label) -> String {
        node.map { "\($0)--\(server)" } ?? server.text
    }

    static func text(_ server: ServerKey, in snapshot: CatalogSnapshot, _ names: NodeNames) -> String {
        text(server.owner == snapshot.me ? nil : names[server.owner], server.name)
    }

    /// A target as the commands take it.
    static func text(_ target: StatementTarget, in snapshot: CatalogSnapshot, _ names: NodeNames) -> String {
        switch target {
        case .node(let node): "node:\(names[node])"
        case .server(let server): text(server, in: snapshot, names)
        case .entry(let address): "\(text(address.server, in: snapshot, names))/\(address.name)"
        }
    }
}
