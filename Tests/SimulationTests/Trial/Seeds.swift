import Foundation

/// Which seeds a test of many runs: all of its own, or the one that somebody wants to see again.
enum Seeds {
    /// The variable that names the one: `MARTLET_SEED=4711 swift test --filter MixedFaultTests`.
    static let variable = "MARTLET_SEED"

    static let chosen: UInt64? = ProcessInfo.processInfo.environment[variable].flatMap { UInt64($0) }

    /// Bounds how many seeds run, where less than all will do: `MARTLET_SEEDS=100`.
    static let most: UInt64 =
        ProcessInfo.processInfo.environment["MARTLET_SEEDS"].flatMap { UInt64($0) } ?? .max

    /// - Returns: the block's own seeds, or of these only the chosen one.
    static func block(_ number: Int, of size: Int) -> [UInt64] {
        let own = (0..<size).map { UInt64(number * size + $0 + 1) }
        guard let chosen else { return own.filter { $0 <= most } }
        // One beyond those of all blocks runs in the first.
        return own.contains(chosen) || number == 0 && chosen > UInt64(size * 50) ? [chosen] : []
    }

    static func replay(_ seed: UInt64) -> String { "replay with \(variable)=\(seed)" }
}
