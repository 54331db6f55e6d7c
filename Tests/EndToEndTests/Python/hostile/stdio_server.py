"""A legacy MCP server (2025-06-18, stdio, standard library only) that misbehaves in the way each of its tools is named for.

    stdio_server.py [MODE] [DOCUMENTS]

MODE says how it misbehaves when it is met or listed; without one it lists its tools and waits to be called.
DOCUMENTS is Fixtures/json/json_parsing.jsonl, for the tools `mirror` and `document`; naughty_strings.json in mode `naughty`.
"""

import base64
import json
import os
import re
import sys
import threading
import time

MODE = sys.argv[1] if len(sys.argv) > 1 else "calls"
DOCUMENTS = {}
if len(sys.argv) > 2 and MODE == "calls":
    with open(sys.argv[2], encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            DOCUMENTS[row["name"]] = base64.b64decode(row["base64"])

TOOLS = (
    "ok pid hang crash noise bad_json bad_utf8 giant late_id deep drip flood twice never_asked not_an_object both "
    "neither no_version batch foreign progress stuck mirror document"
).split()
out = os.fdopen(1, "wb", buffering=0, closefd=False)
writing = threading.Lock()
listed = 0


def raw(data):
    with writing:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view):]


def say(message):
    raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def result(number, **members):
    say({"id": number, "result": members})


def text(number, value):
    result(number, content=[{"type": "text", "text": value}])


def tool(name, **members):
    return {"name": name, "inputSchema": {"type": "object"}, **members}


# ---- lists -------------------------------------------------------------------------------------------------


def tools(number, cursor):
    global listed
    listed += 1
    page = int(cursor or 0)
    if MODE == "many":
        end = page + 500
        more = {"nextCursor": str(end)} if end < 5000 else {}
        result(number, tools=[tool(f"tool_{n}", description="x" * 200) for n in range(page, end)], **more)
    elif MODE == "endless_pages":
        result(number, tools=[tool(f"tool_{page}")], nextCursor=str(page + 1))
    elif MODE == "looping_cursor":
        result(number, tools=[tool(f"tool_{page}")], nextCursor=str((page + 1) % 3))
    elif MODE == "names":
        names = ["n" * 300, "Grüße", "日本語の道具", "😀", "a b", "a\u0000b", "\u202eevil", "", "twice", "twice", "a/b", "../../x", "__", "x" * 299 + "é"]
        result(number, tools=[tool(name) for name in names])
    elif MODE == "recursive":
        node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "self": {"$ref": "#"}}}
        loop = {"$ref": "#/$defs/loop"}
        schema = {"type": "object", "$defs": {"node": node, "loop": loop}, "properties": {"root": {"$ref": "#/$defs/node"}, "x": loop}}
        result(number, tools=[tool("walk", inputSchema=schema)])
    elif MODE == "changing":
        result(number, tools=[tool("same", description=f"definition {listed}"), tool(f"new_{listed}")])
        for _ in range(200):
            say({"method": "notifications/tools/list_changed"})
    elif MODE == "no_list":
        result(number, things=[])
    elif MODE == "odd_items":
        result(number, tools=[7, None, "x", {}, {"name": 5}, {"name": "fine", "inputSchema": {"type": "object"}}])
    elif MODE == "giant_list":
        result(number, tools=[tool(f"tool_{n}", description="y" * 1000) for n in range(3000)])
    elif MODE == "heavy":
        result(number, tools=[tool("heavy", description="z" * 300_000), tool("light")])
    elif MODE == "hang_list":
        pass
    elif MODE == "naughty":
        with open(sys.argv[2], encoding="utf-8") as file:
            strings = json.load(file)
        result(number, tools=[tool(f"s{n}_{value}", description=value, title=value) for n, value in enumerate(strings)])
    else:
        result(number, tools=[tool(name, title=f" {name}\t") for name in TOOLS])


# ---- calls -------------------------------------------------------------------------------------------------


