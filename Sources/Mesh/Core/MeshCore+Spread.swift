import Catalog

/// How documents and manifests travel: small documents at once, others announced and pulled, and repair for whatever
/// was missed.
extension MeshCore {
    mutating func receive(_ frame: Frame, from link: LinkID, using random: inout some RandomNumberGenerator) {
        guard hasStarted, admit(frame, from: link), !receiveScoped(frame, from: link) else { return }
        guard let peer = neighbourhood.peer(of: link) else { return }
        if frame.isStatement { return receiveStatement(frame, from: link, peer, using: &random) }
        // Equal in revocations first: until then nothing else is looked at. Repair brings it.
        guard isHeard(link) else { return }
        switch frame {
        case .documents(let encoded): receive(encoded, from: link, peer, using: &random)
        case .announce(let rows): pull(rows, from: link)
        case .pull(let keys): answer(keys, to: link, peer)
        case .digest(let digest): answer(digest, to: link)
        case .bucketDigest(let digest): take(digest, from: link)
        case .bucketRows(let rows): take(rows, from: link, peer)
        case .digestRows(let page): take(page, from: link, peer)
        case .manifestPull(let pull): give(shelf.serve(pull, to: link), to: link, peer)
        case .manifestPage(let page): take(page, from: link, peer)
        case .manifestAbsent(let hash): shelf.absent(hash, from: link)
        case .statementDigest, .statements, .scopedOffer, .scopedHeld, .scopedDocuments: break  // before
        case .hello, .heartbeat, .goodbye, .ping, .pong, .open, .data, .end, .reset, .credit:
            break  // the link's own
        }
    }

    /// Whether a neighbour has not yet sent more than this node looks at.
    private mutating func admit(_ frame: Frame, from link: LinkID) -> Bool {
        guard let cost = frame.costToReader,
            let peer = neighbourhood.peer(of: link) ?? scoped.circuits[link]?.peer
        else { return true }
        return floods.admit(cost, isStatement: frame.isStatement, from: peer, at: now)
    }

    /// Keeps a document that is news, and passes it on to all neighbours but the one that showed it.
    ///
    /// - Parameter link: where it came from; `nil`: this node's own.
    mutating func learn(
        _ document: Document, from link: LinkID?, using random: inout some RandomNumberGenerator
    ) {
        outbox.persist(.store(document))
        noteArrival(of: document.key)
        heardAt[document.key.origin] = now
        for other in spreading where other != link { outbox.spread(document, to: other) }
        noteContent(of: document, from: link, using: &random)
    }

    /// What a document's content changes besides the store.
    mutating func noteContent(
        of document: Document, from link: LinkID?, using random: inout some RandomNumberGenerator
    ) {
        let key = document.key
        switch (key.kind, key.name) {
        case (.node, _):
            outbox.noteCatalogChange()
            noteLinks(of: key.origin)
            wanted = nil
            guard key.origin != me.id else { return }
            noteScopedLink(to: key.origin)
            if store.nodes[key.origin]?.standing == .left { dropScoped(of: key.origin) }
            if store.nodes[key.origin]?.enrolment.roles.contains(.issuer) == true {
                for key in store.dropIssuersWord(on: key.origin) { outbox.persist(.dropStatement(key)) }
            }
            if routes[key.origin] == nil, unreachableSince[key.origin] == nil {
                unreachableSince[key.origin] = now
            }
            let body = store.nodes[key.origin]
            let addresses = body?.standing == .present ? body?.addresses ?? [] : []
            departedAt[key.origin] = body?.standing == .left ? departedAt[key.origin] ?? now : nil
            neighbourhood.documented(key.origin, addresses, at: now, using: &random)
            tellClash(over: body?.enrolment.label)
        case (.links, _): noteLinks(of: key.origin)
        case (.server, let name?):
            outbox.noteCatalogChange()
            let server = ServerKey(owner: key.origin, name: name)
            let body = store.servers[server]
            useManifest(server, body?.manifest, size: Int(body?.manifestBytes ?? 0), from: link)
        case (.virtualServer, _): outbox.noteCatalogChange()
        case (.server, nil): break  // a server's key always has its name
        }
    }

