package import Catalog

/// Servers that are for some nodes only (`to:`): given by their owner itself, over a link or a circuit that ends at the
/// reader, and never passed on.
///
/// The owner gives each reader its whole set; the reader says what it holds. Both are asked for by comparing one digest, so
/// that a reader which left the scope, or whose owner changed its mind while either was away, ends with what the owner
/// would give it now.
extension MeshCore {
    /// All that this node holds of servers that are not for everybody, its own included.
    package var scopedServers: [ServerKey: ScopedDocument] {
        let own = scoped.own.values.map(\.document)
        let others = scoped.others.values.flatMap { $0.values.map(\.document) }
        return Dictionary((own + others).map { ($0.server, $0) }) { first, _ in first }
    }

    /// Whether all that is held of an owner was equal to its own in its present life.
    package func isConfirmed(scopedBy owner: NodeID) -> Bool { scoped.confirmed[owner] == life(of: owner) }

    // MARK: The owner's side

    mutating func publish(
        _ record: ServerRecord, manifest: Manifest?, only scope: ServerScope
    ) throws(PublishProblem) {
        let name = record.key.name
        let known = scoped.own[name]
        var kept = known?.manifest
        if let manifest, manifest != kept?.manifest {
            do throws(WireError) {
                kept = (try ManifestCodec.encode(manifest), manifest)
            } catch {
                throw .manifestTooLarge(error)
            }
        }
        var record = record
        record.manifest = kept.map { ContentHash(of: $0.bytes) }
        let body = ServerBody(record, manifestBytes: kept?.bytes.count ?? 0)
        guard known?.document.body != body || known?.scope != scope else { return }
        let document: ScopedDocument
        do throws(SigningFailure) {
            let version = DocumentVersion(incarnation: me.incarnation, life: me.life, sequence: sequence + 1)
            document = try ScopedDocument(
                record.key, version: version, body: body, mesh: trust.mesh, by: me.signer)
        } catch {
            throw .signing(error)
        }
        sequence += 1
        scoped.own[name] = ScopedShelf.Own(scope: scope, document: document, manifest: kept)
        outbox.persist(.storeScoped(document))
        if let kept, let hash = body.manifest, known?.document.body.manifest != hash {
            outbox.persist(.storeScopedManifest(record.key, kept.bytes))
        }
        noteScopedChange()
    }

    /// This node's server is for nobody any more, or for everybody.
    mutating func withdraw(scoped name: Label) {
        guard scoped.own.removeValue(forKey: name) != nil else { return }
        outbox.persist(.dropScoped(ServerKey(owner: me.id, name: name)))
        noteScopedChange()
    }

    private mutating func noteScopedChange() {
        scoped.isDirty = true
        outbox.noteCatalogChange()
    }

    /// How a node is enrolled; `nil`: it is not present.
    private func scopePlace(of node: NodeID) -> ScopedShelf.Place? {
        guard node != me.id, let body = store.nodes[node], body.standing == .present else { return nil }
        let own = body.enrolment.label
        // As shown: of two nodes under one label neither has it.
        let isShared = store.holders[own, default: []].count > 1
        return ScopedShelf.Place(
            segment: body.enrolment.segment, label: isShared ? Self.distinct(own, node) : own)
    }

    private mutating func noteHeld(_ digest: Digest, by node: NodeID, over link: LinkID) {
        var reader = scoped.readers[node] ?? ScopedShelf.Reader()
        reader.holds = digest
        // An answer to what was said before may cross with what it is given now.
        let isGiven = reader.given.map { $0.digest != ScopedShelf.nothing } ?? false
        reader.mayHold = digest != ScopedShelf.nothing || isGiven
        if reader.given?.link == link { reader.given?.isAnswered = true }
        scoped.readers[node] = reader
    }

    private mutating func give(_ node: NodeID, at place: ScopedShelf.Place, over link: LinkID) {
        let last = scoped.readers[node]?.given
        // A set that is still on its way over this link is not sent again, nor another beside it too often.
        if let last, now - last.at < ScopedShelf.setEvery { return }
        let digest = scoped.digest(for: place)
        if let last, last.link == link, !last.isAnswered, last.digest == digest,
            now - last.at < ScopedShelf.retryMax
        {
            return
        }
        let said = ScopedShelf.Said(digest: digest, link: link, at: now)
        guard let said = said.following(last) else { return }
        let set = scoped.set(for: place)
        scoped.readers[node, default: ScopedShelf.Reader()].given = said
        if !set.isEmpty { scoped.readers[node]?.mayHold = true }
        let batches = Self.scopedBatches(set.map(\.encoded))
        for (index, batch) in batches.enumerated() {
            outbox.send(.scopedDocuments(batch, isLast: index == batches.count - 1), link)
        }
    }

