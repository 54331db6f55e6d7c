import Catalog

/// The reader's side of servers that are for some nodes only: takes its owners' whole sets, fetches what they offer from
/// the owners alone, and says what it holds until that is confirmed.
extension MeshCore {
    mutating func takeOffer(_ digest: Digest, from link: LinkID, _ owner: NodeID) {
        let mine = ScopedShelf.digest(scoped.held(of: owner))
        if mine == digest { scoped.confirmed[owner] = life(of: owner) }
        outbox.send(.scopedHeld(mine, isAnswer: true), link)
        scoped.isDirty = true
    }

    mutating func takeSet(
        _ encoded: [[UInt8]], isLast: Bool, from link: LinkID, _ owner: NodeID
    ) {
        // Its enrolment has not arrived here: the owner asks again.
        guard let key = store.nodes[owner]?.enrolment.node, store.nodes[owner]?.standing == .present else {
            return
        }
        var set = scoped.arriving[link] ?? [:]
        for bytes in encoded {
            do throws(WireError) {
                let document = try ScopedDocument(decoding: bytes)
                guard set.count < limits.serversPerOrigin,
                    document.isSigned(by: key, in: trust.mesh, checker: store.signatureChecker)
                else {
                    scoped.arriving[link] = nil
                    return outbox.tell(
                        .notice(
                            .peerMisbehaved(owner, "gave a scoped server that is not its own, or too many")))
                }
                set[document.server.name] = document
            } catch {
                scoped.arriving[link] = nil
                return outbox.tell(
                    .notice(.peerMisbehaved(owner, "gave a scoped server that is unreadable: \(error)")))
            }
        }
        guard isLast else {
            scoped.arriving[link] = set
            return
        }
        scoped.arriving[link] = nil
        replace(of: owner, with: set)
        scoped.confirmed[owner] = life(of: owner)
        scoped.unusable[owner] = nil
        outbox.send(.scopedHeld(ScopedShelf.digest(scoped.held(of: owner)), isAnswer: true), link)
    }

    /// What the owner gives is all there is: what is absent is gone.
    private mutating func replace(of owner: NodeID, with set: [Label: ScopedDocument]) {
        let before = scoped.others[owner] ?? [:]
        var after: [Label: ScopedShelf.Held] = [:]
        for (name, document) in set.sorted(by: { $0.key < $1.key }) {
            after[name] = ScopedShelf.Held(document: document, manifest: before[name]?.manifest)
            if document.body.manifest == nil { after[name]?.manifest = nil }
            if before[name]?.document != document { outbox.persist(.storeScoped(document)) }
        }
        for name in before.keys.sorted() where after[name] == nil {
            outbox.persist(.dropScoped(ServerKey(owner: owner, name: name)))
        }
        scoped.others[owner] = after.isEmpty ? nil : after
        if let fetch = scoped.fetches[owner], after[fetch.server.name]?.document.body.manifest != fetch.hash {
            scoped.fetches[owner] = nil
        }
        noteScopedChange()
    }

    /// The owner is no more of the mesh, or says that it left.
    mutating func dropScoped(of owner: NodeID) {
        scoped.readers[owner] = nil
        scoped.confirmed[owner] = nil
        scoped.fetches[owner] = nil
        scoped.unusable[owner] = nil
        scoped.isDirty = true
        if scoped.others[owner] != nil { replace(of: owner, with: [:]) }
    }

    mutating func followOwners(_ unreached: inout Set<NodeID>) {
        for (owner, servers) in scoped.others.sorted(by: { $0.key < $1.key }) {
            let isConfirmed = isConfirmed(scopedBy: owner)
            let lacking = servers.values.filter { held in
                held.lacksManifest
                    && held.document.body.manifest.map { scoped.unusable[owner]?.contains($0) != true }
                        ?? false
            }.map(\.document).min { $0.server < $1.server }
            guard !isConfirmed || lacking != nil else { continue }
            guard let link = scopedLink(to: owner) else {
                if neighbourhood.link(to: owner) == nil { unreached.insert(owner) }
                continue
            }
            if !isConfirmed {
                let mine = ScopedShelf.digest(scoped.held(of: owner))
                let said = ScopedShelf.Said(digest: mine, link: link, at: now)
                if !said.repeats(scoped.asked[owner], within: Self.scopedRetry) {
                    scoped.asked[owner] = said
                    outbox.send(.scopedHeld(mine, isAnswer: false), link)
                }
            }
            if let lacking { fetch(lacking, over: link) }
        }
    }

    private mutating func fetch(_ document: ScopedDocument, over link: LinkID) {
        let owner = document.server.owner
        if var fetch = scoped.fetches[owner], fetch.link == link {
            guard now - fetch.lastPageAt >= limits.manifestTimeout else { return }
            fetch.pagesAsked = fetch.pagesHere
            return ask(&fetch)
        }
        guard let hash = document.body.manifest else { return }
        guard scoped.manifestBytes(of: owner) <= limits.manifestBytesPerOrigin else {
            scoped.unusable[owner, default: []].insert(hash)
            let why = "its scoped servers' manifests together exceed \(limits.manifestBytesPerOrigin) bytes"
            return outbox.tell(.notice(.manifestBroken(hash, owner: owner, why)))
        }
        var fetch = ScopedShelf.Fetch(
            server: document.server, hash: hash, size: Int(document.body.manifestBytes), link: link,
            lastPageAt: now)
        ask(&fetch)
    }

    private mutating func ask(_ fetch: inout ScopedShelf.Fetch) {
        let pull = ManifestPull(
            manifest: fetch.hash, firstPage: UInt32(clamping: fetch.pagesHere),
            pageCount: UInt16(clamping: limits.manifestWindow))
        fetch.pagesAsked = fetch.pagesHere + limits.manifestWindow
        fetch.lastPageAt = now
        scoped.fetches[fetch.server.owner] = fetch
        outbox.send(.manifestPull(pull), fetch.link)
    }

    mutating func takeScoped(_ page: ManifestPage, from owner: NodeID) {
        guard var fetch = scoped.fetches[owner], Int(page.index) == fetch.pagesHere else { return }
        let expected = min(ManifestCodec.pageBytes, fetch.size - fetch.bytes.count)
        fetch.bytes.append(contentsOf: page.bytes)
        fetch.lastPageAt = now
        let isWhole = fetch.bytes.count >= fetch.size
        guard page.bytes.count == expected, !isWhole || ContentHash(of: fetch.bytes) == fetch.hash else {
            return giveUp(fetch, "its pages do not make what its hash names")
        }
        guard isWhole else {
            if fetch.pagesHere >= fetch.pagesAsked { return ask(&fetch) }
            scoped.fetches[owner] = fetch
            return
        }
        let manifest: Manifest
        do throws(WireError) {
            manifest = try ManifestCodec.decode(fetch.bytes)
        } catch {
            return giveUp(fetch, "\(error)")
        }
        scoped.fetches[owner] = nil
        scoped.others[owner]?[fetch.server.name]?.manifest = (fetch.hash, manifest)
        outbox.persist(.storeScopedManifest(fetch.server, fetch.bytes))
        noteScopedChange()
    }

    private mutating func giveUp(_ fetch: ScopedShelf.Fetch, _ why: String) {
        let owner = fetch.server.owner
        scoped.fetches[owner] = nil
        scoped.unusable[owner, default: []].insert(fetch.hash)
        scoped.isDirty = true
        outbox.tell(.notice(.manifestBroken(fetch.hash, owner: owner, why)))
    }
}