    // MARK: Documents

    private mutating func receive(
        _ encoded: [[UInt8]], from link: LinkID, _ peer: NodeID,
        using random: inout some RandomNumberGenerator
    ) {
        var documents: [Document] = []
        for bytes in encoded {
            // Most of what arrives in a large mesh has come another way before.
            if let held = store.held(in: bytes), held.key.origin != me.id {
                if held.isSame { noteArrival(of: held.key) }
                continue
            }
            do throws(WireError) {
                if let document = try Document.decode(bytes) { documents.append(document) }
            } catch {
                floods.charge(peer, at: now)
                outbox.tell(.notice(.refused(nil, .malformed(error), from: peer)))
            }
        }
        var lacking: [DocumentRow] = []
        var askedOrigins: Set<NodeID> = []
        // Node documents sort first, and with them the keys that all others are checked by.
        for document in documents.sorted(by: { $0.key < $1.key }) {
            if document.key.origin == me.id, meetMyself(document, using: &random) { continue }
            if store.wants(document.row), isOverAllowance(document.key) {
                floods.leftOut(of: document.key.origin, at: now)
                noteArrival(of: document.key)
                continue
            }
            switch store.take(document) {
            case .taken(let replaced, let evicted):
                floods.took(document, at: now)
                for key in evicted { outbox.persist(.drop(key)) }
                learn(document, from: link, using: &random)
                noteVault(in: document, replacing: replaced)
            case .known: noteArrival(of: document.key)
            case .outdated: break
            case .equivocation(let taken, let evicted):
                floods.took(document, at: now)
                for key in evicted { outbox.persist(.drop(key)) }
                outbox.tell(.notice(.equivocation(document.key, document.version)))
                outbox.noteCatalogChange()
                // The other body goes on too: everybody should see both.
                if taken { learn(document, from: link, using: &random) }
            case .refused(.revoked(let origin)):
                // Whoever passes it on has not heard yet; whoever says it itself is shown the door.
                if origin == peer { outbox.tell(.expel(peer, text: "\(peer) was revoked")) }
            case .refused(.unknownOrigin(let origin)):
                let node = DocumentKey.node(origin)
                // Once per time-out: should its node document be refused, it would be asked for for ever.
                if !pulls.values.contains(where: { $0[node] != nil }), askedOrigins.insert(origin).inserted {
                    lacking.append(DocumentRow(key: node, version: document.version, hash: document.hash))
                }
                if askedOrigins.contains(origin) { lacking.append(document.row) }
            case .refused(let refusal):
                if refusal.isForgery { floods.charge(peer, at: now) }
                outbox.tell(.notice(.refused(document.key, refusal, from: peer)))
            }
        }
        pull(lacking, from: link)
    }

    private func isOverAllowance(_ key: DocumentKey) -> Bool {
        floods.documentsLeft(of: key.origin, key.kind, at: now) < 1
    }

    private mutating func noteArrival(of key: DocumentKey) {
        for link in pulls.keys { pulls[link]?[key] = nil }
    }

    /// Asks a neighbour for documents that it announced and that nobody was asked for yet.
    ///
    /// Another neighbour's word counts only while it is the same: one that announces what it does not have must
    /// not keep us from those who have something else.
    mutating func pull(_ rows: [DocumentRow], from link: LinkID) {
        var keys: [DocumentKey] = []
        // What would not be taken in is not asked for.
        var asked: [NodeID: Int] = [:]
        for row in rows where wants(row) {
            let origin = row.key.origin
            guard asked[origin, default: 0] < floods.documentsLeft(of: origin, row.key.kind, at: now) else {
                floods.leftOut(of: origin, at: now)
                continue
            }
            let isAskedElsewhere = pulls.contains { other, pending in
                other != link
                    && pending[row.key].map { $0.row == row && now - $0.at < limits.pullTimeout } ?? false
            }
            if isAskedElsewhere { continue }
            guard pulls[link]?.count ?? 0 < limits.pullsAtOnce || pulls[link]?[row.key] != nil else { break }
            pulls[link, default: [:]][row.key] = Pull(row: row, at: now)
            keys.append(row.key)
            asked[origin, default: 0] += 1
        }
        for start in stride(from: 0, to: keys.count, by: Frame.keysMax) {
            outbox.send(.pull(Array(keys[start..<min(start + Frame.keysMax, keys.count)])), link)
        }
    }

