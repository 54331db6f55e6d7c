package import Catalog
import X509

/// The one name a certificate of a mesh carries, as a URI (SPIFFE ID and X.509-SVID specifications §2, §4).
///
/// A node's is `spiffe://MESH-ID.mesh/node/NODE-ID`; an authority's has no path, so that neither can pass for
/// the other.
package enum SPIFFEName: Hashable, Sendable, CustomStringConvertible {
    case authority(of: MeshID)
    case node(NodeID, of: MeshID)

    private static let scheme = "spiffe://"
    private static let domainSuffix = ".mesh"
    private static let nodePath = "node"

    /// Reads exactly what ``description`` writes; any other spelling is `nil`, so that one name has one form.
    package init?(_ uri: some StringProtocol) {
        guard uri.hasPrefix(Self.scheme) else { return nil }
        let parts = uri.dropFirst(Self.scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        guard let domain = parts.first, domain.hasSuffix(Self.domainSuffix),
            let mesh = MeshID(domain.dropLast(Self.domainSuffix.count))
        else { return nil }
        switch parts.count {
        case 1:
            self = .authority(of: mesh)
        case 3 where parts[1] == Self.nodePath:
            guard let node = NodeID(parts[2]) else { return nil }
            self = .node(node, of: mesh)
        default:
            return nil
        }
    }

    package var description: String {
        switch self {
        case .authority(let mesh): "\(Self.scheme)\(mesh)\(Self.domainSuffix)"
        case .node(let node, let mesh): "\(Self.scheme)\(mesh)\(Self.domainSuffix)/\(Self.nodePath)/\(node)"
        }
    }
}

extension Certificate {
    /// The certificate's SPIFFE name, if its alternative names are exactly that one and nothing beside it.
    var spiffeName: SPIFFEName? {
        guard let names = try? extensions.subjectAlternativeNames, names.count == 1,
            case .uniformResourceIdentifier(let uri)? = names.first
        else { return nil }
        return SPIFFEName(uri)
    }
}
