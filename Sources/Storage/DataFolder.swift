#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The one folder that a node keeps everything in, held against a second node for as long as this lives.
///
/// All calls block on the disk: they belong to starting up, not onto event loops or into tasks.
package final class DataFolder: Sendable {
    /// Keys and tokens are some tens of bytes; whatever is longer is no file of ours.
    private static let fileBytesMax = 64 * 1024

    package let path: String
    private let directory: OpenFile
    private let lock: OpenFile

    /// Opens the folder, making it (0700) where there is none, and locks it.
    package init(path: String) throws(DataFolderError) {
        self.path = path
        try Self.make(path)
        directory = try Self.open(path)
        try directory.requirePrivate(wanted: 0o700)
        lock = try OpenFile(
            DataFile.lock.name, in: directory.descriptor, flags: O_RDWR | O_CREAT | O_NOFOLLOW,
            path: "\(path)/\(DataFile.lock.name)")
        guard try lock.lock() else {
            let text = String(decoding: try lock.readAll(bytesMax: 64), as: UTF8.self)
            throw .inUse(path: path, holder: Int32(text.prefix { $0.isNumber }))
        }
        try lock.truncate()
        try lock.writeAll(Array("\(getpid())\n".utf8))
    }

    deinit { lock.unlock() }

    /// - Returns: `nil` when there is no such file.
    /// - Throws: also when others could have read or changed it.
    package func read(_ file: DataFile) throws(DataFolderError) -> [UInt8]? {
        let opened: OpenFile
        do throws(DataFolderError) {
            opened = try OpenFile(
                file.name, in: directory.descriptor, flags: O_RDONLY | O_NOFOLLOW, path: path(of: file))
        } catch .system(_, _, ENOENT) {
            return nil
        }
        try opened.requirePrivate(wanted: 0o600)
        return try opened.readAll(bytesMax: Self.fileBytesMax)
    }

    /// Writes a file (0600) whole or not at all, also when the power goes: on return it is on stable storage.
    package func write(_ bytes: [UInt8], to file: DataFile) throws(DataFolderError) {
        try writeDraft(bytes, of: file)
        let handle = directory.descriptor
        guard renameat(handle, file.draftName, handle, file.name) == 0 else { throw failed("replace", file) }
        try directory.sync()
    }

    /// As ``write(_:to:)``, for a file whose loss cannot be made good: what exists is never replaced.
    package func create(_ file: DataFile, with bytes: [UInt8]) throws(DataFolderError) {
        try writeDraft(bytes, of: file)
        let handle = directory.descriptor
        let linked = linkat(handle, file.draftName, handle, file.name, 0) == 0
        let problem = errno
        _ = unlinkat(handle, file.draftName, 0)
        guard linked else {
            if problem == EEXIST { throw .exists(path: path(of: file)) }
            throw .system(path: path(of: file), doing: "create", code: problem)
        }
        try directory.sync()
    }

    package func remove(_ file: DataFile) throws(DataFolderError) {
        guard unlinkat(directory.descriptor, file.name, 0) == 0 || errno == ENOENT else {
            throw failed("remove", file)
        }
        try directory.sync()
    }

    package func path(of file: DataFile) -> String { "\(path)/\(file.name)" }

    /// Makes the file, empty and 0600, where there is none; others then inherit its mode (SQLite's `-wal`).
    func ensure(_ file: DataFile) throws(DataFolderError) {
        let opened = try OpenFile(
            file.name, in: directory.descriptor, flags: O_RDWR | O_CREAT | O_NOFOLLOW, path: path(of: file))
        try opened.requirePrivate(wanted: 0o600)
    }

    private func writeDraft(_ bytes: [UInt8], of file: DataFile) throws(DataFolderError) {
        // What a crash left behind is ours to remove: the lock says that nobody else is writing.
        _ = unlinkat(directory.descriptor, file.draftName, 0)
        let draft = try OpenFile(
            file.draftName, in: directory.descriptor, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
            path: path(of: file))
        try draft.writeAll(bytes)
        try draft.sync()
    }

    private func failed(_ doing: String, _ file: DataFile) -> DataFolderError {
        .system(path: path(of: file), doing: doing, code: errno)
    }

    private static func open(_ path: String) throws(DataFolderError) -> OpenFile {
        do throws(DataFolderError) {
            return try OpenFile(path, flags: O_RDONLY | O_DIRECTORY, path: path)
        } catch .system(_, _, ENOTDIR) {
            throw .notAFolder(path: path)
        }
    }

    /// Makes the folder and those above it that are missing, for this user alone (XDG Base Directory: 0700).
    private static func make(_ path: String) throws(DataFolderError) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
            guard mkdir(made, 0o700) != 0 else { continue }
            let problem = errno
            if problem == ENOTDIR { throw .notAFolder(path: made) }
            // Above our own folder we may lack the right to make any, which is no matter where it exists.
            if problem != EEXIST, access(made, F_OK) != 0 {
                throw .system(path: made, doing: "make folder", code: problem)
            }
        }
    }
}
