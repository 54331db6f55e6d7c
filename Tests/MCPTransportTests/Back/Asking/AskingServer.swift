import HTTPWire
import JSONSlice
import MCPModel
import Synchronization

@testable import MCPTransport

/// Legacy servers that ask their client in the middle of a call.
enum AskingServer {
    /// Opens what it sealed itself; stands in for the node's AES-GCM.
    static let seal = StateSeal(
        seal: { content, context in content + context.map { $0 ^ 0x5A } },
        open: { sealed, context in
            let count = sealed.count - context.count
            guard count >= 0, sealed.dropFirst(count).elementsEqual(context.map { $0 ^ 0x5A }) else {
                return nil
            }
            return Array(sealed.prefix(count))
        })

    static let form: JSON = ["elicitation": ["form": [:]]]
    static let everything: JSON = ["elicitation": ["form": [:], "url": [:]], "sampling": [:], "roots": [:]]

    /// A child on Python's standard library. It tells on its standard error what it is told.
    ///
    /// A tool that asks is done when its questions are answered, with whatever; that is before it hears that nobody waits for it, or just
    /// after. `… for ever` asks again and again, and is done only when it hears that.
    static func stdio(revision: ProtocolRevision = .v2025_11_25) -> BackendTarget {
        .stdio(command: "python3", args: ["-c", script, revision.rawValue], env: [], directory: nil)
    }

