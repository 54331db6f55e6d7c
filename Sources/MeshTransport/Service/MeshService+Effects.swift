import Catalog
import Mesh

extension MeshService {
    /// Carries out what the core ordered, in its order: what must be on disk is, before anything later leaves.
    func carryOut() async throws {
        while !pending.isEmpty {
            let effects = pending
            pending = []
            var changes: [MeshStorage.Change] = []
            var orders: [HubOrder] = []
            for effect in effects {
                if let change = MeshStorage.Change(effect) {
                    give(&orders)
                    changes.append(change)
                    continue
                }
                try await store(&changes)
                take(effect, &orders)
            }
            try await store(&changes)
            give(&orders)
        }
    }

    private func take(_ effect: MeshEffect, _ orders: inout [HubOrder]) {
        switch effect {
        // Deflated here, and not on the loop, which has calls to carry.
        case .send(let frame, let link): orders.append(.send(core.encode(frame, for: link), link))
        case .dial(let address, let expecting): orders.append(.dial(address, expecting))
        case .reach(let node): orders.append(.reach(node))
        case .close(let link, let reason, let text): orders.append(.close(link, reason, text))
        case .expel(let node, let text): orders.append(.expel(node, text))
        case .catalogChanged: snapshotDirty = true
        case .routesChanged:
            board.tally.routesChanged()
            snapshotDirty = true
        case .notice(let notice): tell(notice)
        case .persistIncarnation, .store, .drop, .storeManifest, .dropManifest, .storeStatement,
            .dropStatement, .storeDecision, .storeScoped, .storeScopedManifest, .dropScoped,
            .storeVaultWitness, .dropVaultWitness:
            break  // done before
        }
    }

    private func store(_ changes: inout [MeshStorage.Change]) async throws {
        guard !changes.isEmpty else { return }
        let batch = changes
        changes = []
        do {
            try await storage.apply(batch)
        } catch {
            // Documents can be had again from peers. An incarnation said and then forgotten cannot be mended, and a
            // revocation or a decision acts and goes on only once it is kept.
            let mustBeKept = batch.contains { change in
                switch change {
                case .incarnation, .statement, .decision: true
                default: false
                }
            }
            guard !mustBeKept else { throw MeshServiceError.storage("\(error)") }
            log.error(
                "mesh documents not stored", metadata: ["error": "\(error)", "count": "\(batch.count)"])
        }
        let touchesRevocations = batch.contains { change in
            switch change {
            case .statement, .dropStatement, .decision: true
            default: false
            }
        }
        if touchesRevocations { showRevocations() }
        for case .incarnation(let incarnation) in batch {
            let hub = hub
            loop.execute { hub.raiseIncarnation(to: incarnation) }
        }
    }

    /// From here on handshakes are refused by what is revoked now.
    func showRevocations() {
        let (book, said, own) = (core.revocations, core.statements, core.ownRevocation)
        board.write { content in
            content.revocations = book
            content.statements = said
            content.ownRevocation = own
        }
    }

    func give(_ orders: inout [HubOrder]) {
        guard !orders.isEmpty else { return }
        let batch = orders
        orders = []
        let hub = hub
        loop.execute { for order in batch { hub.carryOut(order) } }
    }

    private func tell(_ notice: MeshNotice) {
        log.warning("mesh notice", metadata: ["mesh.notice": "\(notice)"])
        board.write { content in
            if case .vaultOlder(_, let remembered) = notice { content.vaultRemembered = remembered }
            content.notices.append(notice)
            if content.notices.count > Self.noticesMax { content.notices.removeFirst() }
        }
    }

    func publishSnapshot() {
        snapshotDirty = false
        publishedAt = now()
        let snapshot = core.catalogSnapshot()
        board.write { $0.snapshot = snapshot }
        changed(snapshot)
    }
}

/// What the core's owner asks of the loop.
enum HubOrder: Sendable {
    /// Encoded.
    case send([UInt8], LinkID)
    case dial(String, NodeID?)
    case close(LinkID, GoodbyeReason, String)
    case reach(NodeID)
    case expel(NodeID, String)
    case tellGuest(GuestID, JoinMessage)
    case dismissGuest(GuestID)
}

extension MeshHub {
    func carryOut(_ order: HubOrder) {
        switch order {
        case .send(let bytes, let link): send(bytes, on: link)
        case .dial(let address, let expecting): dial(address, expecting: expecting)
        case .close(let link, let reason, let text): close(link, reason, text)
        case .reach(let node): dispatch(Reach(node))
        case .expel(let node, let text): expel(node, text)
        case .tellGuest(let guest, let message): guests[guest]?.send(message)
        case .dismissGuest(let guest): guests[guest]?.close()
        }
    }
}

extension MeshStorage.Change {
    fileprivate init?(_ effect: MeshEffect) {
        switch effect {
        case .persistIncarnation(let incarnation): self = .incarnation(incarnation)
        case .store(let document): self = .document(document)
        case .drop(let key): self = .dropDocument(key)
        case .storeManifest(let hash, let bytes): self = .manifest(hash, bytes)
        case .dropManifest(let hash): self = .dropManifest(hash)
        case .storeStatement(let revocation): self = .statement(revocation)
        case .dropStatement(let key): self = .dropStatement(key)
        case .storeDecision(let statement): self = .decision(statement)
        case .storeScoped(let document): self = .scoped(document)
        case .storeScopedManifest(let server, let bytes): self = .scopedManifest(server, bytes)
        case .dropScoped(let server): self = .dropScoped(server)
        case .storeVaultWitness(let document): self = .vaultWitness(document)
        case .dropVaultWitness(let origin): self = .dropVaultWitness(origin)
        case .send, .dial, .reach, .close, .expel, .catalogChanged, .routesChanged, .notice: return nil
        }
    }
}
