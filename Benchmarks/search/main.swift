import Foundation

// How well and how fast this product's own search finds tools: quality over Fixtures/search, time and memory over 10,000 and 100,000
// tools. Built together with Sources/Search into one module by `Benchmarks/search/run`, so that it measures what the product runs.

let root = CommandLine.arguments[1]

struct Row {
    var id: String
    var document: SearchDocument
}

func rows(_ path: String) -> [[String: Any]] {
    guard let text = try? String(contentsOfFile: "\(root)/Fixtures/search/\(path)", encoding: .utf8) else {
        return []
    }
    return text.split(separator: "\n").compactMap {
        try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
}

func tools(_ set: String) -> [Row] {
    rows("\(set)/tools.jsonl").map { row in
        let server = row["server"] as? String ?? ""
        return Row(
            id: row["id"] as? String ?? "",
            document: SearchDocument(
                server: server == "plugins" ? "" : server, name: row["name"] as? String ?? "",
                description: row["description"] as? String ?? "", parameters: row["params"] as? [String] ?? []
            ))
    }
}

/// Processor time of this thread in milliseconds: other programs on the machine do not count.
func milliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
}

/// Anonymous memory in use, in MB.
func memory() -> Double {
    let text = (try? String(contentsOfFile: "/proc/self/smaps_rollup", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("Anonymous:") }
    return line.flatMap { Double($0.split(separator: " ")[1]) }.map { $0 / 1024 } ?? 0
}

func quantile(_ values: [Double], _ share: Double) -> Double {
    let sorted = values.sorted()
    return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
}

func figure(_ value: Double, _ places: Int = 2) -> String { String(format: "%.\(places)f", value) }

let sets = ["mcp-small", "metatool", "seal", "toolbench", "mcp-wild"]

if CommandLine.arguments.count > 2, let count = Int(CommandLine.arguments[2]) {
    measure(count)
    exit(0)
}

// MARK: The model

let beforeModel = memory()
let start = milliseconds()
_ = Model.compiledIn.vector(of: "one")
let loading = milliseconds() - start
let modelMemory = memory() - beforeModel

// MARK: Quality

/// nDCG@10 with binary gains over the questions of a file, and how many tools and questions there are.
@MainActor func quality(
    _ set: String, asking questions: String
) -> (tools: Int, questions: Int, figure: Double) {
    var index = SearchIndex()
    var numbers: [String: Int] = [:]
    let tools = tools(set)
    for row in tools {
        numbers[row.id] = index.insert(
            row.document, vector: Model.compiledIn.vector(of: row.document.textOfMeaning))
    }
    var sum = 0.0
    let asked = rows("\(set)/\(questions).jsonl")
    for row in asked {
        let query = row["query"] as? String ?? ""
        let relevant = Set((row["relevant"] as? [String] ?? []).compactMap { numbers[$0] })
        let hits = index.search(query, vector: Model.compiledIn.vector(of: query), limit: 10).hits
        let found = hits.enumerated().reduce(0.0) {
            $0 + (relevant.contains($1.element.number) ? 1 / log2(Double($1.offset + 2)) : 0)
        }
        let ideal = (0..<min(relevant.count, 10)).reduce(0.0) { $0 + 1 / log2(Double($1 + 2)) }
        sum += ideal > 0 ? found / ideal : 0
    }
    return (tools.count, asked.count, sum / Double(asked.count))
}

print("| set | tools | queries | nDCG@10 | reference |")
print("| --- | --- | --- | --- | --- |")
var figures: [Double] = []
for (set, reference) in zip(sets, [0.851, 0.672, 0.885, 0.754, 0.516]) {
    let (tools, asked, ndcg) = quality(set, asking: "queries")
    figures.append(ndcg)
    print("| \(set) | \(tools) | \(asked) | \(figure(ndcg, 3)) | \(figure(reference, 3)) |")
}
print("| mean | | | \(figure(figures.reduce(0, +) / Double(figures.count), 3)) | ≥ 0.73 |")
print("")
print("| other questions and sets, on which nothing was tuned | tools | queries | nDCG@10 | goal |")
print("| --- | --- | --- | --- | --- |")
var others: [Double] = []
for (name, set, questions) in [
    ("metatool, other questions", "metatool", "queries-other"),
    ("metatool, questions for two tools", "metatool", "queries-multi"),
    ("seal, other fields", "seal", "queries-out"), ("toolbench G2", "toolbench-g2", "queries"),
    ("toolbench G3", "toolbench-g3", "queries"),
] {
    let (tools, asked, ndcg) = quality(set, asking: questions)
    others.append(ndcg)
    print("| \(name) | \(tools) | \(asked) | \(figure(ndcg, 3)) | |")
}
print("| mean | | | \(figure(others.reduce(0, +) / Double(others.count), 3)) | ≥ 0.625 |")
print("")

// MARK: Time and memory

/// In a process of its own, so that what others left behind is not reused: p50 and p99 of a search and of adding, and memory.
@MainActor func measure(_ count: Int) {
    let pool = sets.flatMap { tools($0).map(\.document) }
    let queries = sets.flatMap { rows("\($0)/queries.jsonl").compactMap { $0["query"] as? String } }
    _ = Model.compiledIn.vector(of: "one")
    let before = memory()
    var index = SearchIndex()
    // As the product keeps them, to see what changed.
    var documents: [SearchDocument] = []
    var adding: [Double] = []
    for number in 0..<count {
        var document = pool[number % pool.count]
        if number >= pool.count { document.name += "_\(number / pool.count)" }
        document.description = String(decoding: Array(document.description.utf8), as: UTF8.self)
        documents.append(document)
        let start = milliseconds()
        _ = index.insert(document, vector: Model.compiledIn.vector(of: document.textOfMeaning))
        adding.append(milliseconds() - start)
    }
    let held = memory() - before
    var searching: [Double] = []
    for number in 0..<2_000 {
        let query = queries[number * 7919 % queries.count]
        let start = milliseconds()
        _ = index.search(query, vector: Model.compiledIn.vector(of: query), limit: 10)
        searching.append(milliseconds() - start)
    }
    precondition(documents.count == index.count)
    print(
        [
            "\(figure(quantile(searching, 0.5))) ms", "\(figure(quantile(searching, 0.99))) ms",
            "\(figure(quantile(adding, 0.5), 3)) ms", "\(figure(quantile(adding, 0.99), 3)) ms",
            "\(figure(held, 0)) MB",
        ].joined(separator: ";"))
}

@MainActor func cells(_ count: Int) throws -> [Substring] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
    process.arguments = [root, "\(count)"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: output, as: UTF8.self).dropLast().split(separator: ";")
}

print("| what | goal | 10,000 tools | 100,000 tools |")
print("| --- | --- | --- | --- |")
let (few, many) = (try cells(10_000), try cells(100_000))
let goals = [
    ("search, p50", ""), ("search, p99", "≤ 1 ms; ≤ 5 ms"), ("a tool more, p50", ""),
    ("a tool more, p99", "≤ 1 ms"),
    ("memory, the tools' texts included", "≤ 100 MB at 100,000"),
]
for (place, (what, goal)) in goals.enumerated() {
    print("| \(what) | \(goal) | \(few[place]) | \(many[place]) |")
}
print("")
print(
    "The model at first use: \(figure(loading)) ms (goal ≤ 50 ms), \(figure(modelMemory, 1)) MB of its own; its 8 MB table is read from the binary as it is needed."
)
