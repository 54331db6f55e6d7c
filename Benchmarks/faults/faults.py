"""The faults, one after the other: how each is brought about, and what is looked at besides the honest callers."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing

import bench as b

LAST_MAX = 120  # seconds that a crowd stays at most; the driver ends it before


@dataclasses.dataclass
class Fault:
    word: str
    name: str
    happens: typing.Callable  # (bench, node, row), a context
    prepare: typing.Callable = None  # the node it happens to
    elsewhere: typing.Callable = None  # (bench, node), a context: the same load on a listener that is not involved
    after: typing.Callable = None
    bound: float = 1.5
    asks: bool = True  # whether the node can be asked while it lasts
    own: bool = False  # whether the node is for this fault alone
    obstacle: typing.Callable = lambda: None


def server(name, port, more="concurrency: 1024"):
    return f'{name}: {{url: "http://127.0.0.1:{port}/mcp", approve: auto, {more}}}'


def usual(bench):
    """The node that most faults happen to, with a good server and a bad one."""
    if not hasattr(bench, "usual"):
        bench.good, bench.bad, bench.bare = bench.faulty(), bench.faulty(), bench.faulty()
        bench.usual = bench.node(
            "usual", [server("good", bench.good.port), server("bad", bench.bad.port, "timeout: 2s, concurrency: 128"),
                      server("long", bench.bad.port)])
        b.until("the servers' tools", lambda: all(bench.usual.has(f"{name}__small") for name in ("good", "bad", "long")))
    return bench.usual


def special(name, more="", servers=(), **options):
    """A node for one fault."""
    def prepare(bench):
        usual(bench)
        node = bench.node(name, [server("good", bench.good.port), *(make(bench) for make in servers)], more, **options)
        b.until("the server's tools", lambda: node.has("good__small"))
        return node
    return prepare


@contextlib.contextmanager
def crowd(bench, port, way, count, *arguments, row=None):
    process = bench.crowd(port, way, count, LAST_MAX, *arguments)
    ready = process.stdout.readline() if way != "storm" else "{}"
    try:
        yield json.loads(ready or "{}")
    finally:
        process.stdin.close()
        said = process.stdout.read().strip().splitlines()
        process.wait(30)
        if row is not None and said:
            row["crowd"] = json.loads(said[-1])


# Connections that ask for nothing

@contextlib.contextmanager
def half_open(bench, node, row):
    with crowd(bench, node.port, "idle", 2500), crowd(bench, node.port, "slow", 2500):
        got_in = [node.health() for _ in range(20)]
        yield
        got_in += [node.health() for _ in range(20)]
    row["seen"] = f"{sum(map(bool, got_in))} of {len(got_in)} new clients were let in meanwhile"


@contextlib.contextmanager
def half_open_elsewhere(bench, node):
    with crowd(bench, bench.bare.port, "idle", 2500), crowd(bench, bench.bare.port, "slow", 2500):
        yield


# Clients that never read

@contextlib.contextmanager
def deaf(bench, node, row, of="good"):
    with crowd(bench, node.port, "deaf", 100, node.request(f"{of}__mib1"), 200):
        yield
    row["seen"] = "100 clients that ask for 200 results of 1 MiB each"


@contextlib.contextmanager
def deaf_at_another(bench, node, row):
    with deaf(bench, node, row, of="bad"):
        yield
    row["seen"] = "the same of a server that honest callers do not call"


@contextlib.contextmanager
def deaf_elsewhere(bench, node):
    with crowd(bench, bench.bare.port, "deaf", 100, node.request("good__mib1"), 200):
        yield


# Large messages

@contextlib.contextmanager
def repeated(work):
    """Does it again and again until the end; yields what came of it."""
    over, came = threading.Event(), []

    def run():
        while not over.is_set():
            came.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield came
    finally:
        over.set()
        thread.join()


def drain(node, tool):
    """Takes a streamed answer in, and counts its bytes."""
    body = node.body(tool, **{"io.modelcontextprotocol/logLevel": "debug"})
    with socket.create_connection(("127.0.0.1", node.port), timeout=60) as door:
        door.sendall(b.wire({**node.headers(tool), "Connection": "close"}, body).encode())
        total, last, room = 0, b"", memoryview(bytearray(1 << 20))
        start = time.monotonic()
        while count := door.recv_into(room):
            total += count
            last = (last + bytes(room[max(0, count - 400):count]))[-400:]
    return total, b'"resultType":"complete"' in last, time.monotonic() - start


@contextlib.contextmanager
def stream(bench, node, row):
    with repeated(lambda: drain(node, "long__stream")) as came:
        yield
    whole = [one for one in came if one[1]]
    rate = sum(one[0] for one in came) / sum(one[2] for one in came) / 1e6
    row["seen"] = f"{len(whole)} of {len(came)} streams of 1 GiB came whole, {rate:.0f} MB/s"


@contextlib.contextmanager
def stream_elsewhere(bench, node):
    request = b.wire(node.headers("stream"), node.body("stream"))

    def take():
        with socket.create_connection(("127.0.0.1", bench.bare.port), timeout=60) as door:
            door.sendall(request.encode())
            got, room = 0, bytearray(1 << 20)
            while got < 1 << 30 and (count := door.recv_into(room)):
                got += count
    with repeated(take):
        yield


@contextlib.contextmanager
def large_request(bench, node, row):
    """A body of 1 GB, without a length said before."""
    def send():
        headers = {**node.headers("good__small"), "Transfer-Encoding": "chunked"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
        sent = 0
        with socket.create_connection(("127.0.0.1", node.port), timeout=60) as door:
            try:
                door.sendall(f"POST /mcp HTTP/1.1\r\n{lines}\r\n".encode())
                for _ in range(1024):
                    door.sendall(chunk)
                    sent += 1
            except OSError:
                pass
            with contextlib.suppress(OSError):
                return sent, door.recv(4096)
        return sent, b""
    with repeated(send) as came:
        yield
    named = sum(b"413" in said and b"limits.message" in said for _, said in came)
    row["seen"] = f"{named} of {len(came)} were told 413 and `limits.message`, after {max(sent for sent, _ in came)} MiB at most"


SINK = """
import socket, threading
door = socket.create_server(("127.0.0.1", 0))
print(door.getsockname()[1], flush=True)
def take(one):
    left, room = 64 << 20, bytearray(1 << 18)
    while left > 0 and (count := one.recv_into(room)):
        left -= count
    one.close()
