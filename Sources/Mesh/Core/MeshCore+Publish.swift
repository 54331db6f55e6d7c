package import Catalog
package import JSONSlice

/// Why this node cannot publish what it was told to.
package enum PublishProblem: Error, Hashable, Sendable, CustomStringConvertible {
    case notOwner(ServerKey)
    case manifestTooLarge(WireError)
    case definitionTooLarge(bytes: Int, max: Int)
    case tooMany(DocumentKind, max: Int)
    case needsRole(Roles)
    case unknownVirtualServer(Label)
    case clone
    case left
    case revoked
    case signing(SigningFailure)
    case refusedStatement(StatementRefusal)
    /// A former self of this node said something later; from here on this one is above it.
    case saidElsewhere
    case tooManyToRelease(Int, max: Int)

    package var description: String {
        switch self {
        case .notOwner(let key): "only its owner publishes \(key)"
        case .manifestTooLarge(let error): "the server's list is too large for the mesh: \(error)"
        case .definitionTooLarge(let bytes, let max):
            "the definition has \(bytes) bytes, at most \(max) are allowed; split it into two virtual servers"
        case .tooMany(let kind, let max):
            "this node publishes \(max) documents of kind \(kind) already, the most allowed"
        case .needsRole(let roles):
            "this node's enrolment lacks the role \(roles); do it on a node that has it (`martlet peers`)"
        case .unknownVirtualServer(let name): "there is no virtual server \(name)"
        case .clone:
            "another machine runs with this node's key, so nothing is published; stop one of the two and restart"
        case .left: "this node has left the mesh"
        case .revoked:
            "this node was revoked, so the mesh takes nothing from it; `martlet status` says by whom"
        case .signing(let failure): "\(failure)"
        case .refusedStatement(let refusal): "\(refusal)"
        case .saidElsewhere:
            "another life of this node said something later (a restored backup?); say it again in a moment"
        case .tooManyToRelease(let count, let max):
            "\(count) quarantines of it stand, one release names at most \(max); let some of their signers release theirs"
        }
    }
}

/// What this node itself says to the mesh.
extension MeshCore {
    /// Publishes one of this node's servers, or its changed state.
    ///
    /// - Parameter manifest: all that it offers; `nil`: the one published before stays (of a server that is down,
    ///   too: it is its owner who says what it offers, not its health).
    /// - Parameter scope: who may know of it; `nil`: everybody.
    package mutating func publish(
        _ record: ServerRecord, manifest: Manifest?, to scope: ServerScope? = nil, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) -> [MeshEffect] {
        try checkMayPublish(at: now)
        guard record.key.owner == me.id else { throw .notOwner(record.key) }
        let known = store.servers[record.key]
        if known == nil, scoped.own[record.key.name] == nil,
            store.servers.keys.filter({ $0.owner == me.id }).count + scoped.own.count
                >= limits.serversPerOrigin
        {
            throw .tooMany(.server, max: limits.serversPerOrigin)
        }
        if let scope {
            // Gone for all before it is there for some.
            if known != nil, let failure = publish(.server(me.id, record.key.name), body: nil, using: &random)
            {
                throw .signing(failure)
            }
            try publish(record, manifest: manifest, only: scope)
            return flush(using: &random)
        }
        withdraw(scoped: record.key.name)
        var record = record
        var size = Int(known?.manifestBytes ?? 0)
        record.manifest = known?.manifest
        if let manifest {
            let bytes: [UInt8]
            do throws(WireError) {
                bytes = try ManifestCodec.encode(manifest)
            } catch {
                throw .manifestTooLarge(error)
            }
            let hash = ContentHash(of: bytes)
            record.manifest = hash
            size = bytes.count
            if shelf[hash] == nil {
                shelf.hold(hash, ManifestShelf.Held(bytes: bytes, manifest: manifest))
                outbox.persist(.storeManifest(hash, bytes))
            }
        }
        let body = ServerBody(record, manifestBytes: size)
        // Of an earlier life it is said anew: a peer may hold something of that life that we lost.
        let key = DocumentKey.server(me.id, record.key.name)
        if known != body || store[key]?.version.incarnation != me.incarnation {
            if let failure = publish(key, body: body.canonicalBytes, using: &random) {
                throw .signing(failure)
            }
        }
        return flush(using: &random)
    }

