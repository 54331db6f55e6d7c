import Glibc
import HTTPWire
import JSONSlice
import MCPModel
import MartletTestKit
import NIOCore
import Synchronization
import Testing

@testable import MCPTransport

struct PipeAndServiceTests {
    @Test func `lines are read from one who does not read himself`() async throws {
        var (toUs, fromUs) = ([CInt](repeating: 0, count: 2), [CInt](repeating: 0, count: 2))
        try #require(Glibc.pipe(&toUs) == 0 && Glibc.pipe(&fromUs) == 0)
        defer {
            close(toUs[1])
            close(fromUs[0])
        }
        let (lines, heard) = AsyncStream.makeStream(of: LineSplitter.Line.self)
        let pipe = try await LinePipe.open(
            input: toUs[0], output: fromUs[1], on: FrontRig.loops, lineBytesMax: 1_000,
            backlogMax: 64 * 1024 * 1024, readsOn: .always, onLine: { heard.yield($0) },
            onEnd: { heard.finish() })
        // Far more than the pipe holds, and nobody reads it.
        pipe.write([UInt8](repeating: UInt8(ascii: "x"), count: 8 * 1024 * 1024))
        try await pipe.loop.submit {}.get()
        #expect(write(toUs[1], "hello\n", 6) == 6)
        for await line in lines {
            guard case .line(let bytes) = line else { continue }
            #expect(String(decoding: bytes, as: UTF8.self) == "hello")
            break
        }
        pipe.close()
    }

    @Test func `a watch of a backend's lists ends when it is told to`() async throws {
        let service = BackendService(timeout: .seconds(1))
        var listing = BackendListing(
            era: .modern, revision: .newestModern, serverInfo: [:], capabilities: [:], entries: [])
        service.take(.listed(listing))
        let told = Mutex<[ListChange]>([])
        let watch = service.service { _, _ in .finished }.watch(.all, .anonymous) { change in
            told.withLock { $0.append(change) }
        }
        // Only what has changed is told of.
        service.take(.listed(listing))
        #expect(told.withLock { $0 } == [])
        listing.entries = [(.tools, ["name": "a"]), (.resourceTemplates, ["uriTemplate": "b://{c}"])]
        service.take(.listed(listing))
        #expect(told.withLock { $0 } == [.tools, .resources])
        watch.cancel()
        listing.entries = []
        service.take(.listed(listing))
        #expect(told.withLock { $0 } == [.tools, .resources])
    }
}

struct LineSplitterTests {
    @Test(arguments: 1...9)
    func `lines come out the same however the bytes are cut`(size: Int) {
        var splitter = LineSplitter(bytesMax: 8)
        let bytes = Array("one\n\r\ntwo\r\n\n123456789\nlast".utf8)
        var lines: [LineSplitter.Line] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            lines += splitter.take(bytes[start..<min(start + size, bytes.count)])
        }
        #expect(
            lines == [
                .line(Array("one".utf8)), .line(Array("two".utf8)), .tooLong(EnvelopeSkim("3456789".utf8)),
            ])
        #expect(splitter.finish() == .line(Array("last".utf8)))
    }
}

extension LineSplitterTests {
    @Test(arguments: [1, 7, 64, 10_000])
    func `an id that stands behind all that is left out is read`(size: Int) {
        let giant =
            "{\"jsonrpc\":\"2.0\",\"result\":{\"x\":\"" + String(repeating: "x", count: 3_000)
            + "\"},\"id\":3}\n"
        let bytes = Array((giant + "next\n").utf8)
        var splitter = LineSplitter(bytesMax: 100)
        var lines: [LineSplitter.Line] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            lines += splitter.take(bytes[start..<min(start + size, bytes.count)])
        }
        guard lines.count == 2, case .tooLong(let skim) = lines[0] else {
            Issue.record("\(lines.count)")
            return
        }
        #expect(skim.answers == RPCID(3))
        #expect(lines[1] == .line(Array("next".utf8)))
    }

    @Test(arguments: UInt64(1)...200)
    func `any split of any lines gives the same`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let words = [
            "{", "}", "\"id\"", ":", "7", ",", "\"result\"", "\n", "\r\n", "\r", "é", "x", "[", "\"",
        ]
        let bytes = Array((0..<120).map { _ in words.randomElement(using: &random) ?? "" }.joined().utf8)
        let bytesMax = Int.random(in: 1...40, using: &random)
        let read = { (pieces: [ArraySlice<UInt8>]) -> [LineSplitter.Line] in
            var splitter = LineSplitter(bytesMax: bytesMax)
            let lines = pieces.flatMap { splitter.take($0) }
            return lines + [splitter.finish()].compactMap { $0 }
        }
        // How much of a line that is left out was seen when it was told of depends on the pieces; what it is does not.
        let told = { (lines: [LineSplitter.Line]) -> [String] in
            lines.map { line in
                switch line {
                case .line(let bytes): String(decoding: bytes, as: UTF8.self)
                case .tooLong(let skim): "too long, id \(skim.id?.description ?? "none"), \(skim.isDecided)"
                }
            }
        }
        let whole = told(read([bytes[...]]))
        for _ in 0..<10 { #expect(told(read(random.cut(bytes))) == whole) }
        #expect(told(read(bytes.indices.map { bytes[$0...$0] })) == whole)
    }
}

