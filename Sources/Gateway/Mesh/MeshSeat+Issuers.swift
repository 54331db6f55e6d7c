import Catalog
import Crypto
import FoundationEssentials
import Mesh
import MeshTransport
import Storage
import Vault

/// Who may admit and who may end: revocation, further issuers, and the root's key.
extension MeshSeat {
    // MARK: Revocation

    /// What a revocation did.
    struct Revoked {
        var node: NodeID
        /// Of an issuer: the nodes enrolled by it that stay.
        var keeps: [NodeID]
        /// … and those whose enrolments ended with it.
        var ends: [KeptEnrolment] = []
        var byRoot: Bool
    }

    func revoke(_ node: NodeID, reason: String, dropping: Set<NodeID>) async throws -> Revoked {
        let service = try running()
        do {
            guard await service.nodeBodies[node]?.enrolment.roles.contains(.issuer) == true else {
                guard dropping.isEmpty else {
                    throw Refusal(.invalid, "\(node) is no issuer, so no enrolments end with it")
                }
                try await service.revoke(node, reason: reason)
                return Revoked(node: node, keeps: [], byRoot: false)
            }
            let signer = try root(for: "revokes issuers").signer
            let ended = await service.enrolments(by: node, of: dropping)
            let kept = try await service.revoke(node, reason: reason, dropping: dropping, by: signer)
            return Revoked(
                node: node, keeps: kept.map(\.node).sorted(), ends: ended.sorted(), byRoot: true)
        } catch let problem as RevokeProblem {
            throw Refusal(.forbidden, "\(problem)")
        }
    }

    /// Lets more enrolments by an issuer stand that the root has revoked.
    func correct(revocationOf node: NodeID, keeping: Set<KeptEnrolment>) async throws -> Revoked {
        let service = try running()
        do {
            try await service.correct(
                revocationOf: node, keeping: keeping, by: root(for: "revokes issuers").signer)
        } catch let problem as RevokeProblem {
            throw Refusal(.forbidden, "\(problem)")
        }
        let terms = service.revocations.rootTerms(of: node)
        return Revoked(node: node, keeps: (terms?.enrolments ?? []).map(\.node).sorted(), byRoot: true)
    }

    // MARK: The root's key

    /// Whether the root's key lies in this node's vault.
    var holdsRoot: Bool { secrets.contains(AuthorityKeys(of: mesh).root) }

    func exportRoot() throws -> String {
        let root = try root(for: "can be exported")
        return RootKeyText(mesh: mesh, key: Array(root.key.rawRepresentation)).text
    }

    /// Takes the root's key out of the vault.
    ///
    /// - Parameter text: what ``exportRoot()`` gave: whoever removes the key shows that it is kept.
    func removeRoot(shown text: String) async throws {
        let shown = try RootKeyText(text: text)
        let root = try root(for: "can be removed")
        guard shown.mesh == mesh, shown.key == Array(root.key.rawRepresentation) else {
            throw Refusal(.conflict, "the key shown is not the one in the vault; nothing was removed")
        }
        try await secrets.remove(AuthorityKeys(of: mesh).root)
        log.notice("The root's key was taken out of the vault.", metadata: ["mesh.id": "\(mesh)"])
    }

    /// Puts the root's key into this node's vault, and makes the node an issuer if it is none.
    ///
    /// - Returns: whether it has become one.
    func importRoot(_ text: String) async throws -> Bool {
        let shown = try RootKeyText(text: text)
        return try await changing {
            let (nodeKey, membership) = state.withLock { ($0.identity.nodeKey, $0.identity.membership) }
            guard shown.mesh == membership.enrolment.mesh else {
                throw Refusal(.conflict, "that is the root of mesh \(shown.mesh); this node is in \(mesh)")
            }
            let root: RootAuthority
            do {
                root = try RootAuthority(key: shown.key, certificate: membership.root)
            } catch {
                throw Refusal(.conflict, "that is not the key of this mesh's root: \(error)")
            }
            let service = try running()
            if let word = service.ownRevocation {
                throw Refusal(.conflict, "this node is \(MeshCore.describe(word))")
            }
            let keys = AuthorityKeys(of: shown.mesh)
            try await secrets.set(
                keys.root, to: root.key.rawRepresentation.secret(), kind: .own, at: WallTime.now())
            guard !membership.enrolment.roles.contains(.issuer) else { return false }
            let new = try NewIssuer(
                membership.enrolment, nodeKey: nodeKey, by: root, at: Self.now(after: membership))
            try await between(service) { try await become(new) }
            try await turn(from: service)
            return true
        }
    }