def call(number, name, params, line):
    token = params.get("_meta", {}).get("progressToken")
    if MODE == "naughty":
        text(number, json.dumps(params))
    elif name == "pid":
        text(number, str(os.getpid()))
    elif name in ("hang", "stuck"):
        while name == "stuck" and token is not None:
            say({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})
            time.sleep(0.1)
    elif name == "crash":
        raw(b'{"jsonrpc":"2.0","id":%d,"res' % number)
        os._exit(9)
    elif name == "noise":
        raw(b"this is no message\n\x00\x01\x02\xff\xfe\n\n\r\n[]\n\"x\"\n{}\n{\"jsonrpc\":\"2.0\"}\n[[[[[[\n")
        text(number, "after the noise")
    elif name == "bad_json":
        raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[,]}}\n' % number)
    elif name == "bad_utf8":
        raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"\xc3\x28"}]}}\n' % number)
    elif name == "giant":
        # In one piece: its caller has the error before the last byte is written, and the next call must not cut in.
        raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"%s"}]}}\n' % (number, b"x" * 4_000_000))
    elif name == "late_id":
        # Its id comes last, long after its bytes are gone.
        raw(b'{"jsonrpc":"2.0","result":{"x":"')
        for _ in range(16):
            raw(b"x" * 65536)
            time.sleep(0.01)
        raw(b'"},"id":%d}\n' % number)
    elif name == "deep":
        raw(b'{"jsonrpc":"2.0","id":%d,"result":{"x":%s%s}}\n' % (number, b"[" * 200_000, b"]" * 200_000))
    elif name == "drip":
        for byte in b'{"jsonrpc":"2.0","id":%d,"result":{"content":[]}}' % number:
            raw(bytes([byte]))
            time.sleep(0.2)
    elif name == "flood":
        for n in range(20_000):
            say({"method": "notifications/message", "params": {"level": "info", "data": "f" * 100}})
            if token is not None:
                say({"method": "notifications/progress", "params": {"progressToken": token, "progress": n}})
        text(number, "after the flood")
    elif name == "twice":
        text(number, "first")
        text(number, "second")
    elif name == "never_asked":
        for other in (99_999_999, -1, 0, "x", None, 1.5, {}, number + 1000):
            say({"id": other, "result": {"content": []}})
            say({"id": other, "error": {"code": 1, "message": "never asked"}})
        text(number, "after answers to nobody")
    elif name == "not_an_object":
        say({"id": number, "result": [1, 2]})
    elif name == "both":
        say({"id": number, "result": {}, "error": {"code": 1, "message": "both"}})
    elif name == "neither":
        say({"id": number})
    elif name == "no_version":
        raw(b'{"id":%d,"result":{"content":[]}}\n' % number)
    elif name == "batch":
        raw(b'[{"jsonrpc":"2.0","id":%d,"result":{"content":[]}}]\n' % number)
    elif name == "foreign":
        raw(b'{"jsonrpc":"2.0","method":"notifications/acme/heat","params":{"degrees": 1e400, "z":1,"a":{ "k" : 1.0}}}\n')
        for method in ("notifications/cancelled", "notifications/tools/list_changed", "notifications/initialized", "rpc.x"):
            say({"method": method, "params": {"requestId": number}})
        text(number, "told")
    elif name == "progress":
        for n in range(12):
            time.sleep(0.25)
            say({"method": "notifications/progress", "params": {"progressToken": token, "progress": n + 1}})
        text(number, "slow but alive")
    elif name == "mirror":
        # The bytes of the argument as they came: ours is the only "value" on the line, and "end" stands behind it.
        value = re.search(rb'"value":(.*),"end":', line, re.S).group(1)
        raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[],"structuredContent":{"value":%s,"end":1}}}\n' % (number, value))
    elif name == "document":
        value = DOCUMENTS[params["arguments"]["name"]]
        # One message is one line; a document that breaks its line is one of those that are no JSON of one line.
        raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[],"structuredContent":{"value":%s,"end":1}}}\n' % (number, value))
    else:
        text(number, "fine")


if MODE == "crash_at_start":
    sys.exit(3)
if MODE == "hang_at_start":
    time.sleep(3600)
if MODE == "noise_only":
    while True:
        raw(b"\xff\xfenoise\n")
        time.sleep(0.01)

for line in sys.stdin.buffer:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        print("no JSON came", file=sys.stderr, flush=True)
        continue
    method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}, "logging": {}}
        result(number, protocolVersion="2025-06-18", capabilities=capabilities, serverInfo={"name": "hostile", "version": "1"})
    elif method == "tools/list":
        tools(number, params.get("cursor"))
    elif method == "tools/call":
        threading.Thread(target=call, args=(number, params.get("name"), params, line), daemon=True).start()
    elif method == "ping":
        result(number)
    elif method is not None and number is not None:
        say({"id": number, "error": {"code": -32601, "message": f"no {method}"}})
