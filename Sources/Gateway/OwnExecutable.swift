import Glibc

/// The file of this very program, wherever it was started from.
package enum OwnExecutable {
    /// `nil` where the system does not tell.
    package static var path: String? {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        guard count > 0 else { return nil }
        return String(decoding: path.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
