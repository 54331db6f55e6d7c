import MCPModel

/// One of the seven ways to speak MCP.
enum Wire: String, CaseIterable, Sendable, CustomStringConvertible {
    case http2026 = "http-2026-07-28"
    case http2025November = "http-2025-11-25"
    case http2025June = "http-2025-06-18"
    case http2025March = "http-2025-03-26"
    case events2024 = "sse-2024-11-05"
    case stdio2026 = "stdio-2026-07-28"
    case stdio2025 = "stdio-2025-11-25"

    enum Transport: Sendable { case http, events, stdio }

    var transport: Transport {
        switch self {
        case .http2026, .http2025November, .http2025June, .http2025March: .http
        case .events2024: .events
        case .stdio2026, .stdio2025: .stdio
        }
    }

    var revision: ProtocolRevision {
        switch self {
        case .http2026, .stdio2026: .v2026_07_28
        case .http2025November, .stdio2025: .v2025_11_25
        case .http2025June: .v2025_06_18
        case .http2025March: .v2025_03_26
        case .events2024: .v2024_11_05
        }
    }

    var era: Era { revision.era }
    var description: String { rawValue }
}

enum Feature: String, CaseIterable, Sendable {
    case toolCall = "tool call"
    case progress
    case elicitation
    case sampling
    case resourceRead = "resource read"
    case listChange = "list change"
    case cancel
    case error
}

/// How far the owner of the server is from the node that the client talks to.
enum Path: String, CaseIterable, Sendable {
    case local
    case twoHops = "two hops"
}

/// One thing to be shown: a client of `front`, a server of `back`, a feature, a path between them.
struct Cell: Hashable, Sendable, CustomStringConvertible {
    var front: Wire
    var back: Wire
    var feature: Feature
    var path: Path

    var description: String { "\(front) | \(back) | \(feature.rawValue) | \(path.rawValue)" }

    static let all: [Cell] = Feature.allCases.flatMap { feature in
        Wire.allCases.flatMap { front in
            Wire.allCases.flatMap { back in
                Path.allCases.map { Cell(front: front, back: back, feature: feature, path: $0) }
            }
        }
    }
}

/// Which cells mean nothing: what a revision has not, cannot be shown of it. Written from the revisions'
/// specifications, not from a run.
enum NotApplicable {
    /// The revision in which a feature begins; those that all five have stand in no row.
    static let since: [Feature: ProtocolRevision] = [.elicitation: .v2025_06_18]

    /// - Returns: why the cell means nothing; `nil`: it must pass.
    static func reason(_ cell: Cell) -> String? {
        guard let first = since[cell.feature] else { return nil }
        for (side, revision) in [("client", cell.front.revision), ("server", cell.back.revision)]
        where revision < first {
            return "the \(side) speaks \(revision.rawValue); \(cell.feature) came with \(first.rawValue)"
        }
        return nil
    }
}

/// Cells that are known to fail, and why. None are.
enum KnownGap {
    static func reason(_ cell: Cell) -> String? { nil }
}
