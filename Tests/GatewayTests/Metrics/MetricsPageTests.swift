import MartletTestKit
import Testing

@testable import Gateway

struct MetricsPageTests {
    private static func page() -> MetricsPage {
        var page = MetricsPage()
        page.gauge("martlet_vault_sealed", "Whether the vault is sealed.", .count(0))
        page.counter(
            "martlet_calls_total", "Calls \\ that\nended, \"all\".",
            [
                ([("server", "a\"b\\c\nd"), ("outcome", "ok")], .count(3)),
                ([("server", "press"), ("outcome", "error")], .count(0)),
            ])
        page.histogram(
            "martlet_call_duration_seconds", "Time.",
            [
                (
                    [("server", "press")],
                    HistogramReading(bounds: [0.000_25, 1], counts: [2, 0, 1], sum: 61.5)
                )
            ])
        page.gauge("martlet_nothing", "Has no samples.", [])
        page.counter("process_cpu_seconds_total", "Time.", .real(0.25))
        return page
    }

    @Test func `a page is written as Prometheus reads it`() {
        #expect(
            Self.page().text == """
                # HELP martlet_vault_sealed Whether the vault is sealed.
                # TYPE martlet_vault_sealed gauge
                martlet_vault_sealed 0
                # HELP martlet_calls_total Calls \\\\ that\\nended, "all".
                # TYPE martlet_calls_total counter
                martlet_calls_total{server="a\\"b\\\\c\\nd",outcome="ok"} 3
                martlet_calls_total{server="press",outcome="error"} 0
                # HELP martlet_call_duration_seconds Time.
                # TYPE martlet_call_duration_seconds histogram
                martlet_call_duration_seconds_bucket{server="press",le="0.00025"} 2
                martlet_call_duration_seconds_bucket{server="press",le="1.0"} 2
                martlet_call_duration_seconds_bucket{server="press",le="+Inf"} 3
                martlet_call_duration_seconds_sum{server="press"} 61.5
                martlet_call_duration_seconds_count{server="press"} 3
                # HELP process_cpu_seconds_total Time.
                # TYPE process_cpu_seconds_total counter
                process_cpu_seconds_total 0.25

                """)
    }

    @Test func `a strict reader finds in it what was put in`() throws {
        let read = try PrometheusText(Self.page().text)
        #expect(read["martlet_calls_total", ["server": "a\"b\\c\nd", "outcome": "ok"]] == 3)
        #expect(read["martlet_call_duration_seconds_count", ["server": "press"]] == 3)
        #expect(read.kinds.count == 4)
    }

    @Test(arguments: [
        "a 1", "# HELP a A.\n# TYPE a counter\na 1\n", "# HELP a A.\n# TYPE a gauge\na 1\na 2\n",
        "# HELP a A.\n# TYPE a gauge\nb 1\n", "# HELP a A.\n# TYPE a gauge\na{x=\"\\q\"} 1\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1.0\"} 1\na_sum 1\na_count 1\n",
        "# HELP a A.\n# TYPE a gauge\na one\n",
    ])
    func `the reader is strict`(text: String) {
        #expect(throws: PrometheusText.Complaint.self) { try PrometheusText(text) }
    }
}

struct ProcessFiguresTests {
    @Test func `what the kernel says of a process is found behind a name with parentheses in it`() {
        var figures = ProcessFigures(cpuSeconds: 1.5)
        let fields = (3...52).map { number in
            switch number {
            case 22: "4000"
            case 23: "1000000"
            case 24: "25"
            default: "0"
            }
        }
        figures.take(
            stat: "12 (a ) b (c) S) \(fields.joined(separator: " "))\n",
            system: "cpu 1 2\nbtime 1700000000\nprocesses 9\n", ticksPerSecond: 100, pageBytes: 4096)
        #expect(figures.startSeconds == 1_700_000_040)
        #expect(figures.virtualBytes == 1_000_000 && figures.residentBytes == 102_400)
    }

    @Test func `a text that says nothing leaves everything out`() throws {
        var figures = ProcessFigures(cpuSeconds: 0)
        figures.take(stat: "", system: "", ticksPerSecond: 0, pageBytes: 0)
        var page = MetricsPage()
        figures.write(to: &page)
        #expect(try PrometheusText(page.text).values.count == 1)
    }

    @Test func `this process has them all`() throws {
        let figures = ProcessFigures.read()
        #expect(figures.cpuSeconds > 0 && (figures.residentBytes ?? 0) > 1 << 20)
        #expect((figures.openDescriptors ?? 0) > 2)
        #expect((figures.descriptorsMax ?? 0) >= (figures.openDescriptors ?? .max))
        #expect((figures.startSeconds ?? 0) > 1_600_000_000)
    }
}