while True:
    threading.Thread(target=take, args=(door.accept()[0],)).start()
"""


@contextlib.contextmanager
def large_request_elsewhere(bench, node):
    sink = bench.start([sys.executable, "-c", SINK], stdout=subprocess.PIPE)
    port = int(sink.stdout.readline())
    chunk = b"x" * (1 << 20)

    def send():
        with socket.create_connection(("127.0.0.1", port), timeout=60) as door, contextlib.suppress(OSError):
            for _ in range(1024):
                door.sendall(chunk)
    with repeated(send):
        yield
    sink.end()


@contextlib.contextmanager
def large_result(bench, node, row):
    with repeated(lambda: node.call("bad__mib100")) as came:
        yield
    row["seen"] = f"{len(came)} calls: {', '.join(sorted(set(came)))}"


@contextlib.contextmanager
def large_elsewhere(bench, node):
    headers = node.headers("mib100")
    with repeated(lambda: node.ask(bench.bare.port, "/mcp", 30, node.body("mib100"), **headers)):
        yield


# Sessions

def session_requests(node, server_name):
    folder = node.bench.at(f"sessions-{node.name}")
    os.makedirs(folder, exist_ok=True)
    plain = node.headers("", version=b.LEGACY)
    within = {**plain, "Mcp-Session-Id": "%s"}
    messages = {
        "initialize": (plain, {"id": 0, "method": "initialize", "params": {
            "protocolVersion": b.LEGACY, "capabilities": {}, "clientInfo": {"name": "faults", "version": "1"}}}),
        "initialized": (within, {"method": "notifications/initialized"}),
        "call": (within, {"id": 1, "method": "tools/call", "params": {"name": f"{server_name}__small", "arguments": {}}})}
    for name, (headers, message) in messages.items():
        body = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":"))
        with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as file:
            file.write(b.wire(headers, body))
    return folder


def open_sessions(bench, node, count=1000):
    """Opens them all at once, with one call each, and lets them go again. Returns what the crowd said first."""
    with crowd(bench, node.port, "sessions", count, session_requests(node, "good")) as said:
        return {**said, "memory": node.memory()[0]}


@contextlib.contextmanager
def sessions(bench, node, row):
    with crowd(bench, node.port, "sessions", 1000, session_requests(node, "good"), row=row) as said:
        yield
    row["seen"] = f'1,000 clients connected, initialized and called in {said["seconds"]:.2f} s, {said["failures"]} failures'


# What the system gives

@contextlib.contextmanager
def few_descriptors(bench, node, row):
    def open_files():
        return len(os.listdir(f"/proc/{node.process.pid}/fd"))
    with crowd(bench, node.port, "idle", 600):
        used = open_files()
        yield
    row["seen"] = f"600 connections; {used} of 256 descriptors in use"


def on_small_disk(bench):
    folder = bench.at("small-disk")
    os.makedirs(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", folder], check=True)
    bench.ending.callback(lambda: subprocess.run(["umount", "-l", folder], check=False))
    usual(bench)
    node = bench.node("disk", [server("good", bench.good.port)], data=os.path.join(folder, "data"))
    bench.ending.callback(node.process.end)  # before its disk goes
    b.until("the server's tools", lambda: node.has("good__small"))
    return node


@contextlib.contextmanager
def full_disk(bench, node, row):
    filler = os.path.join(os.path.dirname(node.data), "filler")
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    try:
        yield
        records = node.admin()["records"]
        row["lost"] = records["lost"]
        row["seen"] = f'{records["lost"]} records lost; status says "{records.get("trouble")}"'.replace(os.path.dirname(node.data), "DATA")
    finally:
        os.remove(filler)


def disk_again(bench, node, row):
    node.load(1)
    records = b.until("records are written again", lambda: (
        lambda said: said if said and not said.get("trouble") else None)(node.admin()["records"]), 15)
    row["seen"] += f'; afterwards {records["written"]} written'


# Processes that stand still, hang or die

@contextlib.contextmanager
def stopped_backend(bench, node, row):
    os.kill(bench.bad.pid, signal.SIGSTOP)
    try:
        with crowd(bench, node.port, "storm", 8, node.request("bad__small")):
            reason = node.call("bad__small")
            yield
    finally:
        os.kill(bench.bad.pid, signal.SIGCONT)
    start = time.monotonic()
    b.until("the server is called again", lambda: node.call("bad__small") == "ok", 60)
    row["seen"] = f"calls to it: {reason}; again {time.monotonic() - start:.1f} s after it went on"


@contextlib.contextmanager
def stopped_node(bench, node, row):
    """Of the mesh: callers of the entry node's own server, while the owner of another stands still."""
    os.kill(bench.far.process.pid, signal.SIGSTOP)
    try:
        with crowd(bench, node.port, "storm", 4, node.request("far--bad__small")):
            yield
            reason = node.call("far--bad__small")
    finally:
        os.kill(bench.far.process.pid, signal.SIGCONT)
    start = time.monotonic()
    b.until("the other node is called again", lambda: node.call("far--bad__small") == "ok", 60)
    row["seen"] = f"calls to it: {reason}; again {time.monotonic() - start:.1f} s after it went on"


