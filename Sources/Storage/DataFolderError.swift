#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Why the data folder cannot be used; every message names the path and what to do.
package enum DataFolderError: Error, Hashable, Sendable {
    case notAFolder(path: String)
    case otherOwner(path: String, owner: UInt32, me: UInt32)
    /// Group or others may reach into it.
    case tooOpen(path: String, mode: UInt32, wanted: UInt32)
    /// Another node runs in it; its process id, if it wrote one.
    case inUse(path: String, holder: Int32?)
    case exists(path: String)
    case tooLarge(path: String, bytesMax: Int)
    /// A system call failed.
    case system(path: String, doing: String, code: Int32)
}

extension DataFolderError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notAFolder(let path):
            "\(path) is not a folder; give another one with --data"
        case .otherOwner(let path, let owner, let me):
            "\(path) belongs to user \(owner), and this process runs as user \(me); run as its owner, or "
                + "give a folder of your own with --data"
        case .tooOpen(let path, let mode, let wanted):
            "\(path) is open to other users (mode \(octal(mode))), and keys lie in it; "
                + "run: chmod \(octal(wanted)) '\(path)'"
        case .inUse(let path, let holder?):
            "\(path) is in use by another martlet (process \(holder)); stop that one, or give this one a "
                + "folder of its own with --data"
        case .inUse(let path, nil):
            "\(path) is in use by another martlet; stop that one, or give this one a folder of its own "
                + "with --data"
        case .exists(let path):
            "\(path) exists and is not overwritten; move it away if it is not wanted"
        case .tooLarge(let path, let bytesMax):
            "\(path) is larger than the \(bytesMax) bytes that belong there; restore it from a backup"
        case .system(let path, let doing, let code):
            "cannot \(doing) \(path): \(String(cString: strerror(code)))"
        }
    }

    private func octal(_ mode: UInt32) -> String { String(mode, radix: 8) }
}
