package import Catalog
package import Mesh
import NIOCore
import NIOSSL

/// Why a link, or one stream of it, ended or never came to be.
package enum LinkError: Error, Hashable, Sendable, CustomStringConvertible {
    case closed
    case silent(for: Duration)
    case violation(String)
    case refused(PeerRefusal)
    case handshakeFailed(String)
    /// Not for what was said in it: the connection broke meanwhile.
    case handshakeBroken(String)
    case handshakeTooSlow
    case tooManyStreams
    /// A call's or circuit's header would not fit its frame.
    case headerTooLarge(bytes: Int)
    /// The circuit that carried the link broke.
    case circuitBroken(String)
    /// The peer said goodbye; its word on why.
    case goodbye(GoodbyeReason, String)
    case versionsApart(ours: ClosedRange<UInt16>, peer: NodeID, theirs: ClosedRange<UInt16>, software: String)
    case overloaded
    case cannotConnect(String)

    private static func words(_ versions: ClosedRange<UInt16>) -> String {
        versions.count == 1
            ? "\(versions.lowerBound)" : "\(versions.lowerBound) to \(versions.upperBound)"
    }

    package var description: String {
        switch self {
        case .closed: "the link was closed"
        case .silent(let time): "nothing was heard for \(time)"
        case .violation(let what): "the peer broke the protocol: \(what)"
        case .refused(let why): why.description
        case .handshakeFailed(let why): "the TLS handshake failed: \(why)"
        case .handshakeBroken(let why): "the connection broke during the TLS handshake: \(why)"
        case .handshakeTooSlow: "the handshake took longer than \(LinkTimes.handshakeMax)"
        case .tooManyStreams: "the link already carries \(StreamMultiplexer.streamsMax) streams of ours"
        case .headerTooLarge(let bytes):
            "a stream's header of \(bytes) bytes; at most \(Frame.streamHeaderMax) are allowed"
        case .circuitBroken(let why): "the circuit broke: \(why)"
        case .goodbye(let reason, let text): "the peer said goodbye: \(text.isEmpty ? "\(reason)" : text)"
        case .versionsApart(let ours, let peer, let theirs, let software):
            "no protocol version in common: this node speaks \(Self.words(ours)), \(peer) (\(software)) speaks "
                + "\(Self.words(theirs)); update the older one"
        case .overloaded: "more came over the link than this node could take in"
        case .cannotConnect(let why): "cannot connect: \(why)"
        }
    }
}

extension LinkError {
    /// Whether one of the two ends would not have the other, so that the next link will end as this one did.
    var isRejection: Bool {
        switch self {
        case .violation, .refused, .versionsApart: true
        case .goodbye(let reason, _):
            switch reason {
            case .protocolError, .noCommonVersion, .notEnrolled, .sameNode: true
            case .shuttingDown, .duplicate, .full, .leaving, .surplus: false
            }
        case .closed, .silent, .handshakeFailed, .handshakeBroken, .handshakeTooSlow, .tooManyStreams,
            .headerTooLarge, .circuitBroken, .overloaded, .cannotConnect:
            false
        }
    }

    /// What a connection said that gave up while TLS was not up yet: that it broke, or that the peer, or this node, would not have it.
    init(ofHandshake error: any Error) {
        let isOfTheWire =
            switch error as? NIOSSLError {
            case .uncleanShutdown?: true
            case .handshakeFailed(.sslError([.eofDuringHandshake]))?: true
            case nil: error is IOError || error is ChannelError
            default: false
            }
        self = isOfTheWire ? .handshakeBroken("\(error)") : .handshakeFailed("\(error)")
    }
}
