#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Owns one file descriptor.
struct OpenFile: ~Copyable, Sendable {
    let descriptor: Int32
    private let path: String

    /// - Parameters:
    ///   - directory: the folder that `name` is relative to.
    ///   - path: for messages.
    init(_ name: String, in directory: Int32 = AT_FDCWD, flags: Int32, path: String) throws(DataFolderError) {
        while true {
            let descriptor = openat(directory, name, flags | O_CLOEXEC, 0o600)
            if descriptor >= 0 {
                self.descriptor = descriptor
                self.path = path
                return
            }
            if errno != EINTR { throw .system(path: path, doing: "open", code: errno) }
        }
    }

    deinit { _ = close(descriptor) }

    /// - Throws: unless it belongs to this process's user and nobody else has any right to it.
    func requirePrivate(wanted: UInt32) throws(DataFolderError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failed("look at") }
        guard status.st_uid == geteuid() else {
            throw .otherOwner(path: path, owner: status.st_uid, me: geteuid())
        }
        let mode = UInt32(status.st_mode) & 0o7777
        guard mode & 0o077 == 0 else { throw .tooOpen(path: path, mode: mode, wanted: wanted) }
    }

    func readAll(bytesMax: Int) throws(DataFolderError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        defer { for index in chunk.indices { chunk[index] = 0 } }
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw failed("read")
            }
            bytes += chunk.prefix(count)
            if bytes.count > bytesMax { throw .tooLarge(path: path, bytesMax: bytesMax) }
        }
    }

    func writeAll(_ bytes: [UInt8]) throws(DataFolderError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw failed("write")
            }
        }
    }

    func truncate() throws(DataFolderError) {
        guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
            throw failed("empty")
        }
    }

    /// Returns when what was written is on stable storage.
    func sync() throws(DataFolderError) {
        while fsync(descriptor) != 0 { if errno != EINTR { throw failed("flush") } }
    }

    /// The same by another call of the system, such as `fdatasync(2)`: what was written and how long the file is, without its times.
    func sync(by sync: (Int32) -> Int32) throws(DataFolderError) {
        while sync(descriptor) != 0 { if errno != EINTR { throw failed("flush") } }
    }

    /// - Returns: whether nobody else holds the lock; it is let go by ``unlock()``, or with the last copy of the
    ///   descriptor.
    func lock() throws(DataFolderError) -> Bool {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EWOULDBLOCK { return false }
            if errno != EINTR { throw failed("lock") }
        }
        return true
    }

    /// Lets go of the lock even where a child has the descriptor for the moment between its start and its program's.
    func unlock() { _ = flock(descriptor, LOCK_UN) }

    private func failed(_ doing: String) -> DataFolderError { .system(path: path, doing: doing, code: errno) }
}
