"""Sends a running node what no honest peer would, from seeds, and says what came of it (standard library only).

    garbage.py PID ADDRESS http|mcp|bytes SEED COUNT
    garbage.py PID ADDRESS mesh SEED COUNT MEMBERSHIP FRAMES

`http` is mangled HTTP, `mcp` mangled messages in honest HTTP, `bytes` is nothing at all, `mesh` mangled frames by a member: it shows the certificate in
MEMBERSHIP, the file of a node that does not run. FRAMES is Fixtures/mesh/frames.txt. Prints one JSON object: how many inputs
were sent, the statuses, the most processor time of PID that one input took in seconds, and what was wrong.
"""

import base64
import collections
import hashlib
import json
import os
import random
import socket
import ssl
import sys
import tempfile

PID, ADDRESS, MODE, SEED, COUNT = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
HOST, PORT = ADDRESS.rsplit(":", 1)
ROOT = os.path.join(os.path.dirname(__file__), "../../../..")
TICK = os.sysconf("SC_CLK_TCK")
WAIT = 10.0
SPECIAL = [0, 9, 10, 13, 32, 34, 44, 47, 58, 91, 92, 93, 123, 125, 127, 128, 192, 255]
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
rng = random.Random(SEED)
statuses, wrong, slowest = collections.Counter(), [], 0.0


def processor():
    with open(f"/proc/{PID}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def mangled(data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = rng.choice(SPECIAL)
        elif kind == 2:
            del data[at:at + rng.choice([1, 1, 2, 4, 16])]
        elif kind == 3:
            data[at:at] = bytes(rng.choice(SPECIAL) for _ in range(rng.choice([1, 1, 2, 5])))
        elif kind == 4:
            piece = data[at:at + rng.randrange(1, 40)]
            data[at:at] = piece * rng.choice([1, 1, 2, 100])
        elif kind == 5:
            del data[at:]
        else:
            data[at:at] = rng.choice([b"99999999999999999999", b"-1", b"\\u0000", b"\\ud800", b"[" * 600, b'{"a":' * 200, b"1e999"])
    return bytes(data)


def connect():
    return socket.create_connection((HOST, int(PORT)), timeout=WAIT)


def ask(data, leaves=True):
    """All that is answered until the connection is closed; `None`: it was not, in time.

    Who `leaves` says at once that nothing more comes, which a node takes for somebody that waits for no answer.
    """
    answer = b""
    with connect() as connection:
        try:
            connection.sendall(data)
            if leaves:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except TimeoutError:
            return None
        except OSError:
            pass  # closed on us: an answer too
    return answer


def timed(what, send):
    global slowest
    before = processor()
    result = send()
    took = processor() - before
    if took > slowest:
        slowest = took
    if took > 0.1:
        wrong.append(f"{took:.2f} s of processor time: {what[:200]!r}")
    return result


def messages():
    tool = {"name": "sample__echo", "arguments": {"text": "hi"}, "_meta": META}
    init = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    for method, params in [
        ("tools/call", tool), ("tools/list", {"_meta": META}), ("tools/list", {"_meta": META, "cursor": "abc"}), ("initialize", init),
        ("resources/read", {"uri": "a://b", "_meta": META}), ("prompts/get", {"name": "x", "_meta": META}), ("ping", {}),
        ("server/discover", {"_meta": META}), ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "_meta": META}),
        ("notifications/cancelled", {"requestId": 1}), ("tasks/get", {"taskId": "x", "_meta": META}),
    ]:
        yield method, params.get("name", params.get("uri")), json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def request(body, method="tools/call", name="sample__echo", more=""):
    head = f"POST /mcp HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    head += f"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n" + (f"Mcp-Name: {name}\r\n" if name else "")
    return (head + f"{more}Content-Length: {len(body)}\r\n\r\n").encode() + body


def http():
    bodies = [body for _, _, body in messages()]
    chunked = request(b"")[:-2].replace(b"Content-Length: 0\r\n", b"") + b"Transfer-Encoding: chunked\r\n\r\n"
    bases = [request(body) for body in bodies] + [
        f"GET /mcp HTTP/1.1\r\nHost: {ADDRESS}\r\nAccept: text/event-stream\r\nMcp-Session-Id: x\r\n\r\n".encode(),
        chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(bodies[0]), bodies[0]), request(bodies[0]) * 3,
        f"GET /healthz HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n".encode(), request(bodies[0], more="Expect: 100-continue\r\n"),
    ]
    for _ in range(COUNT):
        data = mangled(rng.choice(bases))
        answer = timed(data, lambda: ask(data))
        if answer is None:
            statuses["silent"] += 1
            wrong.append(f"neither answered nor closed: {data[:300]!r}")
            continue
        status = answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/1.1 ") else "closed"
        statuses[status] += 1
        if status == "500" or answer and not answer.startswith(b"HTTP/1.1 "):
            wrong.append(f"{answer[:100]!r} to {data[:300]!r}")


