/// A strict reader of Prometheus' text exposition format 0.0.4, written from its description and not from what we write.
///
/// Refuses what `promtool check metrics` would call an error: a sample outside of its family, a family twice, a series twice, buckets
/// that fall or lack `+Inf`, a counter that is negative.
package struct PrometheusText: Sendable {
    package struct Complaint: Error, CustomStringConvertible {
        package let description: String
    }

    package struct Series: Hashable, Sendable {
        package var name: String
        package var labels: [String: String]
    }

    package private(set) var kinds: [String: String] = [:]
    package private(set) var helps: [String: String] = [:]
    package private(set) var values: [Series: Double] = [:]

    /// The value of one series, by its name and all of its labels.
    package subscript(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        values[Series(name: name, labels: labels)]
    }

    package init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Complaint(description: "the last line has no end") }
        var family = ""
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("# HELP ") || line.hasPrefix("# TYPE ") {
                let words = line.split(separator: " ", maxSplits: 3)
                guard words.count == 4, Self.isName(words[2]) else {
                    throw Complaint(description: "no head: \(line)")
                }
                let name = String(words[2])
                if words[1] == "HELP" {
                    guard helps.updateValue(String(words[3]), forKey: name) == nil else {
                        throw Complaint(description: "\(name) comes twice")
                    }
                } else {
                    guard ["counter", "gauge", "histogram"].contains(words[3]), helps[name] != nil,
                        kinds.updateValue(String(words[3]), forKey: name) == nil
                    else { throw Complaint(description: "no type: \(line)") }
                    family = name
                }
                continue
            }
            let (series, value) = try Self.sample(line)
            guard Self.family(of: series, kinds[family] ?? "") == family else {
                throw Complaint(description: "outside of \(family): \(line)")
            }
            guard values.updateValue(value, forKey: series) == nil else {
                throw Complaint(description: "twice: \(line)")
            }
            if kinds[family] == "counter" {
                guard value >= 0, family.hasSuffix("_total") else {
                    throw Complaint(description: "no counter: \(line)")
                }
            }
        }
        try checkHistograms()
    }

    private static func isName(_ text: Substring) -> Bool {
        text.first.map { $0.isLetter || $0 == "_" } == true
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    }

    private static func family(of series: Series, _ kind: String) -> String {
        guard kind == "histogram" else { return series.name }
        for suffix in ["_bucket", "_sum", "_count"] where series.name.hasSuffix(suffix) {
            return String(series.name.dropLast(suffix.count))
        }
        return ""
    }

    private static func sample(_ line: Substring) throws -> (Series, Double) {
        let complaint = Complaint(description: "no sample: \(line)")
        var rest = line
        let name = rest.prefix { $0 != "{" && $0 != " " }
        guard isName(name) else { throw complaint }
        rest = rest.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while true {
                let label = rest.prefix { $0 != "=" }
                guard isName(label), !label.contains(":") else { throw complaint }
                rest = rest.dropFirst(label.count)
                guard rest.hasPrefix("=\"") else { throw complaint }
                rest = rest.dropFirst(2)
                var value = ""
                while let next = rest.popFirst(), next != "\"" {
                    guard next == "\\" else {
                        value.append(next)
                        continue
                    }
                    switch rest.popFirst() {
                    case "\\": value.append("\\")
                    case "n": value.append("\n")
                    case "\"": value.append("\"")
                    default: throw complaint
                    }
                }
                guard labels.updateValue(value, forKey: String(label)) == nil else { throw complaint }
                guard let next = rest.popFirst(), next == "," || next == "}" else { throw complaint }
                if next == "}" { break }
            }
        }
        guard rest.first == " " else { throw complaint }
        let text = rest.dropFirst()
        let value: Double? = text == "+Inf" ? .infinity : text == "-Inf" ? -.infinity : Double(text)
        guard let value, !text.contains(" ") else { throw complaint }
        return (Series(name: String(name), labels: labels), value)
    }

    private func checkHistograms() throws {
        for (name, kind) in kinds where kind == "histogram" {
            let buckets = Dictionary(grouping: values.filter { $0.key.name == "\(name)_bucket" }) { entry in
                entry.key.labels.filter { $0.key != "le" }
            }
            let counts = values.filter { $0.key.name == "\(name)_count" }
            guard buckets.count == counts.count else {
                throw Complaint(description: "\(name) has as many buckets as counts")
            }
            for (labels, all) in buckets {
                let bounds = try all.map { series, value in
                    let text = series.labels["le"] ?? ""
                    guard let bound = text == "+Inf" ? Double.infinity : Double(text) else {
                        throw Complaint(description: "\(name) has a bucket up to \(text)")
                    }
                    return (bound, value)
                }.sorted { $0.0 < $1.0 }
                guard bounds.last?.0 == .infinity,
                    zip(bounds, bounds.dropFirst()).allSatisfy({ $0.1 <= $1.1 }),
                    bounds.last?.1 == self["\(name)_count", labels], self["\(name)_sum", labels] != nil
                else { throw Complaint(description: "\(name)\(labels) does not add up") }
            }
        }
    }
}