    /// On disk first: the issuer's key in the vault, then the membership.
    func become(_ new: NewIssuer) async throws {
        try await secrets.set(
            AuthorityKeys(of: new.enrolment.mesh).issuer, to: new.authority.key.rawRepresentation.secret(),
            kind: .own, at: WallTime.now())
        try keep(
            Membership(
                leafKey: new.credentials.leafKey, chain: new.credentials.chain, root: new.credentials.root,
                enrolment: new.enrolment, issuing: new.authority.intermediate.bytes))
        log.notice("This node is an issuer now.", metadata: ["mesh.id": "\(new.enrolment.mesh)"])
    }

    /// Opens the root's key for one use.
    func root(for what: String) throws -> RootAuthority {
        let membership = state.withLock { $0.identity.membership }
        return try AuthorityKeys.root(of: membership, from: secrets, for: what)
    }

    // MARK: Certificates

    /// Certificates are made and checked no earlier than this.
    static func floor(of membership: Membership) -> Date {
        let leaf = membership.chain.first.flatMap { try? DERCertificate($0) }
        return max(SoftwareVersion.date, leaf?.notBefore ?? .distantPast)
    }

    static func now(after membership: Membership) -> Date { max(floor(of: membership), Date()) }

    /// Keeps a renewed leaf. A leaf of a mesh that the node is just leaving is dropped.
    func keep(_ leaf: RenewedLeaf, of mesh: MeshID) throws {
        try update(of: mesh) { $0.with(leafKey: leaf.key, chain: leaf.chain) }
    }

    /// Changes the membership of a mesh, unless the node is just leaving it.
    private func update(of mesh: MeshID, _ change: (Membership) throws -> Membership) throws {
        try memberships.update(
            {
                state.withLock { state in
                    let membership = state.isHeld ? nil : state.identity.membership
                    return membership?.enrolment.mesh == mesh ? membership : nil
                }
            },
            remember: { new in state.withLock { $0.identity.membership = new } }, change)
    }

    /// Puts another in the membership's place.
    func keep(_ membership: Membership) throws {
        try memberships.update(
            { membership }, remember: { new in state.withLock { $0.identity.membership = new } }
        ) { $0 }
    }