struct CallPatienceTests {
    @Test func `progress moves the end of silence, and never the end of all`() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var patience = CallPatience(silence: .seconds(60), overall: .seconds(100), from: start)
        #expect(patience.verdict(at: start) == .wait(until: start + .seconds(60)))
        #expect(patience.verdict(at: start + .seconds(60)) == .silent)
        patience.progressed(at: start + .seconds(30))
        #expect(patience.verdict(at: start + .seconds(60)) == .wait(until: start + .seconds(90)))
        patience.progressed(at: start + .seconds(99))
        #expect(patience.verdict(at: start + .seconds(99)) == .wait(until: start + .seconds(100)))
        #expect(patience.verdict(at: start + .seconds(100)) == .overall)
    }
}

struct RouteTests {
    @Test(arguments: [
        ("/mcp", Route.streamable(.all)), ("/mcp/", .streamable(.all)),
        ("/servers/a/mcp", .streamable(.server("a"))), ("/servers/n--a/mcp", .streamable(.server("n--a"))),
        ("/servers/a/sse", .events(.server("a"))), ("/healthz", .health), ("/readyz", .ready),
    ])
    func `paths lead where the product says`(path: String, route: Route) {
        #expect(Route(path: path) == route)
    }

    @Test func `a mode goes with each endpoint and with nothing else`() throws {
        for (path, place) in [("/mcp", EndpointName.Place.all), ("/servers/a/mcp", .server("a"))] {
            var route = try #require(Route(path: path))
            route.show(as: .search)
            #expect(route == .streamable(EndpointName(place, mode: .search)))
        }
        var health = Route.health
        health.show(as: .search)
        #expect(health == .health)
    }

    @Test(arguments: ["/", "", "/servers/mcp", "/servers/a/b/mcp", "/mcp/x", "/other"])
    func `other paths lead nowhere`(path: String) { #expect(Route(path: path) == nil) }
}

struct AcceptedTypesTests {
    @Test(arguments: [
        (nil, true, true), ("application/json", true, false),
        ("Text/Event-Stream;q=0.5, application/json", true, true), ("*/*", true, true),
        ("text/html", false, false),
    ])
    func `accept decides what may be answered`(value: String?, json: Bool, events: Bool) {
        let accepted = AcceptedTypes(HTTPHeaders(value.map { [("accept", $0)] } ?? []))
        #expect(accepted.json == json && accepted.events == events)
    }
}

struct SessionTableTests {
    private let mine = SessionScope(endpoint: .all, caller: .anonymous)

    @Test func `the session silent longest makes room, unless it is busy`() throws {
        var table = SessionTable<Int>(countMax: 2, idleMax: .seconds(10))
        let start = ContinuousClock.now
        _ = table.insert(1, id: "a", scope: mine, at: start) { _ in false }
        _ = table.insert(2, id: "b", scope: mine, at: start + .seconds(1)) { _ in false }
        #expect(table.insert(3, id: "c", scope: mine, at: start + .seconds(2)) { $0 == 1 } == [2])
        #expect(table.insert(4, id: "d", scope: mine, at: start + .seconds(3)) { _ in true } == nil)
        #expect(table.use("a", scope: mine, at: start + .seconds(9)) == 1)
        #expect(table.expire(at: start + .seconds(15)) { _ in false } == [3])
        #expect(table.count == 1)
    }

