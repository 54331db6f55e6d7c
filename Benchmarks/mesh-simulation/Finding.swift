import Glibc

/// One row of the table, as one line of JSON.
struct Finding {
    var key: String
    var what: String
    var goal: String
    var measured: String
    var how: String
    var isReached: Bool

    func say() {
        func quoted(_ text: String) -> String {
            "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
        }
        let line = """
            {"key": \(quoted(key)), "what": \(quoted(what)), "goal": \(quoted(goal)), "measured": \(quoted(measured)), \
            "how": \(quoted(how)), "reached": \(isReached)}

            """
        // At once, and whole: a run takes minutes, and may be ended before all rows are measured.
        _ = Array(line.utf8).withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }
}

extension Double {
    /// With so many digits after the point.
    func text(_ digits: Int = 2) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let rounded = (self * scale).rounded() / scale
        if digits == 0 { return String(Int(rounded)) }
        let parts = String(rounded).split(separator: ".")
        let fraction = parts.count > 1 ? String(parts[1]) : "0"
        return "\(parts[0]).\(fraction.prefix(digits))"
            + String(repeating: "0", count: max(0, digits - fraction.count))
    }
}
