import Glibc

/// How the descriptors that this process may have are shared out: clients get a part of them, so that however many come, those of the
/// admin surface, of the mesh, of servers and of files are still to be had.
package struct DescriptorShares: Hashable, Sendable {
    /// What the system allows.
    package enum Allowed: Hashable, Sendable {
        /// The limit of this process as it is now.
        case now
        case count(Int)

        var count: Int {
            guard case .count(let count) = self else {
                var limit = rlimit()
                guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
                return Int(clamping: limit.rlim_cur)
            }
            return count
        }
    }

    private let all: Int

    package init(of allowed: Allowed) { all = allowed.count }

    /// Connections that one listener may have open: three eighths of all descriptors for MCP, a sixteenth for the admin surface, and never
    /// less than a handful. Those it answers while it refuses them are up to a quarter more; the other half is for what a node itself opens.
    package func connections(ofListener name: String) -> Int {
        max(8, name == "admin" ? all / 16 : all / 8 * 3)
    }
}
