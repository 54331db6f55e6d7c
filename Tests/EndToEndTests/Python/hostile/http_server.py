"""A legacy MCP server (2025-06-18, Streamable HTTP without sessions, standard library only) on a port of its own choice,
which it prints. Each tool misbehaves in the way it is named for; a path that names a tool misbehaves from the start.

    http_server.py [DOCUMENTS]

`/seen` answers with the credentials that came to where a redirect leads.
"""

import base64
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DOCUMENTS = {}
if len(sys.argv) > 1:
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            DOCUMENTS[row["name"]] = base64.b64decode(row["base64"])

TOOLS = (
    "ok s401 s403 s404 s500 s503 redirect redirect_away html no_type drip_head drip_body huge_head many_fields longer shorter "
    "close_at_once half bad_chunk endless_events endless_comments event_garbage giant_event other_id empty bad_utf8 bad_json "
    "deep giant no_http compressed mirror document event_document"
).split()
seen = []


def envelope(number, result):
    return b'{"jsonrpc":"2.0","id":%d,"result":%s}' % (number, result)


FINE = b'{"content":[{"type":"text","text":"fine"}]}'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path == "/seen":
            return self.answer(json.dumps(seen).encode())
        if self.path.startswith("/trap"):
            seen.append(dict(self.headers))
        self.answer(b"nothing", 405)

    def do_DELETE(self):
        self.answer(b"", 405)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/trap"):
            seen.append(dict(self.headers))
            return self.answer(b"{}")
        message = json.loads(body) if len(body) < 10_000 else {"method": "tools/call", "id": int(re.search(rb'"id":(\d+)', body).group(1)), "params": {"name": "mirror"}}
        method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
        if number is None:
            return self.answer(b"", 202)
        name = self.path.strip("/")
        if name in TOOLS and name != "ok":
            return self.misbehave(name, number, params, body)
        if method == "initialize":
            self.answer(envelope(number, b'{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"hostile","version":"1"}}'))
        elif method == "tools/list":
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
            self.answer(envelope(number, json.dumps({"tools": tools}).encode()))
        elif method == "tools/call":
            self.misbehave(params.get("name"), number, params, body)
        else:
            self.answer(b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32601,"message":"no"}}' % number, 400)

    def answer(self, body, status=200, kind="application/json", **fields):
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def head(self, *lines):
        self.close_connection = True
        self.wfile.write("".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", *lines, "")).encode())

    def events(self):
        self.head("Content-Type: text/event-stream")

    def misbehave(self, name, number, params, body):
        if name in ("s401", "s403", "s404", "s500", "s503"):
            return self.answer(b"<html>no</html>", int(name[1:]), "text/html")
        if name in ("redirect", "redirect_away"):
            host = "localhost" if name == "redirect_away" else "127.0.0.1"
            return self.answer(b"", 307, None, Location=f"http://{host}:{self.server.server_port}/trap")
        if name == "html":
            return self.answer(b"<html>Welcome!</html>", 200, "text/html")
        if name == "no_type":
            return self.answer(envelope(number, FINE), 200, None)
        if name == "drip_head":
            self.close_connection = True
            for byte in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" * 50:
                self.wfile.write(bytes([byte]))
                time.sleep(0.1)
        if name == "drip_body":
            self.head("Content-Type: application/json", "Content-Length: 100000")
            for _ in range(1000):
                self.wfile.write(b" ")
                time.sleep(0.1)
        if name == "huge_head":
            return self.head("X-Huge: " + "h" * 200_000, "Content-Length: 0")
        if name == "many_fields":
            return self.head(*(f"X-{n}: 1" for n in range(2000)), "Content-Length: 0")
        if name == "longer":
            body = envelope(number, FINE)
            self.head("Content-Type: application/json", f"Content-Length: {len(body) + 50}")
            return self.wfile.write(body)
        if name == "shorter":
            body = envelope(number, FINE)
            self.head("Content-Type: application/json", f"Content-Length: {len(body) - 5}")
            return self.wfile.write(body)
        if name == "close_at_once":
            self.close_connection = True
            return None
        if name == "half":
            self.head("Content-Type: application/json", "Content-Length: 1000")
            return self.wfile.write(envelope(number, FINE)[:20])
        if name == "bad_chunk":
            self.head("Content-Type: application/json", "Transfer-Encoding: chunked")
            return self.wfile.write(b"zz\r\nnot a chunk\r\n")
        if name == "endless_events":
            self.events()
            for _ in range(20_000):
                self.wfile.write(b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\n\n')
            time.sleep(30)
        if name == "endless_comments":
            self.events()
            for _ in range(1000):
                self.wfile.write(b": alive\n\n")
                time.sleep(0.05)
        if name == "event_garbage":
            self.events()
            return self.wfile.write(b"\xff\xfe\x00\ndata: {broken\n\n")
        if name == "giant_event":
            self.events()
            self.wfile.write(b"data: ")
            for _ in range(100):
                self.wfile.write(b"g" * 65536)
            return self.wfile.write(b"\n\n")
        if name == "other_id":
            return self.answer(envelope(number + 1000, FINE))
        if name == "empty":
            return self.answer(b"")
        if name == "bad_utf8":
            return self.answer(envelope(number, b'{"content":[{"type":"text","text":"\xc3\x28"}]}'))
        if name == "bad_json":
            return self.answer(envelope(number, b'{"content":[,]}'))
        if name == "deep":
            return self.answer(envelope(number, b'{"x":%s%s}' % (b"[" * 200_000, b"]" * 200_000)))
        if name == "giant":
            return self.answer(envelope(number, b'{"x":"%s"}' % (b"g" * 3_000_000)))
        if name == "no_http":
            self.close_connection = True
            return self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        if name == "compressed":
            return self.answer(b"\x1f\x8b\x08\x00garbage", 200, **{"Content-Encoding": "gzip"})
        if name in ("mirror", "document", "event_document"):
            if name == "mirror":
                value = re.search(rb'"value":(.*),"end":', body, re.S).group(1)
            else:
                value = DOCUMENTS[params["arguments"]["name"]]
            answer = envelope(number, b'{"content":[],"structuredContent":{"value":%s,"end":1}}' % value)
            if name != "event_document":
                return self.answer(answer)
            self.events()
            for line in re.split(rb"\r\n|\n|\r", answer):
                self.wfile.write(b"data: " + line + b"\n")
            return self.wfile.write(b"\n")
        return self.answer(envelope(number, FINE))

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
# Whoever started it holds its standard input, and ends it by letting go.
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
