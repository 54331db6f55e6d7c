import Catalog
import Composition
import JSONSlice
import MCPModel
import Search
import Vault

extension Benchmark {
    static func all() throws -> [Benchmark] {
        try slicing() + calls() + views() + sealing() + searching()
    }

    // MARK: JSON slicing

    private static func slicing() throws -> [Benchmark] {
        let call = Samples.call
        let result = Samples.list(tools: 50)
        let list = try JSON(validating: result)
        let params = try JSON(validating: call)["params"] ?? .emptyObject
        return [
            Benchmark(name: "JSON: check a call of \(call.count) bytes") {
                try JSON(validating: call).bytes.count
            },
            Benchmark(name: "JSON: check a list of \(result.count / 1024) KiB") {
                try JSON(validating: result).bytes.count
            },
            Benchmark(name: "JSON: the name of the last of 50 tools") {
                list["result"]?["tools"]?[49]?["name"]?.string?.utf8.count ?? 0
            },
            Benchmark(name: "JSON: another name in a call's params") {
                params.setting("name", to: "another").bytes.count
            },
        ]
    }

    // MARK: A call's messages

    private static func calls() throws -> [Benchmark] {
        let (call, result) = (Samples.call, Samples.result)
        let name = JSON.string("small")
        guard let id = RPCID(.number(7)) else { return [] }
        let info = JSON.object([("name", "martlet"), ("version", "1")])
        let (callRead, resultRead) = (try JSON(validating: call), try JSON(validating: result))
        guard let frame = PlainToolCall(callRead).flatMap({ CallFrame(callRead, $0) }),
            let answers = AnswerFrame(resultRead)
        else { return [] }
        return [
            Benchmark(name: "MCP: a plain call, read and written for its server") {
                guard let plain = PlainToolCall(try JSON(validating: call)) else { return 0 }
                return plain.message(number: 7, name: name, begunBy: CallID(high: 1, low: 2)).count
            },
            Benchmark(name: "MCP: the same call, known by its frame") {
                guard let plain = frame.call(in: call, limits: .standard) else { return 0 }
                return plain.message(number: 7, name: name, begunBy: CallID(high: 1, low: 2)).count
            },
            Benchmark(name: "MCP: a plain answer of 200 bytes, read and written for its client") {
                guard let plain = PlainToolAnswer(try JSON(validating: result), to: 1) else { return 0 }
                return plain.pieces(id: id, serverInfo: info).reduce(0) { $0 + $1.count }
            },
            Benchmark(name: "MCP: the same answer, known by its frame") {
                guard let plain = answers.answer(in: result, to: 1, limits: .standard) else { return 0 }
                return plain.pieces(id: id, serverInfo: info).reduce(0) { $0 + $1.count }
            },
        ]
    }

    // MARK: Binding lookup and merge

    private static func views() throws -> [Benchmark] {
        // No more than a processor's own caches hold: beyond, it is they that would be measured.
        let catalog = try Samples.catalog(servers: 50, tools: 20)
        let view = EndpointView(of: .all, in: catalog)
        let names = view.list(.tool).map(\.name)
        var next = 0
        return [
            Benchmark(name: "binding of a name among \(names.count) tools") {
                next = (next &+ 7919) % names.count
                return view.binding(.tool, named: names[next])?.entry.utf8.count ?? 0
            },
            Benchmark(name: "merge of 50 servers of 20 tools into one view") {
                EndpointView(of: .all, in: catalog).list(.tool).count
            },
            Benchmark(name: "whether that view still stands") { view.stands(in: catalog) ? 1 : 0 },
        ]
    }

    // MARK: Seal and open

    private static func sealing() throws -> [Benchmark] {
        let vault = try SampleVault()
        let record = try vault.sealed()
        return [
            Benchmark(name: "vault: seal 40 bytes") { try vault.sealed().bytes.count },
            Benchmark(name: "vault: open 40 bytes") { try vault.opened(record) },
        ]
    }

    // MARK: Search

    private static func searching() throws -> [Benchmark] {
        let model = Model.compiledIn
        var index = SearchIndex()
        for number in 0..<1000 {
            let document = Samples.document(number)
            _ = index.insert(document, vector: model.vector(of: document.textOfMeaning))
        }
        let question = "find the customer's last invoice"
        let vector = model.vector(of: question)
        let full = index
        let hundred = (0..<100).map { number in
            let document = Samples.document(number)
            return (document, model.vector(of: document.textOfMeaning))
        }
        return [
            Benchmark(name: "search: the meaning of a question") { model.vector(of: question).count },
            Benchmark(name: "search: ten of 1,000 tools") {
                full.search(question, vector: vector, limit: 10).hits.count
            },
            Benchmark(name: "search: 100 tools taken into an index") {
                var fresh = SearchIndex()
                for (document, meaning) in hundred { _ = fresh.insert(document, vector: meaning) }
                return fresh.count
            },
        ]
    }
}