    /// Renews what this node needs renewed, until cancelled.
    func keepCertificates(of service: MeshService) async {
        let mesh = service.meshID
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // Ends with the service, or when the task is cancelled.
                try? await LeafKeeper(of: service) { try self.keep($0, of: mesh) }.run()
            }
            group.addTask { try? await self.keepAuthority(of: service) }
        }
    }

    /// An issuer's certificate is renewed this long before its end, and alarmed about from then on.
    static let authorityAlarm: TimeInterval = 60 * 86_400
    private static let authorityLookEvery = Duration.seconds(600)

    /// When this node's own certificate as issuer ends; `nil` for others.
    var authorityEnd: Date? {
        state.withLock { $0.identity.membership.issuing }.flatMap { try? DERCertificate($0) }?.notAfter
    }

    private func keepAuthority(of service: MeshService) async throws {
        try await service.started()
        while true {
            do {
                try await renewAuthority(of: service)
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                log.warning("The issuer's certificate was not renewed.", metadata: ["reason": "\(error)"])
            }
            try await Task.sleep(for: Self.authorityLookEvery)
        }
    }

    /// The root's key renews it where it lies; else the issuer that holds it is asked.
    private func renewAuthority(of service: MeshService) async throws {
        let membership = state.withLock { $0.identity.membership }
        let now = Self.now(after: membership)
        guard service.isIssuer, let issuing = membership.issuing, let old = try? DERCertificate(issuing),
            old.notAfter.timeIntervalSince(now) < Self.authorityAlarm
        else { return }
        let authority = try AuthorityKeys.authority(of: membership, from: secrets)
        let certificate: [UInt8]
        if holdsRoot {
            certificate = try root(for: "renews issuers").certifyIssuer(
                id, key: authority.key.publicKey, at: now
            ).bytes
        } else {
            certificate = try await service.askForAuthority(authority.key, lastChain: membership.chain)
        }
        let renewed = try CertificateAuthority(
            key: authority.key.rawRepresentation, certificate: certificate, root: membership.root)
        try update(of: membership.enrolment.mesh) { $0.with(issuing: renewed.intermediate.bytes) }
        await service.issue(with: renewed)
        log.notice("The issuer's certificate was renewed.")
    }

    // MARK: What a person should see

    /// Lines of `status` about certificates and keys.
    var certificateLines: [String] {
        var lines: [String] = []
        guard let service else { return lines }
        let wall = WallSeconds(Self.now(after: state.withLock { $0.identity.membership }))
        if let leaf = service.leafStatus, service.ownRevocation == nil {
            let left = Self.days(leaf.span.until - wall)
            switch leaf.phase {
            case .past:
                lines.append(
                    "this node's certificate ended over 14 days ago and cannot be renewed; `martlet mesh leave`, then join with a new token"
                )
            case .expired:
                lines.append(
                    "this node's certificate has ended; it is renewed as soon as an issuer is reached\(leaf.problem.map { " (last try: \($0))" } ?? "")"
                )
            case .due, .fresh:
                if let problem = leaf.problem {
                    lines.append(
                        "this node's certificate ends in \(left) days and was not renewed: \(problem)")
                }
            }
        }
        if let word = service.ownRevocation, word.target != id {
            let enrolment = KeptEnrolment(node: id, serial: self.enrolment.serial)
            lines.append(
                "this node's enrolment ended with its issuer, which the root revoked; if that was a mistake: `martlet mesh revoke \(word.target) --keep \(enrolment)` where the root's key is"
            )
        }
        if let end = authorityEnd {
            let left = WallSeconds(end) - wall
            if left < .seconds(Int64(Self.authorityAlarm)) {
                lines.append(
                    "this node's certificate as issuer ends in \(Self.days(left)) days; the node that holds the root's key renews it (`martlet mesh issuers`)"
                )
            }
        }
        if holdsRoot, service.snapshot.nodes.count > 1 {
            lines.append(
                "the root's key of the mesh lies in this node's vault; `martlet mesh root export --remove` prints it and takes it out"
            )
        }
        if service.clockBehind > Self.clockBehindMax {
            lines.append(
                "this host's clock is \(service.clockBehind) behind what certificates of peers show; set it"
            )
        }
        for candidate in service.candidates {
            guard case .outsideItsTime(let offset)? = candidate.lastProblem else { continue }
            lines.append(
                "\(candidate.address): its certificate is outside its time by \(offset); compare the clocks of both hosts"
            )
        }
        return lines
    }

    /// Certificates begin an hour before they are made, so a clock is that far off before it shows.
    private static let clockBehindMax = Duration.seconds(300)

    private static func days(_ duration: Duration) -> Int64 { max(0, duration.components.seconds / 86_400) }

    func certificateFindings() -> [Finding] {
        guard let service else { return [] }
        var findings: [Finding] = []
        let wall = WallSeconds(Self.now(after: state.withLock { $0.identity.membership }))
        if let leaf = service.leafStatus {
            let left = Self.days(leaf.span.until - wall)
            switch leaf.phase {
            case .fresh, .due:
                findings.append(
                    Finding(
                        "certificate", leaf.problem == nil ? .ok : .warning,
                        "ends in \(left) days, "
                            + (leaf.problem.map { "not renewed: \($0)" }
                                ?? "renewed in \(Self.days(leaf.renewsAt - wall)) days"),
                        mend: leaf.problem == nil ? nil : "is an issuer reachable? `martlet mesh issuers`"))
            case .expired, .past:
                findings.append(
                    Finding(
                        "certificate", .bad, "ended; " + (leaf.problem ?? "no issuer was reached yet"),
                        mend: leaf.phase == .past
                            ? "martlet mesh leave, then join with a new token"
                            : "bring an issuer within reach; the node key renews it"))
            }
        }
        let issuers = service.snapshot.nodes.values.count { $0.roles.contains(.issuer) }
        if service.snapshot.nodes.count > 1 {
            findings.append(
                Finding(
                    "issuers", issuers > 1 ? .ok : .warning,
                    issuers == 1
                        ? "one only: if it is lost, nobody joins, and the mesh ends when its certificates do"
                        : "\(issuers)",
                    mend: issuers > 1
                        ? nil
                        : "martlet mesh token --role member --role entry --role issuer, for one more node"))
        }
        return findings
    }
}
