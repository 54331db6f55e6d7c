import Glibc

/// A file that a command makes, for its user alone (0600); one that exists is never replaced.
struct OutputFile {
    private let path: String

    init(creating path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure(
                errno == EEXIST
                    ? "\(path) exists already; choose another name, or move it away"
                    : "cannot create \(path): \(String(cString: strerror(errno)))")
        }
        close(descriptor)
        self.path = path
    }

    /// Writes all of it; on return it is on stable storage.
    func write(_ bytes: [UInt8]) throws {
        let descriptor = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw failed("write") }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { throw failed("write") }
            rest = rest.dropFirst(max(0, count))
        }
        guard fsync(descriptor) == 0 else { throw failed("flush") }
    }

    /// Takes back what was made, where nothing came of it.
    func remove() { unlink(path) }

    private func failed(_ what: String) -> CommandFailure {
        CommandFailure("cannot \(what) \(path): \(String(cString: strerror(errno)))")
    }
}