def mcp():
    with open(os.path.join(ROOT, "Fixtures/json/json_parsing.jsonl")) as file:
        published = [base64.b64decode(json.loads(line)["base64"]) for line in file]
    with open(os.path.join(ROOT, "Fixtures/json/naughty_strings.json")) as file:
        strings = [text for text in json.load(file) if isinstance(text, str)]
    bases = list(messages())
    for number in range(COUNT):
        method, name, body = rng.choice(bases)
        kind = number % 4
        if kind == 0:
            body = published[number // 4 % len(published)]
        elif kind == 1:
            text = json.dumps(strings[number // 4 % len(strings)]).encode()
            body = body.replace(rng.choice([b'"2.0"', b'"x"', b'"sample__echo"', b'"hi"', b'"a://b"', b'"2026-07-28"', b"1,"]), text, 1)
        else:
            body = mangled(body)
        answer = timed(body, lambda: ask(request(body, method, name, "Connection: close\r\n"), leaves=False))
        status = answer.split(b" ", 2)[1].decode() if answer and answer.startswith(b"HTTP/1.1 ") else "none"
        statuses[status] += 1
        if status not in ("200", "202", "400", "404", "413"):
            wrong.append(f"{(answer or b'silence')[:100]!r} to {body[:300]!r}")


class Fields:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def sized(self):
        return self.take(int.from_bytes(self.take(4), "big"))


def member(path):
    """A TLS context that shows a member's certificate, and the member's id."""
    fields = Fields(open(path, "rb").read())
    fields.take(1)
    key = bytes.fromhex("30310201010420") + fields.take(32) + bytes.fromhex("a00a06082a8648ce3d030107")
    chain = [fields.sized() for _ in range(int.from_bytes(fields.take(4), "big"))]
    root = fields.sized()
    fields.take(16)  # the mesh's id
    identity = hashlib.sha256(fields.take(32)).digest()[:16]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        blocks = [("EC PRIVATE KEY", key)] + [("CERTIFICATE", part) for part in chain + [root]]
        for kind, data in blocks:
            file.write(f"-----BEGIN {kind}-----\n{base64.encodebytes(data).decode()}-----END {kind}-----\n")
        file.flush()
        context.load_cert_chain(file.name)
    return context, identity


def exchange(context, protocol, data):
    """What a listener of the mesh says to it, after the handshake; `None`: it neither answered nor closed."""
    context.set_alpn_protocols([protocol])
    heard = b""
    with context.wrap_socket(connect()) as connection:
        try:
            connection.sendall(data)
            connection.settimeout(0.02)  # it may well read on: then there is nothing to wait for
            while piece := connection.recv(65536):
                heard += piece
        except (TimeoutError, OSError):
            pass
    return heard


def mesh():
    context, identity = member(sys.argv[6])
    frames = {}
    for line in open(sys.argv[7]):
        if not line.startswith("#"):
            name, digits = line.split()
            frames[name] = bytes.fromhex(digits)
    hello = bytes([1]) + bytes(8) + b"\0\1\0\3" + (0xFF).to_bytes(8, "big") + identity + (1).to_bytes(8, "big")
    hello += rng.randbytes(8) + (7).to_bytes(4, "big") + b"martlet"
    hello = len(hello).to_bytes(4, "big") + hello
    others = [frame for name, frame in frames.items() if name != "hello"]
    sent = 0
    while sent < COUNT:
        count = rng.randrange(1, 9)
        parts = [mangled(rng.choice(others)) if rng.random() < 0.8 else rng.choice(others) for _ in range(count)]
        # Some come whole but for their insides, so that more than their lengths is looked at.
        parts = [len(part[4:]).to_bytes(4, "big") + part[4:] if rng.random() < 0.7 else part for part in parts]
        greets = rng.random() < 0.9
        data = (hello if greets else mangled(hello)) + b"".join(parts)
        protocol = "martlet/1" if rng.random() < 0.9 else "martlet-join/1"
        try:
            heard = timed(data, lambda: exchange(context, protocol, data))
            statuses["greeted" if heard[4:5] == b"\1" else "not greeted"] += 1
        except OSError as problem:
            statuses[f"{type(problem).__name__}"] += 1
        sent += count


def noise():
    """Bytes that are nothing, and the beginnings of TLS."""
    for _ in range(COUNT):
        data = rng.choice([b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n", b"\x80\x2e"]) + rng.randbytes(rng.randrange(600))
        statuses["silent" if timed(data, lambda: ask(data)) is None else "closed"] += 1
    if statuses["silent"]:
        wrong.append(f"{statuses['silent']} were neither answered nor closed")


{"http": http, "mcp": mcp, "mesh": mesh, "bytes": noise}[MODE]()
print(json.dumps({"sent": COUNT, "statuses": statuses, "slowest": slowest, "wrong": wrong[:20], "wrongs": len(wrong)}))
