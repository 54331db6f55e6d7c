package import Catalog

/// What a node says of itself in DNS-SD: the TXT record of its `_martlet._tcp` service.
///
/// Unauthenticated: anybody on the segment can claim anything. It saves dialling strangers and says how to
/// show them; who a peer is, the handshake proves.
package struct Advertisement: Hashable, Sendable {
    package static let serviceType = "_martlet._tcp"

    /// Versions of the mesh protocol that the node speaks (`v=1` or `v=1-3`); `nil` when it says nothing
    /// readable.
    package var versions: ClosedRange<UInt16>?
    /// `mesh=`; `nil` when absent or unreadable.
    package var mesh: MeshID?
    /// `id=`; `nil` when absent or unreadable.
    package var node: NodeID?

    package init(versions: ClosedRange<UInt16>?, mesh: MeshID?, node: NodeID?) {
        self.versions = versions
        self.mesh = mesh
        self.node = node
    }
}

extension Advertisement {
    /// The strings of the TXT record, one `key=value` each (RFC 6763 §6.3). The protocol range comes first.
    package var strings: [String] {
        var strings: [String] = []
        if let versions {
            let (low, high) = (versions.lowerBound, versions.upperBound)
            strings.append(low == high ? "v=\(low)" : "v=\(low)-\(high)")
        }
        if let mesh { strings.append("mesh=\(mesh)") }
        if let node { strings.append("id=\(node)") }
        return strings
    }

    /// Reads a TXT record: keys in any case, the first of equal keys counts, unknown ones are skipped (RFC
    /// 6763 §6.4).
    package init(strings: some Sequence<some Collection<UInt8>>) {
        let values = TextRecord.values(of: strings)
        self.init(
            versions: values["v"].flatMap(Self.range),
            mesh: values["mesh"].flatMap { MeshID($0) },
            node: values["id"].flatMap { NodeID($0) })
    }

    private static func range(_ text: String) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map {
            UInt16($0)
        }
        guard let first = ends.first, let low = first, let last = ends.last, let high = last, low <= high
        else {
            return nil
        }
        return low...high
    }
}

/// What this node publishes of itself, and where.
package struct Announcement: Hashable, Sendable {
    /// The families on which the listener accepts; a service is announced on no other.
    package enum Families: Hashable, Sendable {
        case both
        case ipv4
        case ipv6

        /// Of a listener bound to this address: `::` takes both, any other literal only its own family.
        package init(listeningOn host: String) {
            let isIPv6 = host.utf8.contains(UInt8(ascii: ":"))
            self = !isIPv6 ? .ipv4 : host == "::" ? .both : .ipv6
        }
    }

    /// One service instance.
    package struct Service: Hashable, Sendable {
        /// The wished instance name; taken ones get a number behind them. At most 63 bytes (RFC 6763 §4.1.1).
        package var name: String
        package var port: UInt16
        /// The strings of its TXT record.
        package var text: [String]

        package init(name: String, port: UInt16, text: [String]) {
            self.name = name
            self.port = port
            self.text = text
        }
    }

    package var families: Families
    /// Each under a name of its own: all differ.
    package var services: [Service]

    package init(families: Families, services: [Service]) {
        self.families = families
        self.services = services
    }

    /// A node, by its label and the port of its mesh listener.
    package init(name: Label, port: UInt16, families: Families, advertisement: Advertisement) {
        self.init(
            families: families,
            services: [Service(name: name.text, port: port, text: advertisement.strings)])
    }
}
