package import Catalog

/// Who told us of an address. A hint, never trust.
package enum CandidateSource: UInt8, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// In the configuration, or in a join token.
    case seed = 0
    /// In the peer's own node document.
    case document = 1
    /// Found by mDNS.
    case sighting = 2
    /// Was a peer in an earlier life.
    case remembered = 3
    /// In DNS, under a name that the configuration gives. One of its own: DNS takes back what it said, never a seed that is
    /// written down.
    case dns = 4
    /// Named by a node that had no place free.
    case referral = 5

    package var description: String {
        switch self {
        case .seed: "seed"
        case .document: "document"
        case .sighting: "sighting"
        case .remembered: "remembered"
        case .dns: "DNS"
        case .referral: "referral"
        }
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// An address where a peer may be.
package struct Candidate: Hashable, Sendable {
    /// `host:port` as the shell's dialler reads it.
    package var address: String
    package var source: CandidateSource
    /// Who is said to be there.
    package var node: NodeID?
    /// The mesh it is said to belong to; another one is listed, not dialled.
    package var mesh: MeshID?

    package init(address: String, source: CandidateSource, node: NodeID? = nil, mesh: MeshID? = nil) {
        self.address = address
        self.source = source
        self.node = node
        self.mesh = mesh
    }
}
