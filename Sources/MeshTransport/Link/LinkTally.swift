import Synchronization

/// Counts what goes over all links of one service, from its loop; read from anywhere.
package final class LinkTally: Sendable {
    /// A state of the counters; each only grows.
    package struct Reading: Hashable, Sendable {
        /// Frames as they lie in TLS, circuits' too.
        package var bytesSent = 0
        package var bytesReceived = 0
        /// Of those, what the mesh tells itself: documents, manifests, digests, statements, revocations.
        package var gossipBytesSent = 0
        package var gossipBytesReceived = 0
        /// Frames of calls and circuits, the bytes of which are what is left.
        package var streamFramesSent = 0
        package var streamFramesReceived = 0
        /// Links that came up.
        package var opened = 0
        /// How often routes were others than before.
        package var routeChanges = 0

        /// Of no service.
        package static let none = Reading()
    }

    private let sent = Atomic<Int>(0)
    private let received = Atomic<Int>(0)
    private let gossipSent = Atomic<Int>(0)
    private let gossipReceived = Atomic<Int>(0)
    private let streamFramesSent = Atomic<Int>(0)
    private let streamFramesReceived = Atomic<Int>(0)
    private let opened = Atomic<Int>(0)
    private let routeChanges = Atomic<Int>(0)

    func sent(_ bytes: Int) { sent.wrappingAdd(bytes, ordering: .relaxed) }
    func received(_ bytes: Int) { received.wrappingAdd(bytes, ordering: .relaxed) }
    func gossiped(sent bytes: Int) { gossipSent.wrappingAdd(bytes, ordering: .relaxed) }
    func gossiped(received bytes: Int) { gossipReceived.wrappingAdd(bytes, ordering: .relaxed) }
    func streamFrameSent() { streamFramesSent.wrappingAdd(1, ordering: .relaxed) }
    func streamFrameReceived() { streamFramesReceived.wrappingAdd(1, ordering: .relaxed) }
    func linkOpened() { opened.wrappingAdd(1, ordering: .relaxed) }
    func routesChanged() { routeChanges.wrappingAdd(1, ordering: .relaxed) }

    package func read() -> Reading {
        Reading(
            bytesSent: sent.load(ordering: .relaxed), bytesReceived: received.load(ordering: .relaxed),
            gossipBytesSent: gossipSent.load(ordering: .relaxed),
            gossipBytesReceived: gossipReceived.load(ordering: .relaxed),
            streamFramesSent: streamFramesSent.load(ordering: .relaxed),
            streamFramesReceived: streamFramesReceived.load(ordering: .relaxed),
            opened: opened.load(ordering: .relaxed), routeChanges: routeChanges.load(ordering: .relaxed))
    }
}
