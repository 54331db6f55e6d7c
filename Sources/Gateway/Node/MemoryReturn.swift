import Dispatch
import Glibc

/// Gives memory back to the system that the allocator keeps after a rush: after a thousand large answers it is all free, and stays ours, since
/// something small lies behind each piece of it.
///
/// Looked at once a second by the node's housekeeping; what it costs then is reading one line of `/proc`. The return itself goes through
/// all that is free, some ten milliseconds for a hundred megabytes, on a thread that nobody waits for; who allocates meanwhile may.
package struct MemoryReturn {
    /// How much more than after the last return there must be for the next; what a node at rest has is less.
    package static let worthwhile = 8 * 1024 * 1024
    /// Looks in a row with hardly more than the one before: while it still grows it is in use.
    package static let stillFor = 5
    /// What a node at rest may take from one look to the next: some pages are always touched for the first time.
    package static let hardly = 128 * 1024

    private var floor = 0
    private var last = 0
    private var still = 0

    package init() {}

    /// - Parameter resident: bytes of memory of its own that the process has.
    /// - Returns: whether it is time to give back.
    package mutating func isDue(resident: Int) -> Bool {
        floor = min(floor, resident)
        still = resident > last + Self.hardly ? 0 : still + 1
        last = resident
        return resident >= floor + Self.worthwhile && still >= Self.stillFor
    }

    package mutating func gaveBack(leaving resident: Int) {
        (floor, last, still) = (resident, resident, 0)
    }

    /// Looks, and gives back if it is time.
    mutating func look() async {
        guard let resident = Self.resident, isDue(resident: resident) else { return }
        await withCheckedContinuation { continuation in
            DispatchQueue.global(qos: .utility).async {
                _ = Self.trim?(0)
                continuation.resume()
            }
        }
        gaveBack(leaving: Self.resident ?? resident)
    }

    /// `malloc_trim(3)`, which Swift's module of the C library leaves out; `nil` where the allocator is another.
    private static let trim: (@convention(c) (Int) -> CInt)? = dlsym(nil, "malloc_trim").map {
        unsafeBitCast($0, to: (@convention(c) (Int) -> CInt).self)
    }

    /// Pages that are the process's own, in bytes, as `/proc/self/statm` has them.
    private static var resident: Int? {
        guard let file = fopen("/proc/self/statm", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let numbers = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            .split(separator: " ").compactMap { Int($0) }
        return numbers.count > 2 ? (numbers[1] - numbers[2]) * Int(getpagesize()) : nil
    }
}
