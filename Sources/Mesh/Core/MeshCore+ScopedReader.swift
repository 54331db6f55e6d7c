import Catalog

/// The reader's side of servers that are for some nodes only: takes its owners' whole sets, fetches what they offer from
/// the owners alone, and says what it holds until that is confirmed.
extension MeshCore {
    mutating func takeOffer(_ digest: Digest, from link: LinkID, _ owner: NodeID) {
        let mine = scoped.digest(heldOf: owner)
        if mine == digest { confirm(owner) }
        outbox.send(.scopedHeld(mine, isAnswer: true), link)
        scoped.dirty.insert(owner)
    }

    private mutating func confirm(_ owner: NodeID) {
        scoped.confirmed[owner] = life(of: owner)
        if scoped.met.insert(owner).inserted { outbox.noteCatalogChange() }
    }

    /// Takes a part of a set. The last part is answered, whatever became of it, so that the owner knows that it came.
    mutating func takeSet(
        _ encoded: [[UInt8]], isLast: Bool, from link: LinkID, _ owner: NodeID
    ) {
        let isFirst = scoped.arriving[link] == nil
        switch allow(owner, { $0.part(of: link, isFirst: isFirst, isLast: isLast, at: $1) }) {
        case .drop: return
        case .answer: break
        case .take:
            do throws(SetProblem) {
                try take(encoded, into: link, owner)
                guard isLast else { return }
                replace(of: owner, with: scoped.arriving[link] ?? [:])
                confirm(owner)
                scoped.unusable[owner] = nil
            } catch {
                if let fault = error.fault { outbox.tell(.notice(.peerMisbehaved(owner, fault))) }
                if !isLast { allow(owner) { allowance, _ in allowance.refuseRest(of: link) } }
            }
        }
        scoped.arriving[link] = nil
        if isLast { outbox.send(.scopedHeld(scoped.digest(heldOf: owner), isAnswer: true), link) }
    }

    private struct SetProblem: Error {
        /// What the owner did wrong; `nil`: it only was too much at once, or too early.
        var fault: String?
    }

    private mutating func take(
        _ encoded: [[UInt8]], into link: LinkID, _ owner: NodeID
    ) throws(SetProblem) {
        // Its enrolment has not arrived here: the owner gives it again.
        guard let key = store.nodes[owner]?.enrolment.node, store.nodes[owner]?.standing == .present else {
            throw SetProblem(fault: nil)
        }
        var set = scoped.arriving[link] ?? [:]
        for bytes in encoded {
            let document: ScopedDocument
            do throws(WireError) {
                document = try ScopedDocument(decoding: bytes)
            } catch {
                throw SetProblem(fault: "gave a scoped server that is unreadable: \(error)")
            }
            guard set.count < limits.serversPerOrigin, document.server.owner == owner else {
                throw SetProblem(fault: "gave a scoped server that is not its own, or too many")
            }
            // What is held was checked when it came.
            if scoped.others[owner]?[document.server.name]?.document != document {
                guard allow(owner, { $0.takesDocument(at: $1) }) else { throw SetProblem(fault: nil) }
                guard document.isSigned(by: key, in: trust.mesh, checker: store.signatureChecker) else {
                    throw SetProblem(fault: "gave a scoped server that is not its own, or too many")
                }
            }
            set[document.server.name] = document
        }
        scoped.arriving[link] = set
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
        noteHeldChange(of: owner)
    }

    private mutating func noteHeldChange(of owner: NodeID) {
        scoped.dirty.insert(owner)
        outbox.noteCatalogChange()
    }

    /// The owner is no more of the mesh, or says that it left.
    mutating func dropScoped(of owner: NodeID) {
        scoped.readers[owner] = nil
        scoped.confirmed[owner] = nil
        scoped.fetches[owner] = nil
        scoped.unusable[owner] = nil
        scoped.met.remove(owner)
        scoped.allowances[owner] = nil
        scoped.dirty.insert(owner)
        if scoped.others[owner] != nil { replace(of: owner, with: [:]) }
    }

    /// - Parameter some: `nil`: all.
    mutating func followOwners(_ some: Set<NodeID>?, _ unreached: inout Set<NodeID>) {
        for owner in (some ?? Set(scoped.others.keys)).sorted() {
            guard let servers = scoped.others[owner] else { continue }
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
                let mine = scoped.digest(heldOf: owner)
                let said = ScopedShelf.Said(digest: mine, link: link, at: now)
                if let said = said.following(scoped.asked[owner]) {
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
        noteHeldChange(of: owner)
    }

    private mutating func giveUp(_ fetch: ScopedShelf.Fetch, _ why: String) {
        let owner = fetch.server.owner
        scoped.fetches[owner] = nil
        scoped.unusable[owner, default: []].insert(fetch.hash)
        scoped.dirty.insert(owner)
        outbox.tell(.notice(.manifestBroken(fetch.hash, owner: owner, why)))
    }
}
