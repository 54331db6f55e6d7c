package import Catalog
import NIOCore

/// The monotonic clock on which the mesh counts; the same as that of the event loops.
package enum MeshClock {
    package static func now() -> Instant {
        Instant(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds))
    }
}

extension MeshService {
    /// Whether this node can let others in: it has the role, and its keys could be opened.
    package nonisolated var isIssuer: Bool { hub.setup.isIssuer }
}
