import MCPModel

@testable import MCPTransport

/// A child of one era whose tools answer as they are called; on Python's standard library.
enum ChildServer {
    /// What a tool may answer.
    enum Manner: String, CaseIterable, Sendable {
        case text, failed, link, spaced, large, log
        case untyped, error, vendor, question, garbage, unreadable, tooLong
        /// Ends with the second call.
        case death

        /// Whether the short way carries it to the end.
        func isPlain(in era: Era) -> Bool {
            switch self {
            case .text, .failed, .link, .spaced, .large, .log, .question: true
            // Of a server of an older revision, this is what every result is like.
            case .untyped: era == .legacy
            case .error, .vendor, .garbage, .unreadable, .tooLong, .death: false
            }
        }
    }

    static func target(_ era: Era) -> BackendTarget {
        .stdio(command: "python3", args: ["-c", script, era.rawValue], env: [], directory: nil)
    }

    /// Bounds that `tooLong` is over and `large` is not, which is more than is read on a loop.
    static var limits: BackendLimits {
        var limits = BackendRig.limits
        limits.message.bytesMax = 400_000
        return limits
    }

    private static let script = #"""
        import json, sys
        modern = sys.argv[1] == "modern"
        complete = {"resultType": "complete"} if modern else {}
        cache = {"ttlMs": 3600000, "cacheScope": "public"} if modern else {}
        def write(text): sys.stdout.write(text + "\n"); sys.stdout.flush()
        def say(message): write(json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":"), ensure_ascii=False))
        def text(value): return {"content": [{"type": "text", "text": value}]}
        heard = []
        for line in sys.stdin:
            m = json.loads(line)
            method, i, p = m.get("method"), m.get("id"), m.get("params", {})
            if method == "notifications/cancelled": sys.stderr.write("cancelled %s\n" % p["requestId"]); sys.stderr.flush()
            elif method == "server/discover" and modern:
                say({"id": i, "result": {**complete, **cache, "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}})
            elif method == "initialize" and not modern:
                say({"id": i, "result": {"protocolVersion": "2025-11-25", "serverInfo": {"name": "c", "version": "1"}, "capabilities": {"tools": {}}}})
            elif method == "tools/list": say({"id": i, "result": {**complete, **cache, "tools": []}})
            elif method == "tools/call":
                tool = p["name"]
                meta = p.get("_meta", {})
                if "traceparent" in meta: meta["traceparent"] = "t"
                heard.append(json.dumps(p, sort_keys=True))
                if tool == "text": say({"id": i, "result": {**complete, **text("hé")}})
                elif tool == "failed": say({"id": i, "result": {**complete, "content": [], "isError": True}})
                elif tool == "link": say({"id": i, "result": {**complete, "content": [{"type": "resource_link", "uri": "a:b", "name": "n"}]}})
                elif tool == "spaced": write('{ "result" : %s , "id" : %d , "jsonrpc" : "2.0" }' % (json.dumps({**text("x"), **complete}), i))
                elif tool == "large": say({"id": i, "result": {**complete, **text("long " * 60000)}})
                elif tool == "log":
                    say({"method": "notifications/message", "params": {"level": "info", "data": "x"}})
                    say({"id": i, "result": {**complete, **text("logged")}})
                elif tool == "untyped": say({"id": i, "result": text("x")})
                elif tool == "error": say({"id": i, "error": {"code": -32000, "message": "no", "data": [1]}})
                elif tool == "vendor":
                    say({"method": "notifications/vendor", "params": {"a": 1}})
                    say({"id": i, "result": {**complete, **text("told")}})
                elif tool == "question":
                    say({"id": "q", "method": "roots/list"})
                    reply = json.loads(sys.stdin.readline())
                    say({"id": i, "result": {**complete, **text(json.dumps(reply["error"], sort_keys=True))}})
                elif tool == "garbage": say({"id": i, "nonsense": 1})
                elif tool == "unreadable": write('{"jsonrpc":"2.0","id":%d,"result":{"a":tru}}' % i)
                elif tool == "tooLong": say({"id": i, "result": {**complete, **text("long " * 100000)}})
                elif tool == "death":
                    if len(heard) > 1: sys.exit(3)
                    say({"id": i, "result": {**complete, **text("not yet")}})
                elif tool == "once":
                    if len(heard) == 1: say({"id": i, "result": {**complete, **text("once")}})
                elif tool == "heard": say({"id": i, "result": {**complete, **text("\n".join(heard))}})
            elif i is not None: say({"id": i, "error": {"code": -32601, "message": "unknown"}})
        """#
}
