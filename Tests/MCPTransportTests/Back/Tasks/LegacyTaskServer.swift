import MCPModel

@testable import MCPTransport

/// A server of 2025-11-25 with tasks, as a child on Python's standard library; it tells on its standard error what it is
/// told.
///
/// | tool | task | what it does |
/// | --- | --- | --- |
/// | `job` | optional | ends when `end` says so |
/// | `must` | required | ends at once if its arguments say with what, else as `job` |
/// | `ask` | required | asks for a form, and ends with the answer |
/// | `slow` | required | is called, and names its task when it hears anything else |
/// | `quick` | optional | answers without making a task |
/// | `plain` | – | answers, and says what no revision knows, as often as its arguments say |
/// | `move` | – | tells how a task is, or asks in its name |
/// | `end` | – | ends a task with a text, with an error, or the whole server |
enum LegacyTaskServer {
    static let target = BackendTarget.stdio(
        command: "python3", args: ["-c", script], env: [], directory: nil)

    private static let script = #"""
        import json, os, sys
        tasks, waiting, asked, last = {}, {}, {}, 0
        STAMP = "2025-11-25T10:00:00Z"
        def say(message):
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n"); sys.stdout.flush()
        def tell(text):
            sys.stderr.write(text + "\n"); sys.stderr.flush()
        def text(value): return {"content": [{"type": "text", "text": value}]}
        def shown(t): return {k: t[k] for k in ("taskId", "status", "createdAt", "lastUpdatedAt", "ttl", "pollInterval")}
        def settle(t, status, end):
            t["status"] = status; t["end"] = end
            for i in waiting.pop(t["taskId"], []): say({"id": i, **end})
        def related(t): return {"io.modelcontextprotocol/related-task": {"taskId": t["taskId"]}}
        def tool(name, support=None):
            return {"name": name, "inputSchema": {"type": "object"}, **({"execution": {"taskSupport": support}} if support else {})}
        late = []
        for line in sys.stdin:
            m = json.loads(line)
            method, i, p = m.get("method"), m.get("id"), m.get("params", {})
            if method == "notifications/cancelled": tell("told to cancel")
            while late: say(late.pop())
            if method == "initialize":
                say({"id": i, "result": {"protocolVersion": "2025-11-25", "serverInfo": {"name": "t", "version": "1"},
                    "capabilities": {"tools": {}, "tasks": {"cancel": {}, "requests": {"tools": {"call": {}}}}}}})
            elif method == "tools/list":
                say({"id": i, "result": {"tools": [tool("job", "optional"), tool("must", "required"), tool("ask", "required"),
                    tool("slow", "required"), tool("quick", "optional"), tool("plain"), tool("end")]}})
            elif method == "tools/call":
                name, a = p["name"], p.get("arguments", {})
                tell("call %s task=%s" % (name, json.dumps(p.get("task"))))
                if name == "move":
                    t = tasks[a["id"]]
                    if a.get("ask"):
                        asked["q" + t["taskId"]] = t
                        say({"id": "q" + t["taskId"], "method": "elicitation/create", "params": {"message": a["text"],
                            "requestedSchema": {"type": "object", "properties": {}}, "_meta": related(t)}})
                    else:
                        say({"method": "notifications/tasks/status", "params": {**shown(t), "statusMessage": a["text"]}})
                    say({"id": i, "result": text("moved")})
                elif name == "end":
                    if a.get("crash"): os._exit(3)
                    t = tasks[a["id"]]
                    if "error" in a: settle(t, "failed", {"error": {"code": -32002, "message": a["error"]}})
                    else: settle(t, "completed", {"result": {**text(a["text"]), "_meta": related(t)}})
                    say({"id": i, "result": text("ended")})
                elif "task" not in p or name == "quick":
                    if name in ("must", "ask", "slow"): say({"id": i, "error": {"code": -32601, "message": "only as a task"}})
                    else: say({"id": i, "result": text(name)})
                    for _ in range(a.get("stray", 0)): say({"method": "org.example/word", "params": {}})
                else:
                    last += 1
                    t = {"taskId": "t%d" % last, "status": "working", "createdAt": STAMP, "lastUpdatedAt": STAMP,
                        "ttl": 60000, "pollInterval": 10, "name": name}
                    tasks[t["taskId"]] = t
                    made = {"id": i, "result": {"task": shown(t)}}
                    if name == "slow": late.append(made); continue
                    say(made)
                    if "ends" in a: settle(t, "completed", {"result": {**text(a["ends"]), "_meta": related(t)}})
            elif method == "tasks/get":
                t = tasks.get(p["taskId"])
                say({"id": i, "result": shown(t)} if t else {"id": i, "error": {"code": -32602, "message": "no task"}})
            elif method == "tasks/result":
                t = tasks[p["taskId"]]
                if "end" in t: say({"id": i, **t["end"]}); continue
                waiting.setdefault(t["taskId"], []).append(i)
                if t["name"] == "ask":
                    t["status"] = "input_required"
                    asked["q" + t["taskId"]] = t
                    say({"id": "q" + t["taskId"], "method": "elicitation/create", "params": {"message": t["taskId"],
                        "requestedSchema": {"type": "object", "properties": {}}, "_meta": related(t)}})
            elif method == "tasks/cancel":
                t = tasks[p["taskId"]]
                tell("cancelled " + t["taskId"])
                settle(t, "cancelled", {"error": {"code": -32000, "message": "cancelled"}})
                say({"id": i, "result": shown(t)})
            elif method is None and i in asked:
                t = asked.pop(i)
                tell("answer " + json.dumps(m.get("result", m.get("error"))))
                settle(t, "completed", {"result": {**text(json.dumps(m.get("result"))), "_meta": related(t)}})
            elif method is not None and i is not None:
                say({"id": i, "error": {"code": -32601, "message": "no " + method}})
        """#
}
