"""What both drivers here have in common: a real node, servers that misbehave, an honest load, and what they are watched by."""

import contextlib
import datetime
import http.client
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PAGE = os.path.join(ROOT, "docs/reference/load-figures.md")
START_MAX = 60  # seconds until something is ready
ANSWER_MAX = 5  # seconds that health and the admin surface may take before they count as silent
VERSION = "2026-07-28"
LEGACY = "2025-11-25"
HONEST_RATE, HONEST_CONNECTIONS = 200, 16


def until(what, is_so, within=START_MAX):
    end = time.monotonic() + within
    while True:
        found = is_so()
        if found:
            return found
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not so within {within} s")
        time.sleep(0.02)


class Bench:
    """What runs while it is measured; all of it ends with the bench."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="martlet-faults-")
        self.ending = contextlib.ExitStack()
        self.ending.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.binary = os.path.abspath(os.environ.get("MARTLET_BINARY") or os.path.join(ROOT, ".build/martlet"))
        path = os.path.join(ROOT, "Benchmarks/path")
        for tool, source in [("faulty", HERE), ("crowd", HERE), ("load", path), ("backend", path)]:
            subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", self.at(tool), os.path.join(source, f"{tool}.c")], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ending.close()

    def at(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.at(name), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return self.at(name)

    def start(self, command, **options):
        process = subprocess.Popen(command, text=True, **{"stdin": subprocess.DEVNULL, **options})

        def end():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

        process.end = end
        self.ending.callback(end)
        return process

    def faulty(self, tools=0, port=0, **environment):
        """A server that misbehaves on demand. Its process knows its port."""
        process = self.start(
            [self.at("faulty"), str(port), str(tools)], stdout=subprocess.PIPE, env=dict(os.environ, **environment))
        process.port = int(process.stdout.readline().split()[1])
        return process

    def crowd(self, port, way, count, seconds, *arguments):
        """Clients that are a burden; gives way to everybody else, as clients on other machines would."""
        return self.start(
            ["nice", "-n", "10", self.at("crowd"), str(port), way, str(count), str(seconds), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def node(self, name, servers, more="", mesh="none", prefix=(), data=None, arguments=(), key=True):
        folder = self.at(name)
        os.makedirs(os.path.join(folder, "run"), exist_ok=True)
        return Node(self, name, folder, f"""
