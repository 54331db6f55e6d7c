import CProbe

/// Measures the cores in small: `micro THRESHOLDS` compares with what is stored, `micro THRESHOLDS --write` stores anew.
@main struct Micro {
    /// Whoever shares a core's caches with a benchmark slows it more than the reference: over its threshold is what was so each time.
    private static let measurementsMax = 3

    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let path = arguments.first, arguments.dropFirst().allSatisfy({ $0 == "--write" }) else {
            print("micro THRESHOLDS [--write]")
            return exit(with: 2)
        }
        let isWriting = arguments.contains("--write")
        var thresholds = isWriting ? Thresholds() : try Thresholds(readingFrom: path)
        var rows: [Row] = []
        for benchmark in try Benchmark.all() {
            var measured = benchmark.measured()
            if let bound = thresholds[benchmark.name] {
                for _ in 1..<measurementsMax where !bound.holds(measured) {
                    measured = measured.best(benchmark.measured())
                }
            }
            if isWriting { thresholds[benchmark.name] = Thresholds.Bound(above: measured) }
            rows.append(Row(name: benchmark.name, measured: measured, bound: thresholds[benchmark.name]))
        }
        print(Row.table(rows))
        if isWriting { try thresholds.write(to: path) }
        let isKept = rows.allSatisfy(\.isKept)
        if !isKept {
            print(
                "\nover a threshold, or without one; `Benchmarks/micro/run --write` stores what is measured now"
            )
        }
        exit(with: isKept ? 0 : 1)
    }
}

/// One line of the table.
struct Row {
    let name: String
    let measured: Measured
    /// `nil`: nothing is stored.
    let bound: Thresholds.Bound?

    var isKept: Bool { bound?.holds(measured) ?? false }

    static func table(_ rows: [Row]) -> String {
        let lines = rows.map { row in
            "| \(row.name) | \(decimal(row.measured.allocations)) | \(row.bound.map { decimal($0.allocations) } ?? "–") "
                + "| \(decimal(row.measured.processor)) | \(row.bound.map { decimal($0.processor) } ?? "–") "
                + "| \(row.bound.map { $0.holds(row.measured) ? "kept" : "**exceeded**" } ?? "**no threshold**") |"
        }
        let head = [
            "| what | allocations | threshold | processor time × reference | threshold | |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        return (head + lines).joined(separator: "\n")
    }
}
