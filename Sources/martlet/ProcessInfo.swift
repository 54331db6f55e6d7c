import Glibc

/// Facts of this process.
enum ProcessInfo {
    static var id: Int { Int(getpid()) }

    /// The file of this very program, wherever it was started from.
    static var executable: String {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        guard count > 0 else { return CommandLine.arguments.first ?? "martlet" }
        return String(decoding: path.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
