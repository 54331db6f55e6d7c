import Catalog
import Logging
import Mesh
import MeshTransport
import Storage

/// The mesh's storage over this node's database.
struct MeshDisk: Sendable {
    /// Spent tokens are kept this long after they ran out, so that their holders hear why.
    private static let tokenLife = Duration.seconds(86_400)

    let documents: DocumentShelf
    let tokens: JoinTokenShelf
    let statements: StatementShelf
    let scoped: ScopedShelf
    let meta: MetaShelf
    let witnesses: VaultWitnessShelf
    let now: @Sendable () -> Instant
    let log: Logger

    init(_ database: NodeDatabase, now: @escaping @Sendable () -> Instant, log: Logger) {
        documents = DocumentShelf(database)
        tokens = JoinTokenShelf(database)
        statements = StatementShelf(database)
        scoped = ScopedShelf(database)
        meta = MetaShelf(database)
        witnesses = VaultWitnessShelf(database)
        self.now = now
        self.log = log
    }

    var storage: MeshStorage { MeshStorage(load: { try await load() }, apply: { try await apply($0) }) }

    // MARK: Loading

    private func load() async throws -> MeshStorage.Kept {
        var kept = MeshStorage.Kept()
        for stored in try await documents.loadAll() {
            // What a later version wrote, or a damaged disk changed, is fetched again from peers.
            guard let document = try? Document.decode(stored.bytes) else {
                log.warning(
                    "A stored document cannot be read and is left out.",
                    metadata: ["origin": "\(stored.key.origin)"])
                continue
            }
            kept.documents.append(document)
        }
        let now = WallTime.now()
        for (origin, heard) in try await documents.lastHeard() {
            // The clock may have been put back since.
            kept.ages[origin] = .milliseconds(max(0, now.milliseconds - heard.milliseconds))
        }
        let named = Set(kept.documents.compactMap(Self.manifest))
        let time = now
        // Mostly dropped already, when the last document that named them went.
        _ = try await documents.keepManifests(named, at: time, droppingUnusedSince: time)
        for hash in named { kept.manifests[hash] = try await documents.manifest(hash) }
        kept.tokens = try await loadTokens(at: time)
        for bytes in try await statements.loadAll() {
            if let statement = try? Statement.decode(bytes) {
                kept.statements.append(statement)
                continue
            }
            guard let revocation = try? Revocation.decode(bytes) else {
                log.warning("A stored statement cannot be read and is left out.")
                continue
            }
            kept.revocations.append(revocation)
        }
        kept.vaultWitnesses = try await witnesses.loadAll().compactMap { try? Document.decode($0) }
        for row in try await scoped.loadAll() {
            guard let document = try? ScopedDocument(decoding: row.document), document.server == row.server
            else {
                log.warning(
                    "A stored server cannot be read and is left out.",
                    metadata: ["mcp.server": "\(row.server)"])
                try await scoped.apply([.remove(row.server)])
                continue
            }
            kept.scoped.append(StoredScoped(document, manifest: row.manifest))
        }
        return kept
    }

    private static func manifest(of document: Document) -> ContentHash? {
        guard document.key.kind == .server, let body = document.body else { return nil }
        return (try? ServerBody(canonical: body))?.manifest
    }

    private func loadTokens(at time: WallTime) async throws -> [JoinLedger.Entry] {
        _ = try await tokens.prune(expiredBefore: time.advanced(by: .zero - Self.tokenLife))
        var entries: [JoinLedger.Entry] = []
        for stored in try await tokens.all() {
            guard let token = try? JoinToken(text: String(decoding: stored.material, as: UTF8.self)) else {
                continue
            }
            let left = Duration.milliseconds(stored.expires.milliseconds - time.milliseconds)
            var entry = JoinLedger.Entry(
                token: token, usesLeft: UInt16(clamping: stored.usesLeft), expires: now() + left)
            entry.isRevoked = stored.isRevoked
            for (request, answer) in try await tokens.answers(for: stored.id) {
                if let grant = try? JoinGrant(canonical: answer) { entry.granted[request] = grant }
            }
            entries.append(entry)
        }
        return entries
    }

    // MARK: Changing

    private func apply(_ changes: [MeshStorage.Change]) async throws {
        let time = WallTime.now()
        var batch = DocumentChanges()
        var given: [ScopedShelf.Change] = []
        var said: [(key: [UInt8], bytes: [UInt8]?)] = []
        for change in changes {
            switch change {
            case .document(let document):
                batch.saved.append(
                    StoredDocument(
                        key: StoredDocument.Key(document.key), incarnation: document.version.incarnation,
                        life: document.version.life, sequence: document.version.sequence,
                        bytes: document.encoded))
            case .dropDocument(let key): batch.removed.append(StoredDocument.Key(key))
            case .manifest(let hash, let bytes):
                batch.removedManifests.remove(hash)
                batch.manifests.append((hash, bytes))
            case .dropManifest(let hash): batch.removedManifests.insert(hash)
            case .statement(let revocation): said.append((revocation.key.bytes, revocation.encoded))
            case .dropStatement(let key): said.append((key.bytes, nil))
            case .decision(let statement): said.append((statement.key.bytes, statement.encoded))
            case .scoped(let document):
                given.append(.save(document.server, document: document.encoded))
            case .scopedManifest(let server, let bytes): given.append(.saveManifest(server, bytes))
            case .dropScoped(let server): given.append(.remove(server))
            case .joinToken(let entry): try await save(entry, at: time)
            case .vaultWitness(let document):
                try await witnesses.set(document.encoded, of: document.key.origin)
            case .dropVaultWitness(let origin): try await witnesses.set(nil, of: origin)
            case .incarnation(let incarnation): try await meta.raiseIncarnation(to: incarnation)
            }
        }
        // First: a crash between the two leaves documents of whoever is gone, which a start drops.
        try await statements.apply(said)
        try await documents.apply(batch, at: time)
        try await scoped.apply(given)
    }

    private func save(_ entry: JoinLedger.Entry, at time: WallTime) async throws {
        let id = entry.token.id.bytes
        if entry.isRevoked {
            _ = try await tokens.revoke(id)
            return
        }
        let known = try await tokens.all().contains { $0.id == id }
        if !known {
            try await tokens.add(
                StoredJoinToken(
                    id: id, material: Array(entry.token.text.utf8), roles: entry.token.roles,
                    segment: entry.token.segment, label: entry.token.label, usesLeft: Int(entry.token.uses),
                    issued: time, expires: time.advanced(by: .seconds(Int64(entry.token.lifeSeconds)))))
        }
        for (request, grant) in entry.granted {
            let redemption = try await tokens.redeem(id, for: request, answer: grant.canonicalBytes, at: time)
            switch redemption {
            case .stored, .repeated: break
            case .unknown, .revoked, .expired, .exhausted:
                throw Refusal(
                    .conflict,
                    "a use of join token \(entry.token.id) cannot be stored: it is \(redemption) on disk")
            }
        }
    }
}

extension StoredDocument.Key {
    fileprivate init(_ key: DocumentKey) {
        self.init(kind: key.kind.rawValue, origin: key.origin, name: key.name?.text ?? "")
    }
}
