import Glibc

/// Damages bytes in the ways that break readers, from a seed.
package struct Mangler {
    package var random: SplitMix64

    package init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// Bytes that mean something to one of the formats, and the edges of UTF-8.
    private static let special: [UInt8] = [
        0, 9, 10, 13, 32, 34, 44, 58, 91, 92, 93, 123, 125, 127, 128, 192, 237, 255,
    ]
    private static let pieces: [[UInt8]] = [
        "\\u0000", "\\ud800", "1e999", "-0", "99999999999999999999", "null", "[[[[[[[[", "{\"a\":{\"a\":",
        "\u{FEFF}",
    ].map { Array($0.utf8) }

    package mutating func mangled(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<([1, 1, 1, 2, 3, 8].randomElement(using: &random) ?? 1) { damage(&bytes) }
        return bytes
    }

    private mutating func damage(_ bytes: inout [UInt8]) {
        let at = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, at + Int.random(in: 1...24, using: &random))
        switch Int.random(in: 0..<7, using: &random) {
        case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where at < bytes.count: bytes[at] = Self.special.randomElement(using: &random) ?? 0
        case 2: bytes.removeSubrange(at..<end)
        case 3: bytes.insert(Self.special.randomElement(using: &random) ?? 0, at: at)
        case 4:
            let times = [1, 2, 60].randomElement(using: &random) ?? 1
            bytes.insert(contentsOf: Array(repeating: Array(bytes[at..<end]), count: times).joined(), at: at)
        case 5: bytes.removeSubrange(at...)
        default: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random) ?? [], at: at)
        }
    }
}

/// What something costs this thread, whoever else wants the processor.
package enum ProcessorTime {
    /// No input of any size that a test has may take longer.
    package static let inputMax = Duration.milliseconds(100)

    package static func of(_ body: () throws -> Void) rethrows -> Duration {
        let began = now
        try body()
        return now - began
    }

    private static var now: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}

/// The published hostile documents and texts of `Fixtures/json`, and what searches have kept in `Fixtures/fuzz`.
package enum Hostile {
    /// The inputs of one target of `scripts/fuzz`.
    package static func kept(_ target: String) throws -> [[UInt8]] {
        try Fixture.text("fuzz/\(target).txt").split(separator: "\n").map { line in
            try Hex.decode(line).orFail("hex in fuzz/\(target).txt")
        }
    }
}
