import Glibc

/// How many descriptors this process may have open. Every connection is one, and shells start programs with room for some
/// thousand, fewer than the clients that a node takes.
enum DescriptorLimit {
    /// Two listeners full of clients, links, children and files.
    private static let wanted: rlim_t = 16_384

    /// Raises the limit as far as the system allows without being asked; a lower one stays as it is.
    static func raise() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        let raised = min(limit.rlim_max, wanted)
        guard raised > limit.rlim_cur else { return }
        limit.rlim_cur = raised
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