    /// Deletes one of this node's servers for everybody; its last version stays without body, so that it never
    /// comes back by itself.
    package mutating func withdraw(
        server name: Label, at now: Instant, using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) -> [MeshEffect] {
        try checkMayPublish(at: now)
        withdraw(scoped: name)
        if store.servers[ServerKey(owner: me.id, name: name)] != nil {
            if let failure = publish(.server(me.id, name), body: nil, using: &random) {
                throw .signing(failure)
            }
        }
        return flush(using: &random)
    }

    /// Defines a virtual server for the whole mesh, or redefines it, whoever did before. Needs the role operator.
    ///
    /// - Parameter isConfigured: whether this node's configuration says it.
    package mutating func publish(
        virtualServer name: Label, definition: JSON, isConfigured: Bool = false, at now: Instant,
        using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) -> [MeshEffect] {
        try checkMayPublish(at: now)
        guard me.enrolment.roles.contains(.operator) else { throw .needsRole(.operator) }
        guard definition.bytes.count <= VirtualServerBody.definitionMax else {
            throw .definitionTooLarge(bytes: definition.bytes.count, max: VirtualServerBody.definitionMax)
        }
        let mine = store.virtualServers.values.filter { $0[me.id]?.definition != nil }.count
        if store.virtualServers[name]?[me.id]?.definition == nil, mine >= limits.virtualServersPerOrigin {
            throw .tooMany(.virtualServer, max: limits.virtualServersPerOrigin)
        }
        let standing = standingVirtualServer(name)
        if let standing, standing.definition == definition, standing.isConfigured == isConfigured {
            return flush(using: &random)
        }
        try publish(name, definition, isConfigured, replacing: standing, using: &random)
        return flush(using: &random)
    }

    /// Removes a virtual server for the whole mesh, whoever defined it. Needs the role operator.
    package mutating func remove(
        virtualServer name: Label, at now: Instant, using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) -> [MeshEffect] {
        try checkMayPublish(at: now)
        guard me.enrolment.roles.contains(.operator) else { throw .needsRole(.operator) }
        guard let standing = standingVirtualServer(name), standing.definition != nil else {
            throw .unknownVirtualServer(name)
        }
        try publish(name, nil, false, replacing: standing, using: &random)
        return flush(using: &random)
    }

    // MARK: Signing

    /// Signs and spreads this node's next word under a key.
    ///
    /// - Returns: why it could not be signed; told as a notice too.
    @discardableResult
    mutating func publish(
        _ key: DocumentKey, body: [UInt8]?, using random: inout some RandomNumberGenerator
    ) -> SigningFailure? {
        guard !isClone, ownRevocation == nil else { return nil }
        do throws(SigningFailure) {
            let version = DocumentVersion(incarnation: me.incarnation, life: me.life, sequence: sequence + 1)
            let document = try Document(key, version: version, body: body, mesh: trust.mesh, by: me.signer)
            sequence += 1
            switch store.take(document) {
            case .taken(_, let evicted):
                for key in evicted { outbox.persist(.drop(key)) }
                learn(document, from: nil, using: &random)
            case .refused(let refusal): outbox.tell(.notice(.refused(key, refusal, from: me.id)))
            case .known, .outdated, .equivocation: break
            }
        } catch {
            outbox.tell(.notice(.cannotSign(error)))
            return error
        }
        return nil
    }

    mutating func publishNode(using random: inout some RandomNumberGenerator) {
        let body = NodeBody(
            standing: standing, enrolment: me.enrolment, addresses: standing == .present ? me.addresses : [],
            versions: me.versions, software: me.software, vaultCounter: vaultToTell)
        vaultToldAt = now
        publish(.node(me.id), body: body.canonicalBytes, using: &random)
    }

    mutating func publishLinks(using random: inout some RandomNumberGenerator) {
        linksDirty = false
        linksPublishedAt = now
        let body = LinksBody(links: toldLinks())
        if store.links[me.id] != body || store[.links(me.id)]?.version.incarnation != me.incarnation {
            publish(.links(me.id), body: body.canonicalBytes, using: &random)
        }
    }

    /// This node's links, without those that come and go, unless somebody is reached over one of these alone.
    private mutating func toldLinks() -> [NodeID: ListedLink] {
        let all = neighbourhood.listed(relays: me.relays)
        let held = damping.held(at: now)
        let steady = all.filter { !held.contains($0.key) }
        guard steady.count < all.count else { return all }
        readLinks()
        let reached = RouteTable(graph, direct: all)
        let without = RouteTable(graph, direct: steady)
        return without.reachedCount == reached.reachedCount ? steady : all
    }

