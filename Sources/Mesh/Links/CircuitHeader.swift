package import Catalog

/// What a circuit is for, at its far end.
package enum CircuitPurpose: UInt8, Hashable, Sendable {
    /// A link of its own, mutual TLS inside, for calls to a node that cannot be dialled.
    case link = 1
    /// A joiner on its way to its issuer; TLS from the joiner inside.
    case join = 2
}

/// What opens a circuit's stream: the rest of the path that its source chose.
package struct CircuitHeader: Hashable, Sendable, Canonical {
    /// So many ids may a path name, its end included.
    package static let pathMax = 8

    package let purpose: CircuitPurpose
    package let source: NodeID
    /// Whoever receives the header comes first, the circuit's end last; no repeats, never the source.
    package let path: [NodeID]

    /// - Returns: `nil` unless the path has 1 to ``pathMax`` ids, without repeats and without the source.
    package init?(purpose: CircuitPurpose, source: NodeID, path: [NodeID]) {
        guard (1...Self.pathMax).contains(path.count), Set(path + [source]).count == path.count + 1 else {
            return nil
        }
        self.purpose = purpose
        self.source = source
        self.path = path
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        guard let purpose = CircuitPurpose(rawValue: try decoder.byte("circuit purpose")) else {
            throw .invalid("circuit purpose")
        }
        let source: NodeID = try decoder.fingerprint("source")
        var path: [NodeID] = []
        for _ in 0..<(try decoder.count(max: Self.pathMax, "path")) {
            path.append(try decoder.fingerprint("path"))
        }
        guard let header = CircuitHeader(purpose: purpose, source: source, path: path) else {
            throw .invalid("path")
        }
        self = header
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(purpose.rawValue)
        encoder.put(source)
        encoder.put(count: path.count)
        for id in path { encoder.put(id) }
    }
}

/// What a node does with a circuit that a peer opens.
package enum RelayDecision: Hashable, Sendable {
    /// The path ends here.
    case accept(CircuitHeader)
    /// Open a stream to `next` with this header and join the two byte for byte.
    case forward(next: NodeID, CircuitHeader)
    case refuse(ResetCode, String)

    /// - Parameters:
    ///   - peer: who sent the header, as its link proved.
    ///   - linked: whom this node has a link with now.
    ///   - relays: whether this node's configuration lets others pass through it.
    ///   - openFromSource: circuits of the header's source that this node joins already.
    ///   - heldForSource: bytes of these that wait here to go on.
    package init(
        _ header: CircuitHeader, from peer: NodeID, at me: NodeID, linked: Set<NodeID>, relays: Bool,
        openFromSource: Int, heldForSource: Int = 0, limits: RelayLimits = RelayLimits()
    ) {
        guard header.path.first == me else {
            self = .refuse(.protocolError, "the path names another node where \(me) stands")
            return
        }
        guard header.source != me, !header.path.dropFirst().contains(peer) else {
            self = .refuse(.protocolError, "the path leads back to where it came from")
            return
        }
        let rest = Array(header.path.dropFirst())
        guard let next = rest.first,
            let onward = CircuitHeader(purpose: header.purpose, source: header.source, path: rest)
        else {
            self = .accept(header)
            return
        }
        guard relays else {
            self = .refuse(.refused, "\(me) does not relay")
            return
        }
        guard openFromSource < limits.circuitsPerSource else {
            self = .refuse(.limited, "\(me) relays \(openFromSource) circuits of \(header.source) already")
            return
        }
        guard heldForSource < limits.bytesInFlight else {
            self = .refuse(.limited, "\(me) holds \(heldForSource) bytes of circuits of \(header.source)")
            return
        }
        guard linked.contains(next) else {
            self = .refuse(.nextUnreachable, "\(next)")
            return
        }
        self = .forward(next: next, onward)
    }
}

/// What one source may use of a relay.
package struct RelayLimits: Hashable, Sendable {
    /// A node with 8 lanes to each of 8 far peers.
    package var circuitsPerSource = 64
    /// Held between the two streams of all its circuits together. One circuit holds a window each way at most, 512 KiB,
    /// and only where its reader stalls: eight of them.
    package var bytesInFlight = 4 * 1024 * 1024
    package var idle: Duration = .seconds(120)

    package init() {}
}