    private func wants(_ row: DocumentRow) -> Bool {
        // An issuer's word against another counts for nothing: what shows that the node is one has to get in.
        let objection =
            row.key.kind == .node
            ? store.revocations.objection(toIssuer: row.key.origin)
            : store.revocations.objection(to: row.key.origin)
        guard objection == nil else { return false }
        return store.wants(row)
            || (row.key.origin == me.id && row.version.life != me.life
                && row.version.incarnation >= me.incarnation)
    }

    /// Answers up to some bytes; the rest is announced, to be asked for again.
    private mutating func answer(_ keys: [DocumentKey], to link: LinkID, _ peer: NodeID) {
        var bytes = 0
        for document in keys.compactMap({ store[$0] }) {
            bytes += document.encodedCount
            if bytes <= Self.answerBytesMax {
                guard floods.answer(document.encodedCount, to: peer, at: now) else { return }
                outbox.reply(document, to: link)
            } else {
                outbox.send(.announce([document.row]), link)
            }
        }
    }

    /// One pull's answer: more at once would hold up the calls on that link.
    private static let answerBytesMax = 1024 * 1024

    // MARK: Manifests

    private mutating func useManifest(
        _ server: ServerKey, _ hash: ContentHash?, size: Int, from link: LinkID?
    ) {
        for dropped in shelf.use(server, hash, size: size) { outbox.persist(.dropManifest(dropped)) }
        guard let hash, server.owner != me.id, shelf[hash] == nil else { return }
        guard shelf.isWithinShare(server.owner) else {
            outbox.tell(
                .notice(
                    .manifestBroken(
                        hash, owner: server.owner,
                        "its manifests together exceed \(limits.manifestBytesPerOrigin) bytes")))
            return
        }
        shelf.want(hash, size: size, from: link)
    }

    /// Sends what a neighbour asked for, as far as it may have it.
    mutating func give(_ frames: [Frame], to link: LinkID, _ peer: NodeID) {
        for frame in frames {
            if case .manifestPage(let page) = frame {
                guard floods.answer(page.bytes.count, to: peer, at: now) else { return }
            }
            outbox.send(frame, link)
        }
    }

    private mutating func take(_ page: ManifestPage, from link: LinkID, _ peer: NodeID) {
        switch shelf.take(page, from: link, at: now) {
        case .nothing: break
        case .send(let frame, let link): outbox.send(frame, link)
        case .complete(let hash):
            if let item = shelf[hash] { outbox.persist(.storeManifest(hash, item.bytes)) }
            for dropped in shelf.settle(hash) { outbox.persist(.dropManifest(dropped)) }
            outbox.noteCatalogChange()
            for (asker, pull) in shelf.finish(hash) {
                guard let peer = neighbourhood.peer(of: asker) else { continue }
                give(shelf.serve(pull, to: asker), to: asker, peer)
            }
        case .spoilt(let hash, _):
            outbox.tell(.notice(.peerMisbehaved(peer, "gave pages that do not make manifest \(hash)")))
        case .broken(let hash, let error):
            let owner = store.servers.filter { $0.value.manifest == hash }.keys.sorted().first?.owner ?? peer
            outbox.tell(.notice(.manifestBroken(hash, owner: owner, "\(error)")))
        }
    }
}
