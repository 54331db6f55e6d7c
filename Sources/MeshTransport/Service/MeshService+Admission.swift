package import Catalog
import FoundationEssentials
package import Mesh

/// An issuer's desks and its book of tokens.
struct AdmissionOffice: Sendable {
    /// Labels given lately, until the new nodes' own documents speak for them; the oldest make room.
    private static let givenMax = 256

    var issuer: IssuerCredentials
    let trust: MeshTrust
    let signer: Signer
    var ledger = JoinLedger()
    var desks: [GuestID: JoinDesk] = [:]
    /// Of members that came for a new leaf.
    var renewals: [GuestID: RenewalDesk] = [:]
    private var given: [(label: Label, node: NodeID)] = []
    private var lastSerial: UInt64 = 0

    init(_ issuer: IssuerCredentials, trust: MeshTrust, signer: Signer) {
        self.issuer = issuer
        self.trust = trust
        self.signer = signer
    }

    func holder(of label: Label) -> NodeID? { given.last { $0.label == label }?.node }

    mutating func noteGiven(_ label: Label, to node: NodeID) {
        given.append((label, node))
        if given.count > Self.givenMax { given.removeFirst() }
    }

    /// Makes leaf and enrolment for an admitted node.
    ///
    /// - Parameter serial: of the node's last enrolment, if it was of this mesh before; the new one is above it, or
    ///   nobody would believe that it is back.
    mutating func fill(_ order: JoinOrder, above serial: UInt64?, at now: Date) throws -> JoinGrant {
        let request = try CertificateRequest(checking: order.request.csr)
        let chain = try issuer.authority.issueLeaf(for: order.request.nodeKey.id, request: request, at: now)
        // Milliseconds of the clock tell two enrolments of one node apart, across restarts too; never the same
        // twice in one life.
        let milliseconds = UInt64(max(0, now.timeIntervalSince1970 * 1000))
        // A serial of the greatest number can come from a broken issuer only, and cannot be beaten.
        lastSerial = max(lastSerial + 1, milliseconds, serial.map { $0 == .max ? $0 : $0 + 1 } ?? 0)
        let enrolment = try Enrolment(
            of: order.request.nodeKey, label: order.label, roles: order.roles, segment: order.segment,
            serial: lastSerial, grant: issuer.grant, by: signer)
        return JoinGrant(
            chain: chain, rootCertificate: issuer.authority.root.bytes, rootKey: trust.rootKey,
            enrolment: enrolment)
    }
}

extension MeshService {
    /// What a token lets in at most at a time.
    package static let tokenUsesMax: UInt16 = 1000

    /// Makes a token that lets a node into the mesh; on disk before it is returned.
    ///
    /// - Parameters:
    ///   - segment: `nil`: this node's own.
    ///   - label: the new node's; `nil`: its own choice.
    ///   - ttl: counted on this node's monotonic clock from now.
    package func makeToken(
        roles: Roles = .ordinary, segment: Label? = nil, label: Label? = nil, uses: UInt16 = 1,
        ttl: Duration = .seconds(900)
    ) async throws -> JoinToken {
        try await started()
        guard admission != nil else { throw MeshServiceError.notIssuer }
        var random = SystemRandomNumberGenerator()
        let secret = (0..<JoinToken.secretBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
        let token = JoinToken(
            rootFingerprint: credentials.trust.rootFingerprint, issuer: me.id, secret: secret, label: label,
            roles: roles, segment: segment ?? me.enrolment.segment, uses: min(uses, Self.tokenUsesMax),
            lifeSeconds: UInt32(clamping: ttl.components.seconds), addresses: ownAddresses)
        admission?.ledger.add(token, at: now())
        if let entry = admission?.ledger.entries[token.id] { try await storage.apply([.joinToken(entry)]) }
        return token
    }

    /// Makes a token useless, on disk before it returns.
    package func revokeToken(_ id: JoinTokenID) async throws {
        try await started()
        admission?.ledger.revoke(id)
        if let entry = admission?.ledger.entries[id] { try await storage.apply([.joinToken(entry)]) }
    }

    /// Tokens this node made, spent ones included.
    package var tokens: [JoinLedger.Entry] {
        (admission?.ledger.entries.values).map { $0.sorted { $0.expires < $1.expires } } ?? []
    }

    // MARK: Guests

    func serveGuest(_ id: GuestID, _ event: GuestEvent) async throws {
        guard admission != nil else { return }
        switch event {
        case .arrived(let ownLeaf):
            // Its first message says which of the two it needs.
            admission?.desks[id] = JoinDesk(trust: credentials.trust, ownLeaf: ownLeaf, checker: .real)
            admission?.renewals[id] = RenewalDesk(
                trust: credentials.trust, me: me.id, ownLeaf: ownLeaf, checker: .real)
        case .said(let message):
            if case .renew = message { admission?.desks[id] = nil }
            if case .begin = message { admission?.renewals[id] = nil }
            if admission?.desks[id] == nil {
                await serveRenewal(id, message)
            } else {
                await follow(ask(id, message), for: id)
            }
        case .gone:
            admission?.renewals[id] = nil
            guard var office = admission, var desk = office.desks.removeValue(forKey: id) else { return }
            desk.closed(ledger: &office.ledger)
            admission = office
        }
    }

    private func ask(_ id: GuestID, _ message: JoinMessage) -> [JoinDesk.Step] {
        guard var office = admission, var desk = office.desks[id] else { return [.close] }
        var random = SystemRandomNumberGenerator()
        let given = office
        let steps = desk.receive(
            message, ledger: &office.ledger,
            holder: { label in holder(of: label) ?? given.holder(of: label) },
            isRevoked: { core.revocations.objection(to: $0) != nil }, at: now(), using: &random)
        office.desks[id] = desk
        admission = office
        return steps
    }

    private func follow(_ steps: [JoinDesk.Step], for id: GuestID) async {
        var orders: [HubOrder] = []
        for step in steps {
            switch step {
            case .send(let message):
                orders.append(.tellGuest(id, message))
            case .make(let order):
                await follow(make(order, for: id), for: id)
            case .storeUse(let token):
                guard let entry = admission?.ledger.entries[token] else { break }
                do {
                    try await storage.apply([.joinToken(entry)])
                } catch {
                    // Not on disk, not answered: after a restart the token must not be good again.
                    log.error("a join's use was not stored", metadata: ["error": "\(error)"])
                    orders.append(.dismissGuest(id))
                    give(&orders)
                    return
                }
            case .admitted(let node, let label):
                admission?.noteGiven(label, to: node)
                log.notice("node admitted", metadata: ["mesh.peer": "\(node)", "mesh.label": "\(label)"])
            case .refused(let refusal, let text):
                log.notice(
                    "join refused", metadata: ["mesh.refusal": "\(refusal)", "mesh.reason": "\(text)"])
            case .close:
                orders.append(.dismissGuest(id))
            }
        }
        give(&orders)
    }

    private func make(_ order: JoinOrder, for id: GuestID) -> [JoinDesk.Step] {
        guard var office = admission, var desk = office.desks[id] else { return [.close] }
        let steps: [JoinDesk.Step]
        do {
            let grant = try office.fill(
                order, above: core.nodes[order.request.nodeKey.id]?.enrolment.serial, at: clock.now)
            steps = desk.made(grant, ledger: &office.ledger)
        } catch {
            steps = desk.couldNotMake("\(error)", ledger: &office.ledger)
        }
        office.desks[id] = desk
        admission = office
        return steps
    }
}
