package import JSONSlice

/// The bounds that a person may set, by their names under `limits` in the configuration; an error that comes of one
/// names it.
package enum LimitName: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case message
    case nesting
    case listPages
    case entries
    case header
    case idleSession
    case suspendedCall
    case response
    case call
    case listedTools

    package var description: String { "limits.\(rawValue)" }
}

/// How much of one message is taken in, from a client or a backend.
package struct MessageLimits: Hashable, Sendable {
    /// One message, and so one HTTP body or one line of stdio. Embedded files fit; memory is bounded.
    package var bytesMax = 64 * 1024 * 1024
    /// Levels of nesting; real messages stay below 20.
    package var depthMax = 128

    package init() {}

    package static let standard = MessageLimits()

    package var json: JSONLimits {
        var limits = JSONLimits()
        limits.depthMax = depthMax
        limits.bytesMax = bytesMax
        return limits
    }

    /// How ``bytesMax`` is called in an error.
    package var bytesText: String { "\(ByteCount.spell(bytesMax)) (\(LimitName.message))" }
}

/// Counts of bytes as people write them: `64MiB`.
package enum ByteCount {
    private static let units: [(name: String, bytes: Int)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
    ]

    /// A whole number and a unit; `nil` for anything else.
    package static func parse(_ text: String) -> Int? {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard let number = Int(digits),
            let unit = units.first(where: { $0.name == text.dropFirst(digits.count) })
        else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.bytes)
        return overflow ? nil : bytes
    }

    /// The largest unit that says it exactly.
    package static func spell(_ bytes: Int) -> String {
        let unit = units.first { bytes != 0 && bytes % $0.bytes == 0 } ?? ("B", 1)
        return "\(bytes / unit.bytes)\(unit.name)"
    }
}
