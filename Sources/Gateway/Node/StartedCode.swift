import Glibc

/// The pages of this program's code that are in memory, most of which only its start has used.
package enum StartedCode {
    /// Lets go of all of it, once; what runs is mapped again as it runs, from the system's cache of the file: some thousand faults of a
    /// microsecond each. A node at rest so holds what it needs at rest, and not all that it needed to get there.
    static func release() {
        guard let maps = text(of: "/proc/self/maps"), let path = executable else { return }
        for (start, end) in ranges(of: path, in: maps) {
            guard let address = UnsafeMutableRawPointer(bitPattern: start) else { continue }
            // Code is never written to, so nothing is lost; mappings that are written to are not among these.
            _ = madvise(address, Int(end - start), MADV_DONTNEED)
        }
    }

    /// Where the code of a program is mapped, by the lines of `/proc/self/maps`: what may be run and not written to.
    package static func ranges(of path: String, in maps: String) -> [(start: UInt, end: UInt)] {
        maps.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            // The name stands behind as many spaces as make a column.
            guard fields.count == 6, fields[1] == "r-xp", fields[5].drop(while: { $0 == " " }) == path else {
                return nil
            }
            let bounds = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            return bounds.count == 2 && bounds[0] < bounds[1] ? (bounds[0], bounds[1]) : nil
        }
    }

    private static var executable: String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        return count > 0
            ? String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }

    private static func text(of path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var all: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            guard count > 0 else { return String(decoding: all, as: UTF8.self) }
            all += piece.prefix(count)
        }
    }
}