    private static let script = #"""
        import json, os, sys
        revision, capabilities, waiting, calls, last = sys.argv[1], {}, {}, {}, 0
        def say(message):
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n"); sys.stdout.flush()
        def tell(text):
            sys.stderr.write(text + "\n"); sys.stderr.flush()
        def finish(call, value):
            say({"id": call, "result": {"content": [{"type": "text", "text": json.dumps(value)}]}})
        def ask(call, method, params=None):
            global last
            last += 1
            waiting["q%d" % last] = call
            say({"id": "q%d" % last, "method": method, **({"params": params} if params else {})})
        FORM = {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}
        URL = {"mode": "url", "message": "Visit", "url": "https://example.org/", "elicitationId": "e1"}
        for line in sys.stdin:
            m = json.loads(line)
            method, i = m.get("method"), m.get("id")
            if method == "initialize":
                capabilities = m["params"]["capabilities"]
                tell("capabilities " + json.dumps(capabilities))
                say({"id": i, "result": {"protocolVersion": revision, "capabilities": {"tools": {}},
                    "serverInfo": {"name": "asker", "version": "1"}}})
            elif method == "tools/list":
                say({"id": i, "result": {"tools": [{"name": "confirm", "inputSchema": {"type": "object"}}]}})
            elif method == "tools/call":
                name = m["params"]["name"]
                rounds = 2 if name == "twice" else 1
                if name.endswith(" for ever"): name, rounds = name.removesuffix(" for ever"), 10**9
                calls[i] = {"rounds": rounds, "answers": [], "open": 1}
                if name in ("confirm", "another", "twice"): ask(i, "elicitation/create", FORM); tell("asked")
                elif name == "url": ask(i, "elicitation/create", URL)
                elif name == "impatient":
                    ask(i, "elicitation/create", FORM)
                    finish(i, "went on") if m["params"]["arguments"].get("at") == "once" else None
                elif name == "many":
                    calls[i]["open"] = 3
                    ask(i, "elicitation/create", FORM); ask(i, "roots/list")
                    ask(i, "sampling/createMessage", {"messages": [], "maxTokens": 1})
                elif name == "who": finish(i, {"pid": os.getpid(), "capabilities": capabilities})
                elif name == "silent": tell("silent runs")
                elif name == "when told": later = i; tell("when told runs")
                elif name == "tell": finish(later, "told"); finish(i, "done")
                elif name == "crash": ask(i, "elicitation/create", FORM)
            elif method == "notifications/cancelled":
                tell("cancelled"); calls.pop(m["params"]["requestId"], None)
            elif method is None and i in waiting:
                tell("answer " + json.dumps(m.get("result", m.get("error", {}).get("code"))))
                call = waiting.pop(i)
                c = calls.get(call)
                if c is None: continue
                c["answers"].append(m.get("result", m.get("error")))
                c["open"] -= 1
                if c["open"]: continue
                c["rounds"] -= 1
                if c["rounds"]: c["open"] = 1; ask(call, "elicitation/create", FORM)
                else: finish(call, c["answers"])
            elif method is not None and i is not None:
                say({"id": i, "error": {"code": -32601, "message": "no " + method}})
        """#

    /// A server of 2025-06-18 over Streamable HTTP: `tools/call` asks on the stream of its own answer, or on that of
    /// the session, if somebody listens there.
    static func withHTTP(
        onOwnStream: Bool = false, _ body: (BackendTarget) async throws -> Void
    ) async throws {
        let state = Mutex((sessions: 0, open: [String: (HTTPExchange, JSON)]()))
        let streams = Mutex<[String: HTTPExchange]>([:])
        let reply: @Sendable (HTTPExchange, JSON, JSON, String?) -> Void = { exchange, id, result, session in
            exchange.respond(
                status: 200,
                headers: [("Content-Type", "application/json")]
                    + (session.map { [("Mcp-Session-Id", $0)] } ?? []),
                body: Array((["jsonrpc": "2.0", "id": id, "result": result] as JSON).bytes))
        }
        let event: @Sendable (JSON) -> [UInt8] = { Array("data: ".utf8) + $0.bytes + Array("\n\n".utf8) }
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: FrontRig.loops
        ) { exchange in
            let session = exchange.headers.first("mcp-session-id") ?? ""
            guard let message = try? JSON(validating: exchange.body) else {
                guard onOwnStream, exchange.method == "GET" else {
                    return exchange.respond(status: exchange.method == "DELETE" ? 200 : 405)
                }
                exchange.startStream(status: 200, headers: [("Content-Type", "text/event-stream")])
                streams.withLock { $0[session] = exchange }
                return
            }
            let id = message["id"] ?? .null
            switch message["method"]?.string {
            case "initialize":
                let number = state.withLock { state in
                    state.sessions += 1
                    return state.sessions
                }
                let capabilities = message["params"]?["capabilities"] ?? .null
                reply(
                    exchange, id,
                    [
                        "protocolVersion": "2025-06-18", "capabilities": ["tools": [:]],
                        "serverInfo": ["name": "asker", "version": "1", "title": .string(capabilities.text)],
                    ], "s\(number)")
            case "tools/list": reply(exchange, id, ["tools": []], nil)
            case "tools/call":
                let question = "q\(id.text)"
                state.withLock { $0.open[question] = (exchange, id) }
                exchange.startStream(status: 200, headers: [("Content-Type", "text/event-stream")])
                let asking = onOwnStream ? streams.withLock({ $0[session] }) : .some(exchange)
                asking?.write(
                    event([
                        "jsonrpc": "2.0", "id": .string(question), "method": "elicitation/create",
                        "params": ["message": message["params"]?["arguments"]?["message"] ?? .null],
                    ]))
            case nil:
                let call = state.withLock { $0.open.removeValue(forKey: message["id"]?.string ?? "") }
                exchange.respond(status: 202)
                guard let call else { return }
                let text = JSON.string((message["result"] ?? message["error"] ?? .null).text)
                call.0.write(
                    event([
                        "jsonrpc": "2.0", "id": call.1,
                        "result": ["content": [["type": "text", "text": text]]],
                    ]))
                call.0.end()
            case "notifications/initialized", "notifications/cancelled": exchange.respond(status: 202)
            default:
                exchange.respond(
                    status: 200, headers: [("Content-Type", "application/json")],
                    body: Array(
                        (["jsonrpc": "2.0", "id": id, "error": ["code": -32601, "message": "no"]] as JSON)
                            .bytes))
            }
        }
        do {
            try await body(.http(url: "http://127.0.0.1:\(listener.address.port)/mcp", headers: []))
        } catch {
            await listener.close()
            throw error
        }
        await listener.close()
    }
}