    @Test func `another's session is as good as none`() {
        var table = SessionTable<Int>(countMax: 2, idleMax: .seconds(10))
        _ = table.insert(1, id: "a", scope: mine, at: .now) { _ in false }
        let other = SessionScope(endpoint: .all, caller: Caller(issuer: "key", subject: "x"))
        #expect(table.use("a", scope: other, at: .now) == nil)
        #expect(table.remove("a", scope: other) == nil)
        #expect(table.count == 1)
    }
}

struct InputRoundsTests {
    private let both: JSON = ["elicitation": ["form": [:], "url": [:]], "roots": [:]]

    private func rounds(_ capabilities: JSON, _ revision: ProtocolRevision = .v2025_11_25) -> InputRounds {
        InputRounds(params: ["name": "t"], revision: revision, capabilities: capabilities)
    }

    private let wants: JSON = [
        "resultType": "input_required", "requestState": "s-1",
        "inputRequests": [
            "form": ["method": "elicitation/create", "params": ["mode": "form", "message": "m"]],
            "roots": ["method": "roots/list"],
        ],
    ]

    @Test func `all answers are gathered before the call is issued again`() throws {
        var rounds = rounds(both)
        var number = 10
        guard
            case .ask(let requests) = rounds.take(
                result: wants,
                nextID: {
                    number += 1
                    return number
                })
        else { throw InputRoundsFailure() }
        #expect(requests.map(\.method) == ["elicitation/create", "roots/list"])
        guard case .wait = rounds.answer(requests[1].id, result: ["roots": []]) else {
            throw InputRoundsFailure()
        }
        guard case .reissue(let params) = rounds.answer(requests[0].id, result: ["action": "decline"]) else {
            throw InputRoundsFailure()
        }
        #expect(params["requestState"]?.string == "s-1")
        #expect(params["inputResponses"]?["form"]?["action"]?.string == "decline")
        #expect(params["inputResponses"]?["roots"]?["roots"] == [])
        guard case .finish = rounds.take(result: ["resultType": "complete"], nextID: { 0 }) else {
            throw InputRoundsFailure()
        }
    }

    @Test func `state alone means: at once again, but not for ever`() throws {
        var rounds = rounds(both)
        for _ in 0..<InputRounds.roundsMax {
            guard
                case .reissue(let params) = rounds.take(
                    result: ["resultType": "input_required", "requestState": "x"], nextID: { 0 })
            else { throw InputRoundsFailure() }
            #expect(params["inputResponses"] == nil)
        }
        guard
            case .fail = rounds.take(
                result: ["resultType": "input_required", "requestState": "x"], nextID: { 0 })
        else { throw InputRoundsFailure() }
    }

    @Test func `a refused elicitation is a cancelled one, a refused sampling ends the call`() throws {
        var rounds = rounds(both)
        var number = 0
        let next = {
            number += 1
            return number
        }
        guard case .ask(let requests) = rounds.take(result: wants, nextID: next) else {
            throw InputRoundsFailure()
        }
        guard case .wait = rounds.refuse(requests[0].id, error: ["message": "busy"]) else {
            throw InputRoundsFailure()
        }
        guard case .fail(let error) = rounds.refuse(requests[1].id, error: ["message": "busy"]) else {
            throw InputRoundsFailure()
        }
        #expect(error.code == -32603)
        #expect(rounds.openIDs.isEmpty)
    }

    @Test(arguments: [
        (#"{}"#, #"{"elicitation":{"form":{}},"roots":{}}"#),
        (#"{"roots":{}}"#, #"{"elicitation":{"form":{}}}"#),
        (#"{"elicitation":{},"roots":{}}"#, nil),
        (#"{"elicitation":{"url":{}},"roots":{}}"#, #"{"elicitation":{"form":{}}}"#),
    ])
    func `what a client did not declare is missing`(declared: String, missing: String?) throws {
        #expect(InputNeeds.missing(in: wants, from: try JSON(validating: declared))?.text == missing)
    }
}

/// The step was another than the test expects.
private struct InputRoundsFailure: Error {}