    mutating func publishLinksIfDue(using random: inout some RandomNumberGenerator) {
        guard hasStarted, linksDirty, linksPublishedAt.map({ now - $0 >= limits.linksEvery }) ?? true else {
            return
        }
        publishLinks(using: &random)
    }

    /// Looks at a document that carries this node's own name.
    ///
    /// - Returns: whether that was all there was to do with it.
    mutating func meetMyself(_ document: Document, using random: inout some RandomNumberGenerator) -> Bool {
        let version = document.version
        let held = store[document.key]
        guard held?.hash != document.hash,
            document.isSigned(by: me.signer.key, in: trust.mesh, checker: store.signatureChecker)
        else { return false }
        noteOwnVault(in: document)
        if version.life == me.life {
            // Of this very life, and yet not ours: the machine was copied while it ran.
            if held.map({ $0.version <= version }) ?? true { stopAsClone() }
            return true
        }
        if document.key.kind == .node, let said = document.body.flatMap({ try? NodeBody(canonical: $0) }),
            said.standing == .left, said.enrolment.serial >= me.enrolment.serial
        {
            if standing == .present { outbox.tell(.notice(.leftBefore)) }
            standing = .left
            return false
        }
        if version.incarnation >= me.incarnation { goAbove(version, using: &random) }
        switch (document.key.kind, document.key.name) {
        case (.node, _), (.links, _): return true  // said anew already
        case (.server, let name?):
            // An earlier self published it and this one does not know: it is gone.
            if store[document.key].map({ $0.version < version }) ?? true {
                let body = store.servers[ServerKey(owner: me.id, name: name)]
                publish(document.key, body: body?.canonicalBytes, using: &random)
            }
            return true
        // A definition that we once signed is still one: taken as from anybody.
        case (.virtualServer, _): return false
        case (.server, nil): return true
        }
    }

    /// Another life of this node was seen under an incarnation that is not below ours: a restored backup, or a clone.
    mutating func goAbove(_ version: DocumentVersion, using random: inout some RandomNumberGenerator) {
        guard !isClone else { return }
        otherLives = otherLives.filter { now - $0.at < limits.cloneWithin } + [(version.life, now)]
        // A former self was ahead once; only somebody who lives gets ahead again.
        let sightings = otherLives.filter { $0.life == version.life }.count
        guard sightings < limits.cloneSightings, version.incarnation < .max else { return stopAsClone() }
        me.incarnation = version.incarnation + 1
        outbox.persist(.persistIncarnation(me.incarnation))
        outbox.tell(.notice(.sawOwnOtherLife(incarnation: me.incarnation)))
        publishNode(using: &random)
        publishLinks(using: &random)
        let mine = store.rows().map(\.key).filter { $0.origin == me.id && $0.kind == .server }
        for key in mine { publish(key, body: store[key]?.body, using: &random) }
    }

    private mutating func stopAsClone() {
        guard !isClone else { return }
        isClone = true
        outbox.tell(.notice(.clone))
    }

    // MARK: Virtual servers

    /// What stands under a name: a definition, or its removal.
    func standingVirtualServer(_ name: Label) -> VirtualServerBody? {
        believedVirtualServers(name).map(\.value).max { $1.wins(over: $0) }
    }

    func believedVirtualServers(_ name: Label) -> [NodeID: VirtualServerBody] {
        (store.virtualServers[name] ?? [:]).filter { store.equivocations[$0.key] == nil }
    }

    private mutating func publish(
        _ name: Label, _ definition: JSON?, _ isConfigured: Bool, replacing standing: VirtualServerBody?,
        using random: inout some RandomNumberGenerator
    ) throws(PublishProblem) {
        // Above all that was ever said of the name, also by who is not believed now.
        let highest = (store.virtualServers[name] ?? [:]).values.map(\.counter).max() ?? 0
        let body = VirtualServerBody(
            counter: VirtualServerWord.counter(after: highest), replaces: standing?.definitionHash,
            isConfigured: isConfigured, definition: definition)
        let key = DocumentKey.virtualServer(me.id, name)
        if let failure = publish(key, body: body.canonicalBytes, using: &random) { throw .signing(failure) }
    }

    mutating func checkMayPublish(at now: Instant) throws(PublishProblem) {
        self.now = max(now, self.now)
        guard !isClone else { throw .clone }
        guard standing == .present else { throw .left }
        guard ownRevocation == nil else { throw .revoked }
    }
}
