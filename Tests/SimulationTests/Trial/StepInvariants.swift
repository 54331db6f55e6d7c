import Catalog
import MartletTestKit
import Mesh

/// What must hold after each single thing that happens in a ``MeshTrial``, whatever went wrong before.
final class StepInvariants {
    /// One version of one document.
    private struct Signed: Hashable {
        var key: DocumentKey
        var version: DocumentVersion
    }

    /// Those found broken, the first few.
    private(set) var broken: [String] = []
    private static let brokenMax = 5
    /// A node may still be closing the link of one that was revoked for so long.
    private static let closing: Duration = .seconds(1)
    /// 25 ticks of 100 ms, by a clock that is 2 % fast.
    private static let leastSilence: Duration = .milliseconds(2_350)

    private struct Ended: Hashable {
        var node: NodeID
        var at: SimulatedMesh.NodeIndex
    }

    /// When each node first held the word that another is revoked, by its own clock.
    private var endedSince: [Ended: Instant] = [:]
    private var signed: [Signed: ContentHash] = [:]
    private let limits: MeshLimits
    /// Of these nothing is believed.
    var hostile: SimulatedMesh.NodeIndex?
    var mayHoldScoped: Set<SimulatedMesh.NodeIndex> = []
    private unowned let mesh: SimulatedMesh

    init(_ mesh: SimulatedMesh, limits: MeshLimits) {
        self.mesh = mesh
        self.limits = limits
        mesh.effectObserver = { [unowned self] index, effect in saw(effect, at: index) }
        mesh.stepObserver = { [unowned self] index in check(index) }
        mesh.silenceObserver = { [unowned self] index, silent in
            if silent < Self.leastSilence { note("node \(index) blamed a peer heard \(silent) before") }
        }
        mesh.frameObserver = { [unowned self] from, to, frame in
            if case .scopedDocuments(let documents, _) = frame, !documents.isEmpty,
                from != hostile, !mayHoldScoped.contains(to)
            {
                note("node \(from) gave node \(to) a server that is not for it")
            }
        }
    }

    private func note(_ text: String) {
        if broken.count < Self.brokenMax {
            broken.append("at \(mesh.now.nanoseconds / 1_000_000) ms: \(text)")
        }
    }

    private func isHostile(_ node: NodeID) -> Bool { hostile.map { mesh.id($0) == node } ?? false }

    // MARK: Effects

    private func saw(_ effect: MeshEffect, at index: SimulatedMesh.NodeIndex) {
        guard index != hostile else { return }
        switch effect {
        case .store(let document): stored(document, at: index)
        case .storeScoped(let document):
            if !mayHoldScoped.contains(index) { note("node \(index) keeps \(document.server), not for it") }
        case .dropStatement(let key): note("node \(index) forgets the \(key)")
        case .routesChanged: checkRoutes(of: index)
        case .notice(let notice): heard(notice, at: index)
        default: break
        }
    }

    private func stored(_ document: Document, at index: SimulatedMesh.NodeIndex) {
        let (key, version) = (document.key, document.version)
        if let held = mesh.stored(index, key), !document.row.beats(held.row) {
            note("node \(index) puts \(key) \(version) in the place of the later \(held.version)")
        }
        guard !isHostile(key.origin) else { return }
        let word = Signed(key: key, version: version)
        let isNew = signed[word] == nil
        if let first = signed[word], first != document.hash {
            note("\(key) \(version) was signed twice, differently")
        }
        guard key.origin == mesh.id(index), let core = try? mesh.core(index), version.life == core.me.life
        else {
            if isNew { note("node \(index) holds \(key) \(version), which its origin never signed") }
            return
        }
        signed[word] = document.hash
        if version.incarnation != mesh.incarnation(index) {
            note("node \(index) signs as incarnation \(version.incarnation), which is not on its disk")
        }
    }

    private func heard(_ notice: MeshNotice, at index: SimulatedMesh.NodeIndex) {
        switch notice {
        case .equivocation(let key, _) where !isHostile(key.origin):
            note("node \(index) saw \(key) equivocated")
        // Whoever has not heard yet of a leave passes on what came before it.
        case .refused(_, .departed, _): break
        case .refused(_, _, let peer) where !isHostile(peer): note("node \(index): \(notice)")
        case .refusedStatement(_, _, let peer) where !isHostile(peer): note("node \(index): \(notice)")
        case .manifestBroken(_, let owner, _) where !isHostile(owner): note("node \(index): \(notice)")
        case .peerMisbehaved(let peer, _) where !isHostile(peer) && peer != mesh.id(index):
            note("node \(index): \(notice)")
        default: break
        }
    }

    private func checkRoutes(of index: SimulatedMesh.NodeIndex) {
        guard let core = try? mesh.core(index) else { return }
        for node in core.nodes.keys {
            guard let path = core.route(to: node) else { continue }
            let isWhole = path.last == node && Set(path).count == path.count && !path.contains(core.me.id)
            if !isWhole || path.count > CircuitHeader.pathMax { note("node \(index) goes by \(path)") }
        }
    }

    // MARK: State

    private func check(_ index: SimulatedMesh.NodeIndex) {
        guard index != hostile, let core = try? mesh.core(index) else { return }
        if core.documentCount > limits.documentsPerOrigin * max(core.nodes.count, 1) {
            note("node \(index) holds \(core.documentCount) documents of \(core.nodes.count) origins")
        }
        if core.addresses.count > limits.candidates {
            note("node \(index) keeps \(core.addresses.count) addresses")
        }
        if !mayHoldScoped.contains(index), !core.scopedServers.isEmpty {
            note("node \(index) knows of a server that is not for it")
        }
        guard core.revocations.count > 0 else { return }
        let now = mesh.clock(index)
        for id in core.revocations.targets where id != core.me.id && core.objection(to: id) != nil {
            if core.nodes[id] != nil { note("node \(index) holds documents of \(id), which is revoked") }
            let known = Ended(node: id, at: index)
            let since = endedSince[known] ?? now
            endedSince[known] = since
            let isLinked = core.links.values.contains {
                $0.facts.peer == id && now - max($0.since, since) > Self.closing
            }
            if isLinked { note("node \(index) is linked with \(id), which is revoked") }
        }
    }
}
