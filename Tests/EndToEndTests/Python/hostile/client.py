"""What the tests of hostile servers and of faithfulness ask of a node, over raw HTTP (2026-07-28, standard library only).

    client.py ADDRESS COMMAND ...

Prints one JSON object. Bytes of answers are compared here, where nothing has parsed them.
"""

import base64
import http.client
import json
import re
import sys
import threading
import time

ADDRESS, COMMAND = sys.argv[1], sys.argv[2]
META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}%s}'
WHITESPACE = b" \t\r\n"


def post(body, method, name=None, timeout=60):
    connection = http.client.HTTPConnection(ADDRESS, timeout=timeout)
    headers = {
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method,
    }
    if name is not None:
        plain = all(0x21 <= ord(c) < 0x7F for c in name) and not name.startswith("=?base64?")
        headers["Mcp-Name"] = name if plain and name else "=?base64?%s?=" % base64.b64encode(name.encode()).decode()
    connection.request("POST", "/mcp", body=body, headers=headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def call(tool, arguments=b"{}", meta=""):
    """The status, and the bytes of all messages of the answer, the response last."""
    body = b'{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":%s,"arguments":%s,%s}}' % (
        json.dumps(tool).encode(), arguments, (META % meta).encode())
    status, data = post(body, "tools/call", tool)
    if data.lstrip()[:1] in (b"{", b"["):
        return status, [data]
    events = [part for part in data.split(b"\n\n") if b"data: " in part]
    return status, [b"\n".join(l[6:] for l in part.split(b"\n") if l.startswith(b"data: ")) for part in events]


def outcome(message):
    """`ok TEXT`, or the reason (else the code) of an error, and its words."""
    message = json.loads(message)
    if "result" in message:
        content = message["result"].get("content") or [{}]
        return "ok " + content[0].get("text", ""), ""
    error = message["error"]
    reason = (error.get("data") or {}).get("reason", str(error["code"]))
    return reason, error["message"]


def timed(tool):
    """One call beside another one that goes on at a good server: what came of both."""
    began = time.monotonic()
    status, messages = call(tool, meta=',"progressToken":"t"' if tool.endswith(("progress", "stuck", "flood")) else "")
    reason, words = outcome(messages[-1])
    return {"outcome": reason, "words": words, "seconds": time.monotonic() - began, "messages": len(messages)}


def calls(good, tools):
    """Calls each tool, while a good server is called and listed all the time."""
    ended = threading.Event()
    slow, failed, count = [0.0], [], [0]

    def meanwhile():
        while not ended.is_set():
            began = time.monotonic()
            try:
                reason, words = outcome(call(good, b'{"text":"still here"}')[1][-1])
                status, _ = post(('{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s}}' % (META % "")).encode(), "tools/list")
                if reason != "ok still here" or status != 200:
                    failed.append(f"{reason} {words} {status}")
            except Exception as problem:
                failed.append(repr(problem))
            slow[0] = max(slow[0], time.monotonic() - began)
            count[0] += 1
            time.sleep(0.01)

    thread = threading.Thread(target=meanwhile)
    thread.start()
    report = {}
    for tool in tools:
        try:
            report[tool] = timed(tool)
        except Exception as problem:
            report[tool] = {"outcome": "no answer", "words": repr(problem), "seconds": 0, "messages": 0}
    ended.set()
    thread.join()
    return {"tools": report, "good": {"calls": count[0], "slowest": slow[0], "failed": failed[:5]}}


def documents(path, mirror, document):
    """Each document as an argument and as a result: what is accepted must come out as it went in."""
    failures, checked = [], {"arguments": 0, "results": 0, "refused": 0}
    either = set()
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        name, raw = row["name"], base64.b64decode(row["base64"])
        value = raw.strip(WHITESPACE)
        passes = {"accept": True, "reject": False, "either": None}[row["expect"]]
        if name.startswith("y_object_duplicated_key"):
            passes = False  # two readers that pick different ones can be set against each other
        # As an argument.
        status, messages = call(mirror, b'{"value":%s,"end":1}' % raw)
        last = messages[-1] if messages else b""
        # On a line of stdio there is no line break, and whitespace between tokens means nothing.
        spelled = (raw, value, value.replace(b"\n", b"").replace(b"\r", b""), raw.replace(b"\n", b"").replace(b"\r", b""))
        isThrough = status == 200 and any(b'"value":%s,"end":1' % way in last for way in spelled)
        isRefused = status == 400 and b'"error"' in last
        if passes is True and not isThrough or passes is False and not isRefused or not (isThrough or isRefused):
            failures.append(f"{name} as an argument: {status} {last[:200]!r}")
        checked["arguments" if isThrough else "refused"] += 1
        if passes is None and isThrough:
            either.add(name)
        # As a result.
        status, messages = call(document, json.dumps({"name": name}).encode())
        last = messages[-1] if messages else b""
        isThrough = status == 200 and any(b'"value":%s,"end":1' % way in last for way in spelled)
        isRefused = status == 200 and b'"error"' in last and json.loads(last)["error"].get("data", {}).get("reason") in (
            "backend_protocol", "too_large", "deadline_exceeded")
        wanted = passes if passes is not None else name in either
        hasBreaks = b"\n" in raw or b"\r" in raw
        if not (wanted and isThrough or not wanted and isRefused or hasBreaks and (isThrough or isRefused)):
            failures.append(f"{name} as a result: {status} {last[:200]!r}")
        checked["results" if isThrough else "refused"] += 1
        # Nothing but the one call is harmed.
        status, messages = call(mirror, b'{"value":[1.0],"end":1}')
        if b'"value":[1.0],"end":1' not in messages[-1]:
            failures.append(f"after {name}: {messages[-1][:200]!r}")
    return {"failures": failures, "checked": checked}


def values(mirror, path):
    """Hostile strings and telling numbers, to the byte, however they are spelled."""
    failures = []
    with open(path, encoding="utf-8") as file:
        strings = json.load(file)
    spelled = [json.dumps(value) for value in strings] + [json.dumps(value, ensure_ascii=False) for value in strings]
    spelled += [
        "1.0", "1e400", "-0", "-0.0", "12345678901234567890", "0.1000000000000000055511151231257827", "1E+2",
        '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#"}},"z":1,"a":2,"x-unknown":{"deep":[ 1 , 2 ]}}',
        '{ "spaces" :  [ 1 ,2]  , "esc\\u0061ped":"\\/\\u00e9" }', '"\\ud800"', '""', "[]", "{}", "null",
    ]
    for value in spelled:
        raw = value.encode("utf-8", "surrogatepass")
        status, messages = call(mirror, b'{"value":%s,"end":1}' % raw)
        if status != 200 or b'"value":%s,"end":1' % raw not in messages[-1]:
            failures.append(f"{value[:80]!r}: {status} {messages[-1][:200]!r}")
    return {"failures": failures, "checked": len(spelled)}


def listing(server=None):
    """All tools, over all pages."""
    tools, cursor, pages = [], "", 0
    while True:
        status, data = post(('{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s%s}}' % (cursor, META % "")).encode(), "tools/list")
        answer = json.loads(data)["result"]
        tools += answer["tools"]
        pages += 1
        if "nextCursor" not in answer:
            break
        cursor = '"cursor":%s,' % json.dumps(answer["nextCursor"])
    names = [tool["name"] for tool in tools]
    return {"count": len(names), "unique": len(set(names)), "pages": pages, "longest": max(map(len, names), default=0),
            "odd": [name for name in names if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)], "names": names[:50]}


def naughty(prefix):
    """Tools that are named and described by hostile strings: each can be called by the name it is listed under."""
    failures = []
    tools, cursor = [], ""
    while True:
        status, data = post(('{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{%s%s}}' % (cursor, META % "")).encode(), "tools/list")
        answer = json.loads(data)["result"]
        tools += [tool for tool in answer["tools"] if tool["name"].startswith(prefix)]
        if "nextCursor" not in answer:
            break
        cursor = '"cursor":%s,' % json.dumps(answer["nextCursor"])
    for tool in tools:
        reason, words = outcome(call(tool["name"], b'{"a":1}')[1][-1])
        original = json.loads(reason[3:])["name"] if reason.startswith("ok ") else None
        if original is None or not original.endswith(tool["description"]) or tool["title"] != tool["description"]:
            failures.append(f"{tool['name']}: {reason} {words}")
    return {"failures": failures, "checked": len(tools)}


def notifications(tool):
    status, messages = call(tool, meta=',"progressToken":5')
    return {"messages": [message.decode() for message in messages]}


arguments = sys.argv[3:]
if COMMAND == "calls":
    print(json.dumps(calls(arguments[0], arguments[1:])))
else:
    print(json.dumps(globals()[COMMAND](*arguments)))
