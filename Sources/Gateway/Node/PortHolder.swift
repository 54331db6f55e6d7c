import Glibc

/// Which program listens on a TCP port of this machine, as far as the kernel shows this user (`/proc`, Linux).
///
/// Only for an error message: it may be gone when the message is read, and other users' programs are often not shown.
struct PortHolder: Sendable, CustomStringConvertible {
    /// Processes looked at: a message is not worth more.
    private static let processesMax = 10_000

    let pid: Int32
    let name: String

    var description: String { "\(name) (process \(pid))" }

    init?(port: Int) {
        let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap {
            Self.listeningSockets(in: $0, port: port)
        }
        guard !sockets.isEmpty else { return nil }
        let wanted = Set(sockets.map { "socket:[\($0)]" })
        let processes = Self.names(in: "/proc").compactMap { Int32($0) }.prefix(Self.processesMax)
        for pid in processes {
            let folder = "/proc/\(pid)/fd"
            guard
                Self.names(in: folder).contains(where: { wanted.contains(Self.target(of: "\(folder)/\($0)")) }
                )
            else { continue }
            self.pid = pid
            name = Self.read("/proc/\(pid)/comm").filter { !$0.isNewline }
            return
        }
        return nil
    }

    /// Inodes of the sockets that listen (state 0A) on a port; the columns are those of proc_net_tcp(5).
    private static func listeningSockets(in table: String, port: Int) -> [Substring] {
        read(table).split(separator: "\n").dropFirst().compactMap { line in
            let columns = line.split(separator: " ", omittingEmptySubsequences: true)
            guard columns.count > 9, columns[3] == "0A", let colon = columns[1].lastIndex(of: ":"),
                Int(columns[1][columns[1].index(after: colon)...], radix: 16) == port
            else { return nil }
            return columns[9]
        }
    }

    private static func names(in folder: String) -> [String] {
        guard let listing = opendir(folder) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let item = readdir(listing) {
            names.append(
                withUnsafeBytes(of: item.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }

    private static func target(of link: String) -> String {
        var path = [CChar](repeating: 0, count: 256)
        let count = readlink(link, &path, path.count)
        return String(decoding: path.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func read(_ path: String) -> String { (try? TextFile.read(path)) ?? "" }
}
