/// A page of metrics in Prometheus' text exposition format, version 0.0.4, as a value.
///
/// Names and helps are constants of this program; label values come from bounded sets (docs/reference/metrics.md).
struct MetricsPage: Sendable {
    /// What the answer calls itself (`Content-Type`).
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    typealias Labels = [(name: String, value: String)]

    enum Value: Hashable, Sendable {
        case count(Int)
        case real(Double)

        fileprivate var text: String {
            switch self {
            case .count(let count): "\(count)"
            case .real(let real) where real == .infinity: "+Inf"
            case .real(let real) where real == -.infinity: "-Inf"
            case .real(let real) where real.isNaN: "NaN"
            case .real(let real): "\(real)"
            }
        }
    }

    private(set) var text = ""

    mutating func gauge(_ name: String, _ help: String, _ value: Value) {
        family(name, "gauge", help, [([], value)])
    }

    /// - Parameter samples: no two of the same labels.
    mutating func gauge(_ name: String, _ help: String, _ samples: [(Labels, Value)]) {
        family(name, "gauge", help, samples)
    }

    mutating func counter(_ name: String, _ help: String, _ value: Value) {
        family(name, "counter", help, [([], value)])
    }

    mutating func counter(_ name: String, _ help: String, _ samples: [(Labels, Value)]) {
        family(name, "counter", help, samples)
    }

    mutating func histogram(_ name: String, _ help: String, _ samples: [(Labels, HistogramReading)]) {
        guard !samples.isEmpty else { return }
        head(name, "histogram", help)
        for (labels, reading) in samples {
            var total = 0
            for (bound, count) in zip(reading.bounds, reading.counts) {
                total += count
                sample("\(name)_bucket", labels + [("le", Value.real(bound).text)], .count(total))
            }
            total += reading.counts.last ?? 0
            sample("\(name)_bucket", labels + [("le", "+Inf")], .count(total))
            sample("\(name)_sum", labels, .real(reading.sum))
            sample("\(name)_count", labels, .count(total))
        }
    }

    // MARK: -

    /// A family without samples says nothing, and is left out.
    private mutating func family(
        _ name: String, _ kind: String, _ help: String, _ samples: [(Labels, Value)]
    ) {
        guard !samples.isEmpty else { return }
        head(name, kind, help)
        for (labels, value) in samples { sample(name, labels, value) }
    }

    private mutating func head(_ name: String, _ kind: String, _ help: String) {
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind)\n"
    }

    private mutating func sample(_ name: String, _ labels: Labels, _ value: Value) {
        text += name
        if !labels.isEmpty {
            text += "{"
            for (place, label) in labels.enumerated() {
                text += "\(place == 0 ? "" : ",")\(label.name)=\"\(Self.escaped(label.value, quotes: true))\""
            }
            text += "}"
        }
        text += " \(value.text)\n"
    }

    /// Quotes are escaped in label values only.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == 10 || $0 == UInt8(ascii: "\"") })
        else { return text }
        return text.unicodeScalars.reduce(into: "") { escaped, scalar in
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"": escaped += quotes ? "\\\"" : "\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
    }
}

/// What a histogram has counted by now.
struct HistogramReading: Hashable, Sendable {
    /// Upper bounds of the buckets, in the metric's unit, ascending.
    var bounds: [Double]
    /// Of each bucket alone, and last of what is above all bounds.
    var counts: [Int]
    var sum: Double
}
