import Glibc

/// Files of a few lines that this user's commands leave for one another.
enum SmallFile {
    static let bytesMax = 64 * 1024

    static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        var count = -1
        repeat { count = Glibc.read(descriptor, &bytes, bytes.count) } while count < 0 && errno == EINTR
        return count < 0 ? nil : Array(bytes.prefix(count))
    }

    /// Replaces the file as a whole (a reader sees the old or the new one), mode 0600.
    static func write(_ bytes: [UInt8], to path: String) {
        let draft = "\(path).\(getpid())"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        let count = Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
        if count == bytes.count { rename(draft, path) } else { unlink(draft) }
    }
}
