import Audit
import Catalog
import Dispatch
import JSONSlice
import MCPModel
import MartletTestKit
import Synchronization
import Testing

@testable import Gateway

/// What is counted of calls, and how much room that may take.
struct CallMetricsTests {
    private static func key(_ number: Int) throws -> ServerKey {
        ServerKey(owner: .here, name: try #require(Label("server-\(number)")))
    }

    private static func facts(
        _ server: ServerKey?, at end: AuditRecord.End = .entry, through virtual: Label? = nil
    ) -> CallFacts {
        var facts = CallFacts(
            end: end, call: CallID(high: 1, low: 1), trace: "", caller: Caller(issuer: "key", subject: "a"),
            entryNode: .here, method: Method.toolsCall)
        facts.server = server
        facts.virtualServer = virtual
        return facts
    }

    private static func read(_ metrics: CallMetrics) throws -> PrometheusText {
        var page = MetricsPage()
        metrics.write(to: &page) { $0 == .here ? "here" : "there" }
        return try PrometheusText(page.text)
    }

    @Test func `each call counts once, at its end, for its server and by what came of it`() throws {
        let metrics = CallMetrics()
        let press = try Self.key(1)
        for outcome in AuditRecord.Outcome.allCases {
            metrics.begun(.entry)
            metrics.ended(
                Self.facts(press, through: "ops"), outcome, nil,
                after: .milliseconds(3), isKnown: { _ in true })
        }
        metrics.begun(.owner)
        let read = try Self.read(metrics)
        let labels = ["end": "entry", "owner": "here", "server": "server-1"]
        for outcome in AuditRecord.Outcome.allCases {
            #expect(
                read["martlet_calls_total", labels.merging(["outcome": outcome.rawValue]) { $1 }] == 1)
            #expect(
                read[
                    "martlet_virtual_server_calls_total",
                    ["virtual_server": "ops", "outcome": outcome.rawValue]] == 1)
        }
        let took = AuditRecord.Outcome.allCases.count - 1
        #expect(read["martlet_call_duration_seconds_count", labels] == Double(took), "refused ones left out")
        let below = labels.merging(["le": "0.0025"]) { $1 }
        let above = labels.merging(["le": "0.005"]) { $1 }
        #expect(read["martlet_call_duration_seconds_bucket", below] == 0)
        #expect(read["martlet_call_duration_seconds_bucket", above] == Double(took))
        #expect(abs((read["martlet_call_duration_seconds_sum", labels] ?? 0) - 0.015) < 1e-9)
        #expect(read["martlet_calls_open", ["end": "entry"]] == 0)
        #expect(read["martlet_calls_open", ["end": "owner"]] == 1)
    }

    @Test(arguments: [
        (Duration.zero, "0.00025"), (.microseconds(250), "0.00025"), (.microseconds(251), "0.0005"),
        (.seconds(60), "60.0"), (.seconds(61), "+Inf"), (.seconds(Int64.max), "+Inf"),
    ])
    func `a duration is in the first bucket that holds it`(duration: Duration, bucket: String) throws {
        let histogram = DurationHistogram()
        histogram.add(duration)
        var page = MetricsPage()
        page.histogram("x", "X.", [([], histogram.read())])
        let read = try PrometheusText(page.text)
        let bounds = read.values.filter { $0.key.name == "x_bucket" && $0.value == 1 }
            .compactMap { $0.key.labels["le"] }
            .sorted { (Double($0) ?? .infinity) < (Double($1) ?? .infinity) }
        #expect(bounds.first == bucket)
    }

    @Test func `reasons have places of their own, in their order`() throws {
        #expect(Reason.allCases.map(\.place) == Array(0..<Reason.allCases.count))
        let metrics = CallMetrics()
        for reason in Reason.allCases {
            metrics.ended(Self.facts(nil), .failed, reason, after: .zero, isKnown: { _ in true })
        }
        let read = try Self.read(metrics)
        for reason in Reason.allCases {
            #expect(read["martlet_call_failures_total", ["end": "entry", "reason": reason.rawValue]] == 1)
            #expect(read["martlet_call_failures_total", ["end": "owner", "reason": reason.rawValue]] == 0)
        }
        let none = ["end": "entry", "owner": "", "server": "_none", "outcome": "failed"]
        #expect(read["martlet_calls_total", none] == Double(Reason.allCases.count))
    }

    @Test func `a name that another node made up gets no numbers of its own`() throws {
        let metrics = CallMetrics()
        for number in 0..<2_000 {
            metrics.ended(
                Self.facts(try Self.key(number), at: .owner), .refused, .unknownEntry, after: .zero,
                isKnown: { _ in false })
        }
        let read = try Self.read(metrics)
        let servers = Set(read.values.keys.compactMap { $0.labels["server"] })
        #expect(servers == ["_none"])
        let none = ["end": "owner", "owner": "", "server": "_none", "outcome": "refused"]
        #expect(read["martlet_calls_total", none] == 2_000)
    }

    @Test func `servers beyond the bound share their numbers, and the page stays small`() throws {
        let metrics = CallMetrics()
        let many = CallMetrics.serversMax + 500
        for number in 0..<many {
            metrics.ended(
                Self.facts(try Self.key(number)), .ok, nil, after: .zero, isKnown: { _ in true })
        }
        let read = try Self.read(metrics)
        let servers = Set(read.values.keys.compactMap { $0.labels["server"] })
        #expect(servers.count == CallMetrics.serversMax + 1)
        let others = ["end": "entry", "owner": "", "server": "_other", "outcome": "ok"]
        #expect(read["martlet_calls_total", others] == 500)
        var page = MetricsPage()
        metrics.write(to: &page) { _ in String(repeating: "n", count: 32) }
        #expect(page.text.utf8.count < 1 << 20)
    }

    @Test func `threads that count at once lose nothing`() throws {
        let metrics = CallMetrics()
        let keys = try (0..<40).map(Self.key)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for round in 0..<2_000 {
                let key = keys[(round * 7 + thread * 13) % keys.count]
                metrics.begun(.entry)
                metrics.ended(Self.facts(key), .ok, nil, after: .milliseconds(1), isKnown: { _ in true })
            }
        }
        let read = try Self.read(metrics)
        let calls = read.values.filter {
            $0.key.name == "martlet_calls_total" && $0.key.labels["outcome"] == "ok"
        }
        #expect(calls.count == keys.count)
        #expect(calls.values.reduce(0, +) == 16_000)
        #expect(calls.values.allSatisfy { $0 == 400 })
        #expect(read["martlet_calls_open", ["end": "entry"]] == 0)
    }

    @Test func `keys of one hash are told apart`() {
        struct Alike: Hashable {
            let number: Int
            func hash(into hasher: inout Hasher) { hasher.combine(0) }
        }
        let table = TallyTable<Alike>(countMax: 100)
        for round in 0..<2 {
            for number in 0..<100 {
                table.tally(of: Alike(number: number)) { _ in round == 0 }?.add(.ok, after: .zero)
            }
        }
        #expect(table.all.count == 100)
        #expect(table.all.allSatisfy { $0.tally.count(of: .ok) == 2 })
    }
}