    /// At least one, so that an empty set is said too.
    private static func scopedBatches(_ documents: [[UInt8]]) -> [[[UInt8]]] {
        var batches: [[[UInt8]]] = [[]]
        var size = 0
        for bytes in documents {
            if size + bytes.count + 4 > Document.bytesMax
                || batches[batches.count - 1].count == Frame.documentsMax
            {
                batches.append([])
                size = 0
            }
            batches[batches.count - 1].append(bytes)
            size += bytes.count + 4
        }
        return batches
    }

    // MARK: Both sides

    /// A link through a circuit, over which nothing but this is said.
    mutating func circuitUp(_ link: LinkID, _ facts: LinkFacts) {
        scoped.circuits[link] = facts
        noteScopedLink(to: facts.peer)
    }

    mutating func circuitDown(_ link: LinkID) {
        scoped.circuits[link] = nil
        forgetScoped(link: link)
    }

    /// Whatever was under way over a link is not any more.
    mutating func forgetScoped(link: LinkID) {
        scoped.arriving[link] = nil
        for peer in scoped.allowances.keys { scoped.allowances[peer]?.forget(link) }
        for (owner, fetch) in scoped.fetches where fetch.link == link { scoped.fetches[owner] = nil }
        for (node, reader) in scoped.readers {
            if reader.given?.link == link { scoped.readers[node]?.given = nil }
            if reader.offered?.link == link { scoped.readers[node]?.offered = nil }
        }
        for (owner, said) in scoped.asked where said.link == link { scoped.asked[owner] = nil }
        scoped.isDirty = true
    }

    /// What a peer holds is to be found out anew: it may be in another life than when it last said so.
    mutating func noteScopedLink(to peer: NodeID) {
        scoped.readers[peer]?.holds = nil
        scoped.dirty.insert(peer)
    }

    /// Takes what this is about.
    ///
    /// - Returns: whether it was.
    mutating func receiveScoped(_ frame: Frame, from link: LinkID) -> Bool {
        let isCircuit = scoped.circuits[link] != nil
        guard let peer = scoped.circuits[link]?.peer ?? neighbourhood.peer(of: link) else { return isCircuit }
        guard isCircuit || isHeard(link) else { return false }
        switch frame {
        case .scopedOffer(let digest):
            guard allow(peer, { $0.takesWord(at: $1) }) else { return true }
            takeOffer(digest, from: link, peer)
        case .scopedHeld(let digest, let isAnswer):
            guard allow(peer, { $0.takesWord(at: $1) }) else { return true }
            noteHeld(digest, by: peer, over: link)
            let mine = scopePlace(of: peer).map { scoped.digest(for: $0) } ?? ScopedShelf.nothing
            if !isAnswer, digest == mine { outbox.send(.scopedOffer(digest), link) }
            scoped.dirty.insert(peer)
        case .scopedDocuments(let encoded, let isLast): takeSet(encoded, isLast: isLast, from: link, peer)
        case .manifestPull(let pull):
            guard shelf[pull.manifest] == nil || isCircuit, let place = scopePlace(of: peer),
                let bytes = scoped.manifest(pull.manifest, for: place)
            else {
                if isCircuit { outbox.send(.manifestAbsent(pull.manifest), link) }
                return isCircuit
            }
            give(ManifestShelf.pages(of: bytes, pull), to: link, peer)
        case .manifestPage(let page):
            guard scoped.fetches[peer]?.hash == page.manifest, scoped.fetches[peer]?.link == link else {
                return isCircuit
            }
            takeScoped(page, from: peer)
        case .manifestAbsent(let hash):
            guard let fetch = scoped.fetches[peer], fetch.hash == hash, fetch.link == link else {
                return isCircuit
            }
            scoped.fetches[peer] = nil
            scoped.unusable[peer, default: []].insert(hash)
            scoped.dirty.insert(peer)
        default: return isCircuit
        }
        return true
    }

    /// Asks what a peer may still have of this node's work.
    mutating func allow<Answer>(
        _ peer: NodeID, _ asked: (inout ScopedAllowance, Instant) -> Answer
    ) -> Answer {
        let fresh = ScopedAllowance(serversMax: limits.serversPerOrigin)
        let now = now
        return asked(&scoped.allowances[peer, default: fresh], now)
    }

