package import Catalog
package import FoundationEssentials
package import Mesh
import NIOCore

/// How a node takes part in the mesh.
package struct MeshServiceConfiguration: Sendable {
    /// The mesh port; `nil`: dial out only.
    package var listen: MeshAddress?
    /// Where others may dial this node, `host:port`; empty: the addresses of the listener's interfaces.
    package var advertise: [String]
    /// `host:port` of nodes to try first.
    package var seeds: [String]
    /// Whether others' circuits may pass through this node.
    package var relays: Bool
    /// Servers that this node is configured with for all the mesh: whatever else it once published is withdrawn at start.
    package var ownServers: Set<Label>
    /// Servers that this node is configured with for some nodes only.
    package var ownScopes: [Label: ServerScope]
    /// E.g. `martlet 0.1.0`.
    package var software: String
    /// One more than at the last start, and already on disk.
    package var incarnation: UInt64
    /// How often its vault has changed; `nil`: it has none.
    package var vaultCounter: UInt64?
    /// No clock is believed below this when certificates are checked: the build's date, or later.
    package var clockFloor: Date
    /// The system's clock.
    package var systemClock: @Sendable () -> Date
    package var limits: MeshLimits
    /// Of the link protocol; narrowed only to be like an older node.
    package var versions: ClosedRange<UInt16>
    /// Optional abilities (``Hello/features``); narrowed only to be like an older node.
    package var features: UInt64

    package init(
        listen: MeshAddress?, advertise: [String] = [], seeds: [String] = [], relays: Bool = true,
        ownServers: Set<Label> = [], ownScopes: [Label: ServerScope] = [:], software: String,
        incarnation: UInt64, clockFloor: Date = .distantPast,
        systemClock: @escaping @Sendable () -> Date = { Date() },
        limits: MeshLimits = MeshLimits(), versions: ClosedRange<UInt16> = ProtocolVersion.spoken,
        features: UInt64 = Hello.ownFeatures, vaultCounter: UInt64? = nil
    ) {
        self.vaultCounter = vaultCounter
        self.features = features
        self.listen = listen
        self.advertise = advertise
        self.seeds = seeds
        self.relays = relays
        self.ownServers = ownServers
        self.ownScopes = ownScopes
        self.software = software
        self.incarnation = incarnation
        self.clockFloor = clockFloor
        self.systemClock = systemClock
        self.limits = limits
        self.versions = versions
    }

    /// What to tell others, once the port is known.
    func addresses(listeningOn bound: MeshAddress?) -> [String] {
        guard advertise.isEmpty else { return advertise }
        guard let bound else { return [] }
        guard bound.host == "0.0.0.0" || bound.host == "::" else { return [bound.description] }
        let devices = (try? System.enumerateDevices()) ?? []
        let all = devices.compactMap(\.address).compactMap { address -> String? in
            switch address {
            case .v4: address.ipAddress
            // A v4 wildcard does not listen on v6; link-local addresses mean nothing to others.
            case .v6 where bound.host == "::": address.ipAddress.flatMap { $0.hasPrefix("fe80") ? nil : $0 }
            default: nil
            }
        }
        let outward = all.filter { !$0.hasPrefix("127.") && $0 != "::1" }
        // A machine without a network still has a mesh with itself, and with its containers.
        return (outward.isEmpty ? all : outward).map { MeshAddress(host: $0, port: bound.port).description }
    }
}

/// What lets a node enrol others; issuers only.
package struct IssuerCredentials: Sendable {
    package let authority: CertificateAuthority
    /// The root's word that this node may enrol.
    package let grant: IssuerGrant
    /// Opens the root's key for one use; throws where it is not, or is sealed.
    package let root: @Sendable () throws -> RootAuthority

    package init(
        authority: CertificateAuthority, grant: IssuerGrant,
        root: @escaping @Sendable () throws -> RootAuthority = { throw MeshServiceError.noRoot }
    ) {
        self.authority = authority
        self.grant = grant
        self.root = root
    }
}

/// Why the mesh service could not start or go on.
package enum MeshServiceError: Error, Sendable, CustomStringConvertible {
    case cannotListen(MeshAddress, String)
    case storage(String)
    /// The enrolment does not fit the node's key and mesh.
    case wrongEnrolment(String)
    case notIssuer
    case noRoot
    case stopped

    package var description: String {
        switch self {
        case .cannotListen(let address, let why):
            "cannot listen for peers on \(address): \(why); choose another with `listen.mesh` or `up --port`"
        case .storage(let why): "the mesh's documents cannot be stored: \(why)"
        case .wrongEnrolment(let why): "this node's enrolment cannot be used: \(why); join the mesh anew"
        case .notIssuer: "this node's enrolment lacks the role issuer; make the token on a node that has it"
        case .noRoot: "the root's key is not on this node"
        case .stopped: "the mesh has stopped on this node"
        }
    }
}
