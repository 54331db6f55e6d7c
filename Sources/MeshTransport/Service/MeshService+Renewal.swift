package import Catalog
package import Crypto
import FoundationEssentials
import Mesh
import NIOCore

/// What renewal needs of the service: ways to issuers, the issuer's own side, and the swap of the leaf.
extension MeshService {
    /// What certificates are checked and made by.
    nonisolated var clock: VerificationClock { hub.setup.tls.verifier.clock }
    package nonisolated var meshID: MeshID { credentials.mesh }
    nonisolated var wall: WallSeconds { WallSeconds(clock.now) }
    /// How this node's leaf stands; `nil` until somebody keeps it.
    package nonisolated var leafStatus: LeafStatus? { board.leaf }
    /// By how much this system's clock is behind what certificates show.
    package nonisolated var clockBehind: Duration { .seconds(Int64(clock.behind)) }

    var enrolment: Enrolment { core.me.enrolment }
    var canIssue: Bool {
        guard let issuer = admission?.issuer, core.ownRevocation == nil else { return false }
        return issuer.authority.intermediate.notAfter > clock.now
    }

    /// Issuers other than this node, each with the way that is known. Whoever enrolled this node is one, though nothing
    /// else may be known of it yet.
    var issuerWays: [IssuerWay] {
        let known = Set(core.issuers).union([enrolment.issuer]).subtracting([me.id])
        return known.sorted().filter { core.revocations.objection(toIssuer: $0) == nil }
            .map { IssuerWay(issuer: $0, path: core.route(to: $0)) }
    }

    /// Whether a chain comes from an issuer that was revoked.
    func isDistrusted(_ chain: [[UInt8]]) -> Bool {
        guard chain.count > 1, let issuer = (try? DERCertificate(chain[1]))?.issuerNode else { return false }
        return core.revocations.objection(toIssuer: issuer) != nil
    }

    func issueOwnLeaf(for key: P256.Signing.PublicKey) throws -> [[UInt8]] {
        guard let admission else { throw MeshServiceError.notIssuer }
        return try admission.issuer.authority.issueLeaf(for: me.id, key: key, at: clock.now)
    }

    /// Shows a renewed leaf from now on; links that are up live on, and are made anew one after the other.
    nonisolated func show(_ leaf: RenewedLeaf) throws {
        try renew(
            NodeCredentials(
                nodeKey: credentials.nodeKey, leafKey: leaf.key, chain: leaf.chain, root: credentials.root))
    }

    /// Asks an issuer over links, or else as a guest at any known address of the mesh.
    func ask(_ request: RenewalRequest, of way: IssuerWay, addressesMax: Int) async throws -> RenewalGrant {
        let (hub, signer) = (hub, credentials.signer)
        if let path = way.path {
            return try await loop.flatSubmit { hub.ask(request, along: path, by: signer) }.get()
        }
        var problem: any Error = DoorProblem(why: "no address of the mesh is known")
        let issuerFirst = core.addresses.sorted { a, b in
            (a.reaches == way.issuer ? 0 : 1, a.failures) < (b.reaches == way.issuer ? 0 : 1, b.failures)
        }
        for candidate in issuerFirst.prefix(addressesMax)
        where (candidate.mesh ?? credentials.mesh) == credentials.mesh {
            do {
                return try await MeshDoor.ask(
                    request, of: way.issuer, at: candidate.address, by: signer,
                    verifier: hub.setup.tls.verifier, loop: loop)
            } catch let error as JoinError {
                throw error  // the issuer's own word
            } catch {
                problem = error
            }
        }
        throw problem
    }

    /// Asks for this issuer's next certificate, of one issuer after the other until the one with the root's key.
    ///
    /// - Returns: DER.
    package func askForAuthority(_ key: P256.Signing.PrivateKey, lastChain: [[UInt8]]) async throws -> [UInt8]
    {
        let request = RenewalRequest(
            enrolment: enrolment, lastChain: lastChain,
            authorityRequest: try CertificateRequest(key: key).bytes)
        var problem: any Error = DoorProblem(why: "no other issuer is reachable")
        for way in issuerWays where way.path != nil {
            do {
                if let authority = try await ask(request, of: way, addressesMax: 1).authority {
                    return authority.certificate
                }
            } catch {
                problem = error
            }
        }
        throw problem
    }

