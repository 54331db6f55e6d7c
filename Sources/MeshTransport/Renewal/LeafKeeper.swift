package import Crypto
package import FoundationEssentials
package import Mesh

/// A new leaf, to be kept on disk before it is shown.
package struct RenewedLeaf: Sendable {
    package let key: P256.Signing.PrivateKey
    /// DER: leaf, then intermediate.
    package let chain: [[UInt8]]
}

/// How this node's leaf stands, for `status` and `doctor`.
package struct LeafStatus: Hashable, Sendable {
    package var span: LeafSpan
    package var renewsAt: WallSeconds
    package var phase: LeafRenewal.Phase
    /// Why the last try to renew it failed.
    package var problem: String?
    /// Whether the issuer of the leaf was revoked.
    package var isDistrusted: Bool
}

/// Renews this node's leaf in time, and has it shown: the shell around ``LeafRenewal``.
package struct LeafKeeper: Sendable {
    /// Leaves live for days; revoked issuers and expired leaves want an answer in seconds.
    package static let lookEvery = Duration.seconds(5)
    /// From outside: addresses tried for one issuer before another one is asked.
    private static let addressesMax = 8

    private let service: MeshService
    private let lookEvery: Duration
    private let keep: @Sendable (RenewedLeaf) async throws -> Void

    /// - Parameter keep: returns when the new leaf is on stable storage.
    package init(
        of service: MeshService, lookEvery: Duration = lookEvery,
        keep: @escaping @Sendable (RenewedLeaf) async throws -> Void
    ) {
        self.service = service
        self.lookEvery = lookEvery
        self.keep = keep
    }

    /// Runs until cancelled.
    package func run() async throws {
        try await service.started()
        var random = SystemRandomNumberGenerator()
        var chain = service.credentials.chain
        guard var span = LeafSpan(chain) else { return }
        var renewal = LeafRenewal(span, using: &random)
        while true {
            let wall = service.wall
            let isDistrusted = await service.isDistrusted(chain)
            service.board.write {
                $0.leaf = LeafStatus(
                    span: span, renewsAt: renewal.renewsAt, phase: renewal.phase(at: wall),
                    problem: renewal.lastProblem, isDistrusted: isDistrusted)
            }
            if let way = await way(renewal, isDistrusted, wall) {
                do {
                    let leaf = try await ask(way, after: chain)
                    try await keep(leaf)
                    try service.show(leaf)
                    chain = leaf.chain
                    span = LeafSpan(chain) ?? span
                    renewal.renewed(span, at: service.now(), using: &random)
                    service.log.notice("certificate renewed", metadata: ["mesh.issuer": "\(way.issuer)"])
                    continue
                } catch is CancellationError {
                    throw CancellationError()
                } catch {
                    let why = Self.describe(error)
                    renewal.failed(way.issuer, why, at: service.now(), using: &random)
                    service.log.warning(
                        "certificate not renewed",
                        metadata: ["mesh.issuer": "\(way.issuer)", "mesh.reason": "\(why)"])
                }
            }
            try await Task.sleep(for: lookEvery)
        }
    }

    private func way(_ renewal: LeafRenewal, _ isDistrusted: Bool, _ wall: WallSeconds) async -> IssuerWay? {
        var ways = await service.issuerWays
        // An issuer gives itself what it gives others.
        if await service.canIssue { ways = [IssuerWay(issuer: service.me.id, path: [])] }
        return renewal.choice(among: ways, isDistrusted: isDistrusted, at: wall, service.now())
    }

    private func ask(_ way: IssuerWay, after chain: [[UInt8]]) async throws -> RenewedLeaf {
        let key = P256.Signing.PrivateKey()
        if way.issuer == service.me.id {
            return RenewedLeaf(key: key, chain: try await service.issueOwnLeaf(for: key.publicKey))
        }
        let request = RenewalRequest(
            enrolment: await service.enrolment, lastChain: chain,
            leafRequest: try CertificateRequest(key: key).bytes)
        let grant = try await service.ask(request, of: way, addressesMax: Self.addressesMax)
        return RenewedLeaf(key: key, chain: grant.chain)
    }

    static func describe(_ error: any Error) -> String {
        switch error {
        case let error as DoorProblem: error.why
        case let error as JoinError: error.description
        case let error as LinkError: error.description
        case let error as CertificateError: error.description
        default: connectProblem(error)
        }
    }
}

extension LeafSpan {
    /// Of the leaf of a chain.
    /// A leaf is good for as long as everything above it is.
    init?(_ chain: [[UInt8]]) {
        let certificates = chain.compactMap { try? DERCertificate($0) }
        guard let leaf = certificates.first, certificates.count == chain.count,
            let until = certificates.map(\.notAfter).min()
        else { return nil }
        self.init(from: WallSeconds(leaf.notBefore), until: WallSeconds(until))
    }
}

extension WallSeconds {
    package init(_ date: Date) { self.init(Int64(date.timeIntervalSince1970.rounded(.down))) }
}