    /// Compares with everybody who matters, reaches whom it must. Called after each event: looks at those of whom there is
    /// news, and once a second at all.
    mutating func syncScoped() {
        let isAll = scoped.isDirty || now - scoped.syncedAt >= Self.scopedSyncEvery
        guard hasStarted, isAll || !scoped.dirty.isEmpty else { return }
        let some = isAll ? nil : scoped.dirty
        scoped.isDirty = false
        scoped.dirty = []
        if isAll { scoped.syncedAt = now }
        guard !isClone, ownRevocation == nil else { return }
        var unreached: Set<NodeID> = []
        serveReaders(some, &unreached)
        followOwners(some, &unreached)
        scoped.reached = scoped.reached.filter { now - $0.value < Self.scopedReachEvery }
        let due = unreached.filter { routes[$0] != nil && scoped.reached[$0] == nil }.sorted()
        for node in due.prefix(Self.scopedReachesAtOnce) {
            scoped.reached[node] = now
            outbox.tell(.reach(node))
        }
    }

    /// - Parameter some: `nil`: all.
    private mutating func serveReaders(_ some: Set<NodeID>?, _ unreached: inout Set<NodeID>) {
        guard !scoped.own.isEmpty || !scoped.readers.isEmpty else { return }
        if let some {
            for node in some.sorted() {
                if let place = scopePlace(of: node) { serve(node, at: place, &unreached) }
            }
            return
        }
        let present = presentNodes
        let labels = shownLabels(of: present)
        for (node, body) in present.sorted(by: { $0.key < $1.key }) where node != me.id {
            let place = ScopedShelf.Place(
                segment: body.enrolment.segment, label: labels[node] ?? body.enrolment.label)
            serve(node, at: place, &unreached)
        }
    }

    private mutating func serve(
        _ node: NodeID, at place: ScopedShelf.Place, _ unreached: inout Set<NodeID>
    ) {
        let digest = scoped.digest(for: place)
        let reader = scoped.readers[node]
        // Never in scope, and never heard to hold something.
        if digest == ScopedShelf.nothing, reader?.mayHold != true { return }
        if reader?.holds == digest { return }
        guard let link = scopedLink(to: node) else {
            if neighbourhood.link(to: node) == nil { unreached.insert(node) }
            return
        }
        if reader?.holds != nil { return give(node, at: place, over: link) }
        let said = ScopedShelf.Said(digest: digest, link: link, at: now)
        guard let said = said.following(reader?.offered) else { return }
        scoped.readers[node, default: ScopedShelf.Reader()].offered = said
        outbox.send(.scopedOffer(digest), link)
    }

    func life(of owner: NodeID) -> DocumentVersion? {
        store[.node(owner)].map {
            DocumentVersion(incarnation: $0.version.incarnation, life: $0.version.life, sequence: 0)
        }
    }

    func scopedLink(to peer: NodeID) -> LinkID? {
        if let link = neighbourhood.link(to: peer) {
            let hello = neighbourhood.links[link]?.facts.hello
            return hello?.takesScoped == true && isTold(link) && isHeard(link) ? link : nil
        }
        return scoped.circuits.filter { $0.value.peer == peer && $0.value.hello.takesScoped }.keys.max()
    }

    // MARK: A start

    /// - Parameter scopes: of this node's own servers, as it is configured now; others are nobody's any more.
    mutating func startScoped(_ stored: [StoredScoped], scopes: [Label: ServerScope]) {
        for item in stored.sorted(by: { $0.document.server < $1.document.server }) {
            let server = item.document.server
            let manifest = item.manifest.flatMap { bytes in
                (try? ManifestCodec.decode(bytes)).map { (bytes: bytes, manifest: $0) }
            }
            if server.owner == me.id, let scope = scopes[server.name] {
                scoped.own[server.name] = ScopedShelf.Own(
                    scope: scope, document: item.document, manifest: manifest)
            } else if let owner = store.nodes[server.owner], owner.standing == .present,
                server.owner != me.id,
                item.document.isSigned(
                    by: owner.enrolment.node, in: trust.mesh, checker: store.signatureChecker)
            {
                scoped.others[server.owner, default: [:]][server.name] = ScopedShelf.Held(
                    document: item.document,
                    manifest: manifest.map { (ContentHash(of: $0.bytes), $0.manifest) })
            } else {
                outbox.persist(.dropScoped(server))
            }
        }
        scoped.isDirty = true
    }

    // MARK: Bounds

    /// Often enough for what a lost word would delay, rare enough to cost nothing.
    private static let scopedSyncEvery = Duration.seconds(1)
    /// Circuits asked for at a time: each is a handshake at both ends.
    private static let scopedReachesAtOnce = 8
    /// A circuit is asked for at most that often a node: opening one costs a handshake.
    private static let scopedReachEvery = Duration.seconds(5)
}
