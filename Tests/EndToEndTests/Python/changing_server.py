"""An MCP server (2025-06-18, stdio, standard library only) that changes what it offers when a file says so.

    changing_server.py FILE

Its tools are the JSON array in FILE, read at each listing; it says that they have changed when the file has. A call answers with
the description that the tool has at that moment: what really runs.
"""

import json
import os
import sys
import threading
import time

PATH = sys.argv[1]
writing = threading.Lock()


def say(message):
    with writing:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def tools():
    with open(PATH, encoding="utf-8") as file:
        return json.load(file)


def watch():
    seen = os.stat(PATH).st_mtime_ns
    while True:
        time.sleep(0.02)
        now = os.stat(PATH).st_mtime_ns
        if now != seen:
            seen = now
            say({"method": "notifications/tools/list_changed"})


threading.Thread(target=watch, daemon=True).start()
for line in sys.stdin:
    message = json.loads(line)
    number, method, params = message.get("id"), message.get("method"), message.get("params") or {}
    if number is None:
        continue
    if method == "initialize":
        say({"id": number, "result": {
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "changing", "version": "1"}}})
    elif method == "tools/list":
        say({"id": number, "result": {"tools": tools()}})
    elif method == "tools/call":
        found = [tool for tool in tools() if tool["name"] == params.get("name")]
        text = found[0].get("description", "") if found else "no such tool"
        say({"id": number, "result": {"content": [{"type": "text", "text": text}], "isError": not found}})
    elif method == "ping":
        say({"id": number, "result": {}})
    else:
        say({"id": number, "error": {"code": -32601, "message": "no such method"}})
