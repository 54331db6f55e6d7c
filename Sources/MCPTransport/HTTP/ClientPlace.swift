import NIOCore

/// Where the requests of one connection come from, and how they are answered there.
final class ClientPlace: Sendable {
    /// `nil` where the system does not tell.
    let remoteAddress: String?
    let remotePort: Int?
    let remoteIsLoopback: Bool
    /// Of our end.
    let localPort: Int?
    /// Whether it is TLS.
    let isSecure: Bool
    let peer: PeerCertificate?
    let eventLoop: any EventLoop
    let channel: any Channel
    let connection: NIOLoopBound<HTTPServerConnection>

    init(_ connection: HTTPServerConnection, _ channel: any Channel, isSecure: Bool, peer: PeerCertificate?) {
        remoteAddress = channel.remoteAddress?.plainIPAddress
        remotePort = channel.remoteAddress?.port
        remoteIsLoopback = channel.remoteAddress?.isLoopback ?? false
        localPort = channel.localAddress?.port
        self.isSecure = isSecure
        self.peer = peer
        self.channel = channel
        eventLoop = channel.eventLoop
        self.connection = NIOLoopBound(connection, eventLoop: channel.eventLoop)
    }
}
