/// Durations as people write them: a whole number and `ms`, `s`, `m`, `h` or `d`.
package enum DurationText {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]

    package static func parse(_ text: String) -> Duration? {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard let number = Int64(digits),
            let unit = units.first(where: { $0.name == text.dropFirst(digits.count) })
        else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
        return overflow ? nil : .milliseconds(milliseconds)
    }

    /// The largest unit that says it exactly; below a millisecond is cut off.
    package static func spell(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = Int64(
            clamping: Int128(seconds) * 1_000 + Int128(attoseconds / 1_000_000_000_000_000))
        let unit = units.first { milliseconds != 0 && milliseconds % $0.milliseconds == 0 } ?? ("s", 1_000)
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
    }
}

extension ConfigSection {
    package mutating func duration(
        _ key: String, default fallback: Duration, in range: ClosedRange<Duration>
    ) -> Duration {
        let expectation =
            "a duration from \(DurationText.spell(range.lowerBound)) to "
            + "\(DurationText.spell(range.upperBound)), as in 30s or 5m"
        return parsed(key, expecting: expectation) {
            DurationText.parse($0).flatMap { range.contains($0) ? $0 : nil }
        } ?? fallback
    }
}