def two_nodes(bench):
    usual(bench)
    near = bench.node("near", [server("good", bench.good.port)], mesh="127.0.0.1:0")
    token = near.martlet("mesh", "token")["token"]
    bench.far = bench.node("far", [server("bad", bench.bad.port)], arguments=("--join", token))
    b.until("the other node's tools", lambda: near.has("good__small") and near.has("far--bad__small"))
    return near


@contextlib.contextmanager
def stopped_itself(bench, node, row):
    """The node itself: what waits is answered when it goes on."""
    held = []
    thread = threading.Thread(target=lambda: held.append(node.load(6)))
    thread.start()
    time.sleep(1)
    os.kill(node.process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(node.process.pid, signal.SIGCONT)
    thread.join()
    row["seen"] = f'3 s in the midst of a load: {held[0]["failures"]} of {held[0]["answers"]} calls failed, the slowest took ' \
                  f'{held[0]["max"] / 1e6:.1f} s'
    yield


@contextlib.contextmanager
def hanging(bench, node, row):
    with crowd(bench, node.port, "storm", 64, node.request("bad__hang")):
        reason = node.call("bad__hang")
        other = node.call("bad__small")
        yield
    row["seen"] = f"calls that hang: {reason}; others of that server: {other}"


@contextlib.contextmanager
def few_calls(bench, port, request):
    """Forty calls a second, by clients of which each is another every two seconds."""
    over = threading.Event()

    def calls():
        while not over.is_set():
            subprocess.run([bench.at("load"), str(port), "8", "2", "40", request], capture_output=True, check=False)

    thread = threading.Thread(target=calls)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def dying_elsewhere(bench, node):
    return few_calls(bench, bench.bare.port, node.request("small"))


@contextlib.contextmanager
def dying(bench, node, row):
    with few_calls(bench, node.port, node.request("bad__die")):
        reason = node.call("bad__die")
        yield
    start = time.monotonic()
    b.until("the server is called again", lambda: node.call("bad__small") == "ok", 60)
    row["seen"] = f"40 such calls a second: {reason}; others answered again after {time.monotonic() - start:.1f} s"


# Storms

@contextlib.contextmanager
def retries(bench, node, row):
    request = node.request("bad__refuse")
    with crowd(bench, node.port, "storm", 64, request, row=row):
        yield
    said = row["crowd"]
    row["seen"] = f'64 clients, {said["answers"] / said["seconds"]:,.0f} refused calls a second, {said["failures"]} connections lost'


@contextlib.contextmanager
def retries_elsewhere(bench, node):
    with crowd(bench, bench.bare.port, "storm", 64, node.request("small")):
        yield


LISTEN = '{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}'
# Reads what comes, and does nothing with it.
READER = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as server:
    server.sendall(b"POST /mcp HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(sys.argv[2]), sys.argv[2].encode()))
    room = bytearray(65536)
    while server.recv_into(room):
        pass
"""


@contextlib.contextmanager
def list_changes_elsewhere(bench, node):
    stormy = bench.faulty(100, FAULTY_STORM="1")
    reader = subprocess.Popen([sys.executable, "-c", READER, str(stormy.port), LISTEN])
    try:
        yield
    finally:
        stormy.end()
        reader.wait(10)


@contextlib.contextmanager
def list_changes(bench, node, row):
    stormy = bench.faulty(100, FAULTY_STORM="1")
    node.martlet("servers", "add", "stormy", "--url", f"http://127.0.0.1:{stormy.port}/mcp")
    yield
    node.martlet("servers", "remove", "stormy")
    stormy.end()
    row["seen"] = "one server that says it without pause"


def no_root():
    return None if os.geteuid() == 0 else "it wants root"


ALL = [
    Fault("half-open", "5,000 half-open and slow-header connections", half_open, usual, half_open_elsewhere),
    Fault("deaf", "clients that never read", deaf, usual, deaf_elsewhere),
    Fault("deaf-other", "clients that never read, at another server", deaf_at_another, usual, deaf_elsewhere),
    Fault("stream", "a stream of 1 GiB", stream, usual, stream_elsewhere),
    Fault("request", "a request of 1 GiB", large_request, usual, large_request_elsewhere),
    Fault("result", "a result of 100 MiB over the limit", large_result, usual, large_elsewhere),
    Fault("raised", "a result of 100 MiB, limit 256 MiB", large_result,
          special("raised", "limits: {message: 256MiB}", [lambda bench: server("bad", bench.bad.port)]), large_elsewhere, own=True),
    Fault("sessions", "1,000 legacy sessions at once", sessions, usual),
    Fault("descriptors", "RLIMIT_NOFILE 256", few_descriptors, special("few", prefix=("prlimit", "--nofile=256:256")), own=True),
    Fault("disk", "disk full", full_disk, on_small_disk, bound=2, after=disk_again, own=True, obstacle=no_root),
    Fault("stopped-server", "SIGSTOP of a server", stopped_backend, usual),
    Fault("stopped-node", "SIGSTOP of another node", stopped_node, two_nodes, own=True),
    Fault("stopped", "SIGSTOP of the node itself", stopped_itself, usual, asks=False),
    Fault("hang", "a server that hangs", hanging, usual),
    Fault("die", "a server that dies in the middle of calls", dying, usual, dying_elsewhere),
    Fault("retries", "retry storm", retries, usual, retries_elsewhere),
    Fault("changes", "list-change storm", list_changes, usual, list_changes_elsewhere),
]
