import Catalog

/// Rollback of a vault, noticed with the help of peers.
///
/// A node says in its document how often its vault has changed. Whoever hears less of it than before keeps the former document, which
/// the node itself signed, and shows it to the node until it says more again. Nobody can make one up, and nobody but the node is
/// alarmed: what it makes of its vault is its own business. The alarm stands, over restarts too, until a person accepts the vault: that
/// it has changed often enough since to be at a greater count says nothing of what came back.
extension MeshCore {
    // MARK: One's own

    mutating func startVault(_ stored: StoredState) {
        // The vault's rows may have been put back, and what this node has said of them not.
        if let own = store[.node(me.id)] { noteOwnVault(in: own) }
        for witness in stored.vaultWitnesses {
            let origin = witness.key.origin
            if origin == me.id {
                takeOwnWitness(witness)
                continue
            }
            guard let key = store.nodes[origin]?.enrolment.node, vaultCounter(in: witness) > told(of: origin),
                witness.isSigned(by: key, in: trust.mesh, checker: store.signatureChecker)
            else {
                outbox.persist(.dropVaultWitness(origin))
                continue
            }
            vaultWitnesses[origin] = witness
        }
    }

    /// - Parameter document: signed by this node.
    mutating func noteOwnVault(in document: Document) {
        let said = vaultCounter(in: document)
        guard let counter = me.vaultCounter, said > max(counter, vaultRemembered ?? 0) else { return }
        outbox.persist(.storeVaultWitness(document))
        alarm(at: counter, remembering: said)
    }

    /// What this node had noticed before it was started again.
    private mutating func takeOwnWitness(_ witness: Document) {
        let said = vaultCounter(in: witness)
        guard said > 0, witness.isSigned(by: me.signer.key, in: trust.mesh, checker: store.signatureChecker)
        else { return outbox.persist(.dropVaultWitness(me.id)) }
        guard let counter = me.vaultCounter, said > vaultRemembered ?? 0 else { return }
        alarm(at: counter, remembering: said)
    }

    private mutating func alarm(at counter: UInt64, remembering said: UInt64) {
        vaultRemembered = said
        outbox.tell(.notice(.vaultOlder(counter: counter, remembered: said)))
    }

    /// A person says that the vault is the right one as it is.
    mutating func vaultAccepted(at counter: UInt64, using random: inout some RandomNumberGenerator) {
        if vaultRemembered != nil {
            vaultRemembered = nil
            outbox.persist(.dropVaultWitness(me.id))
        }
        vaultChanged(to: counter, using: &random)
    }

    mutating func vaultChanged(to counter: UInt64, using random: inout some RandomNumberGenerator) {
        // It never falls while a node runs: what comes late was read before.
        guard me.vaultCounter.map({ counter > $0 }) ?? true else { return }
        me.vaultCounter = counter
        tellVaultIfDue(using: &random)
    }

    mutating func tellVaultIfDue(using random: inout some RandomNumberGenerator) {
        guard hasStarted, standing == .present, store.nodes[me.id]?.vaultCounter != vaultToTell,
            vaultToldAt.map({ now - $0 >= limits.vaultToldEvery }) ?? true
        else { return }
        publishNode(using: &random)
    }

    /// Nothing, while a node is known that could not read a document which says it: that node would miss all that this one says of itself.
    ///
    /// - Complexity: O(nodes)
    var vaultToTell: UInt64? {
        guard let counter = me.vaultCounter else { return nil }
        let readAll = store.nodes.allSatisfy { id, node in
            id == me.id || node.standing != .present
                || node.versions.upperBound >= ProtocolVersion.vaultCounters
        }
        return readAll ? counter : nil
    }

    // MARK: Others'

    /// Keeps the better word of an origin on its vault.
    mutating func noteVault(in document: Document, replacing former: Document?) {
        let origin = document.key.origin
        guard document.key.kind == .node, origin != me.id else { return }
        if let witness = vaultWitnesses[origin] {
            guard told(of: origin) >= vaultCounter(in: witness) else { return showVaultWitness(of: origin) }
            vaultWitnesses[origin] = nil
            outbox.persist(.dropVaultWitness(origin))
        } else if let former, vaultCounter(in: former) > told(of: origin),
            store.nodes[origin]?.standing == .present
        {
            vaultWitnesses[origin] = former
            outbox.persist(.storeVaultWitness(former))
            showVaultWitness(of: origin)
        }
    }

    /// Again and again while the node is linked: the first time may have been before it listened.
    mutating func showVaultWitnesses() {
        for origin in vaultWitnesses.keys.sorted() {
            if store.nodes[origin] == nil {
                vaultWitnesses[origin] = nil
                outbox.persist(.dropVaultWitness(origin))
            } else {
                showVaultWitness(of: origin)
            }
        }
    }

    private mutating func showVaultWitness(of origin: NodeID) {
        guard let witness = vaultWitnesses[origin], let link = neighbourhood.link(to: origin) else { return }
        outbox.send(.documents([witness.encoded]), link)
    }

    private func told(of origin: NodeID) -> UInt64 { store.nodes[origin]?.vaultCounter ?? 0 }

    private func vaultCounter(in document: Document) -> UInt64 {
        document.body.flatMap { try? NodeBody(canonical: $0) }?.vaultCounter ?? 0
    }
}
