import Glibc

/// What the kernel says of processes, read from `/proc`.
enum ProcessTable {
    /// The members of a group that still run: one that is only waited for no longer does.
    static func living(in group: pid_t) -> [pid_t] {
        names(in: "/proc").compactMap { pid_t($0) }.filter { pid in
            let fields = facts(of: pid)
            return fields.count > 2 && pid_t(fields[2]) == group && fields[0] != "Z"
        }
    }

    static func openDescriptors(of pid: pid_t) -> Int { names(in: "/proc/\(pid)/fd").count }

    /// A number of kilobytes in one of a process's tables, such as `Private_Dirty` in `smaps_rollup`.
    static func kilobytes(_ name: String, in table: String, of pid: pid_t) -> Int? {
        text("/proc/\(pid)/\(table)").split(separator: "\n").first { $0.hasPrefix("\(name):") }
            .flatMap { line in Int(line.filter(\.isNumber)) }
    }

    /// From the state on: state, parent, group, …
    private static func facts(of pid: pid_t) -> [Substring] {
        text("/proc/\(pid)/stat").split(separator: ")").last?.split(separator: " ") ?? []
    }

    private static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    private static func text(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
