/// The two families of MCP.
package enum Era: String, Hashable, Sendable {
    case modern
    case legacy
}

/// A dated revision of MCP; ordered by date.
package enum ProtocolRevision: String, Hashable, Comparable, Sendable, CaseIterable {
    case v2024_11_05 = "2024-11-05"
    case v2025_03_26 = "2025-03-26"
    case v2025_06_18 = "2025-06-18"
    case v2025_11_25 = "2025-11-25"
    case v2026_07_28 = "2026-07-28"

    package static let newestLegacy = v2025_11_25
    package static let newestModern = v2026_07_28

    package var era: Era { self >= .v2026_07_28 ? .modern : .legacy }

    package static var modern: [ProtocolRevision] { allCases.filter { $0.era == .modern } }
    package static var legacy: [ProtocolRevision] { allCases.filter { $0.era == .legacy } }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
