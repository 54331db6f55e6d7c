/// How long ago, in one short word: `now`, `12s`, `5m`, `3h`, `2d`.
func age(seconds: Int) -> String {
    switch seconds {
    case ..<1: "now"
    case ..<120: "\(seconds)s"
    case ..<7_200: "\(seconds / 60)m"
    case ..<172_800: "\(seconds / 3_600)h"
    default: "\(seconds / 86_400)d"
    }
}

/// A duration as people type it: `30s`, `15m`, `12h`, `7d`; plain digits are seconds.
///
/// - Returns: seconds, or `nil` for anything else, also for more than ten years.
func seconds(from text: String) -> Int? {
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
    guard let last = text.last else { return nil }
    let (digits, unit) = units[last].map { (text.dropLast(), $0) } ?? (text[...], 1)
    guard let count = Int(digits), count > 0, count <= 315_360_000 / unit else { return nil }
    return count * unit
}
