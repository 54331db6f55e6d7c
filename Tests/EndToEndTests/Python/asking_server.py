"""A legacy MCP server (2025-06-18, stdio, standard library only) whose one tool asks its user in the middle of the call."""

import json
import sys

waiting = {}


def say(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


for line in sys.stdin:
    message = json.loads(line)
    method, number = message.get("method"), message.get("id")
    if method == "initialize":
        offered = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
        say({"id": number, "result": {**offered, "serverInfo": {"name": "asking", "version": "1"}}})
    elif method == "tools/list":
        say({"id": number, "result": {"tools": [{"name": "confirm", "inputSchema": {"type": "object"}}]}})
    elif method == "tools/call":
        question = f"q{number}"
        waiting[question] = number
        schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
        asked = {"message": "Sure?", "requestedSchema": schema}
        say({"id": question, "method": "elicitation/create", "params": asked})
    elif method is None and number in waiting:
        answer = json.dumps(message.get("result", message.get("error")))
        say({"id": waiting.pop(number), "result": {"content": [{"type": "text", "text": answer}]}})
    elif method is not None and number is not None:
        say({"id": number, "error": {"code": -32601, "message": f"no {method}"}})