    /// Signs leaves with a renewed certificate from now on.
    package func issue(with authority: CertificateAuthority) {
        guard let issuer = admission?.issuer else { return }
        admission?.issuer = IssuerCredentials(authority: authority, grant: issuer.grant, root: issuer.root)
    }

    // MARK: The issuer's side

    func serveRenewal(_ id: GuestID, _ message: JoinMessage) async {
        guard var desk = admission?.renewals[id] else { return give(.dismissGuest(id)) }
        var random = SystemRandomNumberGenerator()
        let nodes = core.nodes
        var steps = desk.receive(
            message, revocations: core.revocations, known: { nodes[$0] }, using: &random)
        while !steps.isEmpty {
            switch steps.removeFirst() {
            case .send(let answer): give(.tellGuest(id, answer))
            case .make(let request):
                do throws(RenewalProblem) {
                    guard let office = admission else { throw .cannotMake("this node is no issuer any more") }
                    steps += desk.made(try await office.renew(request, verifier: hub.setup.tls.verifier))
                } catch {
                    steps += desk.couldNotMake(error.refusal, error.description)
                }
            case .renewed(let node):
                log.notice("node's certificate renewed", metadata: ["mesh.peer": "\(node)"])
            case .refused(let refusal, let text):
                log.notice(
                    "renewal refused", metadata: ["mesh.refusal": "\(refusal)", "mesh.reason": "\(text)"])
            case .close: give(.dismissGuest(id))
            }
        }
        // Unless the guest has gone meanwhile.
        if admission?.renewals[id] != nil { admission?.renewals[id] = desk }
    }

    private func give(_ order: HubOrder) {
        var orders = [order]
        give(&orders)
    }
}

/// Why an issuer makes no new leaf.
enum RenewalProblem: Error, CustomStringConvertible {
    case tooLate
    case needsRoot(String)
    case badChain(PeerRefusal)
    case cannotMake(String)

    var refusal: JoinRefusal {
        switch self {
        case .tooLate: .tooLate
        case .needsRoot: .needsRoot
        case .badChain: .badRequest
        case .cannotMake: .failed
        }
    }

    var description: String {
        switch self {
        case .tooLate: "\(JoinRefusal.tooLate)"
        case .needsRoot(let why): "\(JoinRefusal.needsRoot) (\(why))"
        case .badChain(let why): "the last certificate does not hold: \(why)"
        case .cannotMake(let why): why
        }
    }
}

extension AdmissionOffice {
    /// Makes what a member's checked request asks for.
    func renew(
        _ request: RenewalRequest, verifier: PeerVerifier
    ) async throws(RenewalProblem) -> RenewalGrant {
        let node = request.enrolment.node
        let ended: Date
        do throws(PeerRefusal) {
            ended = try await verifier.end(of: request.lastChain, shownBy: node.id)
        } catch {
            throw .badChain(error)
        }
        let now = verifier.clock.now
        let late = now.timeIntervalSince(ended)
        guard late < TimeInterval(LeafRenewal.coldFor.components.seconds) else { throw .tooLate }
        do {
            var grant = RenewalGrant(chain: [])
            if let asked = request.leafRequest {
                grant.chain = try issuer.authority.issueLeaf(
                    for: node.id, request: CertificateRequest(checking: asked), at: now)
            }
            if let asked = request.authorityRequest {
                grant.authority = try certify(node, CertificateRequest(checking: asked).publicKey, at: now)
            }
            return grant
        } catch let problem as RenewalProblem {
            throw problem
        } catch {
            throw .cannotMake("\(error)")
        }
    }

    private func certify(
        _ node: NodeKey, _ key: P256.Signing.PublicKey, at now: Date
    ) throws -> AuthorityGrant {
        let root: RootAuthority
        do {
            root = try issuer.root()
        } catch {
            throw RenewalProblem.needsRoot("\(error)")
        }
        return AuthorityGrant(
            grant: try IssuerGrant(to: node, by: root.signer),
            certificate: try root.certifyIssuer(node.id, key: key, at: now).bytes)
    }
}
