"""An MCP server (2025-06-18, stdio, standard library only) that writes each text it is given into a file.

    ledger_server.py FILE

`write` with `{"text": …}` appends a line and answers with `{"lines": N}`; `fail` says that it did not work; `vanish` appends
a line and ends the server before it has answered.
"""

import json
import os
import sys

file = sys.argv[1]
schema = {"type": "object", "properties": {"text": {"type": "string"}}}


def say(number, **message):
    print(json.dumps({"jsonrpc": "2.0", "id": number, **message}), flush=True)


def append(text):
    with open(file, "a") as lines:
        lines.write(text + "\n")
    with open(file) as lines:
        return len(lines.readlines())


def call(number, name, text):
    if name == "fail":
        content = [{"type": "text", "text": f"no {text}"}]
        return say(number, result={"content": content, "isError": True})
    lines = append(text)
    if name == "vanish":
        os._exit(1)
    content = [{"type": "text", "text": str(lines)}]
    say(number, result={"content": content, "structuredContent": {"lines": lines}})


for line in sys.stdin:
    message = json.loads(line)
    method, number, params = message.get("method"), message.get("id"), message.get("params", {})
    if method == "initialize":
        offered = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
        say(number, result={**offered, "serverInfo": {"name": "ledger", "version": "1"}})
    elif method == "tools/list":
        tools = [{"name": name, "inputSchema": schema} for name in ("write", "fail", "vanish")]
        say(number, result={"tools": tools})
    elif method == "tools/call":
        call(number, params["name"], params.get("arguments", {}).get("text", ""))
    elif number is not None and method is not None:
        say(number, error={"code": -32601, "message": f"no {method}"})