node: {{name: {name}, segment: here}}
listen: {{mcp: "127.0.0.1:0", admin: "127.0.0.1:0", mesh: "{mesh}"}}
mesh: {{mdns: off}}
servers: {{{", ".join(servers)}}}
access: {{rules: [{{name: bench, allow: all, who: ["key:bench"]}}]}}
{more}
""", prefix, data or os.path.join(folder, "data"), arguments, key)

    def version(self):
        return subprocess.run([self.binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()


class Node:
    def __init__(self, bench, name, folder, configuration, prefix=(), data=None, arguments=(), key=True):
        self.bench, self.name, self.folder, self.data = bench, name, folder, data
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=os.path.join(folder, "run"))
        self.environment.pop("MARTLET_NODE", None)
        file = os.path.join(folder, "martlet.yaml")
        with open(file, "w", encoding="utf-8") as out:
            out.write(configuration)
        self.command = [*prefix, bench.binary, "up", "--config", file, "--data", data, *arguments]
        self.key = None
        self.seconds = self.begin()
        if key:
            self.key = self.martlet("token", "create", "bench")["token"]

    def begin(self):
        """Starts it. Returns the seconds until it answered that it is ready."""
        facts = os.path.join(self.data, "node.json")
        with contextlib.suppress(FileNotFoundError):
            os.remove(facts)
        log = open(os.path.join(self.folder, "log"), "w", encoding="utf-8")
        start = time.monotonic()
        self.process = self.bench.start(self.command, env=self.environment, stdout=subprocess.PIPE, stderr=log)
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"node {self.name} ended: {open(log.name, encoding='utf-8').read()}")
            if "Next:" in line:
                break
        seconds = time.monotonic() - start
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        with open(facts, encoding="utf-8") as file:
            said = json.load(file)
        self.port, self.admin_port = (int(said[what].rpartition(":")[2]) for what in ("mcp", "admin"))
        with open(os.path.join(self.data, "admin.token"), encoding="utf-8") as file:
            self.token = file.read().strip()
        return seconds

    def martlet(self, *command):
        done = subprocess.run(
            [self.bench.binary, *command, "--json"], env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise SystemExit(f"martlet {' '.join(command)} at {self.name}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def ask(self, port, path, timeout=ANSWER_MAX, body=None, **headers):
        """Status, body and seconds of an answer; None where there was none."""
        start = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request("POST" if body is not None else "GET", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), time.monotonic() - start
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def health(self):
        said = self.ask(self.port, "/healthz")
        return said and said[0] == 200 and said[2]

    def admin(self, path="/v1/status", body=None):
        said = self.ask(self.admin_port, path, body=body, Authorization=f"Bearer {self.token}")
        return json.loads(said[1]) if said and said[0] == 200 else None

    def has(self, tool):
        return any(entry["name"] == tool and entry["state"] == "available"
                   for entry in self.martlet("catalog", "search", "--limit", "1000").get("entries", []))

    def headers(self, tool, method="tools/call", version=VERSION):
        modern = {"Mcp-Method": method, "Mcp-Name": tool} if version == VERSION else {}
        if not tool:
            modern.pop("Mcp-Name", None)
        return {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json",
                "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": version, **modern,
                **({"Authorization": f"Bearer {self.key}"} if self.key else {})}

    def body(self, tool, text="x" * 100, method="tools/call", **meta):
        params = {"_meta": {
            "io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "faults", "version": "1"}, **meta}}
        if tool:
            params |= {"name": tool, "arguments": {"text": text}}
        return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, separators=(",", ":"))

    def request(self, tool, **options):
        """A request as it goes over the wire, in a file."""
        body = self.body(tool, **options)
        name = f"{self.name}-{tool}-{options.get('method', 'call')}".replace("/", "-")
        return self.bench.write(name, wire(self.headers(tool, options.get("method", "tools/call")), body))

    def call(self, tool, timeout=30, **options):
        """A call's answer, or the reason of its error."""
        said = self.ask(self.port, "/mcp", timeout, self.body(tool, **options), **self.headers(tool))
        if said is None:
            return "no answer"
        text = said[1].rsplit(b"data:", 1)[-1] if said[1].startswith((b"event:", b"data:", b":", b"id:")) else said[1]
        try:
            answer = json.loads(text)
        except ValueError:
            return f"HTTP {said[0]}"
        if "error" in answer:
            return answer["error"].get("data", {}).get("reason") or answer["error"]["message"]
        return "ok" if "result" in answer else f"HTTP {said[0]}"

    def memory(self):
        """Anonymous and resident memory, MB."""
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="utf-8") as file:
            rows = dict(line.split(":", 1) for line in file if ":" in line and "kB" in line)
        return tuple(int(rows[name].split()[0]) * 1024 / 1e6 for name in ("Anonymous", "Rss"))

    def processor(self):
        """Nanoseconds that its threads have run."""
        total = 0
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{self.process.pid}/task/{thread}/schedstat", encoding="utf-8") as file:
                total += int(file.read().split()[0])
        return total

    def load(self, seconds, tool="good__small", rate=None, connections=HONEST_CONNECTIONS, request=None, mark="xxxx"):
        """The honest load, and what it saw. It goes before others at the processor: what it measures shall be the node, not itself."""
        rate = HONEST_RATE if rate is None else rate
        done = subprocess.run(
            ["nice", "-n", "-10", self.bench.at("load"), str(self.port), str(connections), str(seconds), str(rate),
             request or self.request(tool), mark],
            capture_output=True, text=True, timeout=seconds + 60, check=False)
        if done.returncode != 0:
            return {"answers": 0, "failures": seconds * rate, "p50": float("inf"), "p99": float("inf"), "max": float("inf"),
                    "why": done.stderr.strip()}
        return json.loads(done.stdout)


def wire(headers, body):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /mcp HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n{body}"


class Watch:
    """Looks at a node four times a second: its memory, and whether health and the admin surface answer."""

    def __init__(self, node, asks=True):
        self.node, self.asks = node, asks
        self.peak, self.asked, self.silent, self.slowest = node.memory()[0], 0, 0, 0.0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.look)] + ([threading.Thread(target=self.question)] if asks else [])

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def look(self):
        while not self.over.wait(0.1):
            with contextlib.suppress(OSError):
                self.peak = max(self.peak, self.node.memory()[0])

    def question(self):
        while not self.over.wait(0.25):
            for ask in (self.node.health, self.node.admin):
                start = time.monotonic()
                self.asked += 1
                if not ask():
                    self.silent += 1
                self.slowest = max(self.slowest, time.monotonic() - start)


def loads(node, windows, seconds):
    """The honest load in several windows."""
    return [node.load(seconds) for _ in range(windows)]


def medians(said):
    """Of their percentiles, and all failures."""
    return {"p50": statistics.median(one["p50"] for one in said), "p99": statistics.median(one["p99"] for one in said),
            "failures": sum(int(one["failures"]) for one in said), "answers": sum(one["answers"] for one in said)}


def write_page(marks, table, how, version, note=""):
    """Puts a table between its marks in the page of figures."""
    with open(PAGE, encoding="utf-8") as file:
        before, rest = file.read().split(f"<!-- {marks}: begin -->", 1)
    system = f"{os.cpu_count()} cores, {platform.system()} {re.sub(r'-.*', '', platform.release())} {platform.machine()}"
    head = f"Written by `{how}` on {datetime.date.today().isoformat()} with {version}: {system}, load average {os.getloadavg()[1]:.1f}{note and '; ' + note}."
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(f"{before}<!-- {marks}: begin -->\n\n{head}\n\n{table}\n\n<!-- {marks}: end -->"
                   + rest.split(f"<!-- {marks}: end -->", 1)[1])
